/** One model in the Worker: trains step by step, answers samples, saves. */
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
import type { Erased, Look, Opened, Point, Sample, Saved } from './messages.js';
import { isLearnt } from './progress.js';
import { answerFreely, heldOut } from './samples.js';
import { wholeAnswers } from './whole-answers.js';

export class Trainer {
  readonly #run: TrainingRun;
  readonly #steps: AsyncGenerator<Point, void, void>;
  readonly #points: Point[];
  #learnt: boolean;

  private constructor(run: TrainingRun, history: readonly Point[]) {
    this.#run = run;
    this.#steps = run.train();
    this.#points = [...history];
    this.#learnt = isLearnt(history);
  }

  /** Creates a new, untrained model. */
  static async start(config: RunConfig, backend: Backend): Promise<Trainer> {
    const storage = new MemoryStorage();
    return new Trainer(await TrainingRun.start(config, { storage, backend }), []);
  }

  /**
   * Continues a saved run, at any accuracy; a run that has taken all its steps gets more of them.
   */
  static async resume(storage: MemoryStorage, backend: Backend): Promise<Trainer> {
    let run = await TrainingRun.resume(storage, { backend, stopAt: null });
    if (run.finished) {
      run.dispose();
      run = await TrainingRun.resume(storage, { backend, steps: run.step + STEPS });
    }
    const metrics = storage.files.get(METRICS_FILE) ?? new Uint8Array();
    const { last } = readMetrics(metrics, run.step, run.step);
    const byTokens = run.task.metric === 'tokens';
    const history = last.map((line) => ({
      ...line,
      loss: line.loss ?? Number.NaN,
      // Files only have the share of right tokens; the share of whole answers is measured from here
      // on.
      accuracy: (byTokens ? line.accuracy : null) ?? Number.NaN,
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
      metric: task.metric,
      chance: task.chance,
      history: this.#points,
    };
  }

  /**
   * Whether it has ever learnt the task. The accuracy may fall again, and must not pause training
   * twice.
   */
  get learnt(): boolean {
    return this.#learnt;
  }

  async step(): Promise<Point> {
    const { value } = await this.#steps.next();
    if (!value) {
      throw new Error(
        this.#run.finished
          ? `All ${this.#run.step} steps of this run are taken; save it and open the file to get more.`
          : 'Training has ended; reset it to start again.',
      );
    }
    const point =
      this.#run.task.metric === 'answers'
        ? { ...pointOf(value), accuracy: await wholeAnswers(this.#run) }
        : pointOf(value);
    this.#points.push(point);
    this.#learnt ||= isLearnt(this.#points);
    return point;
  }

  /** Returns the model's free-running answer to a held-out sample. */
  sample(index: number): Promise<Sample> {
    return answerFreely(this.#run.model, heldOut(this.#run, index), this.#run);
  }

  /** Records the model while it reads a held-out sample. */
  look(index: number, erased: readonly Erased[]): Promise<Look> {
    return look(this.#run, heldOut(this.#run, index), erased);
  }

  /** Returns the run as one archive, and the number of steps that it has taken. */
  async save(): Promise<Saved> {
    await this.#run.save();
    const archive = await packRun(this.#run.storage as MemoryStorage);
    return { archive, step: this.#run.step };
  }

  async dispose(): Promise<void> {
    await this.#steps.return();
    this.#run.dispose();
  }
}

function pointOf({ step, loss, accuracy, tokensPerSecond, segmentGradientNorms }: Point): Point {
  return { step, loss, accuracy, tokensPerSecond, segmentGradientNorms };
}
