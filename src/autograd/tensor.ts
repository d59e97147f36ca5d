/** Tensors: values of one dtype in row-major order, living on a backend. Nothing changes them in place. */
import type { Backend, DeviceBuffer, DType, TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { describe, MemgradError } from '../errors.js';
import { context } from './context.js';
import { type Held, loosen, turnForFinalizers, unmake } from './loose.js';
import { printed } from './print.js';
import { Storage } from './storage.js';

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

/**
 * An array of numbers with a shape and a dtype. A tensor is a value: operations make new ones.
 * It is freed by the `scope` in which it was made (or by `dispose`, or `using`); outside of every
 * scope some time after nothing refers to it any more.
 */
export class Tensor {
  readonly dtype: DType;
  readonly #backend: Backend; // private, as the rest: a console shows a tensor's dtype and shape
  #storage: Storage | undefined;
  /** Its storage once more, for whoever frees it when it is collected. */
  #held: Held | undefined;

  /** For the engine: takes over one reference to `storage`, for `owner` to free. Users call `tensor(...)`. */
  constructor(
    storage: Storage,
    readonly shape: Shape,
    owner: Set<Tensor> | null | undefined = context().scope,
  ) {
    if (!(storage instanceof Storage)) {
      throw new MemgradError('Tensor: make tensors with tensor(...), zeros(...) and so on.');
    }
    this.dtype = storage.buffer.dtype;
    this.#backend = storage.backend;
    this.#storage = storage;
    this.own(owner);
  }

  /** Where the values live. */
  get backend(): Backend {
    return this.#backend;
  }

  /** For the engine: `owner` frees the tensor; without one, its collection does. */
  own(owner: Set<Tensor> | null | undefined): void {
    if (owner) owner.add(this);
    else if (this.#storage) this.#held ??= loosen(this, this.#storage);
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
  async data(): Promise<TypedArray> {
    const values = await this.#backend.read(this.buffer);
    if (this.#held) await turnForFinalizers(); // and the tensor isn't collected while a GPU is read
    return values;
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
    if (this.#held) unmake(this);
    this.#storage?.release();
    this.#storage = undefined;
    this.#held = undefined;
  }

  /** Frees the tensor at the end of a block that began with `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Dtype, shape and backend; `console.log` in Node, Deno and Bun shows values too. */
  toString(): string {
    return `${this.kind}(${this.dtype} ${showShape(this.shape)} on ${this.#backend.name})`;
  }

  /** What `console.log` shows: the values as well, where they are at hand. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    const storage = this.#storage;
    return `${this}${storage ? printed(storage, this.shape) : ', freed'}`;
  }

  /** What messages call it. */
  get [Symbol.toStringTag](): string {
    return this.toString();
  }

  /** Text for templates. As a number it throws: `a + b` is written `add(a, b)`. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new MemgradError(
      `${this} is no number for +, *, < or ==; write add(a, b), mul(a, b) and so on, or await its item().`,
    );
  }

  /** For `JSON.stringify`, which would lose the values without a word: throws. */
  toJSON(): never {
    throw new MemgradError(
      `${this} has no JSON; write its values, await array(), or save tensors by encodeSafetensors.`,
    );
  }

  /** The name of its class, which bundlers shorten. */
  protected get kind(): string {
    return 'Tensor';
  }

  /** For Parameter alone: looks at other values from now on. */
  protected replace({ storage }: Tensor): void {
    const before = this.storage; // throws when it was freed
    this.#storage = storage.share();
    if (this.#held) this.#held.storage = storage;
    before.release();
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
        `Parameter: expected a tensor, got ${describe(value)}; make one with tensor(...).`,
      );
    }
    super(value.storage.share(), value.shape, null);
  }

  /** As for a tensor. */
  protected override get kind(): string {
    return 'Parameter';
  }

  /** Takes the values of `value`, which must have the same shape, dtype and backend. */
  assign(value: Tensor): void {
    if (!isLike(value, this)) {
      throw new MemgradError(
        `assign: expected ${this}, got ${describe(value)}; convert the value first.`,
      );
    }
    this.replace(value);
  }
}

/** Whether both shapes have the same lengths. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** Whether `value` is a tensor with the shape, the dtype and the backend of `like`. */
export function isLike(value: unknown, like: Tensor): value is Tensor {
  return (
    value instanceof Tensor &&
    sameShape(value.shape, like.shape) &&
    value.dtype === like.dtype &&
    value.backend === like.backend
  );
}

/** `[2, 3]`, for messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}
