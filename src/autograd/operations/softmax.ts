/** Softmax and its logarithm. */

import { normalizeAxis, refuseExtra, requireFloat, requireTruth, rowsOf } from '../arguments.js';
import { type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { equal, less, notEqual, where } from './comparison.js';
import { div, exp, log, mul, sub } from './elementwise.js';
import { max, sum } from './reduction.js';
import { stopGradient } from './view.js';

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * softmax(scale * x) for each row where `mask` (int32 [maskRows, width], repeating over the
     * rows) is not 0, else 0.
     */
    softmax: Kernel<
      [x: DeviceBuffer, mask: DeviceBuffer | undefined],
      [maskRows: number, scale: number, rows: number, width: number]
    >;
    /**
     * scale * y * (g - sum(g * y)) for each row; where y is 0, g isn't read and the result is 0.
     */
    softmaxGradient: Kernel<
      [y: DeviceBuffer, g: DeviceBuffer],
      [scale: number, rows: number, width: number]
    >;
  }
}

const softmaxOperation: Operation<{ scale: number }> = {
  name: 'softmax',
  infer([x, mask]) {
    if (mask) requireTruth('softmax', 'the mask', mask);
    return [x];
  },
  forward({ kernels }, [x, mask], { scale }, results) {
    if (mask && !sameShape(mask.shape, x.shape.slice(-2))) return undefined;
    const [rows, width] = rowsOf(x);
    const maskRows = mask ? rowsOf(mask)[0] : 0;
    return kernels?.softmax?.([x.buffer, mask?.buffer], [maskRows, scale, rows, width], results);
  },
  definition([x, mask], { scale }) {
    const scaled = scale === 1 ? x : mul(x, scale);
    if (!mask) return [plainSoftmax(scaled, x.rank - 1)];
    // The outer `where` makes masked weights 0 even in a row with a NaN.
    return [where(mask, plainSoftmax(where(mask, scaled, -Infinity), x.rank - 1), 0)];
  },
  gradients: [
    ([g], { outputs: [y], attributes }) => run(softmaxGradientOperation, [y, g], attributes)[0],
    null,
  ],
};

const softmaxGradientOperation: Operation<{ scale: number }> = {
  name: 'softmaxGradient',
  infer: ([y]) => [y],
  forward: ({ kernels }, [y, g], { scale }, results) =>
    kernels?.softmaxGradient?.([y.buffer, g.buffer], [scale, ...rowsOf(y)], results),
  // Where y is 0 the gradient isn't read, and the result is 0: the gradient of a masked value may
  // be NaN.
  definition([y, g], { scale }) {
    const open = notEqual(y, 0);
    const total = sum(where(open, mul(g, y), 0), -1, { keepDims: true });
    return [where(open, mul(mul(y, sub(g, total)), scale), 0)];
  },
  gradients: 'definition',
};

/**
 * e^x / sum(e^x) along `axis`. The largest value is subtracted first, so nothing overflows. A row
 * of -Infinity becomes zeros.
 */
export function softmax(x: Tensor, axis?: number): Tensor;
export function softmax(x: Tensor, axis = -1, ...extra: unknown[]): Tensor {
  refuseExtra('softmax', extra);
  requireFloat('softmax', x);
  const along = normalizeAxis('softmax', axis, x.rank);
  return along === x.rank - 1
    ? run(softmaxOperation, [x], { scale: 1 })[0]
    : plainSoftmax(x, along);
}

/** softmax(scale * x) over the last axis where `mask` (int32, broadcasts to x) is not 0, else 0. */
export function maskedSoftmax(x: Tensor, mask: Tensor | undefined, scale: number): Tensor {
  return run(softmaxOperation, mask ? [x, mask] : [x], { scale })[0];
}

function plainSoftmax(x: Tensor, axis: number): Tensor {
  if (x.size === 0) return exp(x); // an empty row has no largest value
  const largest = stopGradient(max(x, axis, { keepDims: true }));
  const empty = equal(largest, -Infinity);
  // A row with an infinity is all NaN.
  const shift = where(equal(largest, Infinity), NaN, where(empty, 0, largest));
  const below = sub(x, shift);
  // A weight that would be subnormal is 0, as in the kernels, and no gradient passes through it,
  // not even a NaN.
  const least = x.dtype === 'float32' ? -87.33654 : -708.3964;
  const powers = exp(where(less(below, least), -Infinity, below));
  const weights = div(powers, where(empty, 1, sum(powers, axis, { keepDims: true })));
  return where(equal(weights, 0), 0, weights);
}

/**
 * log(softmax(x)) along `axis`, computed without the loss of precision of log after softmax. A row
 * of -Infinity becomes NaN.
 */
export function logSoftmax(x: Tensor, axis?: number): Tensor;
export function logSoftmax(x: Tensor, axis = -1, ...extra: unknown[]): Tensor {
  refuseExtra('logSoftmax', extra);
  requireFloat('logSoftmax', x);
  const along = normalizeAxis('logSoftmax', axis, x.rank);
  const below = belowLargest(x, along);
  return sub(below, log(sum(exp(below), along, { keepDims: true })));
}

/**
 * x minus the largest value along `axis`; exact for values near the largest, however large it is.
 */
export function belowLargest(x: Tensor, axis: number): Tensor {
  return x.size === 0 ? x : sub(x, stopGradient(max(x, axis, { keepDims: true })));
}
