/**
 * WebGPU. The kernels are those of WebGL, compiled as compute shaders. gpu.js's own WebGPU mode
 * cannot run them: its calls are asynchronous, and it takes neither functions in WGSL nor packed
 * results as arguments. So this file creates pipelines and dispatches them itself.
 */
import { MemgradError } from '../../errors.js';
import {
  type Block,
  Cache,
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

/** GPUBufferUsage, whose names only exist where WebGPU does. */
const usage = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 };
const MAP_READ = 1; // GPUMapMode.READ
const TEXEL = 16; // bytes
/** Kernels that wait to be submitted together. */
const BATCH = 128;
/** Most workgroups along one axis, on every WebGPU. */
const MOST_GROUPS = 65535;

export class WebGPUDevice implements Device {
  readonly name = 'webgpu';
  readonly mostTexels: number;
  readonly #device: GPUDevice;
  readonly #kernels = new Cache<Compiled>(MOST_KERNELS, () => {});
  readonly #buffers: Pool<GPUBuffer>;
  #encoder: GPUCommandEncoder | undefined;
  #waiting = 0;
  /** Buffers with the numbers of kernels that wait. */
  readonly #numbers: GPUBuffer[] = [];
  #failure: MemgradError | undefined;

  constructor(device: GPUDevice) {
    this.#device = device;
    const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
    this.mostTexels = Math.floor(Math.min(maxStorageBufferBindingSize, maxBufferSize) / TEXEL);
    this.#buffers = new Pool<GPUBuffer>(
      POOLED_TEXELS,
      (texels) =>
        device.createBuffer({
          size: texels * TEXEL,
          usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST,
        }),
      (buffer) => buffer.destroy(),
    );
    void device.lost.then(({ message }) => {
      this.#failure ??= new MemgradError(
        `webgpu: the browser took the GPU away (${message || 'device lost'}), and the values on it with it; load the backend anew, or go on from the last checkpoint on 'wasm'.`,
      );
    });
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault(); // told by the next read
      const [reason] = event.error.message.split('\n');
      this.#failure ??=
        event.error instanceof GPUOutOfMemoryError
          ? full(this.name)
          : new MemgradError(
              `webgpu: a kernel does not run on this GPU (${reason}); use the backend 'wasm', and please report it.`,
            );
    });
  }

  upload(data: Float32Array, texels: number): Block {
    const block = this.#take(texels);
    this.#submit(); // what waits may still read the buffer's earlier values
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
      await Promise.resolve(); // for device.lost, which says more
      throw this.#failure ?? error;
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
    if (numbers.length > 0) buffers.push(this.#uniform(numbers));
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
    if (++this.#waiting >= BATCH) this.#submit();
    return blocks;
  }

  counts() {
    return { blocks: this.#buffers.made, kernels: this.#kernels.size };
  }

  close(): void {
    this.#device.destroy();
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
    this.#numbers.push(buffer);
    return buffer;
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
    for (const buffer of this.#numbers.splice(0)) buffer.destroy();
  }
}
