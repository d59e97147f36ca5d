/**
 * The backend on WebGPU. Values stay on the GPU between operations, in memory of 32-bit words; only
 * `read` copies them back.
 */
import type {
  Backend,
  BinaryKernel,
  DeviceBuffer,
  DType,
  Kernels,
  MatmulSpec,
  Piece,
  PreparedList,
  RandomWords,
  ReduceKernel,
  TypedArray,
  UnaryKernel,
  View,
} from '../backend.js';
import { sizeOf } from '../layout.js';
import type { WebGPUDevice } from './device.js';
import { fusedKernels } from './fused.js';
import { assemble, fill } from './kernels/assemble.js';
import { binary, cast, unary, where } from './kernels/elementwise.js';
import { matmul } from './kernels/matmul.js';
import { uniform } from './kernels/random.js';
import { reduce } from './kernels/reduce.js';
import { gather, scatterAdd } from './kernels/table.js';

/** The backend `webgpu`. Besides `Backend`, it counts what it does, and closes. */
export class WebGPUBackend implements Backend {
  readonly name = 'webgpu';
  readonly dtypes: readonly DType[] = ['float32', 'int32'];
  readonly kernels: Partial<Kernels>;
  readonly #device: WebGPUDevice;

  /** @internal */
  constructor(device: WebGPUDevice) {
    this.#device = device;
    this.kernels = fusedKernels(device);
  }

  /**
   * The number of buffers on the GPU, in use or pooled, and of compiled kernels, which both stay
   * constant over training steps. Since the backend was loaded: how many kernels were run
   * (`dispatches`), in how many submissions, and how many reads of how many bytes there were.
   */
  counts() {
    return this.#device.counts();
  }

  /** Releases the memory, and the device unless it is the app's. Values can't be read afterwards. */
  close(): void {
    this.#device.close();
  }

  prepare(...args: Parameters<NonNullable<Backend['prepare']>>): PreparedList {
    return this.#device.prepare(...args);
  }

  upload(data: TypedArray): DeviceBuffer {
    return this.#device.upload(data as Float32Array | Int32Array);
  }

  read(buffer: DeviceBuffer): Promise<TypedArray> {
    return this.#device.read(buffer);
  }

  free(buffer: DeviceBuffer): void {
    this.#device.free(buffer);
  }

  fill(value: number, size: number, dtype: DType): DeviceBuffer {
    return fill(this.#device, value, size, dtype);
  }

  cast(x: DeviceBuffer, dtype: DType): DeviceBuffer {
    return cast(this.#device, x, dtype);
  }

  unary(kernel: UnaryKernel, x: DeviceBuffer): DeviceBuffer {
    return unary(this.#device, kernel, x);
  }

  binary(kernel: BinaryKernel, a: View, b: View): DeviceBuffer {
    return binary(this.#device, kernel, a, b);
  }

  where(condition: View, a: View, b: View): DeviceBuffer {
    return where(this.#device, condition, a, b);
  }

  reduce(kernel: ReduceKernel, x: View, kept: number): DeviceBuffer {
    return reduce(this.#device, kernel, x, kept);
  }

  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec): DeviceBuffer {
    const size = sizeOf(spec.batch) * spec.m * spec.n;
    if (size === 0 || spec.k === 0) return this.fill(0, size, a.dtype);
    return matmul(this.#device, a, b, spec);
  }

  assemble(
    shape: readonly number[],
    dtype: DType,
    value: number,
    pieces: readonly Piece[],
  ): DeviceBuffer {
    return assemble(this.#device, shape, dtype, value, pieces);
  }

  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number): DeviceBuffer {
    return gather(this.#device, table, indices, width);
  }

  scatterAdd(
    values: DeviceBuffer,
    indices: DeviceBuffer,
    rows: number,
    width: number,
  ): DeviceBuffer {
    return scatterAdd(this.#device, values, indices, rows, width);
  }

  uniform(key: RandomWords, size: number): DeviceBuffer {
    return uniform(this.#device, key, size);
  }
}
