/** A batch cut into segments, and its loss: where truncated BPTT happens. */
import {
  add,
  argmax,
  crossEntropy,
  div,
  type Key,
  type Tensor,
  type Tree,
  tensor,
  within,
} from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { requireWhole } from '../errors.js';
import { detach, type SegmentModel } from '../models/segment-model.js';
import { type Batch, IGNORED } from '../tasks/task.js';

/** One segment of a batch: columns `start` to `start + time` of its inputs and targets. */
export interface Segment {
  readonly start: number;
  readonly time: number;
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
  /** How many targets count. */
  readonly counted: number;
}

/** The batch in segments of `length` columns; the last may be shorter. Those after the last target that counts are left out. */
export function cutSegments(batch: Batch, length: number): Segment[] {
  requireWhole('cutSegments', 'length', length);
  const segments: Segment[] = [];
  for (let start = 0; start < batch.time; start += length) {
    const time = Math.min(length, batch.time - start);
    const inputs = columns(batch.inputs, batch, start, time);
    const targets = columns(batch.targets, batch, start, time);
    const counted = targets.reduce((count, target) => count + (target === IGNORED ? 0 : 1), 0);
    segments.push({ start, time, inputs, targets, counted });
  }
  return segments.slice(0, segments.findLastIndex(({ counted }) => counted > 0) + 1);
}

/** Columns of a row-major [size, time] array. */
export function columns(
  values: Int32Array,
  { size, time }: Batch,
  start: number,
  count: number,
): Int32Array {
  const part = new Int32Array(size * count);
  for (let row = 0; row < size; row++) {
    part.set(values.subarray(row * time + start, row * time + start + count), row * count);
  }
  return part;
}

/** How a sequence is read. */
export interface ReadOptions {
  /** Turns dropout on; each segment gets a key of its own, the same in a replay. */
  key?: Key;
  /**
   * Gradients flow back through at most this many segments before the present one; all when left
   * out. With a depth k, segments t - k to t - 1 are read again from the detached state before
   * them, then segment t, and only the loss of that last reading counts. The learned initial state
   * then gets no gradient.
   */
  bpttDepth?: number;
  backend?: Backend;
}

/** The mean loss over the targets that count, and the predictions of each segment that has any. */
export interface SequenceLoss {
  loss: Tensor;
  /** int32 [size, time] for each segment with targets that count, in order. */
  predictions: Tensor[];
}

/**
 * Reads the segments of a batch of `size` sequences with `model`. Whoever observes sees segment t
 * as `segments.t`, and segment s read again before it as `segments.t.replays.s`.
 */
export function sequenceLoss(
  model: SegmentModel,
  segments: readonly Segment[],
  size: number,
  { key, bpttDepth = Infinity, backend }: ReadOptions = {},
): SequenceLoss {
  const inputs = segments.map(({ inputs, time }) =>
    tensor(inputs, { shape: [size, time], backend }),
  );
  const read = (index: number, state: Tree) =>
    model.forward(inputs[index], state, key?.fold(index));

  const states: Tree[] = [model.initialState(size)]; // states[t] is the one before segment t
  const losses: Tensor[] = [];
  const predictions: Tensor[] = [];
  segments.forEach(({ targets, time, counted }, index) => {
    let state = states[index];
    if (bpttDepth !== Infinity) {
      const from = Math.max(0, index - bpttDepth);
      state = detach(states[from]);
      for (let replayed = from; replayed < index; replayed++) {
        state = within(`segments.${index}.replays.${replayed}`, () => read(replayed, state)).state;
      }
    }
    const output = within(`segments.${index}`, () => read(index, state));
    states.push(bpttDepth === Infinity ? output.state : detach(output.state));
    if (counted === 0) return;
    const wanted = tensor(targets, { shape: [size, time], backend });
    losses.push(crossEntropy(output.logits, wanted, { ignoreIndex: IGNORED, reduction: 'sum' }));
    predictions.push(argmax(output.logits, -1));
  });
  const counted = segments.reduce((sum, segment) => sum + segment.counted, 0);
  return {
    loss: div(
      losses.reduce((a, b) => add(a, b)),
      counted,
    ),
    predictions,
  };
}
