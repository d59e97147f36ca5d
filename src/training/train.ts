/** The training loop, shared by the command line, the tests and web pages. */
import { Key, scope, type Tensor } from '../autograd/index.js';
import { clipFactor, clipScaleOf } from '../autograd/operations/adam.js';
import { captureTraced } from '../autograd/transforms/traced.js';
import type { Backend } from '../backends/backend.js';
import { NotFinite } from '../errors.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import { isCapturable, type SegmentModel } from '../models/segment-model.js';
import { nextTask } from '../next-task.js';
import {
  callable,
  check,
  checkOptions,
  finite,
  flag,
  having,
  needed,
  oneOf,
  whole,
} from '../options.js';
import type { AnyTask } from '../tasks/index.js';
import { Carried } from './carried.js';
import { requireFit } from './check.js';
import type { Curriculum } from './curriculum.js';
import { type Lesson, Lessons } from './lessons.js';
import { watchFinite } from './non-finite.js';
import { DeviceOptimizer, type Named, type Optimizer } from './optimizers.js';
import { constant, type Schedule } from './schedules.js';
import {
  freePass,
  type GradientNorms,
  type Pass,
  type PassNumbers,
  readNumbers,
  takePass,
} from './step.js';

/** Options of `train`. */
export interface TrainOptions {
  /** An encoder for documents, a language model for everything else. */
  model: SegmentModel | EncoderRMT;
  task: AnyTask;
  optimizer: Optimizer;
  /** Tokens per segment. */
  segmentLength: number;
  /** The number of the last step. */
  steps: number;
  /**
   * Steps already taken, to resume after them. The model, optimizer, schedule, curriculum and,
   * along a stream, `carried` must be as they were then. Random numbers depend only on seed and
   * step. Default 0.
   */
  stepsTaken?: number;
  /**
   * Holds the state that a stream carries from step to step, for saving it or for training on
   * later. The caller owns it and disposes of it. Without it the first segment is read with nothing
   * carried into it, and the state is freed at the end.
   */
  carried?: Carried;
  /** Sequences per step. Default 32. */
  batchSize?: number;
  /** The seed of batches and dropout. Default 0. */
  seed?: number;
  /** Default: constant. */
  schedule?: Schedule;
  /**
   * The largest norm of all gradients together; larger gradients are scaled down to it. Default: no
   * limit.
   */
  clip?: number;
  /**
   * How many earlier segments gradients reach (`ReadOptions`). Default: all segments of a sample,
   * none along a stream.
   */
  bpttDepth?: number;
  /** Keeps only the states at segment borders (`ReadOptions`). */
  checkpointSegments?: boolean;
  /**
   * How to handle a step whose loss or gradient isn't finite. `stop`, the default, throws an error
   * that says where the first such value was computed. `skip` leaves the parameters unchanged and
   * reports the reason in `skipped`.
   */
  nonFinite?: (typeof nonFiniteChoices)[number];
  /** Checks the result of every operation of every step, which is slower. Default false. */
  checkFinite?: boolean;
  /** Changes the length of the samples and segments; it must have been created for `task`. */
  curriculum?: Curriculum;
  /**
   * Whether to record the kernels of a step for each combination of shapes, and replay them
   * (`capture`). Default: true for the models of memgrad, and false for a model of your own. For
   * that one, true requires that its steps depend on nothing but tokens, state, key and parameters:
   * a number or a tensor that changes later stays what it was. Steps that differ at the first two
   * recordings are noticed, and not captured.
   */
  capture?: boolean;
  backend?: Backend;
  /** Ends the loop after the current step. */
  signal?: AbortSignal;
  /**
   * Called when a step begins, and on samples at each segment forward and backward, with the share
   * of the step that is done. What it throws ends the loop, and the step has changed nothing.
   */
  onProgress?: (share: number) => void;
}

/** The values of `nonFinite`. */
export const nonFiniteChoices = ['stop', 'skip'] as const;

