/** Tensors: values of one dtype in row-major order, living on a backend. Nothing changes them in place. */
import type { Backend, DeviceBuffer, DType, TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { MemgradError } from '../errors.js';
import type { Storage } from './storage.js';

declare global {
  /** Declared for TypeScript before 5.2, and for projects whose `lib` lacks it; the same declaration as TypeScript's own. */
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

/** The lengths of a tensor's axes, outermost first. */
export type Shape = readonly number[];

/** A value as nested arrays, one level to an axis. */
export type Nested = number | Nested[];

/** The tensors that each open `scope` has to free; the innermost scope is the last. */
export const scopes: Set<Tensor>[] = [];

/**
 * An array of numbers with a shape and a dtype. A tensor is a value: operations make new ones.
 * It is freed by the `scope` in which it was made (or by `dispose`, or `using`).
 */
export class Tensor {
  readonly dtype: DType;
  readonly backend: Backend;
  #storage: Storage | undefined;

  /** For the engine: takes over one reference to `storage`. Users call `tensor(...)`. */
  constructor(
    storage: Storage,
    readonly shape: Shape,
  ) {
    this.dtype = storage.buffer.dtype;
    this.backend = storage.backend;
    this.#storage = storage;
    scopes.at(-1)?.add(this);
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of values. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** What this tensor looks at. Throws when it has been freed. */
  get storage(): Storage {
    if (this.#storage) return this.#storage;
    throw new MemgradError(
      `A tensor of shape ${showShape(this.shape)} was used after it had been freed; return it from its scope(...) to keep it.`,
    );
  }

  /** Where the backend keeps the values. Throws `MemgradError` when the tensor was freed. */
  get buffer(): DeviceBuffer {
    return this.storage.buffer;
  }

  /** The values, row-major. The one asynchronous operation: it waits until they are computed. */
  data(): Promise<TypedArray> {
    return this.backend.read(this.buffer);
  }

  /** The value of a tensor of one element. Throws for any other size. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new MemgradError(
        `item: takes a tensor of one element, got shape ${showShape(this.shape)}; use data() or array().`,
      );
    }
    return (await this.data())[0];
  }

  /** The values as nested arrays: a number for rank 0, a list of rows for rank 2. */
  async array(): Promise<Nested> {
    const data = await this.data();
    const build = (axis: number, start: number): Nested => {
      if (axis === this.rank) return data[start];
      const step = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => build(axis + 1, start + i * step));
    };
    return build(0, 0);
  }

  /** Frees the tensor now. Doing so twice is harmless; using it afterwards is an error. */
  dispose(): void {
    this.#storage?.release();
    this.#storage = undefined;
  }

  /** Frees the tensor at the end of a block that began with `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Dtype, shape and backend; the values are to be waited for (`data`). */
  toString(): string {
    return `Tensor(${this.dtype} ${showShape(this.shape)} on ${this.backend.name})`;
  }

  /** For Parameter alone: looks at other values from now on. */
  protected replace(storage: Storage): void {
    this.#storage?.release();
    this.#storage = storage;
  }
}

/**
 * A tensor that an optimiser may give new values, and that outlives scopes: a weight, or a moment
 * of Adam. Made from the values of another tensor.
 */
export class Parameter extends Tensor {
  constructor(value: Tensor) {
    if (!(value instanceof Tensor)) {
      throw new MemgradError(
        `Parameter: expected a tensor, got ${typeof value}; make one with tensor(...).`,
      );
    }
    super(value.storage.share(), value.shape);
    scopes.at(-1)?.delete(this);
  }

  /** Takes the values of `value`, which must have the same shape, dtype and backend. */
  assign(value: Tensor): void {
    if (
      !(value instanceof Tensor) ||
      !sameShape(this.shape, value.shape) ||
      this.dtype !== value.dtype ||
      this.backend !== value.backend
    ) {
      throw new MemgradError(`assign: expected ${this}, got ${value}; convert the value first.`);
    }
    this.replace(value.storage.share());
  }
}

/** Whether both shapes have the same lengths. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** `[2, 3]`, for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
