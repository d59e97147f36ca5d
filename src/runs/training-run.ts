/** A run being trained: begun or resumed, saved on the way. */
import { Key } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { SegmentModel } from '../models/index.js';
import { IGNORED, type Task } from '../tasks/index.js';
import { type TrainOptions, type TrainStep, train } from '../training/index.js';
import { buildModel, buildTask, buildTraining } from './build.js';
import {
  assignAll,
  checkSize,
  readTensors,
  removeOthers,
  restoreCheckpoint,
  saveCheckpoint,
} from './checkpoint.js';
import { checkRunConfig, type RunConfig } from './config.js';
import {
  CONFIG_FILE,
  METRICS_FILE,
  MODEL_FILE,
  readConfig,
  type TrainerState,
  wholeCheckpoints,
  writeJson,
} from './files.js';
import { metricsLine, readMetrics } from './metrics.js';
import type { RunStorage } from './storage.js';

/** How many answer tokens `stopAt` and the best checkpoint are judged by, and in how many steps at least and at most. */
const JUDGED = { tokens: 5000, fewestSteps: 10, mostSteps: 50 };

/** What is remembered of a step. */
type Recent = Pick<TrainStep, 'loss' | 'accuracy' | 'length' | 'segmentLength'>;

/** How a run is trained; none of it changes what comes of it. */
export interface TrainingRunOptions extends Pick<TrainOptions, 'signal' | 'checkFinite'> {}

/**
 * A run in training. What it draws depends on its seed and the step alone, so a run that is saved,
 * killed and resumed goes on to the bit as if nothing had happened.
 */
export class TrainingRun {
  readonly model: SegmentModel;
  readonly task: Task;
  /** Steps taken. */
  step = 0;
  /** What they took, those before it was resumed too. */
  seconds = 0;
  readonly #training: TrainOptions;
  /** How many steps are judged together. */
  readonly #window: number;
  #recent: Recent[] = [];
  #best: TrainerState['best'] = null;
  /** The last step that is saved, and the bytes of metrics up to it. */
  #saved = 0;
  #metricsBytes = 0;
  #unsaved = '';

  private constructor(
    readonly config: RunConfig,
    readonly storage: RunStorage | undefined,
    backend: Backend | undefined,
  ) {
    this.task = buildTask(config);
    this.model = buildModel(config, backend);
    this.#window = judgedSteps(this.task, config.training.batchSize);
    this.#training = buildTraining(config, { model: this.model, task: this.task, backend });
  }

  /** A new run; with `storage`, one that is saved there. Throws `MemgradError` where there is a run already. */
  static async start(
    config: RunConfig,
    { storage, backend }: { storage?: RunStorage; backend?: Backend } = {},
  ): Promise<TrainingRun> {
    checkRunConfig(config, 'the configuration'); // what is written can be read
    const names = (await storage?.list()) ?? [];
    if (names.includes(CONFIG_FILE)) {
      throw new MemgradError(
        `There is a run already (${CONFIG_FILE}), which is not overwritten; choose another place or resume it.`,
      );
    }
    const run = new TrainingRun(config, storage, backend);
    if (storage) await writeJson(storage, CONFIG_FILE, config);
    return run;
  }

