/** The last steps of a run, by which the end of a training and its best checkpoint are judged. */
import { Key } from '../autograd/index.js';
import { NotFinite } from '../errors.js';
import { IGNORED, type Task } from '../tasks/index.js';
import type { TrainStep } from '../training/index.js';
import type { TrainerState } from './files.js';

/** How many answer tokens are judged together, over at least and at most how many steps. */
const JUDGED = { tokens: 5000, fewestSteps: 10, mostSteps: 50 };

/** The part of a step that is remembered. */
export type Recent = Pick<TrainStep, 'loss' | 'accuracy' | 'length' | 'segmentLength' | 'skipped'>;

type Best = TrainerState['best'];

/** The last steps of a run, as many as are judged together. */
export class RecentSteps {
  /** How many steps are judged together. */
  readonly window: number;
  readonly #steps: Recent[] = [];

  constructor(task: Task, batchSize: number) {
    this.window = judgedSteps(task, batchSize);
  }

  /** Remembers a step, and drops the oldest beyond `window`. */
  add({ loss, accuracy, length, segmentLength, skipped }: Recent): void {
    this.#steps.push({ loss, accuracy, length, segmentLength, skipped });
    if (this.#steps.length > this.window) this.#steps.shift();
  }

  get isFull(): boolean {
    return this.#steps.length === this.window;
  }

  /** How many of the last steps in a row were skipped. */
  get skipped(): number {
    const changed = [...this.#steps].reverse().findIndex((step) => step.skipped === undefined);
    return changed < 0 ? this.#steps.length : changed;
  }

  /**
   * The mean accuracy of a full window of steps at `length` and `segmentLength`; NaN while there
   * are fewer.
   */
  accuracyAt(length: number, segmentLength: number): number {
    const same = this.#steps.filter(
      (step) => step.length === length && step.segmentLength === segmentLength,
    );
    return same.length === this.window ? mean(same, 'accuracy') : Number.NaN;
  }

  /** Throws `NotFinite` if every remembered step was skipped. */
  requireLife(): void {
    if (this.skipped < this.#steps.length) return;
    throw new NotFinite(
      `All of the last ${this.#steps.length} steps were skipped, since their losses or gradients were not finite, so the model learns no more. Lower the learning rate or clip gradients.`,
    );
  }

  /**
   * The best checkpoint if one is made now, after `step`. Only losses of equally hard samples are
   * compared; a checkpoint on harder samples is always better.
   */
  judged(step: number, best: Best): Best {
    const now = this.#steps[this.#steps.length - 1];
    const { length, segmentLength } = now;
    const same = this.#steps.filter((other) => !isHarder(now, other) && !isHarder(other, now));
    const loss = mean(same, 'loss');
    const better = !best || isHarder(now, best) || (!isHarder(best, now) && loss < best.loss);
    return Number.isFinite(loss) && better ? { step, length, segmentLength, loss } : best;
  }
}

/** Ten batches are enough where answers are long, but not where each is one token. */
function judgedSteps(task: Task, batchSize: number): number {
  const { tokens, fewestSteps, mostSteps } = JUDGED;
  const { targets } = task.batch(Key.of(0), 1, 'train');
  const answers = batchSize * targets.filter((target) => target !== IGNORED).length;
  return Math.min(Math.max(Math.ceil(tokens / answers), fewestSteps), mostSteps);
}

type Difficulty = Pick<NonNullable<Best>, 'length' | 'segmentLength'>;

/** Whether a curriculum reaches `a` after `b`: longer samples, or the same in shorter segments. */
function isHarder(a: Difficulty, b: Difficulty): boolean {
  if (a.length !== b.length) return a.length > b.length;
  return (a.segmentLength ?? Infinity) < (b.segmentLength ?? Infinity);
}

function mean(steps: readonly Recent[], field: 'loss' | 'accuracy'): number {
  return steps.reduce((sum, step) => sum + step[field], 0) / steps.length;
}
