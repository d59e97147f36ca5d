/**
 * The reference backend: plain loops over ndarray views, in float32, float64 and int32.
 * It favours clarity over speed; the other backends are tested against it.
 *
 * @module memgrad/backends/cpu
 */

import { checkOptions } from '../../options.js';
import type {
  Backend,
  BinaryKernel,
  DeviceBuffer,
  DType,
  Kernels,
  MatmulSpec,
  Piece,
  RandomWords,
  ReduceKernel,
  TypedArray,
  UnaryKernel,
  View,
} from '../backend.js';
import { uniformFloats } from '../threefry.js';
import { assemble } from './assemble.js';
import { allocate, type CpuBuffer, wrap } from './buffer.js';
import { binary, unary, where } from './elementwise.js';
import { matmul } from './matmul.js';
import { reduce } from './reduce.js';
import { gather, scatterAdd } from './rows.js';

const [LEAST, MOST] = [-(2 ** 31), 2 ** 31 - 1];

class CpuBackend implements Backend {
  readonly name = 'cpu';
  readonly dtypes: readonly DType[] = ['float32', 'float64', 'int32'];
  /** In float64 also for float32, as if the host had read the norms. All other definitions run. */
  readonly kernels: Pick<Kernels, 'clipFactor'> = {
    clipFactor: ([numbers], [layers, clip]) => {
      const [loss, ...norms] = this.peek(numbers);
      const norm = Math.hypot(...norms.slice(0, layers));
      const isKnown = Number.isFinite(loss) && Number.isFinite(norm);
      const factor = isKnown ? Math.min(1, clip / (norm + 1e-6)) : Number.NaN;
      return [wrap(allocate(numbers.dtype, 1).fill(factor))];
    },
  };

  upload(data: TypedArray) {
    return wrap(data.slice());
  }
  async read(buffer: DeviceBuffer) {
    return this.peek(buffer).slice();
  }
  peek(buffer: DeviceBuffer) {
    return (buffer as CpuBuffer).data;
  }
  /** Drops the array at once, so that a use after free fails instead of reading stale values. */
  free(buffer: DeviceBuffer) {
    (buffer as CpuBuffer).data = new Float32Array(0);
  }
  fill(value: number, size: number, dtype: DType) {
    return wrap(allocate(dtype, size).fill(value));
  }
  cast(x: DeviceBuffer, dtype: DType) {
    const { data } = x as CpuBuffer;
    if (dtype === 'int32') {
      // Saturate, where an Int32Array would wrap around; NaN becomes 0.
      return wrap(Int32Array.from(data, (value) => Math.min(Math.max(value, LEAST), MOST)));
    }
    const out = allocate(dtype, x.size);
    out.set(data);
    return wrap(out);
  }
  unary(kernel: UnaryKernel, x: DeviceBuffer) {
    return unary(kernel, x as CpuBuffer);
  }
  binary(kernel: BinaryKernel, a: View, b: View) {
    return binary(kernel, a, b);
  }
  where(condition: View, a: View, b: View) {
    return where(condition, a, b);
  }
  reduce(kernel: ReduceKernel, x: View, kept: number) {
    return reduce(kernel, x, kept);
  }
  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec) {
    return matmul(a as CpuBuffer, b as CpuBuffer, spec);
  }
  assemble(shape: readonly number[], dtype: DType, fill: number, pieces: readonly Piece[]) {
    return assemble(shape, dtype, fill, pieces);
  }
  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number) {
    return gather(table as CpuBuffer, indices as CpuBuffer, width);
  }
  scatterAdd(values: DeviceBuffer, indices: DeviceBuffer, rows: number, width: number) {
    return scatterAdd(values as CpuBuffer, indices as CpuBuffer, rows, width);
  }
  uniform(key: RandomWords, size: number) {
    return wrap(uniformFloats(key, size));
  }
  /** Does nothing: there is nothing to release, and the backend stays usable. */
  close() {}
}

/** Creates the backend `cpu`: float32, float64 and int32; synchronous, without set-up. */
export function createCpuBackend(options?: object): Backend {
  checkOptions('createCpuBackend', options, {});
  return new CpuBackend();
}
