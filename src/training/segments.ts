/** Cuts a batch into segments and computes its loss, with truncated BPTT. */

import { upload } from '../autograd/create.js';
import {
  add,
  argmax,
  cast,
  checkpoint,
  crossEntropy,
  div,
  type Key,
  type Tensor,
  type Tree,
  tapGradient,
  treeMap,
  within,
} from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import type { Backend } from '../backends/backend.js';
import { detach, outputOf, type SegmentModel, stateAfter } from '../models/segment-model.js';
import { callable, check, checkOptions, flag, orInfinity, requireThat, whole } from '../options.js';
import { type Batch, IGNORED } from '../tasks/task.js';
import { checkBatch, requireLanguageModel } from './check.js';

/** One segment of a batch: columns `start` to `start + time` of its inputs and targets. */
export interface Segment {
  readonly start: number;
  readonly time: number;
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  /** Number of targets that count. */
  readonly counted: number;
}

/**
 * Cuts the batch into segments of `length` columns; the last may be shorter. Segments after the
 * last target that counts are omitted.
 */
export function cutSegments(batch: Batch, length: number): Segment[] {
  check('cutSegments: length', length, whole());
  checkBatch('cutSegments', batch);
  const segments: Segment[] = [];
  for (let start = 0; start < batch.time; start += length) {
    const time = Math.min(length, batch.time - start);
    const inputs = cut(batch.inputs, batch, start, time);
    const targets = cut(batch.targets, batch, start, time);
    let counted = 0;
    for (const target of targets) if (target !== IGNORED) counted++;
    segments.push({ start, time, inputs, targets, counted });
  }
  return segments.slice(0, segments.findLastIndex(({ counted }) => counted > 0) + 1);
}

/** Returns `count` columns of a row-major [size, time] array, from `start` on: [size, count]. */
export function columns(
  values: Int32Array,
  batch: Batch,
  start: number,
  count: number,
): Int32Array {
  checkBatch('columns', { ...batch, inputs: values, targets: values });
  check('columns: start', start, whole(0, batch.time));
  check('columns: count', count, whole(0, batch.time - start));
  return cut(values, batch, start, count);
}

function cut(values: Int32Array, { size, time }: Batch, start: number, count: number): Int32Array {
  const part = new Int32Array(size * count);
  for (let row = 0, at = 0; row < size; row++) {
    const first = row * time + start; // a view for each row would take longer than a short segment
    for (let column = 0; column < count; column++) part[at++] = values[first + column];
  }
  return part;
}

/** Options of reading a sequence. */
export interface ReadOptions {
  /** Turns dropout on; each segment has its own key, the same when it is read again. */
  key?: Key;
  /**
   * The number of segments before the current one that gradients flow back through. Default: all.
   * With a depth k, segments t - k to t - 1 are read again from the detached state before them,
   * then segment t, and only the loss of this last pass counts. The learned initial state then gets
   * no gradient.
   */
  bpttDepth?: number;
  /**
   * Keeps only the states at segment borders, and reads each segment again when the backward pass
   * reaches it (Chen et al. 2016, arXiv 1604.06174): memory for one segment instead of all, at the
   * cost of one more forward pass. The gradients have the same bits.
   */
  checkpointSegments?: boolean;
  /**
   * Called by the backward pass with the gradient of the loss by each part of the state before a
   * segment.
   */
  seeStateGradient?: (segment: number, gradient: Tensor) => void;
  /**
   * Called by `sequenceLoss` and its backward pass at each segment, with the completed share of
   * both, since a step of many segments takes long. An error that it throws ends the pass.
   */
  onProgress?: (share: number) => void;
  backend?: Backend;
}

/**
 * Throws `MemgradError` unless these are valid arguments for reading `size` sequences with `model`.
 */
export function checkRead(
  where: string,
  model: SegmentModel,
  size: number,
  options: ReadOptions,
): void {
  requireLanguageModel(where, model);
  check(`${where}: size`, size, whole());
  checkOptions(where, options, {
    key: isKey,
    bpttDepth: orInfinity(whole(0)),
    checkpointSegments: flag,
    seeStateGradient: callable,
    onProgress: callable,
    backend: 1,
  });
}

/** Throws `MemgradError` unless `segment` is a segment of `size` sequences. */
export function requireSegment(where: string, segment: Segment, size: number): void {
  checkBatch(where, { ...segment, size, promptLength: 1 });
  check(`${where}: counted`, segment.counted, whole(0));
}

/** The mean loss over the targets that count, and predictions. */
export interface SequenceLoss {
  loss: Tensor;
  /** int32 [size, time] for each segment with targets that count, in order. */
  predictions: Tensor[];
}

