/** Converts nested arrays to flat ones. */
import type { DType, TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { describe, isList, MemgradError } from '../errors.js';
import { allocating } from './storage.js';
import { showShape } from './tensor.js';

export const MOST_AXES = 32;

export const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array };

/**
 * Returns the shape of the first branch of nested arrays, and the dtype of their first row:
 * float32, unless it is a typed array.
 */
export function shapeOf(values: unknown): { shape: number[]; dtype: DType } {
  const shape: number[] = [];
  let dtype: DType = 'float32';
  for (let level = values; isList(level); level = level[0]) {
    shape.push(level.length);
    if (ArrayBuffer.isView(level)) dtype = dtypeOf(level);
    if (shape.length <= MOST_AXES) continue;
    throw new MemgradError(
      `tensor: the nested arrays are deeper than ${MOST_AXES} levels; does a list contain itself?`,
    );
  }
  return { shape, dtype };
}

/**
 * Returns the numbers of `values`, row-major. Throws unless they have `shape`, for values that
 * aren't numbers, and for fractions as int32.
 */
export function flatten(values: unknown, shape: readonly number[], dtype: DType): TypedArray {
  const flat = allocating(() => new arrays[dtype](sizeOf(shape)));
  const last = shape.length - 1;
  let next = 0;
  const refuse = (value: unknown, depth: number): never => {
    throw new MemgradError(
      `tensor: the nested arrays start as shape ${showShape(shape)}, but ${describe(value)} is at depth ${depth}; every list of a level must have the same length and hold numbers.`,
    );
  };
  const put = (value: unknown): void => {
    if (typeof value !== 'number') refuse(value, last + 1);
    flat[next] = value as number;
    if (dtype === 'int32' && flat[next] !== value) requireWhole('tensor', [value as number]);
    next++;
  };
  const visit = (list: unknown, axis: number): void => {
    if (!isList(list) || list.length !== shape[axis]) refuse(list, axis);
    const items = list as ArrayLike<unknown>;
    for (let i = 0; i < items.length; i++) {
      if (axis < last) visit(items[i], axis + 1);
      else put(items[i]);
    }
  };
  if (last < 0) put(values);
  else visit(values, 0);
  return flat;
}

/** Returns the dtype of a typed array. Throws if no dtype matches. */
export function dtypeOf(data: ArrayBufferView): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  throw new MemgradError(
    `tensor: expected a Float32Array, Float64Array or Int32Array, got ${Object.prototype.toString.call(data).slice(8, -1)}; convert it first.`,
  );
}

/** Throws unless int32 can hold all `values` exactly, so that nothing is truncated silently. */
export function requireWhole(
  name: string,
  values: ArrayLike<number>,
  advice = 'choose a floating dtype or round it',
): void {
  if (values instanceof Int32Array) return;
  for (let i = 0; i < values.length; i++) {
    if (values[i] === Math.round(values[i]) && Math.abs(values[i] + 0.5) <= 2 ** 31) continue;
    throw new MemgradError(
      `${name}: int32 holds whole numbers from -2^31 to 2^31 - 1, got ${values[i]}; ${advice}.`,
    );
  }
}
