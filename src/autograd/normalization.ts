/** Softmax and layer normalisation. */
import { MemgradError } from '../errors.js';
import { check, positive } from '../options.js';
import { equal, greater, less, notEqual, where } from './comparison.js';
import { abs, add, div, exp, log, mul, sqrt, square, sub } from './elementwise.js';
import { definitionGradient, definitionGradients } from './fused.js';
import { stopGradient } from './identity.js';
import {
  commonDtype,
  normalizeAxis,
  type Operation,
  refuseExtra,
  requireFloat,
  requireTensors,
  requireTruth,
  results,
  run,
} from './operation.js';
import { max, mean, sum } from './reduction.js';
import { allocating } from './storage.js';
import { isRecording } from './tape.js';
import { sameShape, showShape, type Tensor } from './tensor.js';

const softmaxOperation: Operation<{ scale: number }> = {
  name: 'softmax',
  infer([x, mask]) {
    if (mask) requireTruth('softmax', 'the mask', mask);
    return { shape: x.shape, dtype: x.dtype };
  },
  forward: (backend, [x, mask], { scale }) =>
    mask && !sameShape(mask.shape, x.shape.slice(-2))
      ? undefined
      : backend.fused?.softmax?.(x.buffer, mask?.buffer, scale, x.shape[x.rank - 1]),
  definition([x, mask], { scale }) {
    const scaled = scale === 1 ? x : mul(x, scale);
    if (!mask) return plainSoftmax(scaled, x.rank - 1);
    return where(mask, plainSoftmax(where(mask, scaled, -Infinity), x.rank - 1), 0); // 0 beside a NaN, too
  },
  gradients: [
    (g, { output, attributes }) => run(softmaxGradientOperation, [output, g], attributes),
    null,
  ],
};

const softmaxGradientOperation: Operation<{ scale: number }> = {
  name: 'softmaxGradient',
  infer: ([y]) => ({ shape: y.shape, dtype: y.dtype }),
  forward: (backend, [y, g], { scale }) =>
    backend.fused?.softmaxGradient?.(y.buffer, g.buffer, scale, y.shape[y.rank - 1]),
  definition: softmaxGradient,
  gradients: definitionGradient(softmaxGradient),
};

/** Where y is 0 the gradient isn't read, and the result is 0: beside what is masked there may be a NaN. */
function softmaxGradient([y, g]: readonly Tensor[], { scale }: { scale: number }): Tensor {
  const open = notEqual(y, 0);
  const total = sum(where(open, mul(g, y), 0), -1, { keepDims: true });
  return where(open, mul(mul(y, sub(g, total)), scale), 0);
}

/** e^x / sum(e^x) along `axis`, with the largest value taken out first, so that nothing overflows. A row of -Infinity gives 0. */
export function softmax(x: Tensor, axis?: number): Tensor;
export function softmax(x: Tensor, axis = -1, ...extra: unknown[]): Tensor {
  refuseExtra('softmax', extra);
  requireFloat('softmax', x);
  const along = normalizeAxis('softmax', axis, x.rank);
  return along === x.rank - 1 ? run(softmaxOperation, [x], { scale: 1 }) : plainSoftmax(x, along);
}

/** softmax(scale * x) over the last axis where `mask` (int32, broadcasts to x) is not 0, elsewhere 0. */
export function maskedSoftmax(x: Tensor, mask: Tensor | undefined, scale: number): Tensor {
  return run(softmaxOperation, mask ? [x, mask] : [x], { scale });
}

function plainSoftmax(x: Tensor, axis: number): Tensor {
  if (x.size === 0) return exp(x); // there is no largest
  const largest = stopGradient(max(x, axis, { keepDims: true }));
  const empty = equal(largest, -Infinity);
  // Beside an infinity all are NaN.
  const shift = where(equal(largest, Infinity), NaN, where(empty, 0, largest));
  const below = sub(x, shift);
  // A weight that would be denormal is 0, as in the kernels, and no gradient passes it, not even a NaN.
  const least = x.dtype === 'float32' ? -87.33654 : -708.3964;
  const powers = exp(where(less(below, least), -Infinity, below));
  const weights = div(powers, where(empty, 1, sum(powers, axis, { keepDims: true })));
  return where(equal(weights, 0), 0, weights);
}

