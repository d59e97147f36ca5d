/** Makes tensors from values. */

import type { Backend, DType, Result, TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { describe, MemgradError, OutOfMemory } from '../errors.js';
import { backendKind, check, checkOptions, finite, number, type OptionNames } from '../options.js';
import { checkDtype } from './arguments.js';
import { arrays, dtypeOf, flatten, MOST_AXES, requireWhole, shapeOf } from './nested.js';
import { type Operation, run } from './run.js';
import { allocating } from './storage.js';
import { type Shape, showShape, Tensor } from './tensor.js';

/** The values of a tensor: a number, a typed array, or nested lists of these. */
export type TensorValues = number | TypedArray | readonly TensorValues[];

/** The dtype and backend of a new tensor. */
export interface TensorOptions {
  /** Default: float32, or the dtype of a typed array. */
  dtype?: DType;
  /** Default: `defaultBackend()`. */
  backend?: Backend;
}

/** 4 GiB in float32: more than any backend can store in one buffer. */
const MOST_VALUES = 2 ** 30;

/** The options of makers of tensors. */
export const optionNames: OptionNames<TensorOptions> = { dtype: 1, backend: 1 };
const tensorNames: OptionNames<TensorOptions & { shape?: Shape }> = { ...optionNames, shape: 1 };

let current: Backend | undefined;
let create: (() => Backend) | undefined;

/**
 * For entry points: registers the function that creates the default backend when it is first
 * needed, so that the engine imports no backend.
 */
export function registerBackend(createDefault: () => Backend): void {
  create = createDefault;
}

/**
 * Returns the backend of new tensors for which none is given: `wasm`, unless set otherwise. Throws
 * `MemgradError` if none is set.
 */
export function defaultBackend(): Backend {
  current ??= create?.();
  if (current) return current;
  throw new MemgradError(
    "No backend is set; call setDefaultBackend(await loadBackend('wasm')) first.",
  );
}

/** Makes `backend`, from `await loadBackend(name)`, the default for new tensors. */
export function setDefaultBackend(backend: Backend): void {
  check('setDefaultBackend: backend', backend, backendKind);
  current = backend;
}

/**
 * Returns a tensor of `values`: a number, nested arrays of equal lengths whose rows may be typed
 * arrays, or a typed array. With `shape`, the tensor has that shape instead. Throws `MemgradError` for
 * ragged arrays, for values that aren't numbers (or not integers, as int32), and if shape and
 * values don't match.
 *
 * @example
 * ```js
 * import { tensor } from 'memgrad';
 *
 * console.log(String(tensor([[1, 2], [3, 4]]))); // => Tensor(float32 [2, 2] on wasm)
 * console.log(String(tensor([1, 2], { dtype: 'int32' }))); // => Tensor(int32 [2] on wasm)
 * ```
 */
export function tensor(values: TensorValues, options?: TensorOptions & { shape?: Shape }): Tensor {
  if (Array.isArray(options) || options instanceof Tensor) {
    const wanted = Array.isArray(options) ? options : options.shape;
    throw new MemgradError(
      `tensor: expected an object of options, got ${describe(options)}; a shape is written { shape: ${list(wanted)} }.`,
    );
  }
  checkOptions('tensor', options, tensorNames);
  const nested = ArrayBuffer.isView(values) ? undefined : shapeOf(values);
  const { dtype, backend } = placement(
    'tensor',
    options,
    nested ? nested.dtype : dtypeOf(values as TypedArray),
  );
  if (nested) checkShape('tensor', nested.shape);
  const flat = nested ? flatten(values, nested.shape, dtype) : (values as TypedArray);
  const shape = options?.shape ?? nested?.shape ?? [flat.length];
  checkShape('tensor', shape);
  if (sizeOf(shape) !== flat.length) {
    throw new MemgradError(
      `tensor: shape ${showShape(shape)} has ${sizeOf(shape)} values, got ${flat.length}; they must match.`,
    );
  }
  if (dtype === 'int32') requireWhole('tensor', flat);
  return upload('tensor', toTyped(flat, dtype), shape, backend);
}

/**
 * Returns a tensor of `shape` filled with `value`. Throws `MemgradError` unless each length is an
 * integer >= 0, and for a fraction as int32.
 */
export function full(shape: Shape, value: number, options?: TensorOptions): Tensor {
  return make('full', shape, value, options);
}

/** Returns a tensor of `shape` filled with 0. */
export function zeros(shape: Shape, options?: TensorOptions): Tensor {
  return make('zeros', shape, 0, options);
}

/** Returns a tensor of `shape` filled with 1. */
export function ones(shape: Shape, options?: TensorOptions): Tensor {
  return make('ones', shape, 1, options);
}

function make(name: string, shape: Shape, value: number, options?: TensorOptions): Tensor {
  checkShape(name, shape);
  checkOptions(name, options, optionNames);
  const like = placement(name, options, 'float32');
  check(`${name}: value`, value, number);
  return filled(name, shape, value, like);
}

/**
 * Returns a tensor of `shape` filled with `value`, with the dtype and backend of `like`. `name`
 * starts error messages.
 */
export function filled(
  name: string,
  shape: Shape,
  value: number,
  { dtype, backend }: Required<TensorOptions>,
): Tensor {
  if (dtype === 'int32') requireWhole(name, [value]);
  return run(fullOperation, [], { shape: [...shape], dtype, value }, backend)[0];
}

const fullOperation: Operation<Result & { value: number }> = {
  name: 'full',
  infer: (_, result) => [result],
  forward: (backend, _, { shape, dtype, value }) => [backend.fill(value, sizeOf(shape), dtype)],
  gradients: { none: 'it has no inputs' },
};

/**
 * Returns `start`, `start + step`, ... below `end` (above it, for a negative step), int32 by
 * default. `start` defaults to 0 and `step` to 1. Throws `MemgradError` if no step leads from start
 * to end, and for fractions as int32.
 */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const last = typeof args.at(-1) === 'number' ? undefined : args.pop();
  checkOptions('arange', last as TensorOptions | undefined, optionNames);
  const [start, end, step = 1] = (args.length === 1 ? [0, ...args] : args) as number[];
  const size = args.every(Number.isFinite) ? Math.ceil((end - start) / step) : NaN;
  if (args.length > 3 || !(size >= 0 && size < Infinity)) {
    throw new MemgradError(
      `arange: expected an end, or a start, an end and a step that leads from start to end, got ${list(args)}.`,
    );
  }
  checkShape('arange', [size]);
  const { dtype, backend } = placement('arange', last as TensorOptions | undefined, 'int32');
  if (dtype === 'int32') requireWhole('arange', [start, end, step]);
  requireRoom(size, dtype, backend);
  const values = allocating(() => new arrays[dtype](size));
  for (let i = 0; i < size; i++) values[i] = start + i * step;
  return upload('arange', values, [size], backend);
}