/** The result of one step. Norms are measured before clipping. */
export interface TrainStep extends GradientNorms {
  /** Counted from 1. */
  readonly step: number;
  /** Mean cross-entropy in nats over the targets that count, before the step. */
  readonly loss: number;
  /**
   * Share of those targets that were predicted correctly, given the true tokens before them; NaN
   * along a stream, where it isn't computed.
   */
  readonly accuracy: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  /**
   * Length of the samples, which a curriculum changes; along a stream, of the segment; for
   * documents, of the longest one.
   */
  readonly length: number;
  /** Tokens per segment, which a curriculum changes too. */
  readonly segmentLength: number;
  /** The reason why the step was skipped and changed nothing; undefined for all other steps. */
  readonly skipped?: string;
}

/**
 * Trains `model` on `task`, with one optimiser step per batch of whole sequences or documents, or
 * per segment of a stream:
 *
 *     for await (const { step, loss } of train({ model, task, optimizer, segmentLength: 24, steps: 500 })) ...
 *
 * Leaving the loop stops training. All tensors of a step are freed when it ends. Throws
 * `MemgradError` before the first step for options out of range. Throws `NotFinite` when a loss or
 * gradient isn't finite; that step has changed nothing.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainStep, void, void> {
  checkTrain(options);
  const { carried = new Carried() } = options;
  try {
    yield* takeSteps({ ...options, carried });
  } finally {
    if (!options.carried) carried.dispose();
  }
}

async function* takeSteps(
  options: TrainOptions & { carried: Carried },
): AsyncGenerator<TrainStep, void, void> {
  const { model, optimizer, steps, stepsTaken = 0, signal, curriculum } = options;
  const { seed = 0, clip, schedule = constant() } = options;
  const { nonFinite = 'stop', checkFinite = false, batchSize = 32, carried } = options;
  const lessons = new Lessons({ ...options, batchSize });
  const parameters = model.parameters();
  const dataKey = Key.of(seed).fold(0);
  const dropoutKey = Key.of(seed).fold(1);
  let lesson: Lesson;
  /** A pass, and with `rates` a step of the optimiser too; the pass then has no gradients. */
  const takeStep = (inputs: unknown, rates?: Tensor): Pass => {
    const pass = takePass(parameters, lesson, inputs);
    if (!rates) return pass;
    try {
      const scale = clipFactor(pass.numbers, pass.layers.length, clip);
      (optimizer as DeviceOptimizer).update(parameters, pass.gradients, rates, scale);
      return { ...pass, gradients: {} };
    } finally {
      for (const gradient of Object.values(pass.gradients)) gradient.dispose();
    }
  };
  // Two recordings notice a model that keeps a state of its own.
  const captured = captureTraced(takeStep);
  /** Of a long step, most is inside kernels; captured, it would report no progress. */
  let isLong = false;

  try {
    for (let step = stepsTaken + 1; step <= steps && !signal?.aborted; step++) {
      const started = performance.now();
      options.onProgress?.(0);
      const learningRate = optimizer.learningRate * schedule.factor(step);
      if (!Number.isFinite(learningRate)) {
        throw new NotFinite(`train: step ${step} has the learning rate ${learningRate}.`);
      }
      const { task, segmentLength = options.segmentLength } = curriculum ?? options;
      const keys = { data: dataKey.fold(step), dropout: dropoutKey.fold(step) };
      lesson = lessons.of(task, segmentLength, step, keys);
      const isCapturing =
        (options.capture ?? isCapturable(model)) && !(isLong && options.onProgress);
      const take = () => scope(() => takeStep(lesson.inputs()));
      const watched = checkFinite ? watchFinite(take, parameters) : undefined;
      const device = !watched && optimizer instanceof DeviceOptimizer ? optimizer : undefined;
      const pass =
        watched?.result ??
        scope(() => {
          const rates = device?.begin(parameters, learningRate);
          return (isCapturing ? captured : takeStep)(lesson.inputs(), rates);
        });
      let read: Awaited<ReturnType<typeof readPass>>;
      let skipped: string | undefined;
      try {
        read = await readPass(pass, lesson);
        const { loss, gradientNorm } = read;
        const finite = Number.isFinite(loss) && Number.isFinite(gradientNorm);
        const fault = watched
          ? await watched.describe(freePass)
          : finite
            ? undefined
            : await findFault(take, parameters);
        if (!finite || fault !== undefined) {
          skipped = `train: step ${step} has loss ${loss} and gradient norm ${gradientNorm}, expected finite numbers throughout; no parameter was changed. ${fault ?? ALL_FINITE}`;
          if (nonFinite === 'stop') {
            throw new NotFinite(`${skipped} Lower the learning rate or clip gradients.`);
          }
        } else {
          if (device) device.taken();
          else {
            const gradientScale = clip === undefined ? 1 : clipScale(gradientNorm, clip);
            optimizer.step(parameters, pass.gradients, { rate: learningRate, gradientScale });
          }
          carried.keep(pass.carry);
          pass.carry = undefined; // owned by `carried` now
        }
      } finally {
        freePass(pass);
      }
      const { loss, accuracy, ...norms } = read;
      if (skipped === undefined) {
        schedule.observe?.(loss);
        curriculum?.observe(accuracy);
      }
      await nextTask(); // timers, signals and a page's events have their turn between steps
      const seconds = (performance.now() - started) / 1000;
      isLong = seconds > 0.5;
      yield {
        step,
        loss,
        accuracy,
        ...norms,
        learningRate,
        tokensPerSecond: lesson.tokens / seconds,
        length: lesson.length,
        segmentLength,
        ...(skipped !== undefined && { skipped }),
      };
    }
  } finally {
    captured.dispose();
    // Moments for a step that was never taken.
    if (optimizer instanceof DeviceOptimizer && optimizer.steps === 0) optimizer.dispose();
  }
}

