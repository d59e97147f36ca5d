/** Batches for `fit`: drawn from any iterable, their arrays made tensors. */
import { Tensor, type TensorValues, tensor } from '../autograd/index.js';
import type { Backend, DType, TypedArray } from '../backends/backend.js';
import { describe, isPlain, MemgradError, OutOfMemory } from '../errors.js';
import { requireThat } from '../options.js';

/** Values with a shape, row-major, as `readArrays` returns them. */
export interface ShapedArray {
  readonly data: TypedArray;
  readonly shape: readonly number[];
}

/** Nested lists of numbers. */
type Numbers = readonly (number | Numbers)[];

/** A batch in which every array has become a tensor: typed, shaped or nested arrays of numbers. */
export type Uploaded<B> = B extends Tensor
  ? B
  : B extends TypedArray | ShapedArray | Numbers
    ? Tensor
    : B extends object
      ? { [Name in keyof B]: Uploaded<B[Name]> }
      : B;

/** Batches that differ from epoch to epoch. */
export interface Epochs<B> extends Iterable<B> {
  /** Number of batches in each epoch. */
  readonly length: number;
  /** The batches of epoch `index`, counted from 0. */
  epoch(index: number): Iterable<B>;
}

/** What `fit` draws batches from. */
export type Batches<B> = Iterable<B> | AsyncIterable<B> | Epochs<B>;

/** Whether `value` is a `ShapedArray`. */
export const isShaped = (value: object): value is ShapedArray =>
  'data' in value &&
  'shape' in value &&
  ArrayBuffer.isView(value.data) &&
  Array.isArray(value.shape);

/** Whether `value` is a list of numbers, or of such lists. */
function isNumeric(value: unknown, depth = 0): boolean {
  if (!Array.isArray(value) || value.length === 0 || depth > 32) return false;
  return typeof value[0] === 'number'
    ? value.every((item) => typeof item === 'number')
    : value.every((item) => isNumeric(item, depth + 1));
}

/**
 * Returns `batch` with its arrays as tensors on the backend of `like`; lists of numbers get its dtype.
 * Tensors, numbers and everything that isn't an array stay as they are.
 */
export function uploaded(
  batch: unknown,
  like: { backend: Backend; dtype: DType },
  path: readonly string[] = [],
): unknown {
  const { backend, dtype } = like;
  const part = (name: string | number, value: unknown) =>
    uploaded(value, like, [...path, `${name}`]);
  const made = (...args: Parameters<typeof tensor>) => {
    try {
      return tensor(...args);
    } catch (error) {
      if (!(error instanceof MemgradError) || error instanceof OutOfMemory) throw error;
      const where = path.length > 0 ? describe(path.join('.')) : 'the list';
      throw new MemgradError(`fit: ${where} of a batch: ${error.message}`, { cause: error });
    }
  };
  if (typeof batch !== 'object' || batch === null || batch instanceof Tensor) return batch;
  if (ArrayBuffer.isView(batch)) return made(batch as TypedArray, { backend });
  if (isNumeric(batch)) return made(batch as TensorValues, { backend, dtype });
  if (path.length > 100) {
    throw new MemgradError(
      'fit: a batch is nested more than 100 levels deep; does it hold itself?',
    );
  }
  if (Array.isArray(batch)) return batch.map((value, i) => part(i, value));
  if (!isPlain(batch)) return batch;
  if (isShaped(batch)) return made(batch.data, { shape: batch.shape, backend });
  const { data, shape, ...others }: { data?: unknown; shape?: unknown } = batch;
  if (isNumeric(data) && Array.isArray(shape) && Object.keys(others).length === 0) {
    const where = `fit: the data of a shape in ${describe(path.join('.'))} of a batch`;
    requireThat(false, where, 'a typed array', data);
  }
  return Object.fromEntries(
    Object.entries(batch).map(([name, value]) => [name, part(name, value)]),
  );
}

/**
 * Draws batches one by one, for `epochs` epochs, without the first `skipped`. Epochs count from 1.
 * Throws `MemgradError` for an epoch without batches; errors of the iterable pass through.
 */
export async function* draw<B>(
  batches: Batches<B>,
  epochs: number,
  skipped: number,
): AsyncGenerator<{ batch: B; epoch: number }, void, void> {
  const { epoch, length = 0 } = batches as Partial<Epochs<B>>;
  const isEpochs = typeof epoch === 'function' && Number.isSafeInteger(length) && length > 0;
  let index = isEpochs ? Math.min(epochs, Math.floor(skipped / length)) : 0;
  let left = skipped - index * length;
  for (; index < epochs; index++) {
    let count = 0;
    for await (const batch of epoch?.call(batches, index) ?? batches) {
      count++;
      if (left > 0) left--;
      else yield { batch, epoch: index + 1 };
    }
    if (count > 0) continue;
    throw new MemgradError(
      index === 0
        ? 'fit: batches is empty, expected at least one batch.'
        : `fit: batches ended after epoch ${index} and can't be iterated again; pass an array, shuffled(...) or fewer steps.`,
    );
  }
}

/** Throws `MemgradError` unless `batches` can be iterated. */
export function requireIterable(where: string, batches: unknown): void {
  const { [Symbol.iterator]: one, [Symbol.asyncIterator]: other } = Object(batches);
  const isIterable =
    typeof batches !== 'string' && [one, other].some((begin) => typeof begin === 'function');
  requireThat(isIterable, where, 'an array or another iterable of batches', batches);
}
