/** Reductions: sum, mean, max, min, argmax, logsumexp. */
import type { ReduceKernel } from '../../backends/backend.js';
import { sizeOf, stridesOf } from '../../backends/layout.js';
import { checkOptions, flag } from '../../options.js';
import { normalizeAxis, requireFit, requireFloat, requireTensors } from '../arguments.js';
import { type Call, type Operation, run } from '../run.js';
import type { Shape, Tensor } from '../tensor.js';
import { cast, equal, where } from './comparison.js';
import { abs, add, div, exp, log, mul, neg, sub } from './elementwise.js';
import { broadcastTo, reshape } from './shape.js';
import { stopGradient } from './view.js';

/** The axes to reduce; all by default. Negative ones count from the end. */
export type Axes = number | readonly number[];

/** Options of a reduction. */
export interface ReduceOptions {
  /** Keeps each reduced axis with length 1. */
  keepDims?: boolean;
}

/** The axes to reduce, sorted and distinct, and whether they are kept with length 1. */
interface Reduced {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

function reduction(name: ReduceKernel, gradients: Operation<Reduced>['gradients']) {
  const operation: Operation<Reduced> = {
    name,
    infer([x], { axes, keepDims }) {
      if (name !== 'sum') requireSome(name, x, axes);
      return [
        {
          shape: keepDims ? keptShape(x.shape, axes) : leftShape(x.shape, axes),
          dtype: name === 'argmax' ? 'int32' : x.dtype,
        },
      ];
    },
    forward(backend, [x], { axes }) {
      const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
      const order = [...kept, ...axes];
      const strides = stridesOf(x.shape);
      const view = {
        buffer: x.buffer,
        shape: order.map((axis) => x.shape[axis]),
        strides: order.map((axis) => strides[axis]),
        offset: 0,
      };
      return [backend.reduce(name, view, kept.length)];
    },
    gradients,
  };
  return (x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor => {
    const attributes = { axes: normalizeAxes(name, x, axes), keepDims: keeps(name, options) };
    return run(operation, [x], attributes)[0];
  };
}

/** Whether `options` keep the reduced axes. */
export function keeps(name: string, options: ReduceOptions | undefined): boolean {
  if (options === undefined) return false;
  checkOptions(name, options, { keepDims: flag });
  return options.keepDims ?? false;
}

/** Throws for an axis of length 0, which has no largest element. */
function requireSome(name: string, x: Tensor, axes: readonly number[]): void {
  const some = axes.every((axis) => x.shape[axis] > 0);
  requireFit(some, name, 'axes of length 1 or more', x.shape);
}

/** The axes that `axes` names, sorted. Throws for one that doesn't exist, or is named twice. */
export function normalizeAxes(name: string, x: Tensor, axes: Axes | undefined): readonly number[] {
  requireTensors(name, x);
  const list = axes === undefined ? x.shape.map((_, axis) => axis) : [axes].flat();
  const reduced = list.map((axis) => normalizeAxis(name, axis, x.rank)).sort((a, b) => a - b);
  requireFit(new Set(reduced).size === reduced.length, name, 'each axis once', list);
  return reduced;
}

/** `shape` with length 1 along `axes`. */
export function keptShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
}

/** `shape` without `axes`. */
export function leftShape(shape: Shape, axes: readonly number[]): Shape {
  return shape.filter((_, axis) => !axes.includes(axis));
}

/** Spreads `x`, a result or its gradient, over the shape of the reduced input. */
function spread(x: Tensor, { inputs: [input], attributes: { axes } }: Call<Reduced>): Tensor {
  return broadcastTo(reshape(x, keptShape(input.shape, axes)), input.shape);
}

/** Sum over `axes`. Throws `MemgradError` for an axis that doesn't exist or is named twice. */
export const sum = reduction('sum', ([g], call) => spread(g, call));

/**
 * Largest value over `axes`; equal ones share the gradient. Throws `MemgradError` for an axis of
 * length 0.
 */
export const max = reduction('max', ([g], call) => {
  const {
    inputs: [x],
    outputs: [y],
    attributes: { axes },
  } = call;
  const largest = cast(equal(x, spread(y, call)), x.dtype);
  const count = sum(largest, axes, { keepDims: true });
  return mul(spread(g, call), div(largest, count));
});

/** Smallest value over `axes`, as `max`. */
export function min(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  requireFloat('min', x);
  keeps('min', options);
  const reduced = normalizeAxes('min', x, axes);
  requireSome('min', x, reduced);
  return neg(max(neg(x), reduced, options));
}

const argmaxOf = reduction('argmax', { none: 'positions are whole numbers' });

/** Position (int32) of the first largest value along `axis`. No gradient flows back. */
export function argmax(x: Tensor, axis: number, options?: ReduceOptions): Tensor {
  return argmaxOf(x, axis, options);
}

/** Mean over `axes`; NaN over an axis of length 0. */
export function mean(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  requireFloat('mean', x);
  keeps('mean', options);
  const reduced = normalizeAxes('mean', x, axes);
  return div(sum(x, reduced, options), sizeOf(reduced.map((axis) => x.shape[axis])));
}

/**
 * log(sum(exp(x))) over `axes`. The largest value is subtracted first, so nothing overflows.
 * -Infinity over an axis of length 0.
 */
export function logsumexp(x: Tensor, axes?: Axes, options?: ReduceOptions): Tensor {
  requireFloat('logsumexp', x);
  const keepDims = keeps('logsumexp', options);
  const reduced = normalizeAxes('logsumexp', x, axes);
  const isEmpty = reduced.some((axis) => x.shape[axis] === 0);
  const largest = isEmpty
    ? sum(x, reduced, { keepDims: true })
    : stopGradient(max(x, reduced, { keepDims: true }));
  const shift = where(equal(abs(largest), Infinity), 0, largest); // no NaN from Infinity - Infinity
  const total = sum(exp(sub(x, shift)), reduced, { keepDims: true });
  const none = equal(total, 0); // a row of -Infinity, through which no gradient flows
  const kept = where(none, -Infinity, add(log(where(none, 1, total)), shift));
  return keepDims ? kept : reshape(kept, leftShape(x.shape, reduced));
}

/** Undoes broadcasting: sums `x` over the axes along which `shape` was repeated. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const missing = x.rank - shape.length;
  const repeated = x.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < missing || (shape[axis - missing] === 1 && x.shape[axis] !== 1));
  return repeated.length === 0 ? x : reshape(sum(x, repeated), shape);
}