const ALL_FINITE = 'All values are finite, but the norm of the gradients is too large for float32.';

/** Repeats a pass to find its first value that isn't finite. */
async function findFault(take: () => Pass, parameters: Named<Tensor>): Promise<string | undefined> {
  const { result, describe } = watchFinite(take, parameters);
  freePass(result);
  return describe(freePass);
}

/** Reads the results of a pass as numbers. */
async function readPass(pass: Pass, lesson: Lesson): Promise<PassNumbers & { accuracy: number }> {
  const [numbers, ...predicted] = await Promise.all([
    readNumbers(pass),
    ...pass.predictions.map((tensor) => tensor.data()),
  ]);
  return { ...numbers, accuracy: lesson.accuracy(predicted) };
}

/**
 * Returns the factor that limits gradients of this norm to `clip`, as PyTorch's `clip_grad_norm_`
 * computes it.
 */
export function clipScale(norm: number, clip: number): number {
  check('clipScale: norm', norm, finite);
  check('clipScale: clip', clip, finite);
  return clipScaleOf(norm, clip);
}

/** Throws `MemgradError` for invalid options of `train`; `where` starts the message. */
export function checkTrain(options: TrainOptions, where = 'train'): void {
  checkOptions(where, options, {
    model: 1,
    task: 1,
    optimizer: needed(having('step', 'an optimiser, as new AdamW()')),
    segmentLength: needed(whole()),
    steps: needed(whole()),
    stepsTaken: whole(0),
    carried: having('keep', 'a Carried'),
    batchSize: whole(),
    seed: 1,
    schedule: having('factor', 'a schedule, as cosine(steps)'),
    clip: ['a finite number > 0', (clip) => Number.isFinite(clip) && clip > 0],
    bpttDepth: whole(0),
    checkpointSegments: flag,
    capture: flag,
    nonFinite: oneOf(nonFiniteChoices),
    checkFinite: flag,
    curriculum: [
      'a Curriculum of the same task',
      (curriculum?: Curriculum | null) => curriculum?.target === options.task,
    ],
    backend: 1,
    signal: having('throwIfAborted', 'an AbortSignal'),
    onProgress: callable,
  });
  requireFit(where, options.model, options.task);
}
