/** Random numbers: counter-based and splittable, so that a seed gives the same run on every backend. */
import type { Backend } from '../backends/backend.js';
import { randomWords, threefry } from '../backends/threefry.js';
import { MemgradError } from '../errors.js';
import { checkShape, defaultBackend, place, type TensorOptions } from './create.js';
import { Storage } from './storage.js';
import { type Shape, sizeOf, Tensor } from './tensor.js';

/**
 * The name of one stream of random numbers. A key is never used up: equal keys give equal numbers,
 * so derive a new key (`fold`, `split`) for every use.
 */
export class Key {
  private constructor(
    readonly hi: number,
    readonly lo: number,
  ) {}

  /** The key of a seed, a whole number from 0 to 2^53 - 1. */
  static of(seed: number): Key {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new MemgradError(`seed: expected a whole number from 0 to 2^53 - 1, got ${seed}.`);
    }
    return new Key(Math.floor(seed / 2 ** 32), seed >>> 0);
  }

  /** The `index`-th key derived from this one: for step `index`, or layer `index`. */
  fold(index: number): Key {
    const [hi, lo] = threefry(this, index >>> 0, 1); // counter (i, 0) makes numbers, (i, 1) makes keys
    return new Key(hi, lo);
  }

  /** `count` keys derived from this one. */
  split(count: number): Key[] {
    return Array.from({ length: count }, (_, index) => this.fold(index));
  }

  /** `count` whole numbers from 0 to `limit` - 1, on the host. */
  integers(count: number, limit: number): Int32Array {
    return Int32Array.from(randomWords(this, count), (word) =>
      Math.floor((word / 2 ** 32) * limit),
    );
  }
}

/** float32 values uniform in [0, 1): equal bits on every backend. */
export function uniform(key: Key, shape: Shape, options: { backend?: Backend } = {}): Tensor {
  checkShape('uniform', shape);
  const backend = options.backend ?? defaultBackend();
  return new Tensor(new Storage(backend, backend.uniform(key, sizeOf(shape)), 'uniform'), [
    ...shape,
  ]);
}

/** Values of the standard normal distribution (Box and Muller, 1958), drawn on the host. */
export function normal(key: Key, shape: Shape, options: TensorOptions = {}): Tensor {
  checkShape('normal', shape);
  const size = sizeOf(shape);
  const words = randomWords(key, 2 * size);
  const values = options.dtype === 'float64' ? new Float64Array(size) : new Float32Array(size);
  for (let i = 0; i < size; i++) {
    const radius = Math.sqrt(-2 * Math.log((words[2 * i] + 1) / 2 ** 32)); // in (0, 1]: log is finite
    values[i] = radius * Math.cos((2 * Math.PI * words[2 * i + 1]) / 2 ** 32);
  }
  return place('normal', values, shape, options.backend);
}
