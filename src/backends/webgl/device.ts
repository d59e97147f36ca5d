/** The interface between kernels and a GPU: blocks of texels, and running a kernel over them. */
import type { KernelText } from './text.js';

/** Memory for `texels` texels of four floats. The caller owns it until it frees it. */
export interface Block {
  readonly texels: number;
}

/** A GPU: WebGL2 through gpu.js. Tests have another. */
export interface Device {
  readonly name: string;
  /** The maximum number of texels in a block. */
  readonly mostTexels: number;
  /** Returns a new block whose first values are `data`. */
  upload(data: Float32Array, texels: number): Block;
  /**
   * Resolves to the floats of a block once they are computed. Rejects with any GPU error since the
   * last read.
   */
  read(block: Block): Promise<Float32Array>;
  free(block: Block): void;
  /**
   * Runs the kernel `key` over `texels` texels and returns one block per output. `make` returns its
   * text when it isn't compiled yet.
   */
  run(
    key: string,
    make: () => KernelText,
    inputs: readonly Block[],
    texels: number,
    numbers: readonly number[],
  ): Block[];
  /** The number of textures, in use or pooled, and of compiled kernels. */
  counts(): { blocks: number; kernels: number };
  /** Releases the GPU and all blocks. */
  close(): void;
}

/**
 * The number of compiled kernels that a device keeps. A training step of RMT needs a few hundred.
 */
export const MOST_KERNELS = 1024;

/** A cache of at most `most` values that evicts the least recently used one. */
export class Cache<T> {
  readonly #values = new Map<string, T>();

  constructor(
    readonly most: number,
    readonly release: (value: T) => void,
  ) {}

  get size(): number {
    return this.#values.size;
  }

  /** Returns the value of `key`; makes it if there is none. */
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
      this.#values.delete(key); // move to the end, as the most recently used
    }
    this.#values.set(key, value);
    return value;
  }
}

/** The unused memory that a pool keeps: 512 MiB. */
export const POOLED_TEXELS = 2 ** 25;
