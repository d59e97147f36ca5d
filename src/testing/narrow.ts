/** The cpu backend with arithmetic as coarse as other backends may have. */
import type {
  Backend,
  DeviceBuffer,
  MatmulSpec,
  ReduceKernel,
  TypedArray,
  UnaryKernel,
  View,
} from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { sizeOf } from '../backends/layout.js';

/**
 * cpu with sums in float32, from the last term to the first, with the relative error `error` (by
 * default a unit in the last place) and -0 for a sum of -0; and with exp and sigmoid in float32
 * without denormal powers.
 */
export function createNarrowBackend(error = 2 ** -23): Backend {
  const cpu = createCpuBackend();
  return Object.assign(createCpuBackend(), {
    unary(kernel: UnaryKernel, x: DeviceBuffer) {
      const powers = (sign: 1 | -1) => dataOf(x).map((value) => Math.exp(sign * value));
      if (kernel === 'exp') return cpu.upload(powers(1).map((y) => (y < 2 ** -126 ? 0 : y)));
      if (kernel === 'sigmoid') return cpu.upload(powers(-1).map((y) => 1 / Math.fround(1 + y)));
      return cpu.unary(kernel, x);
    },
    reduce(kernel: ReduceKernel, x: View, kept: number) {
      if (kernel !== 'sum' || x.buffer.dtype === 'int32') return cpu.reduce(kernel, x, kept);
      const { shape, strides, offset, buffer } = x;
      const terms = offsetsOf(shape.slice(kept), strides.slice(kept)).reverse();
      const positions = offsetsOf(shape.slice(0, kept), strides.slice(0, kept));
      return floats(positions, error, (position, add) => {
        for (const term of terms) add(dataOf(buffer)[offset + position + term]);
      });
    },
    matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec) {
      const { m, n, k, transposeA, transposeB, batch, batchStridesA, batchStridesB } = spec;
      const [x, y] = [a, b].map(dataOf);
      const [startsA, startsB] = [batchStridesA, batchStridesB].map((by) => offsetsOf(batch, by));
      const size = sizeOf(batch) * m * n;
      return floats([...Array(size).keys()], error, (at, add) => {
        const [index, i, j] = [Math.floor(at / (m * n)), Math.floor((at % (m * n)) / n), at % n];
        for (let p = 0; p < k; p++) {
          const left = x[startsA[index] + (transposeA ? p * m + i : i * k + p)];
          const right = y[startsB[index] + (transposeB ? j * k + p : p * n + j)];
          if (left !== 0 || !spec.skipZeros) add(left * right);
        }
      });
    },
    scatterAdd(values: DeviceBuffer, indices: DeviceBuffer, rows: number, width: number) {
      const [x, at] = [values, indices].map(dataOf);
      return floats([...Array(rows * width).keys()], error, (position, add) => {
        x.forEach((value, i) => {
          if (at[Math.floor(i / width)] * width + (i % width) === position) add(value);
        });
      });
    },
  });
}

/** Computes like some GPUs: sums as `createNarrowBackend`, and denormal numbers flushed to 0. */
export function createFlushingBackend(): Backend {
  const narrow = createNarrowBackend(0);
  const flushed = (buffer: DeviceBuffer) => {
    const data = dataOf(buffer);
    data.forEach((value, i) => {
      if (Math.abs(value) < 2 ** -126) data[i] = value * 0;
    });
    return buffer;
  };
  return Object.assign(createNarrowBackend(0), {
    upload: (data: TypedArray) => flushed(narrow.upload(data)),
    fill: (...args: Parameters<Backend['fill']>) => flushed(narrow.fill(...args)),
    unary: (...args: Parameters<Backend['unary']>) => flushed(narrow.unary(...args)),
    binary: (...args: Parameters<Backend['binary']>) => flushed(narrow.binary(...args)),
    reduce: (...args: Parameters<Backend['reduce']>) => flushed(narrow.reduce(...args)),
    matmul: (...args: Parameters<Backend['matmul']>) => flushed(narrow.matmul(...args)),
    assemble: (...args: Parameters<Backend['assemble']>) => flushed(narrow.assemble(...args)),
    scatterAdd: (...args: Parameters<Backend['scatterAdd']>) => flushed(narrow.scatterAdd(...args)),
  } satisfies Partial<Backend>);
}

/** Computes one float32 for each of `offsets`: the sum of the terms that `visit` adds. */
function floats(
  offsets: readonly number[],
  error: number,
  visit: (position: number, add: (term: number) => void) => void,
): DeviceBuffer {
  const data = new Float32Array(offsets.length);
  offsets.forEach((position, i) => {
    let [total, terms] = [-0, 0];
    visit(position, (term) => {
      total = Math.fround(total + Math.fround(term));
      terms++;
    });
    data[i] = terms === 0 ? 0 : terms === 1 ? total : total * (1 + error);
  });
  return Object.assign({ dtype: 'float32' as const, size: data.length }, { data });
}

/** The offsets of the elements of a strided array, in row-major order. */
function offsetsOf(shape: readonly number[], strides: readonly number[]): number[] {
  return shape.reduce(
    (offsets, length, axis) =>
      offsets.flatMap((position) => Array.from({ length }, (_, i) => position + i * strides[axis])),
    [0],
  );
}

function dataOf(buffer: DeviceBuffer): TypedArray {
  return (buffer as unknown as { data: TypedArray }).data;
}
