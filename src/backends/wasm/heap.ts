/** The one linear memory of the wasm backend, and its allocator. */
import { MemgradError } from '../../errors.js';
import type { DType, TypedArray } from '../backend.js';

const PAGE = 65536;
/** 4 GiB, the most that a 32-bit address reaches; the last page stays free, so that no end is 0. */
const MOST_PAGES = 65536;
const ALIGNMENT = 16;

/**
 * Blocks come in size classes, four to a power of two, so that a freed block serves the next
 * request of about its size: a training step asks for the same sizes again and again. Blocks are
 * padded to 16 bytes: kernels may read and write the padding.
 */
export class Heap {
  readonly memory = new WebAssembly.Memory({ initial: 16, maximum: MOST_PAGES });
  readonly #free = new Map<number, number[]>();
  #top = 0;
  #floats = new Float32Array(0);
  #ints = new Int32Array(0);
  #scratch = 0;
  #scratchSize = 0;

  /** Blocks start behind `base`. */
  start(base: number): void {
    this.#top = Math.ceil(base / ALIGNMENT) * ALIGNMENT;
  }

  /** The address of a block of at least `bytes`. Throws `MemgradError` when memory is exhausted. */
  allocate(bytes: number): number {
    const size = classOf(bytes);
    const reused = this.#free.get(size)?.pop();
    if (reused !== undefined) return reused;
    const end = this.#top + size;
    if (end > this.memory.buffer.byteLength && !this.#grow(end)) return this.#larger(size);
    const address = this.#top;
    this.#top = end;
    return address;
  }

  /** Takes back the block of `bytes` at `address`. */
  release(address: number, bytes: number): void {
    const size = classOf(bytes);
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
  }

  /** A block that is the caller's until the next call: room for packed panels and totals. */
  scratch(bytes: number): number {
    if (bytes > this.#scratchSize) {
      if (this.#scratchSize > 0) this.release(this.#scratch, this.#scratchSize);
      this.#scratchSize = 0;
      this.#scratch = this.allocate(bytes);
      this.#scratchSize = bytes;
    }
    return this.#scratch;
  }

  /** All of memory as float32. Growing makes a new one: ask again after `allocate`. */
  get floats(): Float32Array {
    if (this.#floats.buffer !== this.memory.buffer) {
      this.#floats = new Float32Array(this.memory.buffer);
    }
    return this.#floats;
  }

  /** All of memory as int32. */
  get ints(): Int32Array {
    if (this.#ints.buffer !== this.memory.buffer) this.#ints = new Int32Array(this.memory.buffer);
    return this.#ints;
  }

  /** `size` values of `dtype` at `address`, in place. */
  view(address: number, size: number, dtype: DType): TypedArray {
    const all = dtype === 'int32' ? this.ints : this.floats;
    return all.subarray(address / 4, address / 4 + size);
  }

  #grow(end: number): boolean {
    const pages = this.memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(end / PAGE) - pages;
    // A quarter more than there is saves growing again soon.
    for (const extra of [Math.max(needed, pages >> 2), needed]) {
      if (pages + extra >= MOST_PAGES) continue;
      try {
        this.memory.grow(extra);
        return true;
      } catch {
        // The system has no more: try with less.
      }
    }
    return false;
  }

  /** A free block of a larger class, for when memory cannot grow. */
  #larger(size: number): number {
    const fitting = [...this.#free.entries()]
      .filter(([other, list]) => other >= size && list.length > 0)
      .sort(([a], [b]) => a - b);
    const [found] = fitting;
    if (found) {
      // It goes back under the smaller class: what it is too large by is lost until then.
      return found[1].pop() as number;
    }
    const used = Math.round(this.#top / 2 ** 20);
    throw new MemgradError(
      `wasm: out of memory: ${Math.ceil(size / 2 ** 20)} MiB more do not fit beside ${used} MiB of at most 4096; free tensors (scope), or use smaller batches or segments.`,
    );
  }
}

/** The size of the class that holds `bytes`: 16, 32, 48, 64, 80, ... four steps to a power of two. */
function classOf(bytes: number): number {
  if (bytes <= 4 * ALIGNMENT) return Math.max(1, Math.ceil(bytes / ALIGNMENT)) * ALIGNMENT;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
