/** A run in training: begun or resumed, and saved on the way. */
import type { Backend } from '../backends/backend.js';
import { MemgradError, NotFinite } from '../errors.js';
import type { SegmentModel } from '../models/index.js';
import { backendKind, checkOptions, type OptionNames } from '../options.js';
import type { Task, TextTask } from '../tasks/index.js';
import { assignAll, type StoredTensors } from '../training/assign.js';
import { type TrainOptions, type TrainStep, train } from '../training/index.js';
import { buildModel, buildTask, buildTraining } from './build.js';
import {
  claimFiles,
  removeLater,
  removeOthers,
  restoreCheckpoint,
  saveCheckpoint,
} from './checkpoint.js';
import { checkRunConfig } from './config.js';
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
import type { Changeable, RunConfig } from './schema.js';
import { type RunLock, type RunStorage, requireStorage } from './storage.js';
import { checkText, readText, writeText } from './text.js';

/** How a run is trained; none of these options changes the result. */
export interface TrainingRunOptions
  extends Pick<TrainOptions, 'signal' | 'checkFinite' | 'onProgress'> {}

const trainingRunOptions: OptionNames<TrainingRunOptions> = {
  signal: 1,
  checkFinite: 1,
  onProgress: 1,
};

/** How a run is resumed. An option that is left out keeps its value in the run. */
export interface ResumeOptions extends Changeable {
  backend?: Backend;
  /**
   * The checkpoint to continue from: the best one, that of a step, or 0 to begin again. Later
   * checkpoints are removed. Default: the last one.
   */
  from?: 'best' | number;
  steps?: number;
  /** Null: never stop early. */
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
 * A run in training. Its random numbers depend only on its seed and the step, so a run that is
 * saved, killed and resumed has the same bits as one that was never interrupted.
 */
export class TrainingRun {
  readonly model: SegmentModel;
  /** Steps taken. */
  step = 0;
  /** Seconds of all steps, including those before the run was resumed. */
  seconds = 0;
  /** Sentences for the user: what was lost of a resumed run. */
  readonly notes: string[] = [];
  readonly #lock: RunLock | undefined;
  readonly #training: TrainOptions;
  readonly #recent: RecentSteps;
  #best: TrainerState['best'] = null;
  /** The last saved step. */
  #saved = 0;
  readonly #log: RunLog | undefined;

