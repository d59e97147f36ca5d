/**
 * The backend on WebGL2 through gpu.js. Values stay on the GPU between operations; only `read` copies
 * them back.
 *
 * A texel packs four float32 values, or two int32 values (text.ts).
 */
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
import { sizeOf, stridesOf } from '../layout.js';
import type { Device } from './device.js';
import { fusedKernels } from './fused.js';
import { covers, piecesText, viewText } from './kernels/assemble.js';
import { binaryText, castText, resultOf, unaryText, whereText } from './kernels/elementwise.js';
import { argmaxText, LONG, partSumsText, partsOf, reduceText } from './kernels/reduce.js';
import { gatherText, keyNumbers, scatterAddText, uniformText } from './kernels/rows.js';
import { product } from './product.js';
import { fillNumbers, type GpuBuffer, Runner, texelsOf, wrap } from './runner.js';
import { inputNames } from './text.js';

/** Where there are fewer sums than `FEW`, an axis of this length or more is summed in parts. */
const PARTED = 256;
const FEW = 2 ** 14;

/** The backend `webgl`. Besides `Backend`, it counts its blocks and kernels, and closes. */
export class WebGLBackend implements Backend {
  readonly name: string;
  readonly dtypes: readonly DType[] = ['float32', 'int32'];
  readonly kernels: Partial<Kernels>;
  readonly #runner: Runner;

  /** @internal */
  constructor(device: Device) {
    this.name = device.name;
    this.#runner = new Runner(device);
    this.kernels = fusedKernels(this.#runner);
  }

  /**
   * The number of textures on the GPU, and of compiled kernels; both stay constant over
   * training steps.
   */
  counts(): { blocks: number; kernels: number } {
    return this.#runner.device.counts();
  }

  /** Releases the GPU; a page can have only a few contexts. Its values can't be read afterwards. */
  close(): void {
    this.#runner.device.close();
  }

  upload(data: TypedArray): DeviceBuffer {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    const floats = dtype === 'int32' ? halvesOf(data as Int32Array) : (data as Float32Array);
    const block =
      data.length === 0
        ? undefined
        : this.#runner.device.upload(floats, texelsOf(dtype, data.length));
    return wrap(dtype, data.length, block);
  }

  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    const { block, dtype, size } = buffer as GpuBuffer;
    const floats = block ? await this.#runner.device.read(block) : new Float32Array();
    return dtype === 'int32' ? wholesOf(floats, size) : floats.slice(0, size);
  }

  free(buffer: DeviceBuffer): void {
    this.#runner.free(buffer);
  }

  fill(value: number, size: number, dtype: DType): DeviceBuffer {
    return this.#runner.fill(value, size, dtype);
  }

  cast(x: DeviceBuffer, dtype: DType): DeviceBuffer {
    const make = () => castText(x.dtype, dtype, x.size);
    return this.#runner.run(`cast ${x.dtype} ${dtype}`, make, [x], dtype, x.size);
  }

  unary(kernel: UnaryKernel, x: DeviceBuffer): DeviceBuffer {
    return this.#runner.run(kernel, () => unaryText(kernel, x.size), [x], x.dtype, x.size);
  }

  binary(kernel: BinaryKernel, a: View, b: View): DeviceBuffer {
    const { dtype } = a.buffer;
    const key = `${kernel} ${dtype} ${a.shape} ${keyOf(a)} ${keyOf(b)}`;
    const make = () => binaryText(kernel, a, b);
    const inputs = [a.buffer, b.buffer];
    return this.#runner.run(key, make, inputs, resultOf(kernel, dtype), sizeOf(a.shape));
  }

  where(condition: View, a: View, b: View): DeviceBuffer {
    const { dtype } = a.buffer;
    const key = `where ${dtype} ${a.shape} ${keyOf(condition)} ${keyOf(a)} ${keyOf(b)}`;
    const inputs = [condition.buffer, a.buffer, b.buffer];
    return this.#runner.run(key, () => whereText(condition, a, b), inputs, dtype, sizeOf(a.shape));
  }

