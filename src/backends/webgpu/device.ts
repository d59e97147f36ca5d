/**
 * Runs kernels on a WebGPU device. Commands are recorded in one compute pass, and submitted when a
 * value is read: a training step is one submission.
 */
import { MemgradError } from '../../errors.js';
import type { DeviceBuffer, DType, TypedArray } from '../backend.js';
import { closed, full, tooLarge } from '../gpu/errors.js';
import { Pool, sizeClass } from './pool.js';
import { type Completion, type Notes, Prepared } from './prepared.js';
import { type KernelText, moduleOf, wordsOf } from './text.js';

export type { KernelText } from './text.js';

/** One GPUBuffer, in which several `GpuBuffer`s may lie. */
export interface Memory {
  readonly id: number;
  readonly bytes: number;
  readonly gpu: GPUBuffer;
  /** The number of `GpuBuffer`s and pending reads that use it. */
  references: number;
  /** The recording that used it last. */
  recording: number;
  /** The keys of the bind groups that contain it. */
  readonly groups: Set<string>;
}

/** Values in GPU memory. `at` is an offset in 32-bit words, a multiple of 4. */
export interface GpuBuffer extends DeviceBuffer {
  /** Undefined where the buffer is empty or was freed. */
  memory: Memory | undefined;
  readonly at: number;
}

/** One run of a kernel. */
export interface Launch {
  /**
   * Names the pipeline, so it must contain everything on which the text depends. Shapes should be
   * numbers rather than text.
   */
  readonly key: string;
  readonly make: () => KernelText;
  readonly inputs: readonly DeviceBuffer[];
  readonly results: readonly { readonly dtype: DType; readonly size: number }[];
  /** A buffer to write into, instead of new ones for `results`, which must be empty. */
  readonly into?: GpuBuffer;
  readonly ints?: readonly number[];
  readonly floats?: readonly number[];
  /** Workgroups along x, y and z, at most 65,535 each: `spread` folds a larger number. */
  readonly groups: readonly [number, number?, number?];
  /** Returns this launch with `step` applied to a result; undefined where it can't be. */
  readonly complete?: (step: Completion, output: number) => Launch | undefined;
  /**
   * Returns this launch with the work of `earlier` added, whose `outputs` only this one reads;
   * undefined where it can't be. `absorbable` is what it needs to know of the earlier launch.
   */
  readonly absorb?: (
    earlier: Pick<Launch, 'absorbable'>,
    outputs: readonly GpuBuffer[],
  ) => Launch | undefined;
  readonly absorbable?: unknown;
  /** What this launch does to one of its inputs, which `complete` of another launch could do. */
  readonly completion?: Completion['name'];
}

/** A compiled kernel. */
export interface Compiled {
  readonly pipeline: GPUComputePipeline;
  /** The size of an element of each binding, in words. */
  readonly words: readonly number[];
  readonly reads: number;
}

interface Read {
  readonly memory: Memory;
  readonly buffer: GpuBuffer;
  readonly resolve: (values: TypedArray) => void;
  readonly reject: (error: unknown) => void;
}

interface Staging {
  readonly bytes: number;
  readonly gpu: GPUBuffer;
}

/** The values of GPUBufferUsage, GPUMapMode and GPUShaderStage, which are no globals in Node. */
const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 };
const MAP_READ = 1;
const COMPUTE = 4;
/** The freed memory that is kept for reuse by default. */
const POOLED_BYTES = 2 ** 31;
const STAGED_BYTES = 2 ** 26;
/** The bytes that a kernel sees of the ring of numbers. */
const PARAMS_BYTES = 1024;
const RING_BYTES = 2 ** 20;
/** Bind groups that are kept: a training step needs some thousands. */
const MOST_BIND_GROUPS = 2 ** 15;

/** Returns `count` workgroups as [x, y] with x * y >= count; group = id.x + id.y * num_workgroups.x. */
export function spread(count: number): [number, number] {
  const y = Math.ceil(count / 65535);
  return [Math.ceil(count / Math.max(y, 1)), y];
}

