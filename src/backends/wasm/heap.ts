/** The one linear memory of the wasm backend, and its allocator. */
import { MemgradError, OutOfMemory } from '../../errors.js';
import type { DType, Result, TypedArray } from '../backend.js';
import { sizeOf } from '../layout.js';
import type { WasmBuffer } from './kernels.js';

const PAGE = 65536;
/** 4 GiB, the most that a 32-bit address reaches, less a page, so that no end is 0. */
const MOST_PAGES = 65535;
const FIRST_PAGES = 16;
const ALIGNMENT = 16;

/** Bytes that lie together. */
interface Block {
  address: number;
  length: number;
}

/**
 * Blocks come in size classes, four to a power of two, so that a freed block serves the next
 * request of about its size: a training step asks for the same sizes again and again. Blocks are
 * padded to 16 bytes: kernels may read and write the padding.
 */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly #mostPages: number;
  readonly #free = new Map<number, number[]>();
  #top = 0;
  #floats = new Float32Array(0);
  #ints = new Int32Array(0);
  #scratch = 0;
  #scratchSize = 0;

  /** Memory grows to `maximumBytes` at most: 1 MiB to 4 GiB, and that when left out. `shared`: by threads. */
  constructor(maximumBytes = MOST_PAGES * PAGE, shared = false) {
    const most = Math.min(Math.floor(maximumBytes / PAGE), MOST_PAGES);
    this.#mostPages = Math.max(most, FIRST_PAGES);
    this.memory = new WebAssembly.Memory({
      initial: FIRST_PAGES,
      maximum: this.#mostPages,
      shared,
    });
  }

  /** From now on every use but `free` throws. */
  close(): void {
    this.view = this.allocate = () => {
      throw new MemgradError('wasm: this backend is closed; load another one.');
    };
  }

  /** Blocks start behind `base`. */
  start(base: number): void {
    this.#top = Math.ceil(base / ALIGNMENT) * ALIGNMENT;
  }

  /** The address of a block of at least `bytes`. Throws `OutOfMemory` when there is no room for it. */
  allocate(bytes: number): number {
    const size = classOf(bytes);
    return this.#free.get(size)?.pop() ?? this.#fresh(size) ?? this.#joined(size);
  }

  /** A new buffer of `size` values. Throws as `allocate`. */
  buffer(dtype: DType, size: number): WasmBuffer {
    return { dtype, size, address: this.allocate(size * 4) };
  }

  /** A new buffer for each of `results`: all or none, when memory ends in between. Throws as `allocate`. */
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

  /** Takes back the block of a buffer. */
  free({ address, size }: WasmBuffer): void {
    this.release(address, size * 4);
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

  /** A block where nothing was yet; undefined when memory does not reach so far and cannot grow. */
  #fresh(size: number): number | undefined {
    const address = this.#top;
    const end = address + size;
    const needed = end + ALIGNMENT; // matmul.ts may read so far behind a block
    if (needed > this.memory.buffer.byteLength && !this.#grow(needed)) return undefined;
    this.#top = end;
    return address;
  }

  #grow(end: number): boolean {
    const pages = this.memory.buffer.byteLength / PAGE;
    const needed = Math.ceil(end / PAGE) - pages;
    // A quarter more than there is saves growing again soon.
    for (const extra of [Math.max(needed, pages >> 2), needed]) {
      if (pages + extra > this.#mostPages) continue;
      try {
        this.memory.grow(extra);
        return true;
      } catch {
        // The system has no more: try with less.
      }
    }
    return false;
  }

  /** A block cut from the shortest run of free blocks that holds it, for when memory cannot grow. */
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

  /** The free blocks, neighbours joined, in the order of their addresses. */
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

  /** Takes back what of `run` follows its first `taken` bytes, in blocks as large as can be. */
  #releaseRun({ address, length }: Block, taken: number): void {
    for (let from = taken; from < length; ) {
      const size = classOf(length - from, Math.floor);
      this.release(address + from, size);
      from += size;
    }
  }

  #refuse(size: number): never {
    let used = this.#top;
    for (const [length, addresses] of this.#free) used -= length * addresses.length;
    const there = this.memory.buffer.byteLength;
    const most = this.#mostPages * PAGE;
    const refused = this.#top + size <= most;
    throw new OutOfMemory(
      `wasm: out of memory: ${megabytes(size)} more do not fit beside ${megabytes(used)} in use; ` +
        `${refused ? `the system gives no more than ${megabytes(there)}` : `there are ${megabytes(most)} at most`}. ` +
        'Free tensors (scope), or use smaller batches or segments.',
    );
  }
}

/** The size of the class that holds `bytes`: 16, 32, 48, 64, 80, ... four steps to a power of two; with `Math.floor` of the largest that they hold. */
function classOf(bytes: number, round = Math.ceil): number {
  if (bytes <= 4 * ALIGNMENT) return Math.max(1, round(bytes / ALIGNMENT)) * ALIGNMENT;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return round(bytes / step) * step;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
