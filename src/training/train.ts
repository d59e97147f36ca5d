/** The training loop: the one that the command line, the tests and every page run. */
import { Key, scope, type Tensor } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { NotFinite } from '../errors.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import type { SegmentModel } from '../models/segment-model.js';
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
import type { Named, Optimizer } from './optimizers.js';
import { constant, type Schedule } from './schedules.js';
import { freePass, type GradientNorms, type Pass, readNorms, takePass } from './step.js';

/** What `train` needs, and what it may be told. */
export interface TrainOptions {
  /** An encoder for documents, a language model for everything else. */
  model: SegmentModel | EncoderRMT;
  task: AnyTask;
  optimizer: Optimizer;
  /** Tokens to a segment. */
  segmentLength: number;
  /** After how many steps to stop. */
  steps: number;
  /**
   * Steps already taken, to go on after them; the model, optimizer, schedule, curriculum and, along
   * a stream, `carried` must be as they were then. What is drawn depends on seed and step alone.
   * Default 0.
   */
  stepsTaken?: number;
  /**
   * Holds what a stream carries from step to step, for whoever saves it or trains on later; it is
   * the caller's, who disposes of it. Without it the first segment is read with nothing carried
   * into it, and all is freed at the end.
   */
  carried?: Carried;
  /** Sequences to a step. Default 32. */
  batchSize?: number;
  /** Draws batches and dropout. Default 0. */
  seed?: number;
  /** Default: constant. */
  schedule?: Schedule;
  /** Largest norm of all gradients together; longer ones are scaled down to it. Default: none. */
  clip?: number;
  /**
   * How many earlier segments gradients reach (`ReadOptions`). Left out, they reach all of a
   * sample, and along a stream none.
   */
  bpttDepth?: number;
  /** Keeps only the state at the borders of segments (`ReadOptions`). */
  checkpointSegments?: boolean;
  /**
   * What becomes of a step whose loss or gradient is not finite: an error that says where the first
   * such value was made, or that step is left out, and says so. Default: stop.
   */
  nonFinite?: (typeof nonFiniteChoices)[number];
  /** Looks at the result of every operation of every step, at the price of some speed. Default false. */
  checkFinite?: boolean;
  /** Lets the samples of a task grow and be cut finer; it must have been made of `task`. */
  curriculum?: Curriculum;
  backend?: Backend;
  /** Ends the loop after the step that is being taken. */
  signal?: AbortSignal;
  /**
   * Called when a step begins, and on samples at each segment forward and backward, with the share
   * of the step that is done. What it throws ends the loop, and the step has changed nothing.
   */
  onProgress?: (share: number) => void;
}

/** What may become of a step that is not finite. */
export const nonFiniteChoices = ['stop', 'skip'] as const;

/** What happened in one step. The norms are those before clipping. */
export interface TrainStep extends GradientNorms {
  /** Counted from 1. */
  readonly step: number;
  /** Mean cross-entropy in nats over the targets that count, before the step. */
  readonly loss: number;
  /** Share of those targets that were predicted, with the truth before them as input; NaN along a stream, where the loss says all. */
  readonly accuracy: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  /** Length of the samples, which a curriculum changes; of the segment along a stream and of the longest document. */
  readonly length: number;
  /** Tokens to a segment, which a curriculum changes too. */
  readonly segmentLength: number;
  /** Why the step changed nothing, where it was left out. */
  readonly skipped?: string;
}

/**
 * Trains `model` on `task`, one optimiser step for each batch of whole sequences or documents, or
 * for each segment of a stream:
 *
 *     for await (const { step, loss } of train({ model, task, optimizer, segmentLength: 24, steps: 500 })) ...
 *
 * Leaving the loop stops training. Everything that a step makes is freed when it ends. Throws
 * `MemgradError` for options out of range before the first step, and when a loss or gradient is
 * not finite (`NotFinite`): then that step has changed nothing.
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

  for (let step = stepsTaken + 1; step <= steps && !signal?.aborted; step++) {
    const started = performance.now();
    options.onProgress?.(0);
    const learningRate = optimizer.learningRate * schedule.factor(step);
    if (!Number.isFinite(learningRate)) {
      throw new NotFinite(`train: step ${step} has the learning rate ${learningRate}.`);
    }
    const { task, segmentLength = options.segmentLength } = curriculum ?? options;
    const keys = { data: dataKey.fold(step), dropout: dropoutKey.fold(step) };
    const lesson = lessons.of(task, segmentLength, step, keys);
    const take = () => scope(() => takePass(parameters, lesson));
    const watched = checkFinite ? watchFinite(take, parameters) : undefined;
    const pass = watched?.result ?? take();
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
        const gradientScale = clip === undefined ? 1 : clipScale(gradientNorm, clip);
        optimizer.step(parameters, pass.gradients, { rate: learningRate, gradientScale });
        carried.keep(pass.carry);
        pass.carry = undefined; // now its own
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
}

const ALL_FINITE = 'All values are finite, but the norm of the gradients is too large for float32.';

/** Takes a pass again to find where it went wrong. */
async function findFault(take: () => Pass, parameters: Named<Tensor>): Promise<string | undefined> {
  const { result, describe } = watchFinite(take, parameters);
  freePass(result);
  return describe(freePass);
}

/** What a pass came to, in numbers. */
async function readPass(
  pass: Pass,
  lesson: Lesson,
): Promise<GradientNorms & { loss: number; accuracy: number }> {
  const predicted = await Promise.all(pass.predictions.map((tensor) => tensor.data()));
  return {
    loss: await pass.loss.item(),
    accuracy: lesson.accuracy(predicted),
    ...(await readNorms(pass)),
  };
}

/** What gradients of this norm are multiplied with so that it is at most `clip`, as PyTorch's `clip_grad_norm_`. */
export function clipScale(norm: number, clip: number): number {
  check('clipScale: norm', norm, finite);
  check('clipScale: clip', clip, finite);
  return Math.min(1, clip / (norm + 1e-6));
}

/** Throws `MemgradError` for options of `train` that cannot be; `where` stands at the start of the message. */
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
