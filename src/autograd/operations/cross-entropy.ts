/** Losses. */
import { checkOptions, positive, whole } from '../../options.js';
import {
  indexed,
  requireFit,
  requireFloat,
  requireInt,
  requireTensors,
  rowsOf,
} from '../arguments.js';
import { arange } from '../create.js';
import { type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { cast, equal, greaterEqual, less, notEqual, where } from './comparison.js';
import { add, div, exp, maximum, mul, neg, sub } from './elementwise.js';
import { gather, oneHot } from './indexing.js';
import { reduced, reductionKind } from './losses.js';
import { sum } from './reduction.js';
import { reshape } from './shape.js';
import { belowLargest, logSoftmax } from './softmax.js';

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Positions with this target are ignored. Default -100, as in PyTorch. */
  ignoreIndex?: number;
  /**
   * `mean` over the positions that aren't ignored (0 when all are), their `sum`, or `none`: one
   * loss per position. Default `mean`.
   */
  reduction?: 'mean' | 'sum' | 'none';
  /**
   * The part of each target's probability that all classes share in equal amounts (Szegedy et al.
   * 2015, arXiv 1512.00567): at least 0, less than 1. Default 0.
   */
  labelSmoothing?: number;
  /**
   * A factor for each class: [classes]. The mean of losses by index is then divided by the sum of the
   * factors of the targets, as in PyTorch.
   */
  weights?: Tensor;
}

const optionKinds = {
  ignoreIndex: whole(-(2 ** 31), 2 ** 31 - 1),
  reduction: reductionKind,
  labelSmoothing: positive(1),
  weights: 1,
} as const;

/**
 * Cross-entropy in nats of `logits` [..., classes] and `targets`: int32 [...], or probabilities of
 * the classes, [..., classes] in the dtype of the logits, which are not ignored. Returns a scalar,
 * or [...] with reduction `none`. Throws `MemgradError` when the shapes don't match, and, on
 * backends that can check it (cpu, wasm), for a target outside the classes.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  options?: CrossEntropyOptions,
): Tensor {
  checkOptions('crossEntropy', options, optionKinds);
  const { ignoreIndex = -100, reduction = 'mean', labelSmoothing = 0, weights } = options ?? {};
  requireFloat('crossEntropy', logits);
  requireTensors('crossEntropy', targets, ...(weights === undefined ? [] : [weights]));
  const classes = logits.shape[logits.rank - 1];
  if (weights) {
    const fits = sameShape(weights.shape, [classes]);
    requireFit(fits, 'crossEntropy', 'a weight for each class', logits.shape, weights.shape);
  }
  if (targets.dtype !== 'int32' && logits.rank > 0 && sameShape(logits.shape, targets.shape)) {
    return reduced(ofProbabilities(logits, targets, labelSmoothing, weights), reduction);
  }
  requireInt('crossEntropy', 'the targets', targets);
  requireFit(
    classes > 0 && sameShape(logits.shape.slice(0, -1), targets.shape),
    'crossEntropy',
    'logits [..., classes] of at least one class and targets [...]',
    ...[logits.shape, targets.shape],
  );
  let losses = perPosition(logits, targets, ignoreIndex);
  const counts = notEqual(targets, ignoreIndex);
  const factors = weights && where(counts, gather(weights, where(counts, targets, 0)), 0);
  if (factors) losses = mul(losses, factors);
  if (labelSmoothing > 0) {
    const all = logSoftmax(counted(logits, targets, ignoreIndex));
    const shared = where(counts, sum(weights ? mul(all, weights) : all, -1), 0);
    losses = sub(mul(losses, 1 - labelSmoothing), mul(shared, labelSmoothing / classes));
  }
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return sum(losses);
  if (!factors) return div(sum(losses), maximum(cast(sum(counts), logits.dtype), 1));
  const total = sum(factors);
  return div(sum(losses), where(equal(total, 0), 1, total));
}

/** One loss for each row of probabilities. */
function ofProbabilities(
  logits: Tensor,
  targets: Tensor,
  smoothing: number,
  weights: Tensor | undefined,
): Tensor {
  const shares =
    smoothing > 0
      ? add(mul(targets, 1 - smoothing), smoothing / logits.shape[logits.rank - 1])
      : targets;
  const logs = logSoftmax(logits);
  const impossible = mul(equal(shares, 0), equal(logs, -Infinity)); // 0 log 0 is 0
  const terms = mul(shares, where(impossible, 0, logs));
  return neg(sum(weights ? mul(terms, weights) : terms, -1));
}

