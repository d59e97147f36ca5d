/** Mini-batches of arrays. */
import { Key } from '../autograd/index.js';
import type { TypedArray } from '../backends/backend.js';
import { randomWords } from '../backends/threefry.js';
import { describe, isList, isPlain, MemgradError } from '../errors.js';
import { check, checkOptions, needed, requireThat, whole } from '../options.js';
import { type Epochs, isShaped, type ShapedArray } from './batches.js';

/** Rows of data: a list, a typed array, or values with a shape, whose first axis counts the rows. */
export type Rows = readonly unknown[] | TypedArray | ShapedArray;

/** The arrays of a batch: of the same kinds, but rows that are typed arrays become one array with a shape. */
export type Shuffled<A> = {
  [Name in keyof A]: A[Name] extends readonly TypedArray[] ? ShapedArray : A[Name];
};

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
 * only on the seed and the epoch. A batch has the same names and kinds of arrays, except that a list of
 * typed arrays, such as rows of tokens, becomes `{ data, shape }` with their dtype; they must have the
 * same kind and length. Throws `MemgradError` for anything else.
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
export function shuffled<A extends { readonly [Name in keyof A]: Rows }>(
  arrays: A,
  options: ShuffledOptions,
): Epochs<Shuffled<A>> {
  checkOptions('shuffled', options, { batchSize: needed(whole()), seed: 1 });
  const { batchSize, seed = 0 } = options;
  const isRecord =
    typeof arrays === 'object' && arrays !== null && isPlain(arrays) && !Array.isArray(arrays);
  requireThat(isRecord, 'shuffled: arrays', 'an object of arrays, as { x, y }', arrays);
  const columns = Object.entries<Rows>(arrays).map(([name, rows]) => ({
    name,
    ...column(name, rows),
  }));
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
  function* epoch(index: number): Generator<Shuffled<A>> {
    check('shuffled: epoch', index, whole(0, 2 ** 32 - 1));
    const order = permutation(key.fold(index), count);
    for (let start = 0; start < count; start += batchSize) {
      const chosen = order.subarray(start, start + batchSize);
      yield Object.fromEntries(
        columns.map(({ name, pick }) => [name, pick(chosen)]),
      ) as Shuffled<A>;
    }
  }
  return { length, epoch, [Symbol.iterator]: () => epoch(0) };
}

/** The number of rows, and a function that returns the rows with these indices. */
function column(name: string, given: Rows): { count: number; pick: (rows: Uint32Array) => Rows } {
  const where = `shuffled: ${describe(name)}`;
  const rows = joined(where, given);
  const isShapedArray = typeof rows === 'object' && rows !== null && isShaped(rows);
  const values = (isShapedArray ? rows.data : rows) as TypedArray;
  const expected = 'a list, a typed array or { data, shape } of a typed array,';
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
  const fits =
    Array.isArray(shape) &&
    shape.every(Number.isSafeInteger) &&
    shape.reduce((a, b) => a * b, 1) === values.length;
  requireThat(
    fits,
    `${where}: the shape`,
    `one of ${values.length} values`,
    Array.isArray(shape) ? shape.slice(0, 32).map(describe).join() : shape,
  );
  const [count] = shape;
  const size = values.length / count;
  const pick = (chosen: Uint32Array): Rows => {
    const data = values.slice(0, chosen.length * size);
    chosen.forEach((row, i) => {
      data.set(values.subarray(row * size, (row + 1) * size), i * size);
    });
    return isShapedArray ? { ...rows, data, shape: [chosen.length, ...shape.slice(1)] } : data;
  };
  return { count, pick };
}

/** Typed arrays as one array of rows; anything else as it is. */
function joined(where: string, rows: Rows): Rows {
  if (!Array.isArray(rows) || !ArrayBuffer.isView(rows[0])) return rows;
  const [first]: TypedArray[] = rows;
  const width = first.length;
  rows.forEach((row: unknown, i) => {
    if (describe(row) === describe(first)) return;
    throw new MemgradError(
      `${where}: row ${i} is ${describe(row)} and row 0 ${describe(first)}; pad the rows to one length, or wrap each as { row } to keep them apart.`,
    );
  });
  const data = new (first.constructor as Int32ArrayConstructor)(rows.length * width);
  rows.forEach((row: TypedArray, i) => {
    data.set(row, i * width);
  });
  return { data, shape: [rows.length, width] };
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
