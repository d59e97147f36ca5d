/** Evaluation of a language model on a part of a text that it wasn't trained on. */
import { scope } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import type { SegmentModel } from '../models/segment-model.js';
import { callable, check, checkOptions, needed, oneOf, whole } from '../options.js';
import type { Part, StreamTask } from '../tasks/stream.js';
import { Carried } from './carried.js';
import { checkBatch, requireFit } from './check.js';
import { cutSegments } from './segments.js';
import { streamLoss } from './stream-loss.js';

/** Options of `evaluateStream`. */
export interface EvaluateStreamOptions {
  model: SegmentModel;
  task: StreamTask;
  segmentLength: number;
  /** Default `test`. */
  part?: Part;
  /** Parallel streams. Default 16. */
  batchSize?: number;
  /** How many segments of each stream to read. Default: all. */
  segments?: number;
  backend?: Backend;
  /**
   * Called with the completed share after each segment, and awaited. An error that it throws ends
   * the evaluation.
   */
  onProgress?: (share: number) => void | Promise<void>;
}

/** The result of `evaluateStream`. */
export interface StreamEvaluation {
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  /** The loss in bits; for byte tokens, bits per character. */
  readonly bits: number;
  /** exp(loss). */
  readonly perplexity: number;
  /** Number of predicted tokens. */
  readonly tokens: number;
}

/**
 * Reads parallel streams from the start, every token once, carrying the state along each. Throws
 * `MemgradError` for an option out of range, and for a task that doesn't fit the model.
 */
export async function evaluateStream(options: EvaluateStreamOptions): Promise<StreamEvaluation> {
  checkOptions('evaluateStream', options, {
    model: 1,
    task: 1,
    segmentLength: needed(whole()),
    part: oneOf(['train', 'validation', 'test']),
    batchSize: whole(),
    segments: whole(),
    backend: 1,
    onProgress: callable,
  });
  const { model, task, segmentLength, part = 'test', batchSize = 16, backend } = options ?? {};
  requireFit('evaluateStream', model, task, 'segment');
  const available = task.segments(part, batchSize, segmentLength);
  check(`evaluateStream: the task '${task.name}': segments()`, available, whole());
  const segments = Math.min(available, options.segments ?? available);
  const carried = new Carried();
  let total = 0;
  let tokens = 0;
  try {
    for (let index = 0; index < segments; index++) {
      const batch = task.segment(part, batchSize, segmentLength, index);
      const where = `evaluateStream: the task '${task.name}'`;
      checkBatch(where, batch, batchSize, task.vocabulary);
      const [segment] = cutSegments(batch, segmentLength);
      const { loss, carry } = scope(() =>
        streamLoss(model, segment, batchSize, carried.carry, { backend }),
      );
      carried.keep(carry);
      total += (await loss.item()) * segment.counted;
      tokens += segment.counted;
      loss.dispose();
      await options.onProgress?.((index + 1) / segments);
    }
  } finally {
    carried.dispose();
  }
  const loss = total / tokens;
  return { loss, bits: loss / Math.LN2, perplexity: Math.exp(loss), tokens };
}