/** Options of `WebGPUDevice`. */
export interface DeviceOptions {
  /** The bytes of freed memory that are kept for reuse. Default: 2 GiB. */
  readonly pooledBytes?: number;
  /** Whether the device belongs to the app, so that `close` leaves it open. */
  readonly shared?: boolean;
}

export class WebGPUDevice {
  readonly name = 'webgpu';
  readonly limits: GPUSupportedLimits;
  readonly #device: GPUDevice;
  readonly #shared: boolean;
  /** The largest buffer that a kernel can see, in bytes. */
  readonly #mostBytes: number;
  readonly #pool: Pool<Memory>;
  readonly #stagings: Pool<Staging>;
  readonly #memories = new Set<Memory>();
  readonly #pipelines = new Map<string, Compiled>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #groups = new Map<string, GPUBindGroup>();
  readonly #uniform: GPUBuffer;
  readonly #slot: number;
  readonly #ring = new ArrayBuffer(RING_BYTES);
  readonly #ints = new Int32Array(this.#ring);
  readonly #floats = new Float32Array(this.#ring);
  /** The bytes of the ring that recorded commands use. */
  #used = 0;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #current: GPUComputePipeline | undefined;
  /** The number of the recording, which a submission ends. */
  #recording = 0;
  /** Takes launches in place of the GPU, during `prepare`. */
  #notes: Notes | undefined;
  /** Memory to destroy once the recorded commands, which may use it, are submitted. */
  readonly #spent: Memory[] = [];
  #spentBytes = 0;
  readonly #reads: Read[] = [];
  #empty: Memory | undefined;
  #ids = 0;
  #dispatches = 0;
  #submits = 0;
  #mappings = 0;
  #bytesRead = 0;
  #failure: MemgradError | undefined;
  #closed = false;

