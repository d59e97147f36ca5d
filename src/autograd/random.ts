/**
 * Random numbers: counter-based and splittable, so that a seed produces the same run on every
 * backend.
 */
import type { Backend } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { randomWords, threefry } from '../backends/threefry.js';
import { MemgradError } from '../errors.js';
import { check, checkOptions, type Kind, whole } from '../options.js';
import { context } from './context.js';
import { checkShape, placement, requireRoom, type TensorOptions, upload } from './create.js';
import { arrays } from './nested.js';
import { type Operation, run } from './run.js';
import { allocating } from './storage.js';
import type { Shape, Tensor } from './tensor.js';

const indices = whole(0, 2 ** 32 - 1);

/**
 * Identifies one stream of random numbers. A key has no state: equal keys produce equal numbers, so
 * derive a new key (`fold`, `split`) for every use.
 */
export class Key {
  private constructor(
    readonly hi: number,
    readonly lo: number,
  ) {
    if (typeof lo !== 'number') throw new MemgradError('Key: make keys with Key.of(seed).');
  }

  /** Returns the key of a seed, a whole number from 0 to 2^53 - 1. */
  static of(seed: number): Key {
    check('seed', seed, whole(0, 2 ** 53 - 1));
    return new Key(Math.floor(seed / 2 ** 32), seed >>> 0);
  }

  /**
   * Derives key number `index` from this one, such as for step or layer `index`: a whole number
   * from 0 to 2^32 - 1.
   */
  fold(index: number): Key {
    check('fold: index', index, indices);
    const [hi, lo] = threefry(this, index >>> 0, 1); // (i, 0) is for numbers, (i, 1) for keys
    const derived = new Key(hi, lo);
    context().listener?.folded?.(this, index, derived);
    return derived;
  }

  /** Derives `count` keys from this one, at most 2^20. */
  split(count: number): Key[] {
    check('split: count', count, whole(0, 2 ** 20));
    return Array.from({ length: count }, (_, index) => this.fold(index));
  }

  /** Returns `count` whole numbers from 0 to `limit` - 1, on the host. `limit` is at most 2^31. */
  integers(count: number, limit: number): Int32Array {
    checkShape('integers', [count]);
    check('integers: limit', limit, whole(1, 2 ** 31));
    context().listener?.drawn?.('integers', this);
    const integers = new Int32Array(count);
    randomWords(this, count).forEach((word, i) => {
      integers[i] = Math.floor((word / 2 ** 32) * limit);
    });
    return integers;
  }
}

/** Returns float32 values, uniform in [0, 1), with equal bits on every backend. */
export function uniform(key: Key, shape: Shape, options?: { backend?: Backend }): Tensor {
  check('uniform: key', key, isKey);
  checkShape('uniform', shape);
  checkOptions('uniform', options, { backend: 1 });
  const { backend } = placement('uniform', options, 'float32');
  return run(uniformOperation, [], { key, shape: [...shape] }, backend)[0];
}

const uniformOperation: Operation<{ key: Key; shape: Shape }> = {
  name: 'uniform',
  infer: (_, { shape }) => [{ shape, dtype: 'float32' }],
  forward: (backend, _, { key, shape }) => [backend.uniform(key, sizeOf(shape))],
  gradients: { none: 'it has no inputs' },
};

/**
 * Returns values of the standard normal distribution (Box and Muller, 1958), computed on the host.
 * Throws `MemgradError` for int32.
 */
export function normal(key: Key, shape: Shape, options?: TensorOptions): Tensor {
  check('normal: key', key, isKey);
  checkShape('normal', shape);
  checkOptions('normal', options, { dtype: 1, backend: 1 });
  const { dtype, backend } = placement('normal', options, 'float32');
  if (dtype === 'int32') {
    throw new MemgradError('normal: expected float32 or float64, got int32; the values are real.');
  }
  context().listener?.drawn?.('normal', key);
  const size = sizeOf(shape);
  requireRoom(size, dtype, backend);
  const values = allocating(() => new arrays[dtype](size));
  for (let i = 0; i < size; i++) {
    const [first, second] = threefry(key, i, 0);
    const radius = Math.sqrt(-2 * Math.log((first + 1) / 2 ** 32)); // in (0, 1]: log is finite
    values[i] = radius * Math.cos((2 * Math.PI * second) / 2 ** 32);
  }
  return upload('normal', values, shape, backend);
}

/** The check of a `Key`. */
export const isKey: Kind = ['a Key, from Key.of(seed)', (value: unknown) => value instanceof Key];
