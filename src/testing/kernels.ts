/** Checks of the backend methods that move values: upload, read, fill, cast, uniform, free. */
import type { Backend, DeviceBuffer, DType, TypedArray } from '../backends/backend.js';
import { uniformFloats } from '../backends/threefry.js';

/** One check; `run` resolves to undefined if it passed, else to the problem. */
export interface KernelCheck {
  readonly kernel: string;
  readonly pattern: string;
  readonly dtype: DType;
  run(): Promise<string | undefined>;
}

const samples: Record<DType, readonly number[]> = {
  float32: [0, 1, -1.5, 1e-30, -3e38, Infinity, -Infinity, NaN, 16777217, 0.1],
  float64: [0, 1, -1.5, 1e-300, -1e308, Infinity, -Infinity, NaN, 9007199254740991, 0.1],
  int32: [0, 1, -1, 2147483647, -2147483648, 16777217],
};

/** Lengths near the sizes of vectors, texels and blocks. */
const lengths = [0, 1, 2, 3, 4, 5, 63, 64, 65, 1000];

/** Returns all checks of `backend`, in each dtype that it supports. */
export function kernelChecks(backend: Backend): KernelCheck[] {
  const checks: KernelCheck[] = [];
  const check = (kernel: string, pattern: string, dtype: DType, run: KernelCheck['run']) =>
    checks.push({ kernel, pattern, dtype, run });
  /** Reads a buffer, frees it, and compares its values. */
  const holds = async (buffer: DeviceBuffer, expected: TypedArray) => {
    const { dtype, size } = buffer;
    const actual = await backend.read(buffer);
    backend.free(buffer);
    if (size !== expected.length) return `size ${size}, expected ${expected.length}`;
    if (dtype !== dtypeOf(expected)) return `dtype ${dtype}, expected ${dtypeOf(expected)}`;
    return difference(actual, expected);
  };

  for (const dtype of backend.dtypes) {
    for (const length of lengths) {
      const values = sample(dtype, length);
      check('upload', `${length} values and back`, dtype, () =>
        holds(backend.upload(values), values),
      );
      check('fill', `${length} values`, dtype, () =>
        holds(backend.fill(3, length, dtype), arrayOf(dtype, Array(length).fill(3))),
      );
    }
    check('upload', 'takes a copy', dtype, () => {
      const values = sample(dtype, 5);
      const buffer = backend.upload(values);
      values.fill(7);
      return holds(buffer, sample(dtype, 5));
    });
    check('read', 'returns a copy', dtype, async () => {
      const buffer = backend.upload(sample(dtype, 5));
      (await backend.read(buffer)).fill(7);
      return holds(buffer, sample(dtype, 5));
    });
    check('free', 'leaves other buffers alone', dtype, async () => {
      for (let round = 0; round < 20; round++) {
        const buffers = lengths.map((length) => backend.upload(sample(dtype, length)));
        for (const buffer of buffers.filter((_, i) => i % 2 === 0)) backend.free(buffer);
        const more = lengths.map((length) => backend.fill(9, length, dtype));
        for (const [i, buffer] of buffers.entries()) {
          if (i % 2 === 0) continue;
          const problem = await holds(buffer, sample(dtype, lengths[i]));
          if (problem) return `round ${round}: ${problem}`;
        }
        for (const buffer of more) backend.free(buffer);
      }
      return undefined;
    });
    check('assemble', 'leaves its inputs alone', dtype, async () => {
      const buffer = backend.upload(sample(dtype, 4));
      const view = { buffer, shape: [4], strides: [-1], offset: 3 };
      const out = backend.assemble([5], dtype, 2, [{ view, at: [1] }]);
      const reversed = [...sample(dtype, 4)].reverse();
      const problem = await holds(out, arrayOf(dtype, [2, ...reversed]));
      return problem ?? holds(buffer, sample(dtype, 4));
    });
  }

  for (const dtype of backend.dtypes.filter((name) => name !== 'int32')) {
    const values = arrayOf(dtype, [0.5, -0.5, 1.999, -1.999, 2, -2, 16777216, -1e9]);
    check('cast', 'to int32, towards zero', dtype, () => {
      const buffer = backend.upload(values);
      const out = backend.cast(buffer, 'int32');
      backend.free(buffer);
      return holds(out, Int32Array.from(values, Math.trunc));
    });
    check('cast', 'from int32', dtype, () => {
      const whole = Int32Array.of(0, 1, -1, 16777216, -16777216);
      const buffer = backend.upload(whole);
      const out = backend.cast(buffer, dtype);
      backend.free(buffer);
      return holds(out, arrayOf(dtype, [...whole]));
    });
  }

  for (const length of lengths) {
    const key = { hi: 0x12345678, lo: 0x9abcdef0 };
    check('uniform', `${length} values, bit for bit`, 'float32', () =>
      holds(backend.uniform(key, length), uniformFloats(key, length)),
    );
  }
  return checks;
}

function sample(dtype: DType, length: number): TypedArray {
  const values = samples[dtype];
  return arrayOf(
    dtype,
    Array.from({ length }, (_, i) => values[i % values.length]),
  );
}

function arrayOf(dtype: DType, values: readonly number[]): TypedArray {
  if (dtype === 'int32') return Int32Array.from(values);
  return dtype === 'float32' ? Float32Array.from(values) : Float64Array.from(values);
}

function dtypeOf(values: TypedArray): DType {
  if (values instanceof Int32Array) return 'int32';
  return values instanceof Float32Array ? 'float32' : 'float64';
}

function difference(actual: TypedArray, expected: TypedArray): string | undefined {
  if (dtypeOf(actual) !== dtypeOf(expected)) {
    return `read returned ${dtypeOf(actual)}, expected ${dtypeOf(expected)}`;
  }
  if (actual.length !== expected.length) {
    return `read returned ${actual.length} values, expected ${expected.length}`;
  }
  const at = expected.findIndex((value, i) => value !== actual[i] && !Object.is(value, actual[i]));
  return at < 0 ? undefined : `value ${at} is ${actual[at]}, expected ${expected[at]}`;
}