/** log(softmax(x)) along `axis`, without the loss of digits of taking the logarithm afterwards. A row of -Infinity gives NaN. */
export function logSoftmax(x: Tensor, axis?: number): Tensor;
export function logSoftmax(x: Tensor, axis = -1, ...extra: unknown[]): Tensor {
  refuseExtra('logSoftmax', extra);
  requireFloat('logSoftmax', x);
  const along = normalizeAxis('logSoftmax', axis, x.rank);
  const below = belowLargest(x, along);
  return sub(below, log(sum(exp(below), along, { keepDims: true })));
}

/** x minus the largest along `axis`: exact beside it, however large. */
export function belowLargest(x: Tensor, axis: number): Tensor {
  return x.size === 0 ? x : sub(x, stopGradient(max(x, axis, { keepDims: true })));
}

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis, with the biased
 * variance (Ba, Kiros, Hinton 2016, arXiv 1607.06450). `weight` and `bias`: [features].
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  requireFloat('layerNorm', x);
  requireTensors('layerNorm', weight, bias);
  check('layerNorm: epsilon', epsilon, positive());
  const features = x.shape.slice(-1);
  if (x.rank === 0 || ![weight, bias].every(({ shape }) => sameShape(shape, features))) {
    throw new MemgradError(
      `layerNorm: x ${showShape(x.shape)}, weight ${showShape(weight.shape)} and bias ${showShape(bias.shape)} do not fit, expected [..., features] and twice [features].`,
    );
  }
  return run(layerNormOperation, [x, weight, bias], epsilon);
}

const layerNormOperation: Operation<number> = {
  name: 'layerNorm',
  infer: (inputs) => ({ shape: inputs[0].shape, dtype: commonDtype('layerNorm', inputs) }),
  forward: (backend, [x, weight, bias], epsilon) =>
    backend.fused?.layerNorm?.(x.buffer, weight.buffer, bias.buffer, epsilon),
  definition: normalizeAndScale,
  gradients: {
    together(g, call, wanted) {
      const { inputs, attributes: epsilon } = call;
      const [x, weight] = inputs;
      const { fused } = g.backend;
      const made = isRecording() // its gradient has no rule of its own
        ? undefined
        : allocating(() => fused?.layerNormGradient?.(x.buffer, weight.buffer, g.buffer, epsilon));
      if (!made) return definitionGradients(normalizeAndScale)(g, call, wanted);
      const shapes = inputs.map(({ shape }) => shape);
      return results('layerNormGradient', [g, ...inputs], made, shapes);
    },
  },
};

function normalizeAndScale([x, weight, bias]: readonly Tensor[], epsilon: number): Tensor {
  return add(mul(run(normalizeOperation, [x], epsilon), weight), bias);
}

const normalizeOperation: Operation<number> = {
  name: 'normalize',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  forward: (backend, [x], epsilon) =>
    backend.fused?.normalize?.(x.buffer, epsilon, x.shape[x.rank - 1]),
  definition: normalize,
  gradients: (g, { inputs: [x], attributes }) =>
    run(normalizeGradientOperation, [x, g], attributes),
};

const normalizeGradientOperation: Operation<number> = {
  name: 'normalizeGradient',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  forward: (backend, [x, g], epsilon) =>
    backend.fused?.normalizeGradient?.(x.buffer, g.buffer, epsilon, x.shape[x.rank - 1]),
  definition: normalizeGradient,
  gradients: definitionGradient(normalizeGradient),
};

function normalize([x]: readonly Tensor[], epsilon: number): Tensor {
  const { centred, deviation } = measure(x, epsilon);
  return div(centred, deviation);
}

/** (g - mean(g) - y mean(g y)) / deviation, with y the normalised row. */
function normalizeGradient([x, g]: readonly Tensor[], epsilon: number): Tensor {
  const { centred, deviation, unit } = measure(x, epsilon);
  const y = div(centred, deviation);
  return div(sub(sub(g, row(g)), mul(y, row(mul(g, y)))), mul(deviation, unit));
}

const row = (x: Tensor) => mean(x, -1, { keepDims: true });

/** The deviations from the mean, and sqrt(variance + epsilon), both divided by a `unit`: 1, or the largest value of a row whose squares might overflow. */
function measure(x: Tensor, epsilon: number) {
  const largest = x.size === 0 ? row(x) : stopGradient(max(abs(x), -1, { keepDims: true }));
  const unit = where(mul(greater(largest, 2 ** 40), less(largest, Infinity)), largest, 1);
  const scaled = div(x, unit);
  const centred = sub(scaled, row(scaled));
  const variance = row(square(centred));
  return { centred, deviation: sqrt(add(variance, div(div(epsilon, unit), unit))), unit };
}
