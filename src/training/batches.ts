/** Batches of arrays for `fit`: made tensors, drawn from any iterable, shuffled. */
import { Tensor, type TensorValues, tensor } from '../autograd/index.js';
import type { Backend, DType, TypedArray } from '../backends/backend.js';
import { isPlain, MemgradError } from '../errors.js';
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
  depth = 0,
): unknown {
  const { backend, dtype } = like;
  if (typeof batch !== 'object' || batch === null || batch instanceof Tensor) return batch;
  if (ArrayBuffer.isView(batch)) return tensor(batch as TypedArray, { backend });
  if (isNumeric(batch)) return tensor(batch as TensorValues, { backend, dtype });
  if (depth > 100) {
    throw new MemgradError(
      'fit: a batch is nested more than 100 levels deep; does it hold itself?',
    );
  }
  if (Array.isArray(batch)) return batch.map((part) => uploaded(part, like, depth + 1));
  if (!isPlain(batch)) return batch;
  if (isShaped(batch)) return tensor(batch.data, { shape: batch.shape, backend });
  return Object.fromEntries(
    Object.entries(batch).map(([name, part]) => [name, uploaded(part, like, depth + 1)]),
  );
}

/** Draws batches one by one, epoch after epoch. */
export class Draw<B> {
  /** The current epoch, counted from 1. */
  epoch = 0;
  #iterator: Iterator<B> | AsyncIterator<B> | undefined;
  /** Batches drawn in this epoch. */
  #drawn = 0;
  #isWaiting = false;

  #isClosed = false;

  /** Throws `MemgradError` unless `batches` can be iterated. */
  constructor(
    readonly where: string,
    readonly batches: Batches<B>,
    readonly epochs: number,
  ) {
    requireIterable(where, batches);
  }

  /** Draws the next batch; undefined after the last epoch. Passes errors of the iterable through. */
  async next(): Promise<{ batch: B } | undefined> {
    while (!this.#isClosed) {
      if (!this.#iterator) {
        if (this.epoch === this.epochs) return undefined;
        this.#iterator = this.#begin(this.epoch++);
        this.#drawn = 0;
      }
      const { done, value } = await this.#step(this.#iterator);
      if (!done) {
        this.#drawn++;
        return { batch: value };
      }
      this.#iterator = undefined;
      if (this.#drawn === 0) this.#refuseEmpty();
    }
    return undefined;
  }

  async #step(iterator: Iterator<B> | AsyncIterator<B>): Promise<{ done: boolean; value: B }> {
    this.#isWaiting = true;
    try {
      const result = await iterator.next();
      requireThat(
        typeof result === 'object' && result !== null,
        `${this.where}: next()`,
        'an object with done and value',
        result,
      );
      return { done: !!result.done, value: await result.value };
    } catch (error) {
      this.#iterator = undefined; // it has ended
      throw error;
    } finally {
      this.#isWaiting = false;
    }
  }

  #begin(index: number): Iterator<B> | AsyncIterator<B> {
    const batches = (this.#epochs?.epoch(index) ?? this.batches) as Partial<
      Iterable<B> & AsyncIterable<B>
    >;
    const begin = batches[Symbol.asyncIterator] ?? batches[Symbol.iterator];
    return (begin as () => Iterator<B>).call(batches);
  }

  get #epochs(): Epochs<B> | undefined {
    const epochs = this.batches as Epochs<B>;
    return typeof epochs.epoch === 'function' ? epochs : undefined;
  }

  #refuseEmpty(): never {
    throw new MemgradError(
      this.epoch === 1
        ? `${this.where}: the iterable is empty, expected at least one batch.`
        : `${this.where}: the iterable ended after epoch ${this.epoch - 1} and can't be iterated again; pass an array, shuffled(...) or fewer steps.`,
    );
  }

  /** Skips `count` batches, as if they had been drawn. */
  async skip(count: number): Promise<void> {
    let left = count;
    const length = this.#epochs?.length ?? 0;
    if (Number.isSafeInteger(length) && length > 0) {
      this.epoch = Math.min(this.epochs, Math.floor(left / length));
      left -= this.epoch * length;
    }
    while (left-- > 0 && (await this.next())) {}
  }

  /** Ends the current epoch, so that a generator can clean up. */
  async close(): Promise<void> {
    const iterator = this.#iterator;
    this.#isClosed = true;
    this.#iterator = undefined;
    const closed = iterator?.return?.();
    // A generator that is waiting for its own data ends when that arrives.
    if (this.#isWaiting) Promise.resolve(closed).catch(() => {});
    else await closed;
  }
}

/** Throws `MemgradError` unless `batches` can be iterated. */
export function requireIterable(where: string, batches: unknown): void {
  const { [Symbol.iterator]: one, [Symbol.asyncIterator]: other } = Object(batches);
  const isIterable =
    typeof batches !== 'string' && [one, other].some((begin) => typeof begin === 'function');
  requireThat(isIterable, where, 'an array or another iterable of batches', batches);
}
