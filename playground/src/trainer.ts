/** One model in the Worker: trained step by step, asked, saved. */
import { type Backend, Key } from 'memgrad';
import {
  METRICS_FILE,
  MemoryStorage,
  packRun,
  type RunConfig,
  readMetrics,
  TrainingRun,
} from 'memgrad/runs';
import { type Batch, IGNORED, type Task } from 'memgrad/tasks';
import { answer } from 'memgrad/training';
import { STEPS, timeOf } from './configs.js';
import type { Opened, Point, Sample } from './messages.js';

export class Trainer {
  readonly #run: TrainingRun;
  readonly #steps: AsyncGenerator<Point, void, void>;
  readonly #backend: Backend;
  readonly #history: readonly Point[];

  private constructor(run: TrainingRun, backend: Backend, history: readonly Point[]) {
    this.#run = run;
    this.#steps = run.train();
    this.#backend = backend;
    this.#history = history;
  }

  /** A new model, untrained. */
  static async start(config: RunConfig, backend: Backend): Promise<Trainer> {
    const storage = new MemoryStorage();
    return new Trainer(await TrainingRun.start(config, { storage, backend }), backend, []);
  }

  /** Goes on with a saved run; one that has taken all its steps gets more of them. */
  static async resume(storage: MemoryStorage, backend: Backend): Promise<Trainer> {
    let run = await TrainingRun.resume(storage, { backend });
    if (run.step >= run.config.training.steps) {
      run.dispose();
      run = await TrainingRun.resume(storage, { backend, steps: run.step + STEPS });
    }
    const metrics = run.step > 0 ? await storage.read(METRICS_FILE) : new Uint8Array();
    const { last } = readMetrics(metrics, run.step, run.step);
    const history = last.map((line) => ({
      ...line,
      loss: line.loss ?? Number.NaN,
      accuracy: line.accuracy ?? Number.NaN,
      tokensPerSecond: line.tokensPerSecond ?? Number.NaN,
      segmentGradientNorms: line.segmentGradientNorms.map((norm) => norm ?? Number.NaN),
    }));
    return new Trainer(run, backend, history.map(pointOf));
  }

  get opened(): Opened {
    const { config, model, task } = this.#run;
    const time = timeOf(task);
    return {
      name: config.model.name,
      config,
      parameters: model.parameterCount(),
      time,
      segments: Math.ceil(time / config.training.segmentLength),
      chance: task.chance,
      history: this.#history,
    };
  }

  get finished(): boolean {
    return this.#run.finished;
  }

  /** Takes a step, unless there is nothing left to train. */
  async step(): Promise<Point | undefined> {
    const { value } = await this.#steps.next();
    if (!value && !this.finished) throw new Error('Training has ended; reset it to begin anew.');
    return value ? pointOf(value) : undefined;
  }

  /** What the model says to a held-out sample when it reads nothing but its own answer. */
  async sample(index: number): Promise<Sample> {
    const { model, task, config } = this.#run;
    const batch = heldOut(this.#run, index);
    const how = { backend: this.#backend };
    const given = await answer(model, batch, config.training.segmentLength, how);
    return sampleOf(task, batch, given);
  }

  /** The run as one file. */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    await this.#run.save();
    return packRun(this.#run.storage as MemoryStorage);
  }

  async dispose(): Promise<void> {
    await this.#steps.return();
    this.#run.dispose();
  }
}

/** The held-out sample with this number: `memgrad sample` with the seed of the run shows the same. */
export function heldOut({ task, config }: TrainingRun, index: number): Batch {
  return task.batch(Key.of(config.seed).fold(2).fold(index), 1, 'test');
}

/** Each token as text. */
export function textOf(task: Task, tokens: ArrayLike<number>): string[] {
  return Array.from(tokens, (token) => task.show([token]));
}

export function sampleOf(task: Task, batch: Batch, given: Int32Array): Sample {
  const counted = (_: number, column: number) => batch.targets[column] !== IGNORED;
  return {
    prompt: textOf(task, batch.inputs.subarray(0, batch.promptLength)),
    answer: textOf(task, batch.targets.filter(counted)),
    given: textOf(task, given.filter(counted)),
  };
}

function pointOf({ step, loss, accuracy, tokensPerSecond, segmentGradientNorms }: Point): Point {
  return { step, loss, accuracy, tokensPerSecond, segmentGradientNorms };
}