  /**
   * Goes on with a saved run after its last whole checkpoint, or from its start when there is none;
   * `steps` and `stopAt` (null for none) replace those of its configuration. What a crash left behind is removed:
   * metrics of later steps, and checkpoints half written. Throws `MemgradError` for files that
   * don't belong together; they and memory are then as before.
   */
  static async resume(
    storage: RunStorage,
    { backend, ...end }: { backend?: Backend; steps?: number; stopAt?: number | null } = {},
  ): Promise<TrainingRun> {
    const saved = await readConfig(storage);
    const { steps = saved.training.steps, stopAt = saved.training.stopAt } = end;
    const training = { ...saved.training, steps, stopAt };
    const config = checkRunConfig({ ...saved, training }, 'the configuration');
    const names = await storage.list();
    const step = wholeCheckpoints(names).at(-1);
    const model = step && (await readTensors(storage, step, MODEL_FILE));
    if (model) checkSize(config, model);
    const run = new TrainingRun(config, storage, backend);
    try {
      if (step && model) {
        assignAll(run.model.parameters(), model);
        await run.#restore(step);
      }
      if (names.includes(METRICS_FILE)) {
        await storage.append(METRICS_FILE, new Uint8Array(), run.#metricsBytes);
      }
      await removeOthers(storage, { step: run.step, best: run.#best });
      if (steps !== saved.training.steps || stopAt !== saved.training.stopAt) {
        await writeJson(storage, CONFIG_FILE, config);
      }
    } catch (error) {
      run.dispose();
      throw error;
    }
    return run;
  }

  async #restore(step: number): Promise<void> {
    const storage = this.storage as RunStorage;
    const { seconds, best } = await restoreCheckpoint(storage, this.#training, step);
    const { last, bytes } = readMetrics(await storage.read(METRICS_FILE), step, this.#window);
    const own = this.config.training.segmentLength;
    for (const { loss, accuracy, length, segmentLength = own } of last) {
      this.#note({ loss: loss ?? NaN, accuracy: accuracy ?? NaN, length, segmentLength });
    }
    this.step = step;
    this.seconds = seconds;
    this.#saved = step;
    this.#best = best;
    this.#metricsBytes = bytes;
  }

  /** Whether there is nothing left to train: all steps are taken, or `stopAt` is reached. */
  get finished(): boolean {
    const { steps, stopAt, segmentLength } = this.config.training;
    if (this.step >= steps) return true;
    const last = this.#recent.filter(
      (step) => step.length === this.task.length && step.segmentLength === segmentLength,
    );
    return stopAt !== null && last.length === this.#window && mean(last, 'accuracy') >= stopAt;
  }

  /**
   * Trains, step by step, and saves every `saveEvery` steps and at the end, however it comes: with
   * the last step, by the signal, because the caller leaves, or by a step that throws, which has
   * changed nothing.
   */
  async *train(options: TrainingRunOptions = {}): AsyncGenerator<TrainStep, void, void> {
    const { saveEvery } = this.config.training;
    if (this.finished) return;
    let started = performance.now();
    try {
      for await (const step of train({ ...this.#training, ...options, stepsTaken: this.step })) {
        this.step = step.step;
        this.seconds += (performance.now() - started) / 1000;
        this.#note(step);
        if (this.storage) this.#unsaved += metricsLine(step);
        if (step.step % saveEvery === 0) await this.save();
        yield step;
        if (this.finished) break;
        started = performance.now(); // saving and the caller take time that is not the step's
      }
    } finally {
      await this.save();
    }
  }

  /** Saves the run as it is now, unless it is saved already or is kept nowhere. */
  async save(): Promise<void> {
    const { storage, step, seconds } = this;
    if (!storage || step === this.#saved) return;
    const best = this.#judged();
    const lines = new TextEncoder().encode(this.#unsaved);
    await storage.append(METRICS_FILE, lines, this.#metricsBytes);
    await saveCheckpoint(storage, this.#training, { step, seconds, best });
    this.#best = best;
    this.#saved = step;
    this.#metricsBytes += lines.length;
    this.#unsaved = '';
  }

  /** Frees the model and the moments. */
  dispose(): void {
    this.model.dispose();
    this.#training.optimizer.dispose();
  }

  #note({ loss, accuracy, length, segmentLength }: Recent): void {
    this.#recent.push({ loss, accuracy, length, segmentLength });
    if (this.#recent.length > this.#window) this.#recent.shift();
  }

  /** The best checkpoint when one is made now. The loss of harder samples is not held against them. */
  #judged(): TrainerState['best'] {
    const now = this.#recent[this.#recent.length - 1];
    const { length, segmentLength } = now;
    const same = this.#recent.filter((step) => !isHarder(now, step) && !isHarder(step, now));
    const loss = mean(same, 'loss');
    const best = this.#best;
    const better = !best || isHarder(now, best) || (!isHarder(best, now) && loss < best.loss);
    return Number.isFinite(loss) && better
      ? { step: this.step, length, segmentLength, loss }
      : best;
  }
}

/** Ten batches say much where answers are long, and little where each is one token. */
function judgedSteps(task: Task, batchSize: number): number {
  const { tokens, fewestSteps, mostSteps } = JUDGED;
  const { targets } = task.batch(Key.of(0), 1, 'train');
  const answers = batchSize * targets.filter((target) => target !== IGNORED).length;
  return Math.min(Math.max(Math.ceil(tokens / answers), fewestSteps), mostSteps);
}

type Difficulty = Pick<NonNullable<TrainerState['best']>, 'length' | 'segmentLength'>;

/** Whether a curriculum gets to `a` after `b`: longer samples, or the same in shorter segments. */
function isHarder(a: Difficulty, b: Difficulty): boolean {
  if (a.length !== b.length) return a.length > b.length;
  return (a.segmentLength ?? Infinity) < (b.segmentLength ?? Infinity);
}

function mean(steps: readonly Recent[], field: 'loss' | 'accuracy'): number {
  return steps.reduce((sum, step) => sum + step[field], 0) / steps.length;
}