  constructor(
    device: GPUDevice,
    { pooledBytes = POOLED_BYTES, shared = false }: DeviceOptions = {},
  ) {
    this.#device = device;
    this.#shared = shared;
    this.limits = device.limits;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    this.#mostBytes = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / 16) * 16;
    this.#slot = device.limits.minUniformBufferOffsetAlignment;
    this.#uniform = device.createBuffer({
      label: 'numbers',
      size: RING_BYTES + PARAMS_BYTES,
      usage: usage.UNIFORM | usage.COPY_DST,
    });
    this.#pool = new Pool<Memory>(
      pooledBytes,
      (bytes) => this.#create(bytes),
      (memory) => this.#destroy(memory),
    );
    this.#stagings = new Pool<Staging>(
      Math.min(pooledBytes, STAGED_BYTES),
      (bytes) => ({
        bytes,
        gpu: device.createBuffer({ size: bytes, usage: usage.MAP_READ | usage.COPY_DST }),
      }),
      ({ gpu }) => gpu.destroy(),
    );
    void device.lost.then(({ message }) => {
      this.#failure ??= new MemgradError(
        `webgpu: the system took the GPU away (${message || 'device lost'}), so its values are lost; load the backend again, or continue from the last checkpoint on 'wasm'.`,
      );
    });
    device.addEventListener('uncapturederror', this.#onError);
  }

  /** Returns a new buffer with the values of `data`. */
  upload(data: Float32Array | Int32Array): GpuBuffer {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    if (data.length === 0) return { dtype, size: 0, memory: undefined, at: 0 };
    // A write comes before all recorded commands, so it must not touch what they use.
    const buffer = this.#fresh(dtype, data.length, ({ recording }) => recording < this.#recording);
    const memory = buffer.memory as Memory;
    this.#notes?.keep(memory);
    this.#device.queue.writeBuffer(memory.gpu, 0, data as Float32Array<ArrayBuffer>);
    return buffer;
  }

  /**
   * Resolves to a copy of the values once they are computed. Reads that are requested together are
   * one copy and one submission. Rejects with any GPU error since the last read.
   */
  read(buffer: DeviceBuffer): Promise<TypedArray> {
    const own = buffer as GpuBuffer;
    if (own.size === 0) return Promise.resolve(arrayOf(own.dtype, new ArrayBuffer(0)));
    const memory = this.memoryOf(own);
    memory.references++;
    return new Promise((resolve, reject) => {
      this.#reads.push({ memory, buffer: own, resolve, reject });
      if (this.#reads.length === 1) queueMicrotask(() => this.#readAll());
    });
  }

  free(buffer: DeviceBuffer): void {
    if (this.#notes) return; // a prepared list keeps what it uses
    const own = buffer as GpuBuffer;
    const { memory } = own;
    own.memory = undefined;
    if (memory) this.release(memory);
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
      at += roundUp(size, 4);
      if (part.memory) part.memory.references++;
      return part;
    });
    this.free(buffer);
    return parts;
  }

  /** Returns `size` values of `buffer` from value `offset` on, a multiple of 4, in the same memory. */
  part(buffer: DeviceBuffer, offset: number, size: number): GpuBuffer {
    const memory = this.memoryOf(buffer);
    memory.references++;
    return { dtype: buffer.dtype, size, memory, at: (buffer as GpuBuffer).at + offset };
  }

  /** Returns a new buffer of unspecified values. */
  empty(dtype: DType, size: number): GpuBuffer {
    if (this.#notes) return { dtype, size, memory: this.#notes.memory(4 * size), at: 0 };
    return this.#fresh(dtype, size);
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
    const compiled = this.compiled(key, make);
    const buffers = [...inputs, ...(into ? [into] : outputs)];
    const memories = buffers.map((buffer) => this.memoryOf(buffer));
    this.encode(compiled, memories, this.group(compiled, memories), groups, (word) => {
      buffers.forEach((buffer, i) => {
        this.#ints[word++] = (buffer as GpuBuffer).at / compiled.words[i];
      });
      for (const value of ints) this.#ints[word++] = value;
      for (const value of floats) this.#floats[word++] = value;
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

  /** Records one dispatch. `write` writes its numbers from a word of the ring on, and returns the end. */
  encode(
    { pipeline }: Compiled,
    memories: readonly Memory[],
    group: GPUBindGroup,
    groups: Launch['groups'],
    write: (word: number, ints: Int32Array) => number,
  ): void {
    if (this.#used + PARAMS_BYTES > RING_BYTES) this.#submit();
    const offset = this.#used;
    const end = 4 * write(offset / 4, this.#ints);
    if (end > offset + PARAMS_BYTES) {
      throw new MemgradError(`webgpu: a kernel has ${(end - offset) / 4} numbers; this is a bug.`);
    }
    this.#used = roundUp(end, this.#slot);
    for (const memory of memories) memory.recording = this.#recording;
    const pass = this.#open();
    if (this.#current !== pipeline) pass.setPipeline(pipeline);
    this.#current = pipeline;
    pass.setBindGroup(0, group, [offset]);
    pass.dispatchWorkgroups(...(groups as [number, number?, number?]));
    this.#dispatches++;
  }

  /** Numbers for tests and benchmarks; `blocks` are the buffers, in use or pooled. */
  counts() {
    return {
      blocks: this.#pool.made,
      kernels: this.#pipelines.size,
      dispatches: this.#dispatches,
      submits: this.#submits,
      reads: this.#mappings,
      bytesRead: this.#bytesRead,
    };
  }

  close(): void {
    this.#closed = true;
    this.#failure ??= closed(this.name);
    this.#encoder = undefined;
    this.#pass = undefined;
    if (!this.#shared) {
      this.#device.destroy();
      return;
    }
    this.#device.removeEventListener('uncapturederror', this.#onError);
    for (const { gpu } of this.#memories) gpu.destroy();
    this.#uniform.destroy();
  }

  readonly #onError = (event: GPUUncapturedErrorEvent) => {
    event.preventDefault(); // the next read reports it
    const [reason] = event.error.message.split('\n');
    this.#failure ??=
      event.error.constructor.name === 'GPUOutOfMemoryError' // not a global class in Node
        ? full(this.name)
        : this.#unfit(`a kernel does not run on this GPU (${reason})`);
  };

  #unfit(reason: string): MemgradError {
    return new MemgradError(
      `${this.name}: ${reason}; use the backend 'wasm', and please report it.`,
    );
  }

  #create(bytes: number): Memory {
    const gpu = this.#device.createBuffer({
      size: bytes,
      usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST,
    });
    const memory = {
      id: this.#ids++,
      bytes,
      gpu,
      references: 0,
      recording: -1,
      groups: new Set<string>(),
    };
    this.#memories.add(memory);
    return memory;
  }

  #fresh(dtype: DType, size: number, usable?: (memory: Memory) => boolean): GpuBuffer {
    return { dtype, size, memory: this.take(4 * size, usable), at: 0 };
  }

  /** Returns memory for `bytes` bytes, with one reference. */
  take(bytes: number, usable?: (memory: Memory) => boolean): Memory {
    if (this.#closed) throw closed(this.name);
    if (bytes > this.#mostBytes) throw tooLarge(this.name, bytes / 4, this.#mostBytes / 4);
    const memory = this.#pool.take(Math.min(sizeClass(bytes), this.#mostBytes), usable);
    memory.references = 1;
    return memory;
  }

  /** The memory of a buffer. Throws if it was freed. */
  memoryOf({ size, memory }: DeviceBuffer & Partial<GpuBuffer>): Memory {
    if (memory) return memory;
    if (size > 0) throw new MemgradError('webgpu: a buffer was used after it was freed.');
    this.#empty ??= this.#create(16); // something has to be bound
    return this.#empty;
  }

  /** Gives up one reference. */
  release(memory: Memory): void {
    if (--memory.references > 0) return;
    this.#pool.give(memory);
    if (this.#spentBytes > this.#pool.mostBytes) this.#submit();
  }

  /** Destroys memory, once the commands that use it are submitted. */
  #destroy(memory: Memory): void {
    if (this.#encoder && memory.recording === this.#recording) {
      this.#spent.push(memory);
      this.#spentBytes += memory.bytes;
      return;
    }
    memory.gpu.destroy();
    this.#memories.delete(memory);
    for (const key of memory.groups) this.#groups.delete(key);
  }

  /** The kernel `key`, which `make` describes. */
  compiled(key: string, make: () => KernelText): Compiled {
    let compiled = this.#pipelines.get(key);
    if (compiled) return compiled;
    const text = make();
    const bindings = [...text.inputs, ...text.outputs];
    const reads = text.inputs.length;
    const module = this.#device.createShaderModule({ label: key, code: moduleOf(text) });
    const pipeline = this.#device.createComputePipeline({
      label: key,
      layout: this.#device.createPipelineLayout({
        bindGroupLayouts: [this.#layout(reads, bindings.length)],
      }),
      compute: { module, entryPoint: 'main' },
    });
    compiled = { pipeline, words: bindings.map(wordsOf), reads };
    this.#pipelines.set(key, compiled);
    return compiled;
  }

  /** The layout of `count` buffers, of which the first `reads` are inputs, and of the numbers. */
  #layout(reads: number, count: number): GPUBindGroupLayout {
    const key = `${reads} ${count}`;
    let layout = this.#layouts.get(key);
    if (!layout) {
      const entries: GPUBindGroupLayoutEntry[] = Array.from({ length: count }, (_, binding) => ({
        binding,
        visibility: COMPUTE,
        buffer: { type: binding < reads ? 'read-only-storage' : 'storage' },
      }));
      const buffer = { type: 'uniform', hasDynamicOffset: true } as const;
      entries.push({ binding: count, visibility: COMPUTE, buffer });
      layout = this.#device.createBindGroupLayout({ entries });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /** The bind group of a kernel with these buffers. */
  group({ reads }: Pick<Compiled, 'reads'>, memories: readonly Memory[]): GPUBindGroup {
    let key = `${reads}`;
    for (const { id } of memories) key += ` ${id}`;
    let group = this.#groups.get(key);
    if (group) return group;
    if (this.#groups.size >= MOST_BIND_GROUPS) {
      this.#groups.clear();
      for (const { groups } of this.#memories) groups.clear();
    }
    const entries: GPUBindGroupEntry[] = memories.map(({ gpu }, binding) => ({
      binding,
      resource: { buffer: gpu },
    }));
    const numbers = { buffer: this.#uniform, size: PARAMS_BYTES };
    entries.push({ binding: memories.length, resource: numbers });
    group = this.#device.createBindGroup({ layout: this.#layout(reads, memories.length), entries });
    this.#groups.set(key, group);
    for (const { groups } of memories) groups.add(key);
    return group;
  }

  #open(): GPUComputePassEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    this.#pass ??= this.#encoder.beginComputePass();
    return this.#pass;
  }

  #submit(): void {
    if (!this.#encoder) return;
    this.#endPass();
    if (this.#used > 0) this.#device.queue.writeBuffer(this.#uniform, 0, this.#ring, 0, this.#used);
    this.#device.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#used = 0;
    this.#recording++;
    this.#submits++;
    for (const memory of this.#spent.splice(0)) this.#destroy(memory);
    this.#spentBytes = 0;
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
    this.#current = undefined;
  }

  /** Carries out the reads that wait, in as few copies as fit into a buffer. */
  #readAll(): void {
    const waiting = this.#reads.splice(0);
    while (waiting.length > 0) {
      let bytes = 0;
      let count = 0;
      do bytes += 4 * waiting[count++].buffer.size;
      while (
        count < waiting.length &&
        bytes + 4 * waiting[count].buffer.size <= this.#device.limits.maxBufferSize
      );
      void this.#readTogether(waiting.splice(0, count), bytes);
    }
  }

  async #readTogether(reads: readonly Read[], bytes: number): Promise<void> {
    let staging: Staging | undefined;
    try {
      if (this.#failure) throw this.#failure;
      const size = Math.min(sizeClass(bytes), this.#device.limits.maxBufferSize);
      staging = this.#stagings.take(size);
      this.#encoder ??= this.#device.createCommandEncoder();
      this.#endPass();
      let at = 0;
      for (const { memory, buffer } of reads) {
        memory.recording = this.#recording;
        this.#encoder.copyBufferToBuffer(
          memory.gpu,
          4 * buffer.at,
          staging.gpu,
          at,
          4 * buffer.size,
        );
        at += 4 * buffer.size;
      }
      this.#submit();
      for (const { memory } of reads) this.release(memory);
      this.#mappings++;
      this.#bytesRead += bytes;
      await staging.gpu.mapAsync(MAP_READ, 0, bytes);
      if (this.#failure) throw this.#failure;
      const mapped = staging.gpu.getMappedRange(0, bytes);
      at = 0;
      for (const { buffer, resolve } of reads) {
        resolve(arrayOf(buffer.dtype, mapped.slice(at, at + 4 * buffer.size)));
        at += 4 * buffer.size;
      }
      staging.gpu.unmap();
      this.#stagings.give(staging);
    } catch (error) {
      staging?.gpu.destroy();
      // Wait for events of the device, which are more specific.
      await new Promise((resolve) => setTimeout(resolve));
      const failure = this.#failure ?? this.#unfit(`a result cannot be read: ${error}`);
      for (const { reject } of reads) reject(failure);
    }
  }
}

function arrayOf(dtype: DType, bytes: ArrayBuffer): TypedArray {
  return dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
