/** Reductions composed of others: variance, std, norm, prod. */
import { sizeOf } from '../../backends/layout.js';
import { checkOptions, flag, positive } from '../../options.js';
import { requireFloat } from '../arguments.js';
import type { Tensor } from '../tensor.js';
import { equal, greater, less, where } from './comparison.js';
import { abs, add, div, mul, sqrt, square, sub } from './elementwise.js';
import {
  type Axes,
  keeps,
  keptShape,
  leftShape,
  max,
  mean,
  normalizeAxes,
  type ReduceOptions,
  sum,
} from './reduction.js';
import { concat, reshape, slice, transpose } from './shape.js';
import { stopGradient } from './view.js';

/** Options of `variance` and `std`. */
export interface VarianceOptions extends ReduceOptions {
  /**
   * Subtracted from the number of values by which the sum of squares is divided. Default 1, for a
   * sample (PyTorch); 0 is for a whole population (NumPy).
   */
  correction?: number;
}

/**
 * sum((x - mean)^2) / (count - correction) over `axes`, of a float tensor. NaN where the count is at
 * most the correction and the values are equal.
 */
export function variance(x: Tensor, axes?: Axes, options?: VarianceOptions): Tensor {
  return spread('variance', x, axes, options, (away, over, divisor, keep) =>
    div(sum(square(away), over, keep), divisor),
  );
}

/** The square root of `variance`, also of values whose squares overflow; its gradient at 0 is 0. */
export function std(x: Tensor, axes?: Axes, options?: VarianceOptions): Tensor {
  return spread('std', x, axes, options, (away, over, divisor, keep) =>
    div(norm(away, over, keep), Math.sqrt(divisor)),
  );
}

/** `measure` of the differences from the mean, their axes, the divisor of their squares, and options. */
function spread(
  name: string,
  x: Tensor,
  axes: Axes | undefined,
  options: VarianceOptions | undefined,
  measure: (away: Tensor, over: readonly number[], divisor: number, keep: ReduceOptions) => Tensor,
): Tensor {
  requireFloat(name, x);
  checkOptions(name, options, { correction: positive(), keepDims: flag });
  const { correction = 1, keepDims } = options ?? {};
  const over = normalizeAxes(name, x, axes);
  const count = sizeOf(over.map((axis) => x.shape[axis]));
  const away = sub(x, mean(x, over, { keepDims: true }));
  return measure(away, over, Math.max(0, count - correction), { keepDims });
}

/**
 * The Euclidean norm over `axes`, of a float tensor: the root of the sum of squares, also where
 * these overflow or vanish. The gradient at 0 is 0.
 */
export function norm(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  requireFloat('norm', x);
  const over = normalizeAxes('norm', x, axes);
  const keepDims = keeps('norm', options);
  if (over.some((axis) => x.shape[axis] === 0)) return sum(x, over, { keepDims });
  const largest = stopGradient(max(abs(x), over, { keepDims: true }));
  const unit = where(mul(greater(largest, 0), less(largest, Infinity)), largest, 1);
  const squares = sum(square(div(x, unit)), over, { keepDims: true });
  const zero = equal(squares, 0);
  const root = mul(unit, where(zero, 0, sqrt(where(zero, 1, squares))));
  return keepDims ? root : reshape(root, leftShape(x.shape, over));
}

/**
 * The product over `axes`, of every dtype; 1 over an axis of length 0. The gradient of each value is
 * the product of the others, also beside zeros.
 */
export function prod(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  const over = normalizeAxes('prod', x, axes);
  const keepDims = keeps('prod', options);
  const shape = keepDims ? keptShape(x.shape, over) : leftShape(x.shape, over);
  let count = sizeOf(over.map((axis) => x.shape[axis]));
  if (count === 0) return add(sum(x, over, { keepDims }), 1);
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !over.includes(axis));
  let factors = reshape(transpose(x, [...over, ...kept]), [count, ...leftShape(x.shape, over)]);
  while (count > 1) {
    const half = count >> 1;
    const pairs = mul(slice(factors, 0, 0, half), slice(factors, 0, half, 2 * half));
    factors = count % 2 ? concat([pairs, slice(factors, 0, 2 * half)], 0) : pairs;
    count -= half;
  }
  return reshape(factors, shape);
}
