/** A run of a kernel, as kernels describe it to the device. */
import type { DeviceBuffer, DType } from '../backend.js';
import type { GpuBuffer } from './memory.js';
import type { KernelText } from './text.js';

/** A step on each value of a result, with one value of `operand`. */
export interface Completion {
  readonly name: 'addend' | 'reluGradient';
  readonly operand: DeviceBuffer;
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

/** Returns `count` workgroups as [x, y] with x * y >= count; group = id.x + id.y * num_workgroups.x. */
export function spread(count: number): [number, number] {
  const y = Math.ceil(count / 65535);
  return [Math.ceil(count / Math.max(y, 1)), y];
}
