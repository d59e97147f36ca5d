/** The training loop: the one that the command line, the tests and every page run. */
import { globalNorm, Key, scope, valueAndGrad } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError, requireWhole } from '../errors.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import type { SegmentModel } from '../models/segment-model.js';
import type { AnyTask, Task } from '../tasks/index.js';
import { Curriculum, type CurriculumOptions } from './curriculum.js';
import { Lessons } from './lessons.js';
import type { Optimizer } from './optimizers.js';
import { constant, type Schedule } from './schedules.js';

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
  /** For tasks whose samples have a length. */
  curriculum?: CurriculumOptions;
  backend?: Backend;
  /** Ends the loop after the step that is being taken. */
  signal?: AbortSignal;
}

/** What happened in one step. */
export interface TrainStep {
  /** Counted from 1. */
  readonly step: number;
  /** Mean cross-entropy in nats over the targets that count, before the step. */
  readonly loss: number;
  /** Share of those targets that were predicted, with the truth before them as input; NaN along a stream, where the loss says all. */
  readonly accuracy: number;
  /** Norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  /** Length of the samples, which a curriculum changes; of the segment along a stream and of the longest document. */
  readonly length: number;
}

/**
 * Trains `model` on `task`, one optimiser step for each batch of whole sequences or documents, or
 * for each segment of a stream:
 *
 *     for await (const { step, loss } of train({ model, task, optimizer, segmentLength: 24, steps: 500 })) ...
 *
 * Leaving the loop stops training. Everything that a step makes is freed when it ends. Throws
 * `MemgradError` for options out of range before the first step, and when a loss or gradient is
 * not finite: then that step has changed nothing.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainStep, void, void> {
  checkOptions(options);
  const lessons = new Lessons({ ...options, batchSize: options.batchSize ?? 32 });
  try {
    yield* takeSteps(options, lessons);
  } finally {
    lessons.carry(undefined);
  }
}

async function* takeSteps(
  options: TrainOptions,
  lessons: Lessons,
): AsyncGenerator<TrainStep, void, void> {
  const { model, optimizer, steps, seed = 0, clip, signal } = options;
  const { schedule = constant() } = options;
  const curriculum = options.curriculum && new Curriculum(lengthy(options), options.curriculum);
  const parameters = model.parameters();
  const dataKey = Key.of(seed).fold(0);
  const dropoutKey = Key.of(seed).fold(1);

  for (let step = 1; step <= steps && !signal?.aborted; step++) {
    const started = performance.now();
    const task = curriculum?.task ?? options.task;
    const lesson = lessons.of(task, step, {
      data: dataKey.fold(step),
      dropout: dropoutKey.fold(step),
    });
    const { loss, norm, gradients, rest } = scope(() => {
      const [[loss, rest], gradients] = valueAndGrad(lesson.loss, parameters)();
      return { loss, norm: globalNorm(Object.values(gradients)), gradients, rest };
    });
    lessons.carry(rest.carry);
    const { predictions } = rest;

    const lossValue = await loss.item();
    const gradientNorm = await norm.item();
    const predicted = await Promise.all(predictions.map((tensor) => tensor.data()));
    const learningRate = optimizer.learningRate * schedule.factor(step);
    try {
      if (!Number.isFinite(lossValue) || !Number.isFinite(gradientNorm)) {
        throw new MemgradError(
          `train: step ${step} has loss ${lossValue} and gradient norm ${gradientNorm}, expected finite numbers; no parameter was changed. Lower the learning rate or clip gradients.`,
        );
      }
      const gradientScale = clip === undefined ? 1 : clipScale(gradientNorm, clip);
      optimizer.step(parameters, gradients, { rate: learningRate, gradientScale });
    } finally {
      for (const tensor of [loss, norm, ...predictions, ...Object.values(gradients)])
        tensor.dispose();
    }
    const accuracy = lesson.accuracy(predicted);
    schedule.observe?.(lossValue);
    curriculum?.observe(accuracy);
    await breathe();
    const seconds = (performance.now() - started) / 1000;
    yield {
      step,
      loss: lossValue,
      accuracy,
      gradientNorm,
      learningRate,
      tokensPerSecond: lesson.tokens / seconds,
      length: lesson.length,
    };
  }
}

/** What gradients of this norm are multiplied with so that it is at most `clip`, as PyTorch's `clip_grad_norm_`. */
export function clipScale(norm: number, clip: number): number {
  return Math.min(1, clip / (norm + 1e-6));
}

/** The task, when a curriculum can change its length. */
function lengthy({ task }: TrainOptions): Task {
  if ('withLength' in task) return task;
  throw new MemgradError(
    `train: '${task.name}' has no samples of a length that a curriculum could change; leave the curriculum out.`,
  );
}

/** Lets timers, signals and a page's events have their turn between steps. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

function checkOptions({
  segmentLength,
  steps,
  batchSize = 32,
  clip,
  bpttDepth = 0,
}: TrainOptions): void {
  requireWhole('train', 'segmentLength', segmentLength);
  requireWhole('train', 'steps', steps);
  requireWhole('train', 'batchSize', batchSize);
  requireWhole('train', 'bpttDepth', bpttDepth, 0);
  if (clip !== undefined && !(clip > 0 && clip < Infinity)) {
    throw new MemgradError(`train: clip must be a finite number > 0, got ${clip}.`);
  }
}
