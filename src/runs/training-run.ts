/** A run being trained: begun or resumed, saved on the way. */
import type { Backend } from '../backends/backend.js';
import { MemgradError, NotFinite } from '../errors.js';
import type { SegmentModel } from '../models/index.js';
import { backendKind, checkOptions, type OptionNames } from '../options.js';
import type { Task } from '../tasks/index.js';
import { type TrainOptions, type TrainStep, train } from '../training/index.js';
import { buildModel, buildTask, buildTraining } from './build.js';
import {
  assignAll,
  claimFiles,
  removeLater,
  removeOthers,
  restoreCheckpoint,
  type StoredTensors,
  saveCheckpoint,
} from './checkpoint.js';
import { type Changeable, checkRunConfig, type RunConfig } from './config.js';
import {
  CONFIG_FILE,
  METRICS_FILE,
  readConfig,
  requireEmpty,
  type TrainerState,
  wholeCheckpoints,
  writeJson,
} from './files.js';
import { requireMemory } from './memory.js';
import { RecentSteps } from './recent-steps.js';
import { changed } from './resume-config.js';
import { advised, chosen, readModel, requireNothingLost } from './resume-from.js';
import { RunLog } from './run-log.js';
import { type RunLock, type RunStorage, requireStorage } from './storage.js';

/** How a run is trained; none of it changes what comes of it. */
export interface TrainingRunOptions
  extends Pick<TrainOptions, 'signal' | 'checkFinite' | 'onProgress'> {}

const trainingRunOptions: OptionNames<TrainingRunOptions> = {
  signal: 1,
  checkFinite: 1,
  onProgress: 1,
};

/** How a run is resumed. What is left out stays as the run has it. */
export interface ResumeOptions extends Changeable {
  backend?: Backend;
  /**
   * After which checkpoint to go on: the best one, or that of a step, or 0 to begin again. What
   * came after it is removed. Default: the last one.
   */
  from?: 'best' | number;
  steps?: number;
  /** Null for none. */
  stopAt?: number | null;
}