/** The state after a segment and, if targets count, their loss and the predictions. */
type Reading = { state: Tree; loss?: Tensor; predicted?: Tensor };

/**
 * Reads the segments of a batch of `size` sequences with `model`. Observers see segment t as
 * `segments.t`, and a segment s that is read again before it as `segments.t.replays.s`. Throws
 * `MemgradError` if no target counts, and for an option out of range.
 */
export function sequenceLoss(
  model: SegmentModel,
  segments: readonly Segment[],
  size: number,
  options: ReadOptions = {},
): SequenceLoss {
  checkRead('sequenceLoss', model, size, options);
  requireThat(Array.isArray(segments), 'sequenceLoss: segments', 'a list', segments);
  for (const segment of segments) requireSegment('sequenceLoss', segment, size);
  const counts = segments.some((segment) => segment.counted > 0);
  requireThat(counts, 'sequenceLoss: segments', 'some in which a target counts', segments);
  const { tensors, counted } = segmentTensors(segments, size, options.backend);
  return readSegments(model, tensors, counted, size, options);
}

/** The tokens of one segment as tensors, int32 [size, time]; no targets if none counts. */
export type SegmentTensors = { inputs: Tensor; targets: Tensor | null };

/** Uploads segments; `counted` is the number of targets that count, an int32 scalar. */
export function segmentTensors(
  segments: readonly Segment[],
  size: number,
  backend?: Backend,
): { tensors: SegmentTensors[]; counted: Tensor } {
  const tensors = segments.map(({ inputs, targets, time, counted }) => {
    const made = (tokens: Int32Array) => upload('tensor', tokens, [size, time], backend);
    return { inputs: made(inputs), targets: counted > 0 ? made(targets) : null };
  });
  const total = segments.reduce((sum, segment) => sum + segment.counted, 0);
  return { tensors, counted: upload('tensor', Int32Array.of(total), [], backend) };
}

/** `sequenceLoss` of uploaded segments. It depends on nothing else, so that it can be captured. */
export function readSegments(
  model: SegmentModel,
  segments: readonly SegmentTensors[],
  counted: Tensor,
  size: number,
  options: ReadOptions,
): SequenceLoss {
  const { key, bpttDepth = Infinity, checkpointSegments, seeStateGradient } = options;
  let isBackward = false;
  const reportProgress = (index: number) => {
    const passed = isBackward ? 2 * segments.length - 1 - index : index;
    options.onProgress?.(passed / (2 * segments.length));
  };
  const advance = (index: number, state: Tree): Reading => ({
    state: stateAfter(model, segments[index].inputs, state, key?.fold(index)),
  });
  const read = (index: number, state: Tree): Reading => {
    const { inputs, targets } = segments[index];
    if (!targets) return advance(index, state);
    const { logits, state: next } = outputOf(model, inputs, state, key?.fold(index));
    const sum = crossEntropy(logits, targets, { ignoreIndex: IGNORED, reduction: 'sum' });
    const loss = options.onProgress ? tapGradient(sum, () => reportProgress(index)) : sum;
    return { state: next, loss, predicted: argmax(logits, -1) };
  };
  const readAs = (path: string, how: typeof read, index: number, state: Tree): Reading => {
    const reading = (before: Tree) => {
      reportProgress(index); // in a replay too
      return within(path, () => how(index, before));
    };
    return (checkpointSegments ? checkpoint(reading) : reading)(state);
  };

  const states: Tree[] = [model.initialState(size)]; // states[t] is the state before segment t
  const losses: Tensor[] = [];
  const predictions: Tensor[] = [];
  segments.forEach((_, index) => {
    let state = states[index];
    if (bpttDepth !== Infinity) {
      const from = Math.max(0, index - bpttDepth);
      state = detach(states[from]);
      for (let replayed = from; replayed < index; replayed++) {
        state = readAs(`segments.${index}.replays.${replayed}`, advance, replayed, state).state;
      }
    }
    if (seeStateGradient) {
      state = treeMap(state, (part) =>
        tapGradient(part, (gradient) => seeStateGradient(index, gradient)),
      );
    }
    const { state: next, loss, predicted } = readAs(`segments.${index}`, read, index, state);
    states.push(bpttDepth === Infinity ? next : detach(next));
    if (loss) losses.push(loss);
    if (predicted) predictions.push(predicted);
  });
  isBackward = true;
  const total = losses.reduce((a, b) => add(a, b));
  return { loss: div(total, cast(counted, total.dtype)), predictions };
}
