/** The one linear memory of the wasm backend, and its allocator. */
import { MemgradError, OutOfMemory } from '../../errors.js';
import type { DType, Result } from '../backend.js';
import { sizeOf } from '../layout.js';
import type { WasmBuffer } from './kernels.js';

const PAGE = 65536;
/** 4 GiB, the reach of a 32-bit address, less one page, so that no end address wraps to 0. */
const MOST_PAGES = 65535;
const FIRST_PAGES = 16;
const ALIGNMENT = 16;

/** A contiguous range of bytes. */
interface Block {
  address: number;
  length: number;
}

/**
 * Blocks come in size classes, four per power of two, so that a freed block fits the next request
 * of about its size: a training step requests the same sizes again and again. Blocks are padded to
 * 16 bytes; kernels may read and write the padding.
 */
export class Heap {
  /** The memory. Threads replace it by a copy that they share. */
  memory: WebAssembly.Memory;
  readonly mostPages: number;
  readonly #free = new Map<number, number[]>();
  #top = 0;
  #floats = new Float32Array(0);
  #ints = new Int32Array(0);
  #scratch = 0;
  #scratchSize = 0;

  /** Memory grows to at most `maximumBytes`: 1 MiB to 4 GiB, the default. */
  constructor(maximumBytes = MOST_PAGES * PAGE) {
    const most = Math.min(Math.floor(maximumBytes / PAGE), MOST_PAGES);
    this.mostPages = Math.max(most, FIRST_PAGES);
    this.memory = new WebAssembly.Memory({ initial: FIRST_PAGES, maximum: this.mostPages });
  }

  /** Makes every later call except `free` and `release` throw. */
  close(): void {
    this.valuesOf = this.take = () => {
      throw new MemgradError('wasm: this backend is closed; load another one.');
    };
  }

  /** Sets the address from which blocks are allocated. */
  start(base: number): void {
    this.#top = Math.ceil(base / ALIGNMENT) * ALIGNMENT;
  }

  /** Returns the address of a block of at least `bytes`. Throws `OutOfMemory` when none fits. */
  allocate(bytes: number): number {
    return this.take(classOf(bytes));
  }

  /** Returns the address of a block of the size class `size`. Throws `OutOfMemory` when none fits. */
  take(size: number): number {
    return this.#free.get(size)?.pop() ?? this.#fresh(size) ?? this.#joined(size);
  }

  /** Returns a new buffer of `size` values. Throws like `allocate`. */
  buffer(dtype: DType, size: number): WasmBuffer {
    return { dtype, size, address: this.allocate(size * 4) };
  }

  /**
   * Returns a new buffer for each of `results`. If one doesn't fit, frees the others and throws
   * like `allocate`.
   */
  buffers(results: readonly Result[]): WasmBuffer[] {
    const made: WasmBuffer[] = [];
    try {
      for (const { dtype, shape } of results) made.push(this.buffer(dtype, sizeOf(shape)));
    } catch (error) {
      for (const buffer of made) this.free(buffer);
      throw error;
    }
    return made;
  }

  /** Frees the block of a buffer. */
  free({ address, size }: WasmBuffer): void {
    this.release(address, size * 4);
  }

  /** Frees the block of `bytes` at `address`. */
  release(address: number, bytes: number): void {
    this.put(address, classOf(bytes));
  }

  /** Frees the block of the size class `size` at `address`. */
  put(address: number, size: number): void {
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
  }

