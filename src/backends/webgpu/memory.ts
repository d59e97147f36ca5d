/** Memory on the GPU: kept for reuse when it is freed, destroyed only behind the commands that use it. */
import { MemgradError } from '../../errors.js';
import type { DeviceBuffer } from '../backend.js';
import { closed, tooLarge } from '../gpu/errors.js';
import { Pool } from '../gpu/pool.js';

/** One GPUBuffer, in which several `GpuBuffer`s may lie. */
export interface Memory {
  readonly id: number;
  readonly bytes: number;
  readonly gpu: GPUBuffer;
  /** The number of `GpuBuffer`s and pending reads that use it. */
  references: number;
  /** The recording that used it last. */
  recording: number;
}

/** Values in GPU memory. `at` is an offset in 32-bit words, a multiple of 4. */
export interface GpuBuffer extends DeviceBuffer {
  /** Undefined where the buffer is empty or was freed. */
  memory: Memory | undefined;
  readonly at: number;
}

/** The values of GPUBufferUsage, which is no global in Node. */
export const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 };

/**
 * Returns the size that a buffer for `bytes` bytes gets: the next of eight sizes between two powers
 * of two, so that few sizes arise and at most an eighth is unused. A multiple of 16.
 */
export function sizeClass(bytes: number): number {
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(Math.max(bytes, 1))) - 3));
  return Math.max(16, Math.ceil(bytes / step) * step);
}

export class Memories {
  readonly #device: GPUDevice;
  /** The largest buffer that a kernel can see, in bytes. */
  readonly #mostBytes: number;
  readonly #pool: Pool<Memory>;
  readonly #all = new Set<Memory>();
  /** The number of the recording, which a submission ends. */
  #recording = 0;
  /** Memory to destroy once the recorded commands, which use it, are submitted. */
  readonly #spent: Memory[] = [];
  #spentBytes = 0;
  #empty: Memory | undefined;
  #ids = 0;
  #closed = false;

  /** Keeps up to `pooledBytes` bytes of freed memory. `forget` is told what is destroyed. */
  constructor(
    device: GPUDevice,
    pooledBytes: number,
    readonly forget: (memory: Memory) => void,
  ) {
    this.#device = device;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    this.#mostBytes = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 16) * 16;
    this.#pool = new Pool<Memory>(
      pooledBytes,
      (bytes) => this.#create(bytes),
      (memory) => this.#destroy(memory),
    );
  }

  /** The number of buffers on the GPU, in use or pooled. */
  get made(): number {
    return this.#pool.made;
  }

  /** Whether more memory waits for the next submission than the pool may keep. */
  get isCrowded(): boolean {
    return this.#spentBytes > this.#pool.most;
  }

  /** Returns memory for `bytes` bytes, with one reference. */
  take(bytes: number, usable?: (memory: Memory) => boolean): Memory {
    if (this.#closed) throw closed('webgpu');
    if (bytes > this.#mostBytes) throw tooLarge('webgpu', bytes / 4, this.#mostBytes / 4);
    const memory = this.#pool.take(Math.min(sizeClass(bytes), this.#mostBytes), usable);
    memory.references = 1;
    return memory;
  }

  /** The same, of memory that no recorded command uses. */
  takeUnused(bytes: number): Memory {
    return this.take(bytes, ({ recording }) => recording < this.#recording);
  }

  /** The memory of a buffer. Throws if it was freed. */
  of({ size, memory }: DeviceBuffer & Partial<GpuBuffer>): Memory {
    if (memory) return memory;
    if (size > 0) throw new MemgradError('webgpu: a buffer was used after it was freed.');
    this.#empty ??= this.#create(16); // something has to be bound
    return this.#empty;
  }

  /** Gives up one reference. */
  release(memory: Memory): void {
    if (--memory.references === 0) this.#pool.give(memory.bytes, memory);
  }

  /** Notes that a recorded command uses `memory`. */
  use(memory: Memory): void {
    memory.recording = this.#recording;
  }

  /** Ends the recording: its commands are submitted. */
  submitted(): void {
    this.#recording++;
    for (const memory of this.#spent.splice(0)) this.#destroy(memory);
    this.#spentBytes = 0;
  }

  /** Refuses to return more memory. */
  close(): void {
    this.#closed = true;
  }

  destroyAll(): void {
    for (const { gpu } of this.#all) gpu.destroy();
  }

  #create(bytes: number): Memory {
    const gpu = this.#device.createBuffer({
      size: bytes,
      usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST,
    });
    const memory = { id: this.#ids++, bytes, gpu, references: 0, recording: -1 };
    this.#all.add(memory);
    return memory;
  }

  #destroy(memory: Memory): void {
    if (memory.recording === this.#recording) {
      this.#spent.push(memory);
      this.#spentBytes += memory.bytes;
      return;
    }
    memory.gpu.destroy();
    this.#all.delete(memory);
    this.forget(memory);
  }
}
