/** Compiled kernels, and the bind groups of their buffers. Many kernels are compiled side by side, ahead of use. */
import type { Failures } from './failures.js';
import type { Memory } from './memory.js';
import { type KernelText, moduleOf, wordsOf } from './text.js';

/** A kernel. */
export interface Compiled {
  readonly descriptor: GPUComputePipelineDescriptor;
  /** Undefined until it is compiled. */
  pipeline: GPUComputePipeline | undefined;
  /** The size of an element of each binding, in words. */
  readonly words: readonly number[];
  readonly reads: number;
}

/** The value of GPUShaderStage.COMPUTE, which is no global in Node. */
const COMPUTE = 4;
/**
 * So many kernels are compiled side by side. Fewer are compiled when they are submitted: a promise of
 * Dawn keeps a core of Node busy while it is pending.
 */
const MANY = 4;
/** Bind groups that are kept: a training step needs some thousands. */
const MOST_BIND_GROUPS = 2 ** 15;

export class Pipelines {
  readonly #compiled = new Map<string, Compiled>();
  /** Kernels that nothing compiles yet, fewer than `MANY`. */
  readonly #waiting: Compiled[] = [];
  readonly #pending = new Set<Promise<void>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #groups = new Map<string, GPUBindGroup>();
  /** The keys of the bind groups that contain a memory. */
  #keys = new WeakMap<Memory, Set<string>>();

  /** `numbers` is bound behind the buffers of each kernel. */
  constructor(
    readonly device: GPUDevice,
    readonly failures: Failures,
    readonly numbers: GPUBufferBinding,
  ) {}

  get size(): number {
    return this.#compiled.size;
  }

  /** The kernel `key`, which `make` describes. */
  of(key: string, make: () => KernelText): Compiled {
    let compiled = this.#compiled.get(key);
    if (compiled) return compiled;
    const text = make();
    const bindings = [...text.inputs, ...text.outputs];
    const reads = text.inputs.length;
    const bindGroupLayouts = [this.#layout(reads, bindings.length)];
    compiled = {
      descriptor: {
        label: key,
        layout: this.device.createPipelineLayout({ bindGroupLayouts }),
        compute: {
          module: this.device.createShaderModule({ label: key, code: moduleOf(text) }),
          entryPoint: 'main',
        },
      },
      pipeline: undefined,
      words: bindings.map(wordsOf),
      reads,
    };
    this.#compiled.set(key, compiled);
    if (this.#waiting.push(compiled) === MANY) this.#compileWaiting();
    return compiled;
  }

  #compileWaiting(): void {
    for (const compiled of this.#waiting.splice(0)) {
      if (compiled.pipeline) continue;
      const pending = this.device.createComputePipelineAsync(compiled.descriptor).then(
        (pipeline) => {
          compiled.pipeline ??= pipeline;
        },
        (error) => this.failures.refused(error),
      );
      this.#pending.add(pending);
      void pending.then(() => this.#pending.delete(pending));
    }
  }

  /** Resolves once nothing is being compiled, or the device is lost or closed. */
  async ready(): Promise<void> {
    if (this.#pending.size > 0) this.#compileWaiting();
    while (this.#pending.size > 0 && !this.failures.first) {
      await Promise.race([Promise.all(this.#pending), this.failures.over]);
    }
  }

  /** The pipeline of a kernel, which is compiled now where it isn't yet. */
  pipelineOf(compiled: Compiled): GPUComputePipeline {
    compiled.pipeline ??= this.device.createComputePipeline(compiled.descriptor);
    return compiled.pipeline;
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
      layout = this.device.createBindGroupLayout({ entries });
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
      this.#keys = new WeakMap();
    }
    const entries: GPUBindGroupEntry[] = memories.map(({ gpu }, binding) => ({
      binding,
      resource: { buffer: gpu },
    }));
    entries.push({ binding: memories.length, resource: this.numbers });
    group = this.device.createBindGroup({ layout: this.#layout(reads, memories.length), entries });
    this.#groups.set(key, group);
    for (const memory of memories) {
      const keys = this.#keys.get(memory);
      if (keys) keys.add(key);
      else this.#keys.set(memory, new Set([key]));
    }
    return group;
  }

  /** Drops the bind groups of memory that is destroyed. */
  forget(memory: Memory): void {
    for (const key of this.#keys.get(memory) ?? []) this.#groups.delete(key);
  }
}
