/** A curriculum: begin with short samples, grow when they are mastered, then cut them finer. */
import { MemgradError } from '../errors.js';
import { check, checkOptions, finite, needed, requireThat, share, whole } from '../options.js';
import type { Task } from '../tasks/task.js';

/** Options of a curriculum. */
export interface CurriculumOptions {
  /** Length of the first samples. */
  start: number;
  /** How much longer they get each time. Whole segments keep what was learnt about offsets. */
  by: number;
  /**
   * Segment lengths to begin with, from the longest on. Once samples have their full length, mastering them
   * leads on to the next of these, and at last to the training's own: so what can be learnt within
   * one segment is learnt before it has to pass through memory. Default: none.
   */
  cuts?: readonly number[];
  /** Accuracy, averaged over the last `window` steps, at which it goes on. Default 0.97. */
  at?: number;
  /** Default 10. */
  window?: number;
}

/** Where a curriculum stands. */
export interface CurriculumState {
  /** The present length. */
  readonly length: number;
  /** How many of the `cuts` are still ahead, the present one among them. */
  readonly cutsLeft: number;
  /** The accuracies since it last went on that are still looked at, oldest first. */
  readonly recent: readonly number[];
}

/** Lets a task grow from `start` to its own length, and its segments shrink to those of the training. */
export class Curriculum {
  /** The task at the present length. */
  task: Task;
  /** What is left of the cuts, the present one first. */
  #cuts: readonly number[];
  readonly #recent: number[] = [];
  readonly #options: Required<CurriculumOptions>;

  /** Throws `MemgradError` for lengths or cuts that are no whole numbers >= 1, cuts that don't fall, or a threshold outside (0, 1]. */
  constructor(
    readonly target: Task,
    options: CurriculumOptions,
  ) {
    const grows = typeof target?.withLength === 'function';
    requireThat(grows, 'curriculum: the task', 'one whose samples have a length', target);
    checkOptions('curriculum', options, {
      start: needed(whole()),
      by: needed(whole()),
      cuts: ['a list', Array.isArray],
      at: share,
      window: whole(),
    });
    const { start, by, cuts = [], at = 0.97, window = 10 } = options;
    for (const [i, cut] of cuts.entries()) {
      check('curriculum: each of cuts', cut, whole());
      if (i === 0 || cut < cuts[i - 1]) continue;
      throw new MemgradError(
        `curriculum: each of cuts must be shorter than the one before, got ${cut} after ${cuts[i - 1]}.`,
      );
    }
    this.#options = { start, by, cuts: [...cuts], at, window };
    this.#cuts = [...cuts];
    this.task = target.withLength(Math.min(start, target.length));
  }

  /** Tokens to a segment at present; undefined where it is the training that says. */
  get segmentLength(): number | undefined {
    return this.#cuts.at(0);
  }

  /** Takes note of a step's accuracy and goes on when it is time. */
  observe(accuracy: number): void {
    check('curriculum: accuracy', accuracy, finite);
    const { by, at, window } = this.#options;
    this.#recent.push(accuracy);
    if (this.#recent.length > window) this.#recent.shift();
    const mean = this.#recent.reduce((sum, value) => sum + value, 0) / window;
    if (this.#recent.length < window || mean < at) return;
    const { length } = this.target;
    if (this.task.length < length) {
      this.task = this.target.withLength(Math.min(this.task.length + by, length));
    } else if (this.#cuts.length > 0) {
      this.#cuts = this.#cuts.slice(1);
    } else return;
    this.#recent.length = 0;
  }

  /** Where it stands now, for saving. */
  state(): CurriculumState {
    return { length: this.task.length, cutsLeft: this.#cuts.length, recent: [...this.#recent] };
  }

  /** Goes on from a saved state. Throws `MemgradError` for one that these options never lead to. */
  restore(state: CurriculumState): void {
    const { length, cutsLeft, recent } = state ?? {};
    check('curriculum: the saved length', length, whole());
    check('curriculum: the saved cutsLeft', cutsLeft, whole(0));
    requireThat(Array.isArray(recent), 'curriculum: the saved accuracies', 'a list', recent);
    const { start, by, cuts, window } = this.#options;
    const first = Math.min(start, this.target.length);
    const reached =
      length === this.target.length ||
      (length >= first && length < this.target.length && (length - first) % by === 0);
    const cut =
      cutsLeft === cuts.length || (cutsLeft < cuts.length && length === this.target.length);
    if (!reached || !cut || recent.length > window) {
      throw new MemgradError(
        `curriculum: the saved one has length ${length}, ${cutsLeft} cuts left and ${recent.length} accuracies, expected a length that begins with ${first}, grows by ${by} up to ${this.target.length}, only then less than ${cuts.length} cuts, and at most ${window} accuracies.`,
      );
    }
    this.#cuts = cuts.slice(cuts.length - cutsLeft);
    this.task = this.target.withLength(length);
    this.#recent.splice(0, this.#recent.length, ...recent);
  }
}
