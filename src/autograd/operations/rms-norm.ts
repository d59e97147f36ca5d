/** Root mean square normalisation. */
import { check, positive } from '../../options.js';
import { commonDtype, requireFit, requireFloat, requireTensors, rowsOf } from '../arguments.js';
import { type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { gradientsOf } from '../transforms/backward.js';
import { add, div, mul, sqrt, square } from './elementwise.js';
import { rowMean, unitOf } from './layer-norm.js';

declare module '../../backends/backend.js' {
  interface Kernels {
    /** x / sqrt(mean(x^2) + epsilon) * weight for each row. Squares must not overflow. */
    rmsNorm: Kernel<
      [x: DeviceBuffer, weight: DeviceBuffer],
      [epsilon: number, rows: number, width: number]
    >;
    /**
     * The gradients of `rmsNorm` with respect to x and weight, where g is the gradient of its
     * result.
     */
    rmsNormGradient: Kernel<
      [x: DeviceBuffer, weight: DeviceBuffer, g: DeviceBuffer],
      [epsilon: number, rows: number, width: number]
    >;
  }
}

const rmsNormOperation: Operation<number> = {
  name: 'rmsNorm',
  infer: (inputs) => [{ shape: inputs[0].shape, dtype: commonDtype('rmsNorm', inputs) }],
  forward: ({ kernels }, [x, weight], epsilon, results) =>
    kernels?.rmsNorm?.([x.buffer, weight.buffer], [epsilon, ...rowsOf(x)], results),
  definition([x, weight], epsilon) {
    const unit = unitOf(x);
    const scaled = div(x, unit);
    const squares = rowMean(square(scaled));
    return [mul(div(scaled, sqrt(add(squares, div(div(epsilon, unit), unit)))), weight)];
  },
  gradients: {
    together: ([g], { inputs, attributes }) =>
      run(rmsNormGradientOperation, [...inputs, g], attributes),
  },
};

const rmsNormGradientOperation: Operation<number> = {
  name: 'rmsNormGradient',
  infer: ([x, weight]) => [x, weight],
  forward: ({ kernels }, [x, weight, g], epsilon, results) =>
    kernels?.rmsNormGradient?.(
      [x.buffer, weight.buffer, g.buffer],
      [epsilon, ...rowsOf(x)],
      results,
    ),
  definition: (inputs, epsilon) => gradientsOf(rmsNormOperation, inputs, epsilon),
  gradients: 'definition',
};

/**
 * x / sqrt(mean(x^2) + epsilon) * weight over the last axis (Zhang and Sennrich 2019, arXiv
 * 1910.07467). `x` is [..., features] and `weight` [features], of one floating dtype; the result
 * has the shape of `x`. Throws `MemgradError` when they don't fit.
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon = 1e-5): Tensor {
  requireFloat('rmsNorm', x);
  requireTensors('rmsNorm', weight);
  check('rmsNorm: epsilon', epsilon, positive());
  requireFit(
    x.rank > 0 && sameShape(weight.shape, x.shape.slice(-1)),
    'rmsNorm',
    'x [..., features] and weight [features]',
    ...[x.shape, weight.shape],
  );
  return run(rmsNormOperation, [x, weight], epsilon)[0];
}
