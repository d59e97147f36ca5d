/**
 * Runs kernels on a WebGPU device. Launches are recorded, and submitted when a value is read: a
 * training step is one submission. Their kernels are compiled meanwhile, side by side.
 */
import type { DeviceBuffer, DType, TypedArray } from '../backend.js';
import { Failures } from './failures.js';
import type { Launch } from './launch.js';
import { type GpuBuffer, Memories, type Memory } from './memory.js';
import { type Compiled, Pipelines } from './pipelines.js';
import { type Notes, Prepared } from './prepared.js';
import { Reads } from './reads.js';
import { Recording } from './recording.js';

/** The freed memory that is kept for reuse by default. */
const POOLED_BYTES = 2 ** 31;
const STAGED_BYTES = 2 ** 26;

/** Options of `WebGPUDevice`. */
export interface DeviceOptions {
  /** The bytes of freed memory that are kept for reuse. Default: 2 GiB. */
  readonly pooledBytes?: number;
  /** Whether the device belongs to the app, so that `close` leaves it open. */
  readonly shared?: boolean;
}

export class WebGPUDevice {
  readonly limits: GPUSupportedLimits;
  readonly memories: Memories;
  readonly pipelines: Pipelines;
  readonly #gpu: GPUDevice;
  readonly #shared: boolean;
  readonly #failures: Failures;
  readonly #recording: Recording;
  readonly #reads: Reads;
  /** Takes launches in place of the GPU, during `prepare`. */
  #notes: Notes | undefined;
  #dispatches = 0;
  #submits = 0;

  constructor(gpu: GPUDevice, { pooledBytes = POOLED_BYTES, shared = false }: DeviceOptions = {}) {
    this.#gpu = gpu;
    this.#shared = shared;
    this.limits = gpu.limits;
    this.#failures = new Failures(gpu);
    this.#recording = new Recording(gpu);
    this.pipelines = new Pipelines(gpu, this.#failures, this.#recording.numbers);
    this.memories = new Memories(gpu, pooledBytes, (memory) => this.pipelines.forget(memory));
    this.#reads = new Reads(
      {
        gpu,
        memories: this.memories,
        failures: this.#failures,
        ready: () => this.pipelines.ready(),
        submit: (after) => this.#submit(after),
      },
      Math.min(pooledBytes, STAGED_BYTES),
    );
  }

  /** Returns a new buffer with the values of `data`. */
  upload(data: Float32Array | Int32Array): GpuBuffer {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    if (data.length === 0) return { dtype, size: 0, memory: undefined, at: 0 };
    // A write comes before all recorded commands, so it must not touch what they use.
    const memory = this.memories.takeUnused(4 * data.length);
    this.#notes?.keep(memory);
    this.#gpu.queue.writeBuffer(memory.gpu, 0, data as Float32Array<ArrayBuffer>);
    return { dtype, size: data.length, memory, at: 0 };
  }

  /**
   * Resolves to a copy of the values once they are computed. Reads that are requested together are
   * one copy and one submission. Rejects with any GPU error since the last read.
   */
  read(buffer: DeviceBuffer): Promise<TypedArray> {
    return this.#reads.read(buffer as GpuBuffer);
  }

