/** The buffers of the GPU backends, and running kernels on them. */
import { MemgradError } from '../../errors.js';
import type { DeviceBuffer, DType } from '../backend.js';
import type { Block, Device } from './device.js';
import { lanesOf } from './kernels/views.js';

/** A buffer on a GPU. An empty buffer has no block, and is never passed to a kernel. */
export interface GpuBuffer extends DeviceBuffer {
  block: Block | undefined;
}

/** Runs kernels on buffers of one device. */
export class Runner {
  constructor(readonly device: Device) {}

  /**
   * Runs the kernel `key`; returns a new buffer of `size` values. The key must include every
   * constant of the kernel's text except the sizes of inputs and output.
   */
  run(
    key: string,
    make: () => string,
    inputs: readonly DeviceBuffer[],
    dtype: DType,
    size: number,
    numbers: readonly number[] = [],
  ): DeviceBuffer {
    return this.runAll(key, make, inputs, dtype, size, { numbers })[0];
  }

  /** The same for a kernel with several `outputs`, all of one dtype and size. */
  runAll(
    key: string,
    make: () => string,
    inputs: readonly DeviceBuffer[],
    dtype: DType,
    size: number,
    { numbers = [], outputs = 1 }: { numbers?: readonly number[]; outputs?: number },
  ): DeviceBuffer[] {
    if (size === 0) return Array.from({ length: outputs }, () => wrap(dtype, 0, undefined));
    const blocks = this.device.run(
      key,
      () => ({ text: make(), inputs: inputs.length, numbers: numbers.length, outputs }),
      inputs.map(blockOf),
      texelsOf(dtype, size),
      numbers,
    );
    return blocks.map((block) => wrap(dtype, size, block));
  }

  free(buffer: DeviceBuffer): void {
    const own = buffer as GpuBuffer;
    if (own.block) this.device.free(own.block);
    own.block = undefined;
  }

  /** Returns the result of `use`, and frees `buffers` afterwards. */
  using<T>(buffers: readonly DeviceBuffer[], use: () => T): T {
    try {
      return use();
    } finally {
      for (const buffer of buffers) this.free(buffer);
    }
  }

  fill(value: number, size: number, dtype: DType): DeviceBuffer {
    const [one, other] = dtype === 'int32' ? ['number0', 'number1'] : ['number0', 'number0'];
    const text = `fn compute(t: i32) -> vec4f { return vec4f(${[one, other, one, other]}); }`;
    return this.run(`fill ${dtype}`, () => text, [], dtype, size, fillNumbers(value, dtype));
  }
}

export function wrap(dtype: DType, size: number, block: Block | undefined): GpuBuffer {
  return { dtype, size, block };
}

export function texelsOf(dtype: DType, size: number): number {
  return Math.ceil(size / lanesOf(dtype));
}

export function blockOf(buffer: DeviceBuffer): Block {
  const { block } = buffer as GpuBuffer;
  if (!block) throw new MemgradError('gpu: a buffer was used after it was freed.');
  return block;
}

/** The numbers of a fill kernel: the value, or the halves of an int32. */
export function fillNumbers(value: number, dtype: DType): number[] {
  return dtype === 'int32' ? [value >> 16, value & 0xffff] : [value];
}
