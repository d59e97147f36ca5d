/** Tensors: immutable values of one dtype in row-major order, on a backend. */
import type { Backend, DeviceBuffer, DType, TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { describe, MemgradError } from '../errors.js';
import { context } from './context.js';
import { type Held, loosen, turnForFinalizers, unmake } from './loose.js';
import { printed } from './print.js';
import { Storage } from './storage.js';

declare global {
  /**
   * Declared for TypeScript before 5.2, and for projects whose `lib` lacks it, exactly as
   * TypeScript declares it.
   */
  interface SymbolConstructor {
    readonly dispose: unique symbol;
  }
}

/** The lengths of a tensor's axes, outermost first. */
export type Shape = readonly number[];

/** The place of the storage of a tensor that was freed. */
interface Freed {
  readonly backend: Backend;
  /** What freed the tensor, and how to keep it, for the message. */
  readonly end: string;
}

/** A value as nested arrays, one level for each axis. */
export type Nested = number | Nested[];

/**
 * An array of numbers with a shape and a dtype. Tensors are immutable: operations return new ones.
 * A tensor is freed by the `scope` in which it was made, by `dispose`, or by `using`; outside all
 * scopes, some time after it becomes unreachable.
 */
export class Tensor {
  readonly dtype: DType;
  /** `shape`, under the name by which consoles show it. A field called `shape` could be assigned. */
  private readonly axes: Shape;
  // A browser's console shows five fields, the private ones first: two more would hide `axes`.
  #storage: Storage | Freed;
  /** A second reference to the storage, for the finalizer that frees it. */
  #held: Held | undefined;

  /**
   * For the engine; users call `tensor(...)`. Takes over one reference to `storage`, which `owner`
   * will free.
   */
  constructor(
    storage: Storage,
    shape: Shape,
    owner: Set<Tensor> | null | undefined = context().scope,
  ) {
    if (!(storage instanceof Storage)) {
      throw new MemgradError('Tensor: make one with tensor(...).');
    }
    this.dtype = storage.buffer.dtype;
    this.axes = Object.freeze(shape);
    this.#storage = storage;
    this.own(owner);
  }

  /** The lengths of the axes, outermost first; frozen, since tensors share it. */
  get shape(): Shape {
    return this.axes;
  }

  /** The backend that stores the values. */
  get backend(): Backend {
    return this.#storage.backend;
  }

  /**
   * For the engine: makes `owner` free the tensor; without an owner, garbage collection frees it.
   */
  own(owner: Set<Tensor> | null | undefined): void {
    if (owner) owner.add(this);
    else if (this.#storage.end === undefined) this.#held ??= loosen(this, this.#storage);
  }

  /** For the engine: whether the tensor was freed. */
  get isFreed(): boolean {
    return this.#storage.end !== undefined;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of values. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** The storage of the values. Throws `MemgradError` if the tensor was freed. */
  get storage(): Storage {
    const storage = this.#storage;
    if (storage.end === undefined) return storage;
    throw new MemgradError(
      `A tensor of shape ${showShape(this.shape)} was used after ${storage.end}.`,
    );
  }

  /** The buffer of the values. Throws `MemgradError` if the tensor was freed. */
  get buffer(): DeviceBuffer {
    return this.storage.buffer;
  }

  /**
   * Resolves to the values, row-major, once they are computed. The one asynchronous operation.
   * Rejects if the tensor was freed.
   */
  async data(): Promise<TypedArray> {
    const values = await this.backend.read(this.buffer);
    // Reading #held here also keeps this tensor from being collected during the read.
    if (this.#held) await turnForFinalizers();
    return values;
  }

  /** Resolves to the value of a tensor of one element. Rejects for any other size. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new MemgradError(
        `item: expected a tensor of one element, got shape ${showShape(this.shape)}; use data() or array().`,
      );
    }
    return (await this.data())[0];
  }

  /** Resolves to the values as nested arrays: a number for rank 0, a list of rows for rank 2. */
  async array(): Promise<Nested> {
    const data = await this.data();
    const build = (axis: number, start: number): Nested => {
      if (axis === this.rank) return data[start];
      const step = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis] }, (_, i) => build(axis + 1, start + i * step));
    };
    return build(0, 0);
  }

  /** Frees the tensor now. Freeing it twice is harmless; using it afterwards is an error. */
  dispose(): void {
    this.free('dispose() had freed it; dispose of it later');
  }

  /** For the engine: `dispose`, where later uses say that they come after `end`. */
  free(end: string): void {
    const storage = this.#storage;
    if (storage.end !== undefined) return;
    if (this.#held) unmake(this);
    storage.release();
    this.#storage = { backend: storage.backend, end };
    this.#held = undefined;
  }

  /** Frees the tensor at the end of a block that began with `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Returns dtype, shape and backend; `console.log` in Node, Deno and Bun shows values, too. */
  toString(): string {
    return `${this.kind}(${this.dtype} ${showShape(this.shape)} on ${this.backend.name})`;
  }

  /** The text that `console.log` shows, with the values if they are on the host. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const storage = this.#storage;
    return `${this}${storage.end === undefined ? printed(storage, this.shape) : ', freed'}`;
  }

  /** The tensor in messages. */
  get [Symbol.toStringTag](): string {
    return this.toString();
  }

  /**
   * The text for template literals. Conversion to a number throws `MemgradError`: write `add(a, b)`
   * instead of `a + b`.
   */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new MemgradError(
      `${this} can't be used with +, *, < or ==; write add(a, b), mul(a, b) and so on, or await its item().`,
    );
  }

  /** Throws `MemgradError`: `JSON.stringify` would silently lose the values. */
  toJSON(): never {
    throw new MemgradError(
      `${this} can't be converted to JSON; convert its values, await array(), or save tensors with encodeSafetensors.`,
    );
  }

  /** The name of the class, spelled out since bundlers shorten class names. */
  protected get kind(): string {
    return 'Tensor';
  }

  /** For the engine, on parameters: replaces the values. Takes over one reference to `storage`. */
  replace(storage: Storage): void {
    const before = this.storage; // throws if it was freed
    this.#storage = storage;
    if (this.#held) this.#held.storage = storage;
    before.release();
  }
}

/**
 * A tensor whose values an optimiser can replace, and which outlives scopes: a weight, or a moment
 * of Adam. It is made from the values of another tensor.
 */
export class Parameter extends Tensor {
  constructor(value: Tensor) {
    if (!(value instanceof Tensor)) {
      throw new MemgradError(
        `Parameter: expected a tensor, got ${describe(value)}; make one with tensor(...).`,
      );
    }
    super(value.storage.share(), value.shape, null);
    context().listener?.aliased?.(value, this);
  }

  /** The name of the class. */
  protected override get kind(): string {
    return 'Parameter';
  }

  /**
   * Replaces the values by those of `value`. Throws `MemgradError` unless `value` has the same
   * shape, dtype and backend.
   */
  assign(value: Tensor): void {
    if (!isLike(value, this)) {
      throw new MemgradError(
        `assign: expected ${this}, got ${describe(value)}; convert the value first.`,
      );
    }
    this.replace(value.storage.share());
    context().listener?.assigned?.(this, value);
  }
}

/** Whether both shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** Whether `value` is a tensor with the shape, dtype and backend of `like`. */
export function isLike(value: unknown, like: Tensor): value is Tensor {
  return (
    value instanceof Tensor &&
    sameShape(value.shape, like.shape) &&
    value.dtype === like.dtype &&
    value.backend === like.backend
  );
}

/** Formats a shape for messages, such as `[2, 3]`. */
export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