  free(buffer: DeviceBuffer): void {
    if (this.#notes) return; // a prepared list keeps what it uses
    const own = buffer as GpuBuffer;
    const { memory } = own;
    own.memory = undefined;
    if (memory) this.release(memory);
  }

  /** Gives up one reference to memory. */
  release(memory: Memory): void {
    this.memories.release(memory);
    if (this.memories.isCrowded) this.#submit();
  }

  /** Returns the result of `use`, and frees `buffers` afterwards. */
  using<T>(buffers: readonly DeviceBuffer[], use: () => T): T {
    try {
      return use();
    } finally {
      for (const buffer of buffers) this.free(buffer);
    }
  }

  /**
   * Returns the buffers of `sizes` values that lie one after the other in `buffer`, each rounded up
   * to 4 values. They replace `buffer`, which must not be used again.
   */
  split(buffer: GpuBuffer, sizes: readonly number[]): GpuBuffer[] {
    const { dtype, memory } = buffer;
    let at = buffer.at;
    const parts = sizes.map((size) => {
      const part = { dtype, size, memory: size > 0 ? memory : undefined, at };
      at += Math.ceil(size / 4) * 4;
      if (part.memory) part.memory.references++;
      return part;
    });
    this.free(buffer);
    return parts;
  }

  /** Returns `size` values of `buffer` from value `offset` on, a multiple of 4, in the same memory. */
  part(buffer: DeviceBuffer, offset: number, size: number): GpuBuffer {
    const memory = this.memories.of(buffer);
    memory.references++;
    return { dtype: buffer.dtype, size, memory, at: (buffer as GpuBuffer).at + offset };
  }

  /** Returns a new buffer of unspecified values. */
  empty(dtype: DType, size: number): GpuBuffer {
    if (this.#notes) return { dtype, size, memory: this.#notes.memory(4 * size), at: 0 };
    return { dtype, size, memory: this.memories.take(4 * size), at: 0 };
  }

  /** Records a run of a kernel; returns one new buffer per result. */
  run(launch: Launch): GpuBuffer[] {
    const { key, make, inputs, results, into, ints = [], floats = [], groups } = launch;
    const again = groups.includes(0) ? undefined : this.#notes?.renumbered(launch);
    if (again) return again;
    const outputs: GpuBuffer[] = [];
    try {
      for (const { dtype, size } of results) outputs.push(this.empty(dtype, size));
    } catch (error) {
      for (const buffer of outputs) this.free(buffer);
      throw error;
    }
    if (groups.includes(0)) return outputs;
    if (this.#notes) {
      this.#notes.add(launch, into ? [into] : outputs);
      return outputs;
    }
    const compiled = this.pipelines.of(key, make);
    const buffers = [...inputs, ...(into ? [into] : outputs)];
    const memories = buffers.map((buffer) => this.memories.of(buffer));
    const group = this.pipelines.group(compiled, memories);
    this.record(compiled, memories, group, groups, (word, itsInts, itsFloats) => {
      buffers.forEach((buffer, i) => {
        itsInts[word++] = (buffer as GpuBuffer).at / compiled.words[i];
      });
      for (const value of ints) itsInts[word++] = value;
      for (const value of floats) itsFloats[word++] = value;
      return word;
    });
    return outputs;
  }

  /**
   * Prepares the launches of `record` to be run again, without running them: for other `inputs` of
   * the same sizes in place of these. `record` returns the buffers of the results; `part(f)` marks
   * launches whose numbers may change (`Prepared.renumber`).
   */
  prepare(
    inputs: readonly DeviceBuffer[],
    record: (part: <T>(f: () => T) => T) => readonly DeviceBuffer[],
  ): Prepared {
    const prepared = new Prepared(this, inputs as readonly GpuBuffer[]);
    try {
      const results = this.noting(prepared, () => record((f) => prepared.part(f)));
      prepared.finish(results as readonly GpuBuffer[]);
      return prepared;
    } catch (error) {
      prepared.dispose();
      throw error;
    }
  }

  /** Runs `f`, whose launches go to `notes`. */
  noting<T>(notes: Notes, f: () => T): T {
    this.#notes = notes;
    try {
      return f();
    } finally {
      this.#notes = undefined;
    }
  }

  /** Records one dispatch. `write` writes its numbers from a word on, and returns the end. */
  record(
    compiled: Compiled,
    memories: readonly Memory[],
    group: GPUBindGroup,
    groups: Launch['groups'],
    write: (word: number, ints: Int32Array, floats: Float32Array) => number,
  ): void {
    if (this.#recording.isFull) this.#submit();
    this.#recording.add(compiled, group, groups, write);
    for (const memory of memories) this.memories.use(memory);
    this.#dispatches++;
  }

  /** Numbers for tests and benchmarks; `blocks` are the buffers, in use or pooled. */
  counts() {
    return {
      blocks: this.memories.made,
      kernels: this.pipelines.size,
      dispatches: this.#dispatches,
      submits: this.#submits,
      ...this.#reads.counts(),
    };
  }

  close(): void {
    this.#failures.close();
    this.memories.close();
    this.#recording.drop();
    if (!this.#shared) {
      this.#gpu.destroy();
      return;
    }
    this.#failures.ignore();
    this.memories.destroyAll();
    this.#recording.destroy();
  }

  /**
   * Submits what is recorded. A read waits until the kernels are compiled; without one, as where
   * the numbers or the memory are used up, those that aren't are compiled here.
   */
  #submit(after?: (encoder: GPUCommandEncoder) => void): void {
    if (this.#recording.isEmpty && !after) return;
    this.#recording.submit(this.pipelines, after);
    this.memories.submitted();
    this.#submits++;
  }
}