/**
 * Returns `count` values from `start` to `end`, both included, at equal distances; the one value of a
 * count of 1 is `start`. Throws `MemgradError` for fractions as int32.
 */
export function linspace(
  start: number,
  end: number,
  count: number,
  options?: TensorOptions,
): Tensor {
  checkOptions('linspace', options, optionNames);
  check('linspace: start', start, finite);
  check('linspace: end', end, finite);
  checkShape('linspace', [count]);
  const { dtype, backend } = placement('linspace', options, 'float32');
  requireRoom(count, dtype, backend);
  const last = Math.max(1, count - 1);
  const step = end / last - start / last; // their difference may overflow
  const values = allocating(() =>
    new Float64Array(count).map((_, i) => (i < last ? start + i * step : end)),
  );
  if (dtype === 'int32') requireWhole('linspace', values);
  return upload('linspace', toTyped(values, dtype), [count], backend);
}

/**
 * Throws `OutOfMemory` if `backend` has no room for many values, before they are computed on the
 * host.
 */
export function requireRoom(size: number, dtype: DType, backend: Backend): void {
  if (size >= 2 ** 24) allocating(() => backend.free(backend.fill(0, size, dtype)));
}

/** Copies `data` to `backend` as a tensor of `shape`; `origin` is its name in the memory report. */
export function upload(
  origin: string,
  data: TypedArray,
  shape: Shape,
  backend = defaultBackend(),
): Tensor {
  uploads[origin] ??= { ...uploadOperation, name: origin };
  return run(uploads[origin], [], { data, shape: [...shape] }, backend)[0];
}

/** The operation by the name under which the ledger counts its results. */
const uploads: Record<string, Operation<{ data: TypedArray; shape: Shape }>> = {};

const uploadOperation: Omit<Operation<{ data: TypedArray; shape: Shape }>, 'name'> = {
  infer: (_, { data, shape }) => [{ shape, dtype: dtypeOf(data) }],
  forward: (backend, _, { data }) => [backend.upload(data)],
  gradients: { none: 'it has no inputs' },
};

/**
 * Throws unless every length is an integer >= 0, and for more values than any backend could store.
 */
export function checkShape(name: string, shape: Shape): void {
  const isWhole = (length: unknown) => Number.isSafeInteger(length) && (length as number) >= 0;
  // findIndex, since `some` and `every` skip the holes of new Array(2).
  if (!Array.isArray(shape) || shape.findIndex((length) => !isWhole(length)) >= 0) {
    const shown = Array.isArray(shape) && shape.length <= MOST_AXES ? list(shape) : describe(shape);
    throw new MemgradError(`${name}: a shape is a list of whole numbers >= 0, got ${shown}.`);
  }
  if (shape.length > MOST_AXES) {
    throw new MemgradError(`${name}: a tensor has at most ${MOST_AXES} axes, got ${shape.length}.`);
  }
  if (sizeOf(shape) > MOST_VALUES) {
    throw new OutOfMemory(
      `${name}: out of memory: shape ${showShape(shape)} has ${sizeOf(shape)} values, but a tensor has at most ${MOST_VALUES}.`,
    );
  }
}

function list(values: readonly unknown[]): string {
  return `[${Array.from(values.slice(0, MOST_AXES), describe).join(', ')}]`;
}

/**
 * Returns dtype and backend of `options`, or the defaults. Throws for an invalid backend, and for a
 * dtype that it doesn't support.
 */
export function placement(
  name: string,
  options: TensorOptions | undefined,
  usual: DType,
): Required<TensorOptions> {
  const backend = options?.backend ?? defaultBackend();
  check(`${name}: backend`, backend, backendKind);
  const dtype = options?.dtype ?? usual;
  checkDtype(name, dtype, backend);
  return { dtype, backend };
}

function toTyped(values: TypedArray, dtype: DType): TypedArray {
  return dtypeOf(values) === dtype ? values : allocating(() => new arrays[dtype](values));
}