  private constructor(
    readonly config: RunConfig,
    /** A `TextTask` if the run is on a text. */
    readonly task: Task,
    readonly storage: RunStorage | undefined,
    backend: Backend | undefined,
    lock: RunLock | undefined,
  ) {
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
   * Begins a new run; one on a text needs the `text`, as `textConfig` was given it. With `storage`,
   * the run is saved there with its text, and the storage is locked until `dispose`. Throws `MemgradError` where the storage isn't empty, and for sizes that don't fit in
   * memory.
   */
  static async start(
    config: RunConfig,
    options: { storage?: RunStorage; backend?: Backend; text?: TextTask } = {},
  ): Promise<TrainingRun> {
    checkOptions('TrainingRun.start', options, { storage: 1, backend: backendKind, text: 1 });
    const { storage, backend, text } = options;
    checkRunConfig(config); // only a valid configuration is written
    await checkText(config, text);
    if (storage !== undefined) requireStorage('TrainingRun.start', storage);
    const task = fittingTask(config, text, backend); // before anything is written
    await storage?.prepare?.();
    return locked(storage, async (lock) => {
      const names = (await storage?.list()) ?? [];
      if (names.includes(CONFIG_FILE)) {
        throw new MemgradError(
          `There is a run already (${CONFIG_FILE}), which is not overwritten; choose another storage or resume it.`,
        );
      }
      requireEmpty('The storage', names);
      const run = new TrainingRun(config, task, storage, backend, lock);
      try {
        if (storage && text) await writeText(storage, text);
        if (storage) await writeJson(storage, CONFIG_FILE, config);
        return run;
      } catch (error) {
        run.dispose();
        throw error;
      }
    });
  }

  /**
   * Continues a saved run, which is locked until `dispose`: from its last whole checkpoint, from
   * its start when there is none, or from the checkpoint that `from` names. Other settings hold
   * from there on, and `history` in the configuration keeps the earlier ones. Removes what a crash
   * left behind: metrics of later steps, and incomplete checkpoints. Throws `MemgradError` for
   * files that don't belong together; files and memory are then unchanged.
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
      const text = await readText(storage, config);
      const task = fittingTask(config, text, options.backend);
      const run = new TrainingRun(config, task, storage, options.backend, lock);
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
        `${METRICS_FILE} lacks ${lost} of the last ${Math.min(step, this.#recent.window)} steps, or cannot be read there; only their losses are lost.`,
      );
    }
    this.step = step;
    this.seconds = state.seconds;
    this.#saved = step;
    const { best } = state;
    this.#best = best && wholeCheckpoints(names).includes(best.step) ? best : null;
  }

  /**
   * The steps of the kept checkpoints, in order, and the one to continue `from` after a step that
   * is not finite: the best or the last one before the parameters of this step. With those
   * parameters the step would fail again at any learning rate.
   */
  async checkpoints(): Promise<{ steps: readonly number[]; from: 'best' | number }> {
    const steps = wholeCheckpoints((await this.storage?.list()) ?? []);
    const earlier = steps.filter((step) => step < this.#changed);
    const isBest = this.#best !== null && earlier.includes(this.#best.step);
    return { steps, from: isBest ? 'best' : (earlier.at(-1) ?? 0) };
  }

  /** The last step that changed the parameters; later ones were skipped. */
  get #changed(): number {
    return this.step - this.#recent.skipped;
  }

  /** Whether training is finished: all steps are taken, or `stopAt` is reached. */
  get finished(): boolean {
    const { steps, stopAt, segmentLength } = this.config.training;
    if (this.step >= steps) return true;
    return stopAt !== null && this.#recent.accuracyAt(this.task.length, segmentLength) >= stopAt;
  }

  /**
   * Trains step by step. Saves every `saveEvery` steps (after a skipped step, with the next one
   * that isn't), and always at the end: after the last step, on the signal, when the caller leaves
   * the loop, and when a step throws, which changes no parameter. Throws `NotFinite` for a step
   * that is not finite; where such steps are skipped, when all steps that are judged together were.
   * The state before is then saved, but never as the best.
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
        started = performance.now(); // excludes the time of saving and of the caller
      }
      if (this.step === this.config.training.steps) this.#recent.requireLife();
    } catch (error) {
      failed = error;
      throw error;
    } finally {
      await this.#saveAtEnd(failed);
    }
  }

  /**
   * Saves at the end. If training failed and saving fails too, the error of the training is
   * reported, and the second failure is added to its message.
   */
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

  /** Whether all steps are saved; also true for a run without storage. */
  get isSaved(): boolean {
    return !this.storage || this.step === this.#saved;
  }

  /** Saves the run as it is now, unless it is already saved or has no storage. */
  save(): Promise<void> {
    return this.#save(true);
  }

  /**
   * Saves the run. Without `judge`, for a diverged run, the checkpoint is never the best, and
   * parameters that are already saved are not saved again.
   */
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

  /** Frees the model and the moments, and releases the lock. */
  dispose(): void {
    this.model.dispose();
    this.#training.optimizer.dispose();
    this.#training.carried?.dispose();
    this.#lock?.release();
  }
}

/** The task of a run. Throws `MemgradError` unless one of its steps fits in memory. */
function fittingTask(config: RunConfig, text?: TextTask, backend?: Backend): Task {
  const task = buildTask(config, text);
  requireMemory(config, task, backend?.name ?? config.backend);
  return task;
}

/**
 * Returns the result of `use`, which is passed the lock of `storage`. The lock stays held unless
 * `use` throws.
 */
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
