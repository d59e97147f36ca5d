/** Batches of arrays for `fit`: made tensors, drawn from any iterable, shuffled. */
import { Key, Tensor, type TensorValues, tensor } from '../autograd/index.js';
import type { Backend, DType, TypedArray } from '../backends/backend.js';
import { randomWords } from '../backends/threefry.js';
import { describe, isList, isPlain, MemgradError } from '../errors.js';
import { check, checkOptions, needed, requireThat, whole } from '../options.js';

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

const isShaped = (value: object): value is ShapedArray =>
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

/** Rows of data: a list, a typed array, or values with a shape, whose first axis counts the rows. */
export type Rows = readonly unknown[] | TypedArray | ShapedArray;

/** Options of `shuffled`. */
export interface ShuffledOptions {
  /** Rows in each batch; the last batch of an epoch has the rest. */
  batchSize: number;
  /** Default 0. */
  seed?: number;
}

/**
 * Makes mini-batches of arrays with equal numbers of rows, such as `{ x: [[0, 1], [1, 1]], y: [1, 0] }`:
 * a list, a typed array, or `{ data, shape }`. Each epoch has every row once, in an order that depends
 * only on the seed and the epoch. A batch has the same names and kinds of arrays. Throws `MemgradError`
 * for anything else.
 *
 * @example
 * ```js
 * import { shuffled } from 'memgrad/training';
 *
 * const batches = shuffled({ x: [10, 20, 30], y: Int32Array.of(1, 2, 3) }, { batchSize: 2 });
 * for (const { x, y } of batches) console.log(x, y);
 * // => [ 30, 10 ] Int32Array(2) [ 3, 1 ]
 * // => [ 20 ] Int32Array(1) [ 2 ]
 * ```
 */
export function shuffled<A extends Readonly<Record<string, Rows>>>(
  arrays: A,
  options: ShuffledOptions,
): Epochs<A> {
  checkOptions('shuffled', options, { batchSize: needed(whole()), seed: 1 });
  const { batchSize, seed = 0 } = options;
  const isRecord =
    typeof arrays === 'object' && arrays !== null && isPlain(arrays) && !Array.isArray(arrays);
  requireThat(isRecord, 'shuffled: arrays', 'an object of arrays, as { x, y }', arrays);
  const columns = Object.entries(arrays).map(([name, rows]) => ({ name, ...column(name, rows) }));
  requireThat(columns.length, 'shuffled: arrays', 'at least one array', arrays);
  const [{ name: first, count }] = columns;
  for (const column of columns) {
    if (column.count === count) continue;
    throw new MemgradError(
      `shuffled: ${describe(column.name)} has ${column.count} rows and ${describe(first)} ${count}; all arrays must have the same number.`,
    );
  }
  const key = Key.of(seed);
  const length = Math.ceil(count / batchSize);
  function* epoch(index: number): Generator<A> {
    check('shuffled: epoch', index, whole(0, 2 ** 32 - 1));
    const order = permutation(key.fold(index), count);
    for (let start = 0; start < count; start += batchSize) {
      const chosen = order.subarray(start, start + batchSize);
      yield Object.fromEntries(columns.map(({ name, pick }) => [name, pick(chosen)])) as A;
    }
  }
  return { length, epoch, [Symbol.iterator]: () => epoch(0) };
}

/** The number of rows, and a function that returns the rows with these indices. */
function column(name: string, rows: Rows): { count: number; pick: (rows: Uint32Array) => Rows } {
  const where = `shuffled: ${describe(name)}`;
  const isShapedArray = typeof rows === 'object' && rows !== null && isShaped(rows);
  const values = (isShapedArray ? rows.data : rows) as TypedArray;
  const expected = 'a list, a typed array or { data, shape }';
  requireThat(
    isList(values) && values.length > 0,
    where,
    `${expected} with at least one row`,
    rows,
  );
  if (Array.isArray(values)) {
    return { count: values.length, pick: (chosen) => Array.from(chosen, (row) => values[row]) };
  }
  const shape = isShapedArray ? rows.shape : [values.length];
  const [count] = shape;
  const size = values.length / count;
  const fits =
    shape.every(Number.isSafeInteger) && shape.reduce((a, b) => a * b, 1) === values.length;
  requireThat(
    fits,
    `${where}: the shape`,
    `one of ${values.length} values`,
    shape.slice(0, 32).join(),
  );
  const pick = (chosen: Uint32Array): Rows => {
    const data = values.slice(0, chosen.length * size);
    chosen.forEach((row, i) => {
      data.set(values.subarray(row * size, (row + 1) * size), i * size);
    });
    return isShapedArray ? { ...rows, data, shape: [chosen.length, ...shape.slice(1)] } : data;
  };
  return { count, pick };
}

/** The numbers from 0 to `count` - 1 in random order (Fisher and Yates; Knuth, algorithm P). */
function permutation(key: Key, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const words = randomWords(key, count);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor((words[i] / 2 ** 32) * (i + 1));
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}
