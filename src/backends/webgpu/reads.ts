/** Reading back: reads that are requested together are one copy and one submission. */
import type { DType, TypedArray } from '../backend.js';
import { Pool } from '../gpu/pool.js';
import type { Failures } from './failures.js';
import { type GpuBuffer, type Memories, type Memory, sizeClass, usage } from './memory.js';

interface Read {
  readonly memory: Memory;
  readonly buffer: GpuBuffer;
  readonly resolve: (values: TypedArray) => void;
  readonly reject: (error: unknown) => void;
}

/** What reads need of the device. */
interface Source {
  readonly gpu: GPUDevice;
  readonly memories: Memories;
  readonly failures: Failures;
  /** Resolves once the recorded commands can be submitted. */
  ready(): Promise<unknown>;
  /** Submits the recorded commands, and then what `after` encodes. */
  submit(after: (encoder: GPUCommandEncoder) => void): void;
}

/** The value of GPUMapMode.READ, which is no global in Node. */
const MAP_READ = 1;

export class Reads {
  readonly #source: Source;
  readonly #stagings: Pool<GPUBuffer>;
  readonly #waiting: Read[] = [];
  #mappings = 0;
  #bytes = 0;

  /** Keeps up to `pooledBytes` bytes of staging buffers. */
  constructor(source: Source, pooledBytes: number) {
    this.#source = source;
    this.#stagings = new Pool<GPUBuffer>(
      pooledBytes,
      (size) => source.gpu.createBuffer({ size, usage: usage.MAP_READ | usage.COPY_DST }),
      (staging) => staging.destroy(),
    );
  }

  counts() {
    return { reads: this.#mappings, bytesRead: this.#bytes };
  }

  /** Resolves to a copy of the values; rejects with the first error of the device. */
  read(buffer: GpuBuffer): Promise<TypedArray> {
    if (buffer.size === 0) return Promise.resolve(arrayOf(buffer.dtype, new ArrayBuffer(0)));
    const memory = this.#source.memories.of(buffer);
    memory.references++;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ memory, buffer, resolve, reject });
      if (this.#waiting.length === 1) queueMicrotask(() => this.#readAll());
    });
  }

  /** Carries out the reads that wait, in as few copies as fit into a buffer. */
  #readAll(): void {
    const { maxBufferSize } = this.#source.gpu.limits;
    const waiting = this.#waiting.splice(0);
    while (waiting.length > 0) {
      let bytes = 0;
      let count = 0;
      do bytes += 4 * waiting[count++].buffer.size;
      while (count < waiting.length && bytes + 4 * waiting[count].buffer.size <= maxBufferSize);
      const size = Math.min(sizeClass(bytes), maxBufferSize);
      void this.#readTogether(waiting.splice(0, count), bytes, size);
    }
  }

  async #readTogether(reads: readonly Read[], bytes: number, size: number): Promise<void> {
    const { memories, failures } = this.#source;
    let staging: GPUBuffer | undefined;
    try {
      await this.#source.ready();
      if (failures.first) throw failures.first;
      const target = this.#stagings.take(size);
      staging = target;
      this.#source.submit((encoder) => {
        let at = 0;
        for (const { memory, buffer } of reads) {
          const length = 4 * buffer.size;
          encoder.copyBufferToBuffer(memory.gpu, 4 * buffer.at, target, at, length);
          memories.use(memory);
          at += length;
        }
      });
      for (const { memory } of reads) memories.release(memory);
      this.#mappings++;
      this.#bytes += bytes;
      await staging.mapAsync(MAP_READ, 0, bytes);
      if (failures.first) throw failures.first;
      const mapped = staging.getMappedRange(0, bytes);
      let at = 0;
      for (const { buffer, resolve } of reads) {
        resolve(arrayOf(buffer.dtype, mapped.slice(at, at + 4 * buffer.size)));
        at += 4 * buffer.size;
      }
      staging.unmap();
      this.#stagings.give(size, staging);
    } catch (error) {
      staging?.destroy();
      const failure = await failures.ofRead(error);
      for (const { reject } of reads) reject(failure);
    }
  }
}

function arrayOf(dtype: DType, bytes: ArrayBuffer): TypedArray {
  return dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
}