const resumeOptions: OptionNames<ResumeOptions> = {
  backend: backendKind,
  from: 1,
  steps: 1,
  stopAt: 1,
  learningRate: 1,
  clip: 1,
  schedule: 1,
  nonFinite: 1,
};

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
  /** What the user should know, in sentences: what was lost of a run that is resumed. */
  readonly notes: string[] = [];
  readonly #lock: RunLock | undefined;
  readonly #training: TrainOptions;
  readonly #recent: RecentSteps;
  #best: TrainerState['best'] = null;
  /** The last step that is saved. */
  #saved = 0;
  readonly #log: RunLog | undefined;

  private constructor(
    readonly config: RunConfig,
    readonly storage: RunStorage | undefined,
    backend: Backend | undefined,
    lock: RunLock | undefined,
  ) {
    this.task = buildTask(config);
    requireMemory(config, this.task, backend?.name ?? config.backend);
    this.#recent = new RecentSteps(this.task, config.training.batchSize);
    this.#lock = lock;
    this.#log = storage && new RunLog(storage, this.notes);
    if (lock?.note) this.notes.push(lock.note);
    this.model = buildModel(config, backend);
    try {
      this.#training = buildTraining(config, { model: this.model, task: this.task, backend });
    } catch (error) {
      this.model.dispose();
      throw error;
    }
  }

  /**
   * A new run; with `storage`, one that is saved there, which is locked until `dispose`. Throws
   * `MemgradError` where there is anything already, and for sizes that no memory holds.
   */
  static async start(
    config: RunConfig,
    options: { storage?: RunStorage; backend?: Backend } = {},
  ): Promise<TrainingRun> {
    checkOptions('TrainingRun.start', options, { storage: 1, backend: backendKind });
    const { storage, backend } = options;
    checkRunConfig(config); // what is written can be read
    if (storage !== undefined) requireStorage('TrainingRun.start', storage);
    return locked(storage, async (lock) => {
      const names = (await storage?.list()) ?? [];
      if (names.includes(CONFIG_FILE)) {
        throw new MemgradError(
          `There is a run already (${CONFIG_FILE}), which is not overwritten; choose another place or resume it.`,
        );
      }
      requireEmpty('The place for the run', names);
      const run = new TrainingRun(config, storage, backend, lock);
      try {
        if (storage) await writeJson(storage, CONFIG_FILE, config);
        return run;
      } catch (error) {
        run.dispose();
        throw error;
      }
    });
  }

  /**
   * Goes on with a saved run, which is locked until `dispose`; after its last whole checkpoint, or
   * from its start when there is none, unless `from` says otherwise. Other settings hold from there
   * on, and `history` in the configuration keeps the earlier ones. What a crash left behind is
   * removed: metrics of later steps, and checkpoints half written. Throws `MemgradError` for files
   * that don't belong together; they and memory are then as before.
   */
  static async resume(storage: RunStorage, options: ResumeOptions = {}): Promise<TrainingRun> {
    requireStorage('TrainingRun.resume', storage);
    checkOptions('TrainingRun.resume', options, resumeOptions);
    return locked(storage, async (lock) => {
      const saved = await readConfig(storage);
      const names = await storage.list();
      const step = await chosen(storage, names, options.from);
      const config = checkRunConfig(changed(saved, step, options), 'the configuration');
      const model = step > 0 ? await readModel(storage, step, config, names) : undefined;
      const run = new TrainingRun(config, storage, options.backend, lock);
      try {
        if (model) {
          await run.#restore(step, names, model);
        } else if (options.from === undefined) {
          await requireNothingLost(storage, config);
        }
        await claimFiles(storage);
        await removeLater(storage, step);
        await run.#log?.cut();
        await removeOthers(storage, { step, best: run.#best });
        if (JSON.stringify(config) !== JSON.stringify(saved)) {
          await writeJson(storage, CONFIG_FILE, config);
        }
        return run;
      } catch (error) {
        run.dispose();
        throw error;
      }
    });
  }

  async #restore(step: number, names: readonly string[], model: StoredTensors): Promise<void> {
    const storage = this.storage as RunStorage;
    const newSchedule = this.config.history !== undefined;
    const state = await advised(names, step, () => {
      assignAll(this.model.parameters(), model);
      return restoreCheckpoint(storage, this.#training, step, { newSchedule });
    });
    const { last, lost } = await (this.#log as RunLog).read(step, this.#recent.window);
    const own = this.config.training.segmentLength;
    for (const { loss, accuracy, segmentLength = own, ...line } of last) {
      this.#recent.add({ ...line, loss: loss ?? NaN, accuracy: accuracy ?? NaN, segmentLength });
    }
    if (lost > 0) {
      this.notes.push(
        `${METRICS_FILE} lacks ${lost} of the last ${Math.min(step, this.#recent.window)} steps, or cannot be read there; their losses are lost, and nothing else.`,
      );
    }
    this.step = step;
    this.seconds = state.seconds;
    this.#saved = step;
    const { best } = state;
    this.#best = best && wholeCheckpoints(names).includes(best.step) ? best : null;
  }

  /**
   * The steps after which a checkpoint is kept, in order, and the one to go on `from` after a step
   * that is not finite. It is the best or the last one before the parameters that this step met:
   * with those the step stays as it is, whatever the learning rate.
   */
  async checkpoints(): Promise<{ steps: readonly number[]; from: 'best' | number }> {
    const steps = wholeCheckpoints((await this.storage?.list()) ?? []);
    const earlier = steps.filter((step) => step < this.#changed);
    const isBest = this.#best !== null && earlier.includes(this.#best.step);
    return { steps, from: isBest ? 'best' : (earlier.at(-1) ?? 0) };
  }

  /** The last step that changed the parameters: those after it were skipped. */
  get #changed(): number {
    return this.step - this.#recent.skipped;
  }

  /** Whether there is nothing left to train: all steps are taken, or `stopAt` is reached. */
  get finished(): boolean {
    const { steps, stopAt, segmentLength } = this.config.training;
    if (this.step >= steps) return true;
    return stopAt !== null && this.#recent.accuracyAt(this.task.length, segmentLength) >= stopAt;
  }

  /**
   * Trains, step by step, and saves every `saveEvery` steps, or when the next one is not skipped, and
   * at the end, however it comes: with the last step, by the signal, because the caller leaves, or by
   * a step that throws, which has changed nothing. Throws `NotFinite` for a step that is not finite;
   * where those are skipped, when all steps that are judged together were. The state before is saved then, but never as the best.
   */
  async *train(options: TrainingRunOptions = {}): AsyncGenerator<TrainStep, void, void> {
    checkOptions('TrainingRun.train', options, trainingRunOptions);
    const { saveEvery } = this.config.training;
    if (this.finished) return;
    let started = performance.now();
    let failed: unknown;
    try {
      for await (const step of train({ ...this.#training, ...options, stepsTaken: this.step })) {
        const changed = this.#changed;
        this.step = step.step;
        this.seconds += (performance.now() - started) / 1000;
        this.#recent.add(step);
        await this.#log?.add(step);
        if (this.#recent.isFull) this.#recent.requireLife();
        // Not after a skipped step: the same parameters would replace an earlier checkpoint.
        const due = Math.floor(step.step / saveEvery) > Math.floor(changed / saveEvery);
        if (due && step.skipped === undefined) await this.save();
        yield step;
        if (this.finished) break;
        started = performance.now(); // saving and the caller take time that is not the step's
      }
      if (this.step === this.config.training.steps) this.#recent.requireLife();
    } catch (error) {
      failed = error;
      throw error;
    } finally {
      await this.#saveAtEnd(failed);
    }
  }

  /** What ended the training is the failure to tell; that the steps before could not be saved is told with it. */
  async #saveAtEnd(failed: unknown): Promise<void> {
    try {
      await this.#save(!(failed instanceof NotFinite));
    } catch (error) {
      const [first, second] = [failed, error].map((e) => (e instanceof Error ? e.message : `${e}`));
      if (failed === undefined) throw error;
      if (!(failed instanceof MemgradError) || first === second) return;
      failed.message += ` The steps since the last checkpoint could not be saved: ${second}`;
    }
  }

  /** Whether nothing that was learnt is unsaved; true as well for a run that is kept nowhere. */
  get isSaved(): boolean {
    return !this.storage || this.step === this.#saved;
  }

  /** Saves the run as it is now, unless it is saved already or is kept nowhere. */
  save(): Promise<void> {
    return this.#save(true);
  }

  /** Without `judge`, for a run that diverged: what is saved is never the best, nor saved again. */
  async #save(judge: boolean): Promise<void> {
    const { storage, step, seconds } = this;
    if (!storage || step === this.#saved) return;
    await this.#lock?.check();
    const best = judge ? this.#recent.judged(step, this.#best) : this.#best;
    await this.#log?.write(step);
    if (!judge && this.#saved > 0 && this.#saved >= this.#changed) return;
    await saveCheckpoint(storage, this.#training, { step, seconds, best });
    this.#best = best;
    this.#saved = step;
  }

  /** Frees the model and the moments, and lets others train the run. */
  dispose(): void {
    this.model.dispose();
    this.#training.optimizer.dispose();
    this.#lock?.release();
  }
}

/** What `use` returns, with the lock of `storage`, which stays held unless it throws. */
async function locked<T>(
  storage: RunStorage | undefined,
  use: (lock: RunLock | undefined) => Promise<T>,
): Promise<T> {
  const lock = await storage?.lock?.();
  try {
    return await use(lock);
  } catch (error) {
    lock?.release();
    throw error;
  }
}