function perPosition(logits: Tensor, targets: Tensor, ignored: number): Tensor {
  const classes = logits.shape[logits.rank - 1];
  return indexed(
    `crossEntropy: a target is outside the ${classes} classes, expected 0 to ${classes - 1} or ignoreIndex.`,
    () => run(crossEntropyOperation, [logits, targets], { ignored })[0],
  );
}

interface Attributes {
  ignored: number;
}

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * -log softmax(x)[target] for each row, 0 where the target (int32) is `ignored`. Throws as
     * `gather` does.
     */
    crossEntropy: Kernel<
      [x: DeviceBuffer, targets: DeviceBuffer],
      [ignored: number, rows: number, width: number]
    >;
    /**
     * (softmax(x) - oneHot(target)) * g for each row, 0 where the target is `ignored`; g has one
     * value per row.
     */
    crossEntropyGradient: Kernel<
      [x: DeviceBuffer, targets: DeviceBuffer, g: DeviceBuffer],
      [ignored: number, rows: number, width: number]
    >;
  }
}

const crossEntropyOperation: Operation<Attributes> = {
  name: 'crossEntropy',
  infer: ([{ dtype }, { shape }]) => [{ shape, dtype }],
  forward: ({ kernels }, [logits, targets], { ignored }, results) =>
    kernels?.crossEntropy?.([logits.buffer, targets.buffer], [ignored, ...rowsOf(logits)], results),
  definition([logits, targets], { ignored }) {
    const classes = logits.shape[logits.rank - 1];
    const target = reshape(targets, [-1]); // [positions]
    const counts = notEqual(target, ignored);
    // The log-probability of each target is one value of the flattened table. A bad target gets the
    // index -1, which `gather` refuses.
    const known = mul(greaterEqual(target, 0), less(target, classes));
    const first = mul(arange(target.size, { backend: target.backend }), classes);
    const at = mul(where(known, add(first, target), -1), counts);
    const table = reshape(logSoftmax(counted(logits, targets, ignored)), [-1]);
    return [reshape(where(counts, sub(0, gather(table, at)), 0), targets.shape)];
  },
  gradients: [
    ([g], { inputs: [logits, targets], attributes }) =>
      run(crossEntropyGradientOperation, [logits, targets, g], attributes)[0],
    null,
  ],
};

const crossEntropyGradientOperation: Operation<Attributes> = {
  name: 'crossEntropyGradient',
  infer: ([logits]) => [logits],
  forward: ({ kernels }, [logits, targets, g], { ignored }, results) =>
    kernels?.crossEntropyGradient?.(
      [logits.buffer, targets.buffer, g.buffer],
      [ignored, ...rowsOf(logits)],
      results,
    ),
  /** (softmax - oneHot(target)) times the gradient of the loss, 0 at ignored positions. */
  definition([logits, targets, g], { ignored }) {
    const classes = logits.shape[logits.rank - 1];
    const powers = exp(belowLargest(counted(logits, targets, ignored), -1));
    const shares = div(powers, sum(powers, -1, { keepDims: true }));
    const difference = sub(shares, oneHot(targets, classes, logits.dtype));
    return [mul(difference, column(where(notEqual(targets, ignored), g, 0)))];
  },
  gradients: 'definition',
};

/** `logits` with zeros in the ignored rows. They aren't read, so not even a NaN passes through. */
function counted(logits: Tensor, targets: Tensor, ignored: number): Tensor {
  return where(column(notEqual(targets, ignored)), logits, 0);
}

function column(x: Tensor): Tensor {
  return reshape(x, [...x.shape, 1]);
}
