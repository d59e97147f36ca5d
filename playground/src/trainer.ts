/** One model in the Worker: trained step by step, asked, saved. */
import type { Backend } from 'memgrad';
import {
  METRICS_FILE,
  MemoryStorage,
  packRun,
  type RunConfig,
  readMetrics,
  TrainingRun,
} from 'memgrad/runs';
import { STEPS, timeOf } from './configs.js';
import { look } from './look.js';
import type { Erased, Look, Opened, Point, Sample } from './messages.js';
import { answerFreely, heldOut } from './samples.js';

export class Trainer {
  readonly #run: TrainingRun;
  readonly #steps: AsyncGenerator<Point, void, void>;
  readonly #history: readonly Point[];

  private constructor(run: TrainingRun, history: readonly Point[]) {
    this.#run = run;
    this.#steps = run.train();
    this.#history = history;
  }

  /** A new model, untrained. */
  static async start(config: RunConfig, backend: Backend): Promise<Trainer> {
    const storage = new MemoryStorage();
    return new Trainer(await TrainingRun.start(config, { storage, backend }), []);
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
    return new Trainer(run, history.map(pointOf));
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
      finished: this.finished,
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
  sample(index: number): Promise<Sample> {
    return answerFreely(this.#run.model, heldOut(this.#run, index), this.#run);
  }

  /** What is to be seen of the model while it reads a held-out sample. */
  look(index: number, erased: readonly Erased[]): Promise<Look> {
    return look(this.#run, heldOut(this.#run, index), erased);
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

function pointOf({ step, loss, accuracy, tokensPerSecond, segmentGradientNorms }: Point): Point {
  return { step, loss, accuracy, tokensPerSecond, segmentGradientNorms };
}
