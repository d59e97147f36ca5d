/** Training a model on a task. */
import type { Backend } from '../backends/backend.js';
import type { EncoderRMT } from '../models/encoder-rmt.js';
import type { SegmentModel } from '../models/segment-model.js';
import { checkOptions, flag, having, needed, whole } from '../options.js';
import type { AnyTask } from '../tasks/index.js';
import { Carried } from './carried.js';
import { requireFit } from './check.js';
import type { Curriculum } from './curriculum.js';
import { type LoopOptions, loopKinds, takeSteps } from './loop.js';
import { objectiveOf } from './objectives/index.js';
import type { GradientNorms } from './step.js';

/** Options of `train`. */
export interface TrainOptions extends LoopOptions {
  /** An encoder for documents, a language model for everything else. */
  model: SegmentModel | EncoderRMT;
  task: AnyTask;
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
  /**
   * How many earlier segments gradients reach (`ReadOptions`). Default: all segments of a sample,
   * none along a stream.
   */
  bpttDepth?: number;
  /** Keeps only the states at segment borders (`ReadOptions`). */
  checkpointSegments?: boolean;
  /** Changes the length of the samples and segments; it must have been created for `task`. */
  curriculum?: Curriculum;
  /**
   * Whether to record the kernels of a step for each combination of shapes, and replay them
   * (`capture`). Default: true for the models of memgrad, and false for a model of your own. For
   * that one, true requires that its steps depend on nothing but tokens, state, key and parameters:
   * a number or a tensor that changes later stays what it was. The second and the third step of the
   * same shapes are recorded; where they differ, steps are not captured.
   */
  capture?: boolean;
  backend?: Backend;
  /**
   * Called when a step begins, and on samples at each segment forward and backward, with the share
   * of the step that is done. What it throws ends the loop, and the step has changed nothing.
   */
  onProgress?: (share: number) => void;
}

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
  const { carried = new Carried(), batchSize = 32 } = options;
  try {
    const objective = objectiveOf({ ...options, batchSize, carried });
    for await (const taken of takeSteps('train', objective, options)) {
      const { step, loss, learningRate, seconds, skipped, report, ...norms } = taken;
      const { accuracy, tokens, length, segmentLength } = report;
      yield {
        step,
        loss,
        accuracy,
        ...norms,
        learningRate,
        tokensPerSecond: tokens / seconds,
        length,
        segmentLength,
        ...(skipped !== undefined && { skipped }),
      };
    }
  } finally {
    if (!options.carried) carried.dispose();
  }
}

/** Throws `MemgradError` for invalid options of `train`; `where` starts the message. */
export function checkTrain(options: TrainOptions, where = 'train'): void {
  checkOptions(where, options, {
    model: 1,
    task: 1,
    segmentLength: needed(whole()),
    steps: needed(whole()),
    carried: having('keep', 'a Carried'),
    batchSize: whole(),
    bpttDepth: whole(0),
    checkpointSegments: flag,
    curriculum: [
      'a Curriculum of the same task',
      (curriculum?: Curriculum | null) => curriculum?.target === options.task,
    ],
    backend: 1,
    ...loopKinds(),
  });
  requireFit(where, options.model, options.task);
}