  /**
   * A block that the caller may use until the next call of `scratch`, for packed panels and totals.
   */
  scratch(bytes: number): number {
    if (bytes > this.#scratchSize) {
      if (this.#scratchSize > 0) this.release(this.#scratch, this.#scratchSize);
      this.#scratchSize = 0;
      this.#scratch = this.allocate(bytes);
      this.#scratchSize = bytes;
    }
    return this.#scratch;
  }

  /** All of memory as float32. Growing replaces the array: read this again after `allocate`. */
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

  /**
   * Writes `values`, which a kernel reads, to `room`, whose `bytes` it may also write. Returns the
   * address of the table.
   */
  table(room: number, values: readonly number[], _bytes?: number): number {
    this.ints.set(values, room / 4);
    return room;
  }

  /** All of memory as values of `dtype`. */
  valuesOf(dtype: DType): Float32Array | Int32Array {
    return dtype === 'int32' ? this.ints : this.floats;
  }

  /**
   * Takes a block from unused memory at the top; returns undefined when memory can't grow far
   * enough.
   */
  #fresh(size: number): number | undefined {
    const address = this.#top;
    const end = address + size;
    const needed = end + ALIGNMENT; // assembly/lib/product.ts may read this far past a block
    if (needed > this.memory.buffer.byteLength && !this.#grow(needed)) return undefined;
    this.#top = end;
    return address;
  }

  #grow(end: number): boolean {
    const pages = this.memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(end / PAGE) - pages;
    // Growing by at least a quarter avoids growing again soon.
    for (const extra of [Math.max(needed, pages >> 2), needed]) {
      if (pages + extra > this.mostPages) continue;
      try {
        this.memory.grow(extra);
        return true;
      } catch {
        // The system refused: try with less.
      }
    }
    return false;
  }

  /**
   * Joins free blocks and cuts a block from the shortest run that holds it, when memory can't grow.
   */
  #joined(size: number): number {
    const runs = this.#runs();
    this.#free.clear();
    const last = runs.at(-1);
    if (last && last.address + last.length === this.#top) {
      this.#top = last.address;
      runs.pop();
    }
    const fitting = runs.filter(({ length }) => length >= size);
    const best = fitting.sort((a, b) => a.length - b.length).at(0);
    const address = best?.address ?? this.#fresh(size);
    for (const run of runs) this.#releaseRun(run, run === best ? size : 0);
    return address ?? this.#refuse(size);
  }

  /** The free blocks by address, with adjacent ones joined. */
  #runs(): Block[] {
    const blocks = [...this.#free].flatMap(([length, addresses]) =>
      addresses.map((address) => ({ address, length })),
    );
    const runs: Block[] = [];
    for (const block of blocks.sort((a, b) => a.address - b.address)) {
      const last = runs.at(-1);
      if (last && last.address + last.length === block.address) last.length += block.length;
      else runs.push(block);
    }
    return runs;
  }

  /** Frees all but the first `taken` bytes of a run, in the largest blocks possible. */
  #releaseRun({ address, length }: Block, taken: number): void {
    for (let from = taken; from < length; ) {
      const size = classOf(length - from, Math.floor);
      this.put(address + from, size);
      from += size;
    }
  }

  #refuse(size: number): never {
    let used = this.#top;
    for (const [length, addresses] of this.#free) used -= length * addresses.length;
    const granted = this.memory.buffer.byteLength;
    const most = this.mostPages * PAGE;
    const refused = this.#top + size <= most;
    throw new OutOfMemory(
      `wasm: out of memory: ${megabytes(size)} more do not fit, with ${megabytes(used)} in use; ` +
        `${refused ? `the system grants only ${megabytes(granted)}` : `the limit is ${megabytes(most)}`}. ` +
        'Free tensors (scope), or use smaller batches or segments.',
    );
  }
}

/**
 * The smallest size class that holds `bytes`: 16, 32, 48, 64, 80, ..., four steps per power of two.
 * With `Math.floor`, the largest size class that fits into `bytes`.
 */
function classOf(bytes: number, round = Math.ceil): number {
  if (bytes <= 4 * ALIGNMENT) return Math.max(1, round(bytes / ALIGNMENT)) * ALIGNMENT;
  const step = 1 << (29 - Math.clz32(bytes - 1)); // an eighth of the next power of two
  return round(bytes / step) * step;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
