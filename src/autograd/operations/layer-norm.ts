/** Layer normalisation. */
import { check, positive } from '../../options.js';
import { commonDtype, requireFit, requireFloat, requireTensors, rowsOf } from '../arguments.js';
import { type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { greater, less, where } from './comparison.js';
import { abs, add, div, mul, sqrt, square, sub } from './elementwise.js';
import { max, mean, sumTo } from './reduction.js';
import { stopGradient } from './view.js';

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis, with the biased
 * variance (Ba, Kiros, Hinton 2016, arXiv 1607.06450). `weight` and `bias` are [features]. Throws
 * `MemgradError` when they don't fit `x`.
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  requireFloat('layerNorm', x);
  requireTensors('layerNorm', weight, bias);
  check('layerNorm: epsilon', epsilon, positive());
  const features = x.shape.slice(-1);
  requireFit(
    x.rank > 0 && [weight, bias].every(({ shape }) => sameShape(shape, features)),
    'layerNorm',
    'x [..., features], weight [features] and bias [features]',
    ...[x, weight, bias].map(({ shape }) => shape),
  );
  return run(layerNormOperation, [x, weight, bias], epsilon)[0];
}

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * (x - mean) / sqrt(variance + epsilon) * weight + bias for each row. Squares must not
     * overflow.
     */
    layerNorm: Kernel<
      [x: DeviceBuffer, weight: DeviceBuffer, bias: DeviceBuffer],
      [epsilon: number, rows: number, width: number]
    >;
    /** The gradients with respect to x, weight and bias. */
    layerNormGradient: Kernel<
      [x: DeviceBuffer, weight: DeviceBuffer, g: DeviceBuffer],
      [epsilon: number, rows: number, width: number]
    >;
    /** (x - mean) / sqrt(variance + epsilon) for each row. */
    normalize: Kernel<[x: DeviceBuffer], [epsilon: number, rows: number, width: number]>;
    /** The gradient of `normalize` with respect to x, where g is the gradient of its result. */
    normalizeGradient: Kernel<
      [x: DeviceBuffer, g: DeviceBuffer],
      [epsilon: number, rows: number, width: number]
    >;
  }
}

const layerNormOperation: Operation<number> = {
  name: 'layerNorm',
  infer: (inputs) => [{ shape: inputs[0].shape, dtype: commonDtype('layerNorm', inputs) }],
  forward: ({ kernels }, [x, weight, bias], epsilon, results) =>
    kernels?.layerNorm?.([x.buffer, weight.buffer, bias.buffer], [epsilon, ...rowsOf(x)], results),
  definition: ([x, weight, bias], epsilon) => [add(mul(normalizeRows(x, epsilon), weight), bias)],
  gradients: {
    together: ([g], { inputs, attributes }) =>
      run(layerNormGradientOperation, [...inputs, g], attributes),
  },
};

const layerNormGradientOperation: Operation<number> = {
  name: 'layerNormGradient',
  infer: (inputs) => inputs.slice(0, 3),
  forward: ({ kernels }, [x, weight, , g], epsilon, results) =>
    kernels?.layerNormGradient?.(
      [x.buffer, weight.buffer, g.buffer],
      [epsilon, ...rowsOf(x)],
      results,
    ),
  definition([x, weight, , g], epsilon) {
    const [gx, y] = pullBack(x, mul(g, weight), epsilon);
    return [gx, sumTo(mul(g, y), weight.shape), sumTo(g, weight.shape)];
  },
  gradients: 'definition',
};

const normalizeOperation: Operation<number> = {
  name: 'normalize',
  infer: ([x]) => [x],
  forward: ({ kernels }, [x], epsilon, results) =>
    kernels?.normalize?.([x.buffer], [epsilon, ...rowsOf(x)], results),
  definition: ([x], epsilon) => [normalized(x, epsilon)[0]],
  gradients: ([g], { inputs: [x], attributes }) =>
    run(normalizeGradientOperation, [x, g], attributes)[0],
};

/** (x - mean) / sqrt(variance + epsilon) for each row of `x`, with the biased variance. */
export function normalizeRows(x: Tensor, epsilon: number): Tensor {
  return run(normalizeOperation, [x], epsilon)[0];
}

const normalizeGradientOperation: Operation<number> = {
  name: 'normalizeGradient',
  infer: ([x]) => [x],
  forward: ({ kernels }, [x, g], epsilon, results) =>
    kernels?.normalizeGradient?.([x.buffer, g.buffer], [epsilon, ...rowsOf(x)], results),
  definition: ([x, g], epsilon) => [pullBack(x, g, epsilon)[0]],
  gradients: 'definition',
};

/** Returns the gradient of the normalised rows y, (g - mean(g) - y mean(g y)) / deviation, and y. */
function pullBack(x: Tensor, g: Tensor, epsilon: number): [gradient: Tensor, y: Tensor] {
  const [y, deviation] = normalized(x, epsilon);
  return [div(sub(sub(g, rowMean(g)), mul(y, rowMean(mul(g, y)))), deviation), y];
}

/** The mean of each row, [..., 1]. */
export const rowMean = (x: Tensor): Tensor => mean(x, -1, { keepDims: true });

/** Returns the normalised rows y, and their deviation, sqrt(variance + epsilon). */
function normalized(x: Tensor, epsilon: number): [y: Tensor, deviation: Tensor] {
  const unit = unitOf(x);
  const scaled = div(x, unit);
  const centred = sub(scaled, rowMean(scaled));
  const variance = rowMean(square(centred));
  const deviation = sqrt(add(variance, div(div(epsilon, unit), unit)));
  return [div(centred, deviation), mul(deviation, unit)];
}

/**
 * The constant that divides each row before its values are squared: 1, or the largest absolute
 * value of a row whose squares might overflow.
 */
export function unitOf(x: Tensor): Tensor {
  const largest = x.size === 0 ? rowMean(x) : stopGradient(max(abs(x), -1, { keepDims: true }));
  return where(mul(greater(largest, 2 ** 40), less(largest, Infinity)), largest, 1);
}
