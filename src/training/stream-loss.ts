/** Language modelling along a stream: one loss and one optimiser step per segment. */
import {
  crossEntropy,
  div,
  type Key,
  sum,
  type Tensor,
  type Tree,
  tensor,
  within,
} from '../autograd/index.js';
import { uncaptured } from '../autograd/transforms/capture.js';
import type { Backend } from '../backends/backend.js';
import { detach, outputOf, type SegmentModel, stateAfter } from '../models/segment-model.js';
import { check, checkValues, whole } from '../options.js';
import { IGNORED } from '../tasks/task.js';
import { carryKind } from './check.js';
import { checkRead, type ReadOptions, requireSegment, type Segment } from './segments.js';

/** The state carried from one segment of a stream to the next, all of it constants. */
export type Carry = {
  /** The states before each of the segments in `inputs`, and the one before the next segment. */
  states: Tree[];
  /** The last `bpttDepth` segments, oldest first. */
  inputs: Tensor[];
};

/** The loss of one segment, and the carry to pass to the next call. */
export interface StreamLoss {
  /** Mean cross-entropy over the targets that count. */
  loss: Tensor;
  /** Shares no tensor with the previous carry, which may be freed. */
  carry: Carry;
}

/**
 * Reads the next segment of `size` parallel streams. The state is carried as a constant. With a
 * depth k (default 0), the last k segments are first read again with the current parameters, from
 * the detached state before them, and gradients reach what these segments write. The learned
 * initial state gets a gradient only from the first segment. Throws `MemgradError` for an argument
 * that doesn't fit.
 *
 * The trainer of the RMT paper's language models intends the same; its released code fails to
 * restore the old memory before it reads again.
 */
export function streamLoss(
  model: SegmentModel,
  segment: Segment,
  size: number,
  carry: Carry | undefined,
  options: ReadOptions = {},
): StreamLoss {
  checkRead('streamLoss', model, size, options);
  const { bpttDepth = 0, backend } = options;
  check('streamLoss: bpttDepth', bpttDepth, whole(0));
  requireSegment('streamLoss', segment, size);
  checkValues('streamLoss', { carry }, { carry: carryKind });
  return readNext(model, uploadSegment(segment, size, backend), segment, size, carry, options);
}

/** The tokens and targets of a segment of `size` streams as tensors, int32 [size, time]. */
export function uploadSegment(
  { inputs, targets, time }: Segment,
  size: number,
  backend?: Backend,
): { tokens: Tensor; targets: Tensor } {
  const layout = { shape: [size, time], backend };
  return { tokens: tensor(inputs, layout), targets: tensor(targets, layout) };
}

/**
 * `streamLoss` of an uploaded segment. It depends on `segment` only under an adaptive softmax, which
 * sorts the targets on the host: each cluster computes as many rows as it has targets, so no list of
 * kernels fits the next segment, and it can't be captured.
 */
export function readNext(
  model: SegmentModel,
  { tokens, targets }: { tokens: Tensor; targets: Tensor },
  segment: Segment,
  size: number,
  carry: Carry | undefined,
  { key, bpttDepth = 0 }: ReadOptions,
): StreamLoss {
  const { states, inputs: earlier } = carry ?? { states: [model.initialState(size)], inputs: [] };
  let [state] = states;
  earlier.forEach((tokens, i) => {
    state = within(`replays.${i}`, () => stateAfter(model, tokens, state, fold(key, i)));
  });
  const output = outputOf(model, tokens, state, fold(key, earlier.length));
  if (output.losses) uncaptured();
  const loss = output.losses
    ? div(sum(output.losses(segment.targets)), Math.max(1, segment.counted))
    : crossEntropy(output.logits, targets, { ignoreIndex: IGNORED });
  const kept = <T>(list: T[], count: number) => list.slice(Math.max(0, list.length - count));
  return {
    loss,
    carry: detach({
      states: kept([...states, output.state], bpttDepth + 1),
      inputs: kept([...earlier, tokens], bpttDepth),
    }),
  };
}

function fold(key: Key | undefined, index: number): Key | undefined {
  return key?.fold(index);
}
