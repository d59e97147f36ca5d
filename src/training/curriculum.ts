/** A curriculum over length: begin with short samples, grow when they are mastered. */
import { MemgradError, requireWhole } from '../errors.js';
import type { Task } from '../tasks/task.js';

/** Options of a curriculum. */
export interface CurriculumOptions {
  /** Length of the first samples. */
  start: number;
  /** How much longer they get each time. Whole segments keep what was learnt about offsets. */
  by: number;
  /** Accuracy, averaged over the last `window` steps, at which they grow. Default 0.97. */
  at?: number;
  /** Default 10. */
  window?: number;
}

/** Where a curriculum stands. */
export interface CurriculumState {
  /** The present length. */
  readonly length: number;
  /** The accuracies at this length that are still looked at, oldest first. */
  readonly recent: readonly number[];
}

/** Lets a task grow from `start` to its own length. */
export class Curriculum {
  /** The task at the present length. */
  task: Task;
  readonly #recent: number[] = [];
  readonly #options: Required<CurriculumOptions>;

  /** Throws `MemgradError` for lengths that are no whole numbers >= 1, or a threshold outside (0, 1]. */
  constructor(
    readonly target: Task,
    { start, by, at = 0.97, window = 10 }: CurriculumOptions,
  ) {
    for (const [name, value] of Object.entries({ start, by, window })) {
      requireWhole('curriculum', name, value);
    }
    if (!(at > 0 && at <= 1)) {
      throw new MemgradError(`curriculum: the accuracy to grow at must lie in (0, 1], got ${at}.`);
    }
    this.#options = { start, by, at, window };
    this.task = target.withLength(Math.min(start, target.length));
  }

  /** Takes note of a step's accuracy and grows the task when it is time. */
  observe(accuracy: number): void {
    const { by, at, window } = this.#options;
    this.#recent.push(accuracy);
    if (this.#recent.length > window) this.#recent.shift();
    const mean = this.#recent.reduce((sum, value) => sum + value, 0) / window;
    if (this.task.length >= this.target.length || this.#recent.length < window || mean < at) return;
    this.task = this.target.withLength(Math.min(this.task.length + by, this.target.length));
    this.#recent.length = 0;
  }

  /** Where it stands now, for saving. */
  state(): CurriculumState {
    return { length: this.task.length, recent: [...this.#recent] };
  }

  /** Goes on from a saved state. Throws `MemgradError` for one that these options never lead to. */
  restore({ length, recent }: CurriculumState): void {
    const { start, by, window } = this.#options;
    const first = Math.min(start, this.target.length);
    const reached =
      length === this.target.length ||
      (length >= first && length < this.target.length && (length - first) % by === 0);
    if (!reached || recent.length > window) {
      throw new MemgradError(
        `curriculum: the saved one has length ${length} and ${recent.length} accuracies, expected a length that begins with ${first}, grows by ${by} up to ${this.target.length}, and at most ${window} accuracies.`,
      );
    }
    this.task = this.target.withLength(length);
    this.#recent.splice(0, this.#recent.length, ...recent);
  }
}
