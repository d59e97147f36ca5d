/** Commands that wait to be submitted: dispatches with their numbers. */
import { MemgradError } from '../../errors.js';
import type { Launch } from './launch.js';
import { usage } from './memory.js';
import type { Compiled, Pipelines } from './pipelines.js';

interface Dispatch {
  readonly compiled: Compiled;
  readonly group: GPUBindGroup;
  /** Where its numbers begin, in bytes. */
  readonly offset: number;
  readonly groups: Launch['groups'];
}

/** The bytes of its numbers that a kernel sees. */
export const PARAMS_BYTES = 1024;
const RING_BYTES = 2 ** 20;

export class Recording {
  /** The numbers of all dispatches, as kernels see them. */
  readonly numbers: GPUBufferBinding;
  readonly #device: GPUDevice;
  readonly #buffer: GPUBuffer;
  readonly #slot: number;
  readonly #bytes = new ArrayBuffer(RING_BYTES);
  readonly #ints = new Int32Array(this.#bytes);
  readonly #floats = new Float32Array(this.#bytes);
  /** The bytes of numbers that the dispatches use. */
  #used = 0;
  #dispatches: Dispatch[] = [];

  constructor(device: GPUDevice) {
    this.#device = device;
    this.#slot = device.limits.minUniformBufferOffsetAlignment;
    this.#buffer = device.createBuffer({
      label: 'numbers',
      size: RING_BYTES + PARAMS_BYTES,
      usage: usage.UNIFORM | usage.COPY_DST,
    });
    this.numbers = { buffer: this.#buffer, size: PARAMS_BYTES };
  }

  get isEmpty(): boolean {
    return this.#dispatches.length === 0;
  }

  get isFull(): boolean {
    return this.#used + PARAMS_BYTES > RING_BYTES;
  }

  /** Adds a dispatch. `write` writes its numbers from a word on, and returns the end. */
  add(
    compiled: Compiled,
    group: GPUBindGroup,
    groups: Launch['groups'],
    write: (word: number, ints: Int32Array, floats: Float32Array) => number,
  ): void {
    const offset = this.#used;
    const end = 4 * write(offset / 4, this.#ints, this.#floats);
    if (end > offset + PARAMS_BYTES) {
      throw new MemgradError(`webgpu: a kernel has ${(end - offset) / 4} numbers; this is a bug.`);
    }
    this.#used = Math.ceil(end / this.#slot) * this.#slot;
    this.#dispatches.push({ compiled, group, offset, groups });
  }

  /** Submits the dispatches, and then what `after` encodes. */
  submit(pipelines: Pipelines, after?: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.#device.createCommandEncoder();
    if (!this.isEmpty) {
      const pass = encoder.beginComputePass();
      let current: Compiled | undefined;
      for (const { compiled, group, offset, groups } of this.#dispatches) {
        if (current !== compiled) pass.setPipeline(pipelines.pipelineOf(compiled));
        current = compiled;
        pass.setBindGroup(0, group, [offset]);
        pass.dispatchWorkgroups(...(groups as [number, number?, number?]));
      }
      pass.end();
      this.#device.queue.writeBuffer(this.#buffer, 0, this.#bytes, 0, this.#used);
    }
    after?.(encoder);
    this.#device.queue.submit([encoder.finish()]);
    this.drop();
  }

  /** Drops the dispatches. */
  drop(): void {
    this.#dispatches = [];
    this.#used = 0;
  }

  destroy(): void {
    this.#buffer.destroy();
  }
}
