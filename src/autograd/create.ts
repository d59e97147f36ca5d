/** Making tensors from values. */

import type { Backend, DType, TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { createWasmBackend } from '../backends/wasm/index.js';
import { describe, MemgradError } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';
import { allocating, Storage } from './storage.js';
import { type Nested, type Shape, showShape, Tensor } from './tensor.js';

/** Where and as what a new tensor is made. */
export interface TensorOptions {
  /** Default float32, or that of a typed array. */
  dtype?: DType;
  /** Default: the default backend. */
  backend?: Backend;
}

const optionNames: OptionNames<TensorOptions> = { dtype: 1, backend: 1 };

let current: Backend | undefined;

/** The backend on which new tensors are made when none is named: `wasm`, unless set otherwise. */
export function defaultBackend(): Backend {
  current ??= createWasmBackend();
  return current;
}

/** Makes `backend` (of `await loadBackend(name)`) the default for new tensors. */
export function setDefaultBackend(backend: Backend): void {
  requireBackend('setDefaultBackend', backend);
  current = backend;
}

/**
 * A tensor of `values`: a number, nested arrays of equal lengths, or a typed array with `shape`.
 * Throws on ragged arrays, on values that are no numbers (or fractions, as int32), and where shape
 * and values don't match.
 *
 * @example
 * ```js
 * import { tensor } from 'memgrad';
 *
 * console.log(String(tensor([[1, 2], [3, 4]]))); // => Tensor(float32 [2, 2] on wasm)
 * console.log(String(tensor([1, 2], { dtype: 'int32' }))); // => Tensor(int32 [2] on wasm)
 * ```
 */
export function tensor(
  values: Nested | TypedArray,
  options?: TensorOptions & { shape?: Shape },
): Tensor {
  if (Array.isArray(options) || options instanceof Tensor) {
    const wanted: Shape = Array.isArray(options) ? options : options.shape;
    throw new MemgradError(
      `tensor: expected an object of options, got ${describe(options)}; a shape is written { shape: ${showShape(wanted)} }.`,
    );
  }
  checkOptions('tensor', options, { ...optionNames, shape: 1 });
  const { flat, shape } = ArrayBuffer.isView(values)
    ? { flat: values, shape: [values.length] }
    : flatten(values);
  const found = ArrayBuffer.isView(flat) ? dtypeOf(flat) : 'float32';
  const { dtype, backend } = placement('tensor', options, found);
  const wanted = options?.shape ?? shape;
  checkShape('tensor', wanted);
  if (sizeOf(wanted) !== flat.length) {
    throw new MemgradError(
      `tensor: shape ${showShape(wanted)} has ${sizeOf(wanted)} values, got ${flat.length}; they must match.`,
    );
  }
  if (dtype === 'int32') requireWhole('tensor', flat);
  return place('tensor', toTyped(flat, dtype), wanted, backend);
}

/**
 * A tensor of `shape` filled with `value`. Throws unless each length is a whole number >= 0, and
 * for a fraction as int32.
 */
export function full(shape: Shape, value: number, options?: TensorOptions): Tensor {
  return make('full', shape, value, options);
}

/** A tensor of `shape` filled with 0. */
export function zeros(shape: Shape, options?: TensorOptions): Tensor {
  return make('zeros', shape, 0, options);
}

/** A tensor of `shape` filled with 1. */
export function ones(shape: Shape, options?: TensorOptions): Tensor {
  return make('ones', shape, 1, options);
}

function make(name: string, shape: Shape, value: number, options?: TensorOptions): Tensor {
  checkShape(name, shape);
  checkOptions(name, options, optionNames);
  const like = placement(name, options, 'float32');
  if (typeof value !== 'number') {
    throw new MemgradError(`${name}: expected a number to fill with, got ${describe(value)}.`);
  }
  return filled(name, shape, value, like);
}

/** `shape` filled with `value`, with the dtype and the backend of `like`; `name` is named in errors. */
export function filled(
  name: string,
  shape: Shape,
  value: number,
  { dtype, backend }: Required<TensorOptions>,
): Tensor {
  if (dtype === 'int32') requireWhole(name, [value]);
  const buffer = allocating(() => backend.fill(value, sizeOf(shape), dtype));
  return new Tensor(new Storage(backend, buffer, 'full'), [...shape]);
}

/** 0, 1, ... n - 1, int32 unless told otherwise. */
export function arange(n: number, options?: TensorOptions): Tensor {
  checkShape('arange', [n]);
  checkOptions('arange', options, optionNames);
  const values = Float64Array.from({ length: n }, (_, i) => i);
  const { dtype, backend } = placement('arange', options, 'int32');
  return place('arange', toTyped(values, dtype), [n], backend);
}

/** Uploads `data` under `shape`; `origin` names the maker in the memory report. */
export function place(
  origin: string,
  data: TypedArray,
  shape: Shape,
  backend = defaultBackend(),
): Tensor {
  checkDtype(origin, dtypeOf(data), backend);
  const buffer = allocating(() => backend.upload(data));
  return new Tensor(new Storage(backend, buffer, origin), [...shape]);
}

function flatten(values: Nested): { flat: number[]; shape: number[] } {
  const shape: number[] = [];
  for (let level: Nested = values; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat: number[] = [];
  const visit = (value: Nested, axis: number): void => {
    if (Array.isArray(value) && axis < shape.length && value.length === shape[axis]) {
      for (const item of value) visit(item, axis + 1);
    } else if (typeof value === 'number' && axis === shape.length) {
      flat.push(value);
    } else {
      const came = Array.isArray(value) ? `a list of ${value.length}` : String(value);
      throw new MemgradError(
        `tensor: the nested arrays start as shape ${showShape(shape)}, but ${came} stands at depth ${axis}; every list of a level must have the same length and hold numbers.`,
      );
    }
  };
  visit(values, 0);
  return { flat, shape };
}

/** Throws unless every length is a whole number >= 0. */
export function checkShape(name: string, shape: Shape): void {
  if (
    !Array.isArray(shape) ||
    shape.some((length) => !Number.isSafeInteger(length) || length < 0)
  ) {
    throw new MemgradError(
      `${name}: a shape is a list of whole numbers >= 0, got ${Array.isArray(shape) ? showShape(shape) : typeof shape}.`,
    );
  }
}

/** The dtype and the backend of `options`, or the defaults. Throws for a backend that isn't one, and for a dtype that it doesn't have. */
export function placement(
  name: string,
  options: TensorOptions | undefined,
  usual: DType,
): Required<TensorOptions> {
  const backend = options?.backend ?? defaultBackend();
  requireBackend(name, backend);
  const dtype = options?.dtype ?? usual;
  checkDtype(name, dtype, backend);
  return { dtype, backend };
}

function requireBackend(name: string, backend: Backend): void {
  if (typeof backend?.upload === 'function') return;
  throw new MemgradError(
    `${name}: expected a backend, got ${describe(backend)}; pass what await loadBackend('cpu') returns.`,
  );
}

/** Throws unless `backend` has `dtype`. */
export function checkDtype(name: string, dtype: DType, backend: Backend): void {
  if (!backend.dtypes.includes(dtype)) {
    throw new MemgradError(
      `${name}: the backend '${backend.name}' has no dtype ${describe(dtype)}; choose one of ${backend.dtypes.join(', ')}${dtype === 'float64' ? ", or the backend 'cpu'" : ''}.`,
    );
  }
}

function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof Int32Array) return 'int32';
  throw new MemgradError(
    `tensor: takes Float32Array, Float64Array or Int32Array, got ${Object.prototype.toString.call(data).slice(8, -1)}; convert it first.`,
  );
}

/** Throws unless int32 can hold all `values`: nothing is cut off in silence. */
export function requireWhole(name: string, values: ArrayLike<number>): void {
  if (values instanceof Int32Array) return;
  for (let i = 0; i < values.length; i++) {
    if (values[i] === Math.round(values[i]) && Math.abs(values[i] + 0.5) <= 2 ** 31) continue;
    throw new MemgradError(
      `${name}: int32 holds whole numbers from -2^31 to 2^31 - 1, got ${values[i]}; choose a floating dtype or round it.`,
    );
  }
}

function toTyped(values: ArrayLike<number>, dtype: DType): TypedArray {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'float64' ? Float64Array.from(values) : Int32Array.from(values);
}
