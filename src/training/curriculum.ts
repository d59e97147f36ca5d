/**
 * A curriculum: starts with short samples, lengthens them as they are mastered, then cuts them into
 * shorter segments.
 */
import { MemgradError } from '../errors.js';
import { check, checkOptions, finite, needed, requireThat, share, whole } from '../options.js';
import type { Task } from '../tasks/task.js';

/** Options of a curriculum. */
export interface CurriculumOptions {
  /** Length of the first samples. */
  start: number;
  /** By how much samples grow each time. Whole segments preserve what was learnt about offsets. */
  by: number;
  /**
   * Segment lengths to start with, longest first. Once samples have their full length, mastering
   * them moves on to the next of these, and finally to the segment length of the training. What can
   * be learnt within one segment is thus learnt before it has to pass through memory. Default:
   * none.
   */
  cuts?: readonly number[];
  /**
   * The accuracy, averaged over the last `window` steps, that advances the curriculum. Default
   * 0.97.
   */
  at?: number;
  /** Default 10. */
  window?: number;
}

/** The saved position of a curriculum. */
export interface CurriculumState {
  /** The current length. */
  readonly length: number;
  /** How many of the `cuts` are left, including the current one. */
  readonly cutsLeft: number;
  /** The accuracies since the last advance that the average still covers, oldest first. */
  readonly recent: readonly number[];
}

/**
 * Grows a task from `start` to its own length, then shrinks its segments to the training's segment
 * length.
 */
export class Curriculum {
  /** The task at the current length. */
  task: Task;
  /** The remaining cuts, the current one first. */
  #cuts: readonly number[];
  readonly #recent: number[] = [];
  readonly #options: Required<CurriculumOptions>;

  /**
   * Throws `MemgradError` for lengths or cuts that aren't whole numbers >= 1, cuts that don't
   * decrease, or a threshold outside (0, 1].
   */
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

  /** Tokens per segment now; undefined when the training's own segment length applies. */
  get segmentLength(): number | undefined {
    return this.#cuts.at(0);
  }

  /** Records a step's accuracy, and advances if the average is high enough. */
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

  /** The current position, for saving. */
  state(): CurriculumState {
    return { length: this.task.length, cutsLeft: this.#cuts.length, recent: [...this.#recent] };
  }

  /**
   * Continues from a saved state. Throws `MemgradError` for a state that these options never lead
   * to.
   */
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
        `curriculum: the saved state has length ${length}, ${cutsLeft} cuts left and ${recent.length} accuracies, expected a length from ${first} to ${this.target.length} in steps of ${by}, fewer than ${cuts.length} cuts only at full length, and at most ${window} accuracies.`,
      );
    }
    this.#cuts = cuts.slice(cuts.length - cutsLeft);
    this.task = this.target.withLength(length);
    this.#recent.splice(0, this.#recent.length, ...recent);
  }
}
