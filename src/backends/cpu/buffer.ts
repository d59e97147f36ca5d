/** Buffers of the cpu backend, and ndarray views over them. */
import ndarray from 'ndarray';
import { OutOfMemory } from '../../errors.js';
import type { DeviceBuffer, DType, TypedArray, View } from '../backend.js';

/** A limit of our own: systems that overcommit memory end the process once it is used. */
const MOST_VALUES = 2 ** 30;

export interface CpuBuffer extends DeviceBuffer {
  data: TypedArray;
}

/** An ndarray over one of our typed arrays. */
export type Strided = ndarray.NdArray<TypedArray>;

export function allocate(dtype: DType, size: number): TypedArray {
  if (size > MOST_VALUES) {
    throw new OutOfMemory(
      `cpu: out of memory: a buffer of ${size} values was requested, expected at most ${MOST_VALUES}.`,
    );
  }
  if (dtype === 'float32') return new Float32Array(size);
  return dtype === 'float64' ? new Float64Array(size) : new Int32Array(size);
}

export function dtypeOf(data: TypedArray): DType {
  if (data instanceof Float32Array) return 'float32';
  return data instanceof Float64Array ? 'float64' : 'int32';
}

/** Wraps `data` in a buffer, without a copy. */
export function wrap(data: TypedArray): CpuBuffer {
  return { dtype: dtypeOf(data), size: data.length, data };
}

/** Converts a view of the backend contract to an ndarray. */
export function strided({ buffer, shape, strides, offset }: View): Strided {
  return ndarray((buffer as CpuBuffer).data, [...shape], [...strides], offset);
}

/** A row-major ndarray over the whole of `data`. */
export function contiguous(data: TypedArray, shape: readonly number[]): Strided {
  return ndarray(data, [...shape]);
}
