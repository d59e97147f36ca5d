/** What the kernels need of a GPU: blocks of texels, and a way to run a kernel over them. */
import { MemgradError, OutOfMemory } from '../../errors.js';
import type { KernelText } from './text.js';

/** Four floats to a texel. A block belongs to whoever asked for it, until it is given back. */
export interface Block {
  readonly texels: number;
}

/** A GPU: WebGL2 through gpu.js, or WebGPU. */
export interface Device {
  readonly name: string;
  /** The texels that one block may have. */
  readonly mostTexels: number;
  /** A new block that starts with `data`. */
  upload(data: Float32Array, texels: number): Block;
  /** The floats of a block, when they are there. Rejects with what went wrong on the GPU since. */
  read(block: Block): Promise<Float32Array>;
  free(block: Block): void;
  /** Runs the kernel that `key` names, made by `make` where it is new, over `texels` texels; one block for each output. */
  run(
    key: string,
    make: () => KernelText,
    inputs: readonly Block[],
    texels: number,
    numbers: readonly number[],
  ): Block[];
  /** Textures or buffers that exist, in use and kept for use; and compiled kernels. */
  counts(): { blocks: number; kernels: number };
  /** Gives the GPU back, and with it every block. */
  close(): void;
}

/** Compiled kernels that a device keeps. A training step of RMT needs a few hundred. */
export const MOST_KERNELS = 1024;

/** A cache of at most `most` values that lets go of the one that was used longest ago. */
export class Cache<T> {
  readonly #values = new Map<string, T>();

  constructor(
    readonly most: number,
    readonly release: (value: T) => void,
  ) {}

  get size(): number {
    return this.#values.size;
  }

  /** The value of `key`, made where there is none. */
  get(key: string, make: () => T): T {
    let value = this.#values.get(key);
    if (value === undefined) {
      if (this.#values.size >= this.most) {
        const [oldest, old] = this.#values.entries().next().value as [string, T];
        this.#values.delete(oldest);
        this.release(old);
      }
      value = make();
    } else {
      this.#values.delete(key); // to the end, as the latest used
    }
    this.#values.set(key, value);
    return value;
  }
}

/** Freed textures or buffers of one size that wait for the next use, up to `mostTexels` in all. */
export class Pool<T> {
  readonly #free = new Map<number, T[]>();
  #texels = 0;
  #made = 0;

  constructor(
    readonly mostTexels: number,
    readonly create: (size: number) => T,
    readonly destroy: (value: T) => void,
  ) {}

  /** Those that exist. */
  get made(): number {
    return this.#made;
  }

  take(size: number): T {
    const value = this.#free.get(size)?.pop();
    if (value !== undefined) {
      this.#texels -= size;
      return value;
    }
    const made = this.create(size);
    this.#made++;
    return made;
  }

  give(size: number, value: T): void {
    if (this.#texels + size > this.mostTexels) {
      this.#made--;
      this.destroy(value);
      return;
    }
    this.#texels += size;
    const list = this.#free.get(size);
    if (list) list.push(value);
    else this.#free.set(size, [value]);
  }
}

/** Unused memory that a pool keeps: 512 MiB. */
export const POOLED_TEXELS = 2 ** 25;

/** The error for a tensor that a device has no room for. */
export function tooLarge(name: string, texels: number, most: number): OutOfMemory {
  const millions = (count: number) => `${((count * 4) / 1e6).toFixed(1)} million`;
  return new OutOfMemory(
    `${name}: a tensor of ${millions(texels)} values is over what one texture or buffer of this GPU holds, ${millions(most)}; use smaller batches, or the backend 'wasm'.`,
  );
}

/** The error for a device whose memory is used up. */
export function full(name: string): OutOfMemory {
  return new OutOfMemory(
    `${name}: the memory of the GPU is used up, and results since then are lost; use smaller batches or a smaller model, or the backend 'wasm'.`,
  );
}

/** The error for a backend that was closed. */
export function closed(name: string): MemgradError {
  return new MemgradError(
    `${name}: this backend was closed, and the values on it are gone; load it anew.`,
  );
}