  reduce(kernel: ReduceKernel, x: View, kept: number): DeviceBuffer {
    const { dtype } = x.buffer;
    const rows = sizeOf(x.shape.slice(0, kept));
    const terms = sizeOf(x.shape.slice(kept));
    if (terms === 0) return this.#runner.fill(0, rows, dtype);
    const key = `${kernel} ${dtype} ${x.shape} ${keyOf(x)} ${kept}`;
    if (kernel === 'argmax')
      return this.#runner.run(key, () => argmaxText(x), [x.buffer], 'int32', rows);
    const contiguous = x.offset === 0 && `${stridesOf(x.shape)}` === `${x.strides}`;
    if (kernel === 'sum' && dtype === 'float32' && contiguous && terms >= LONG) {
      const { parts } = partsOf(terms);
      const sums = this.#runner.run(
        `parts ${terms}`,
        () => partSumsText(terms),
        [x.buffer],
        dtype,
        rows * parts,
      );
      const view = { buffer: sums, shape: [rows, parts], strides: [parts, 1], offset: 0 };
      return this.#runner.using([sums], () => this.reduce('sum', view, 1));
    }
    const parts = kernel === 'sum' && dtype === 'float32' ? inParts(x, kept) : undefined;
    if (parts) {
      const sums = this.reduce('sum', parts, kept + 1);
      const shape = [rows, parts.shape[0]];
      const view = { buffer: sums, shape, strides: [1, rows], offset: 0 };
      return this.#runner.using([sums], () => this.reduce('sum', view, 1));
    }
    return this.#runner.run(key, () => reduceText(kernel, x, kept), [x.buffer], dtype, rows);
  }

  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec): DeviceBuffer {
    const { m, n, k } = spec;
    const size = sizeOf(spec.batch) * m * n;
    if (size === 0 || k === 0) return this.#runner.fill(0, size, a.dtype);
    return product(this.#runner, a, b, spec);
  }

  assemble(
    shape: readonly number[],
    dtype: DType,
    fill: number,
    pieces: readonly Piece[],
  ): DeviceBuffer {
    const size = sizeOf(shape);
    const parts = pieces.filter(({ view }) => sizeOf(view.shape) > 0);
    if (parts.length === 0 || size === 0) return this.#runner.fill(fill, size, dtype);
    const describe = ({ view, at }: Piece) => `${at} ${view.shape} ${keyOf(view)}`;
    if (covers(shape, parts[0])) {
      const key = `view ${dtype} ${shape} ${describe(parts[0])}`;
      return this.#runner.run(
        key,
        () => viewText(shape, dtype, parts[0]),
        [parts[0].view.buffer],
        dtype,
        size,
      );
    }
    let done: DeviceBuffer | undefined;
    for (let next = 0; next < parts.length; ) {
      const some = parts.slice(next, next + inputNames.length - 1);
      next += some.length;
      const before = done;
      const key = `assemble ${before !== undefined} ${dtype} ${shape} ${some.map(describe)}`;
      const inputs = some.map(({ view }) => view.buffer);
      const join = () =>
        this.#runner.run(
          key,
          () => piecesText(shape, dtype, some, before !== undefined),
          before ? [before, ...inputs] : inputs,
          dtype,
          size,
          before ? [] : fillNumbers(fill, dtype),
        );
      done = before ? this.#runner.using([before], join) : join();
    }
    return done as DeviceBuffer;
  }

  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number): DeviceBuffer {
    const { dtype } = table;
    const rows = width === 0 ? 0 : table.size / width;
    const size = indices.size * width;
    if (rows === 0) return this.#runner.fill(dtype === 'int32' ? 0 : NaN, size, dtype);
    const key = `gather ${dtype} ${rows} ${width}`;
    return this.#runner.run(
      key,
      () => gatherText(dtype, rows, width),
      [table, indices],
      dtype,
      size,
    );
  }

  scatterAdd(
    values: DeviceBuffer,
    indices: DeviceBuffer,
    rows: number,
    width: number,
  ): DeviceBuffer {
    const { dtype } = values;
    if (values.size === 0) return this.#runner.fill(0, rows * width, dtype);
    const key = `scatterAdd ${dtype} ${indices.size} ${width}`;
    const make = () => scatterAddText(dtype, indices.size, width);
    return this.#runner.run(key, make, [values, indices], dtype, rows * width);
  }

  uniform(key: RandomWords, size: number): DeviceBuffer {
    return this.#runner.run('uniform', () => uniformText, [], 'float32', size, keyNumbers(key));
  }
}

/**
 * The first reduced axis of `x` in two, of which the outer one comes before all axes that are kept:
 * sums along it keep more threads busy. Undefined where that doesn't pay or it has no divisor that fits.
 */
function inParts(x: View, kept: number): View | undefined {
  const length = x.shape[kept] ?? 1; // no axis may be reduced
  if (length < PARTED || sizeOf(x.shape.slice(0, kept)) >= FEW) return undefined;
  let parts = Math.floor(Math.sqrt(length));
  while (length % parts !== 0) parts--;
  if (parts < 8) return undefined;
  const inner = length / parts;
  const insert = (list: readonly number[], outer: number, at: number) => [
    ...[outer, ...list.slice(0, kept), at],
    ...list.slice(kept + 1),
  ];
  const stride = x.strides[kept];
  return {
    ...x,
    shape: insert(x.shape, parts, inner),
    strides: insert(x.strides, stride * inner, stride),
  };
}

/** The part of a kernel's key that describes a view, except for its shape. */
function keyOf({ buffer, strides, offset }: View): string {
  return `${buffer.dtype} ${strides} ${offset}`;
}

/** Splits each int32 into its upper and lower half. */
function halvesOf(values: Int32Array): Float32Array {
  const halves = new Float32Array(2 * values.length);
  for (let i = 0; i < values.length; i++) {
    halves[2 * i] = values[i] >> 16;
    halves[2 * i + 1] = values[i] & 0xffff;
  }
  return halves;
}

function wholesOf(halves: Float32Array, size: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => halves[2 * i] * 65536 + halves[2 * i + 1]);
}
