/** The steps of random programs, and makers of the usual kinds of them. */

import type { Shape, Tensor } from '../autograd/index.js';
import * as engine from '../autograd/index.js';
import type { FloatDType } from './case.js';

/** One step of a chain, which computes the next value from the last. */
export type Step = (x: Tensor, leaves: readonly Tensor[], dtype: FloatDType) => Tensor;

/** By what makers choose. A leaf is an input of the program beside the value, known by its index. */
export interface Tools {
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
  /** Adds a leaf of floats. */
  leaf(shape: Shape): number;
  /** Adds a leaf of whole numbers from `least` (by default 0) to below `limit`. */
  indices(shape: Shape, limit: number, least?: number): number;
}

/**
 * Makes a step from a value of `shape`, and the shape of its result; undefined if the operation
 * doesn't fit. It declines before it adds leaves.
 */
export type Maker = (tools: Tools, shape: Shape) => { step: Step; shape: Shape } | undefined;

/** The length of the last axis, the width of rows. */
export const width = (shape: Shape): number => shape[shape.length - 1];

export const unary =
  (operation: (x: Tensor) => Tensor): Maker =>
  (_, shape) => ({ step: (x) => operation(x), shape });

export const binary =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf, pick }, shape) => {
    const other = leaf(pick([shape, shape, shape.slice(1), [], shape.map(() => 1)]));
    const swapped = pick([false, true]);
    return {
      step: (x, leaves) => (swapped ? operation(leaves[other], x) : operation(x, leaves[other])),
      shape,
    };
  };

/** Two operands of one shape. */
export const alike =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf }, shape) => {
    const other = leaf(shape);
    return { step: (x, leaves) => operation(x, leaves[other]), shape };
  };

export const comparison =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf }, shape) => {
    const [other, instead] = [leaf(shape), leaf(shape)];
    return {
      step: (x, leaves) => engine.where(operation(x, leaves[other]), x, leaves[instead]),
      shape,
    };
  };

/** An operation on two int32 tensors. */
export const wholePair =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf }, shape) => {
    const other = leaf(shape);
    return {
      step: (x, leaves, dtype) => {
        const [a, b] = [x, leaves[other]].map((y) => engine.cast(y, 'int32'));
        return engine.cast(operation(a, b), dtype);
      },
      shape,
    };
  };

/** The step of `maker` on int32. */
export const whole =
  (maker: Maker): Maker =>
  (tools, shape) => {
    const made = maker(tools, shape);
    if (!made) return undefined;
    const step: Step = (x, leaves, dtype) =>
      engine.cast(made.step(engine.cast(x, 'int32'), leaves, dtype), dtype);
    return { ...made, step };
  };

export const reduction =
  (operation: (x: Tensor, axes?: engine.Axes) => Tensor): Maker =>
  ({ below, pick }, shape) => {
    const axis = pick([undefined, ...shape.map((_, i) => i)]);
    if (axis === undefined && below(2)) return undefined;
    return {
      step: (x) => operation(x, axis),
      shape: axis === undefined ? [] : shape.toSpliced(axis, 1),
    };
  };

export const along =
  (operation: (x: Tensor, axis: number) => Tensor): Maker =>
  ({ pick }, shape) => {
    if (shape.length === 0) return undefined;
    const axis = pick(shape.map((_, i) => i));
    return { step: (x) => operation(x, axis), shape };
  };

/** Whole numbers along an axis, as floats beside the value. */
export const places = (operation: (x: Tensor, axis: number) => Tensor): Maker =>
  along((x, axis) => engine.mul(x, engine.cast(operation(x, axis), x.dtype)));

/** A loss of the value and a target of the same shape. */
export const loss =
  (operation: (x: Tensor, target: Tensor, options: engine.LossOptions) => Tensor): Maker =>
  ({ leaf, pick }, shape) => {
    const target = leaf(shape);
    const reduce = pick(['mean', 'sum', 'none'] as const);
    return {
      step: (x, leaves) => operation(x, leaves[target], { reduction: reduce }),
      shape: reduce === 'none' ? shape : [],
    };
  };

/** An operation on rows and `count` leaves of their width. */
export const rows =
  (count: number, operation: (x: Tensor, ...more: Tensor[]) => Tensor): Maker =>
  ({ leaf }, shape) => {
    if (shape.length === 0) return undefined;
    const more = Array.from({ length: count }, () => leaf([width(shape)]));
    return { step: (x, leaves) => operation(x, ...more.map((i) => leaves[i])), shape };
  };
