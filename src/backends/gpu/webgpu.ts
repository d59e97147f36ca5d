/**
 * WebGPU. It runs the same kernels as WebGL, compiled as compute shaders. gpu.js's own WebGPU mode
 * can't run them: its calls are asynchronous, and it takes neither WGSL functions nor packed
 * results as arguments. So this file creates and dispatches the pipelines.
 */
import { MemgradError } from '../../errors.js';
import {
  type Block,
  Cache,
  closed,
  type Device,
  full,
  MOST_KERNELS,
  POOLED_TEXELS,
  Pool,
  tooLarge,
} from './device.js';
import { GROUP, type KernelText, toWgsl } from './text.js';

interface WebGPUBlock extends Block {
  readonly buffer: GPUBuffer;
}

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly outputs: number;
}

/** The values of GPUBufferUsage, which is undefined where WebGPU is missing. */
const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 };
const MAP_READ = 1; // GPUMapMode.READ
const TEXEL = 16; // bytes
/** How many kernels are submitted together. */
const BATCH = 128;
/** The maximum number of workgroups along one axis that every WebGPU supports. */
const MOST_GROUPS = 65535;

export class WebGPUDevice implements Device {
  readonly name = 'webgpu';
  readonly mostTexels: number;
  readonly #device: GPUDevice;
  readonly #kernels = new Cache<Compiled>(MOST_KERNELS, () => {});
  readonly #buffers: Pool<GPUBuffer>;
  #encoder: GPUCommandEncoder | undefined;
  #waiting = 0;
  /** Buffers to destroy once the commands in the encoder, which may use them, are submitted. */
  readonly #spent: GPUBuffer[] = [];
  #spentBytes = 0;
  #failure: MemgradError | undefined;

  /**
   * Keeps at most `pooledTexels` texels of freed buffers for reuse, and at most as many waiting to
   * be destroyed.
   */
  constructor(device: GPUDevice, pooledTexels = POOLED_TEXELS) {
    this.#device = device;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    this.mostTexels = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / TEXEL);
    this.#buffers = new Pool<GPUBuffer>(
      pooledTexels,
      (texels) =>
        device.createBuffer({
          size: texels * TEXEL,
          usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST,
        }),
      (buffer) => {
        this.#destroy(buffer);
        if (this.#spentBytes > pooledTexels * TEXEL) this.#submit();
      },
    );
    void device.lost.then(({ message }) => {
      this.#failure ??= new MemgradError(
        `webgpu: the browser took the GPU away (${message || 'device lost'}), so its values are lost; load the backend again, or continue from the last checkpoint on 'wasm'.`,
      );
    });
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault(); // the next read reports it
      const [reason] = event.error.message.split('\n');
      this.#failure ??=
        event.error.constructor.name === 'GPUOutOfMemoryError' // not a global class in Node
          ? full(this.name)
          : this.#unfit(`a kernel does not run on this GPU (${reason})`);
    });
  }

  upload(data: Float32Array, texels: number): Block {
    const block = this.#take(texels);
    this.#submit(); // pending commands may still read the buffer's earlier values
    this.#device.queue.writeBuffer(block.buffer, 0, data as Float32Array<ArrayBuffer>);
    return block;
  }

  async read(block: Block): Promise<Float32Array> {
    const size = block.texels * TEXEL;
    const staging = this.#device.createBuffer({
      size,
      usage: usage.COPY_DST | usage.MAP_READ,
    });
    this.#open().copyBufferToBuffer((block as WebGPUBlock).buffer, 0, staging, 0, size);
    this.#submit();
    try {
      await staging.mapAsync(MAP_READ);
      if (this.#failure) throw this.#failure;
      return new Float32Array(staging.getMappedRange().slice(0));
    } catch (error) {
      // Wait for events of the device, which are more specific.
      await new Promise((resolve) => setTimeout(resolve));
      throw this.#failure ?? this.#unfit(`a result cannot be read: ${error}`);
    } finally {
      staging.destroy();
    }
  }

  free(block: Block): void {
    this.#buffers.give(block.texels, (block as WebGPUBlock).buffer);
  }

  run(
    key: string,
    make: () => KernelText,
    inputs: readonly Block[],
    texels: number,
    numbers: readonly number[],
  ): Block[] {
    const groups = Math.ceil(texels / GROUP);
    const rows = Math.ceil(groups / MOST_GROUPS);
    const across = Math.ceil(groups / rows);
    const { pipeline, outputs } = this.#kernels.get(`${key}|${texels}`, () => {
      const text = make();
      const code = toWgsl(text, texels, across * GROUP);
      const module = this.#device.createShaderModule({ label: key, code });
      const compute = { module, entryPoint: 'main' };
      const pipeline = this.#device.createComputePipeline({ label: key, layout: 'auto', compute });
      return { pipeline, outputs: text.outputs };
    });
    const blocks = Array.from({ length: outputs }, () => this.#take(texels));
    const buffers = [...inputs, ...blocks].map((block) => (block as WebGPUBlock).buffer);
    const uniform = numbers.length > 0 ? this.#uniform(numbers) : undefined;
    if (uniform) buffers.push(uniform);
    const pass = this.#open().beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      this.#device.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
      }),
    );
    pass.dispatchWorkgroups(across, rows);
    pass.end();
    if (uniform) this.#destroy(uniform);
    if (++this.#waiting >= BATCH) this.#submit();
    return blocks;
  }

  counts() {
    return { blocks: this.#buffers.made, kernels: this.#kernels.size };
  }

  close(): void {
    this.#failure ??= closed(this.name);
    this.#encoder = undefined;
    this.#device.destroy();
  }

  #unfit(reason: string): MemgradError {
    return new MemgradError(
      `${this.name}: ${reason}; use the backend 'wasm', and please report it.`,
    );
  }

  #take(texels: number): WebGPUBlock {
    if (texels > this.mostTexels) throw tooLarge(this.name, texels, this.mostTexels);
    return { texels, buffer: this.#buffers.take(texels) };
  }

  #uniform(numbers: readonly number[]): GPUBuffer {
    const size = Math.ceil(numbers.length / 4) * 16;
    const buffer = this.#device.createBuffer({
      size,
      usage: usage.UNIFORM,
      mappedAtCreation: true,
    });
    new Float32Array(buffer.getMappedRange()).set(numbers);
    buffer.unmap();
    return buffer;
  }

  /** Destroys a buffer after the pending commands, which would otherwise become invalid. */
  #destroy(buffer: GPUBuffer): void {
    if (!this.#encoder) {
      buffer.destroy();
      return;
    }
    this.#spent.push(buffer);
    this.#spentBytes += buffer.size;
  }

  #open(): GPUCommandEncoder {
    this.#encoder ??= this.#device.createCommandEncoder();
    return this.#encoder;
  }

  #submit(): void {
    if (!this.#encoder) return;
    this.#device.queue.submit([this.#encoder.finish()]);
    this.#encoder = undefined;
    this.#waiting = 0;
    for (const buffer of this.#spent.splice(0)) buffer.destroy();
    this.#spentBytes = 0;
  }
}
