/** Buffers that are put together, and buffers of one value. */
import type { DType, Piece } from '../../backend.js';
import { sizeOf } from '../../layout.js';
import type { WebGPUDevice } from '../device.js';
import type { GpuBuffer } from '../memory.js';
import { evaluate } from './chain.js';
import { bitsOf, constantSource, isContiguous, joinSource, sourceOf } from './sources.js';
import { rankOf } from './views.js';

/** Returns a buffer of `size` equal values. */
export function fill(device: WebGPUDevice, value: number, size: number, dtype: DType): GpuBuffer {
  return evaluate(device, constantSource(value, dtype), { dtype, size });
}

/** The contract's `assemble`. */
export function assemble(
  device: WebGPUDevice,
  shape: readonly number[],
  dtype: DType,
  value: number,
  pieces: readonly Piece[],
): GpuBuffer {
  const size = sizeOf(shape);
  const parts = pieces.filter(({ view }) => sizeOf(view.shape) > 0);
  if (parts.length === 0 || size === 0) return fill(device, value, size, dtype);
  const [{ view }] = parts;
  if (sizeOf(view.shape) === size) {
    // Whole rows from the front or the middle need no copy, since nothing writes into a buffer later.
    if (isContiguous(view) && view.offset % 4 === 0)
      return device.part(view.buffer, view.offset, size);
    return evaluate(device, sourceOf(view), { dtype, size });
  }
  // A kernel has room for a number of buffers, and of numbers.
  const most =
    rankOf(shape.length) > 8 ? 2 : Math.min(6, device.limits.maxStorageBuffersPerShaderStage - 2);
  const bits = bitsOf(value, dtype);
  let done: GpuBuffer | undefined;
  for (let next = 0; next < parts.length; next += most) {
    const some = parts.slice(next, next + most);
    const before: GpuBuffer | undefined = done;
    const put = () => evaluate(device, joinSource(shape, some, bits, before), { dtype, size });
    done = before ? device.using([before], put) : put();
  }
  return done as GpuBuffer;
}
