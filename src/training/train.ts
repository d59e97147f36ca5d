/** The training loop: the one that the command line, the tests and every page run. */
import { globalNorm, Key, scope, valueAndGrad } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import type { SegmentModel } from '../models/segment-model.js';
import { IGNORED, type Task } from '../tasks/task.js';
import { Curriculum, type CurriculumOptions } from './curriculum.js';
import type { Optimizer } from './optimizers.js';
import { constant, type Schedule } from './schedules.js';
import { cutSegments, type Segment, sequenceLoss } from './segments.js';
import { requireWhole } from './whole.js';

/** What `train` needs, and what it may be told. */
export interface TrainOptions {
  model: SegmentModel;
  task: Task;
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
  /** How many earlier segments gradients reach; all when left out (`ReadOptions`). */
  bpttDepth?: number;
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
  /** Share of those targets that were predicted, with the truth before them as input. */
  readonly accuracy: number;
  /** Norm of all gradients together, before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly tokensPerSecond: number;
  /** Length of the samples, which a curriculum changes. */
  readonly length: number;
}

/**
 * Trains `model` on `task`, one optimiser step for each batch of whole sequences:
 *
 *     for await (const { step, loss } of train({ model, task, optimizer, segmentLength: 24, steps: 500 })) ...
 *
 * Leaving the loop stops training. Everything that a step makes is freed when it ends. Throws
 * `MemgradError` for options out of range before the first step, and when a loss or gradient is
 * not finite: then that step has changed nothing.
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainStep, void, void> {
  checkOptions(options);
  const {
    model,
    optimizer,
    segmentLength,
    steps,
    batchSize = 32,
    seed = 0,
    clip,
    bpttDepth,
    backend,
    signal,
  } = options;
  const { schedule = constant() } = options;
  const curriculum = options.curriculum && new Curriculum(options.task, options.curriculum);
  const parameters = model.parameters();
  const dataKey = Key.of(seed).fold(0);
  const dropoutKey = Key.of(seed).fold(1);

  for (let step = 1; step <= steps && !signal?.aborted; step++) {
    const started = performance.now();
    const task = curriculum?.task ?? options.task;
    const batch = task.batch(dataKey.fold(step), batchSize, 'train');
    const segments = cutSegments(batch, segmentLength);
    const { loss, norm, gradients, predictions } = scope(() => {
      const lossOf = () => {
        const key = dropoutKey.fold(step);
        const { loss, predictions } = sequenceLoss(model, segments, batchSize, {
          key,
          bpttDepth,
          backend,
        });
        return [loss, predictions] as const;
      };
      const [[loss, predictions], gradients] = valueAndGrad(lossOf, parameters)();
      return { loss, norm: globalNorm(Object.values(gradients)), gradients, predictions };
    });

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
      // As PyTorch's clip_grad_norm_.
      const gradientScale = clip === undefined ? 1 : Math.min(1, clip / (gradientNorm + 1e-6));
      optimizer.step(parameters, gradients, { rate: learningRate, gradientScale });
    } finally {
      for (const tensor of [loss, norm, ...predictions, ...Object.values(gradients)])
        tensor.dispose();
    }
    const accuracy = accuracyOf(segments, predicted);
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
      tokensPerSecond: batch.inputs.length / seconds,
      length: task.length,
    };
  }
}

function accuracyOf(segments: readonly Segment[], predicted: readonly ArrayLike<number>[]): number {
  let right = 0;
  let counted = 0;
  segments
    .filter((segment) => segment.counted > 0)
    .forEach(({ targets }, index) => {
      targets.forEach((target, at) => {
        if (target === IGNORED) return;
        counted++;
        if (predicted[index][at] === target) right++;
      });
    });
  return right / counted;
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
