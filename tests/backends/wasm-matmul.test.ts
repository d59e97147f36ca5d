/** Matrix products of the wasm backend against three plain loops, at all edges of its blocks. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MatmulSpec } from '../../src/backends/backend.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { floatsOf, LONG, near, runs, same, soil } from './arrays.js';

const test = suite('wasm matmul');
const wasm = createWasmBackend();

/** Around the sizes of register tiles and of packed blocks. */
const small = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 34];
const blocks = [95, 96, 97, 191, 192, 193, 255, 256, 257];
const sizes = [...small, ...blocks];

type Sizes = Pick<MatmulSpec, 'm' | 'n' | 'k'>;
type Options = Partial<MatmulSpec> & Sizes;

function specOf(options: Options): MatmulSpec {
  const plain = { transposeA: false, transposeB: false };
  return { ...plain, batch: [], batchStridesA: [], batchStridesB: [], ...options };
}

/** In float64, one product after another; also the sum of the absolute values, for error bounds. */
function naive(a: Float32Array, b: Float32Array, spec: MatmulSpec) {
  const { m, n, k, transposeA, transposeB, batch, batchStridesA, batchStridesB } = spec;
  const count = batch.reduce((product, length) => product * length, 1);
  const sums = new Float64Array(count * m * n);
  const sizes = new Float64Array(count * m * n);
  for (let index = 0; index < count; index++) {
    let [startA, startB] = [0, 0];
    for (let axis = batch.length - 1, rest = index; axis >= 0; axis--) {
      startA += (rest % batch[axis]) * batchStridesA[axis];
      startB += (rest % batch[axis]) * batchStridesB[axis];
      rest = Math.floor(rest / batch[axis]);
    }
    const [rowA, columnA] = transposeA ? [1, m] : [k, 1];
    const [rowB, columnB] = transposeB ? [1, k] : [n, 1];
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        let size = 0;
        for (let p = 0; p < k; p++) {
          const x = a[startA + i * rowA + p * columnA] * b[startB + p * rowB + j * columnB];
          sum += x;
          size += Math.abs(x);
        }
        sums[(index * m + i) * n + j] = sum;
        sizes[(index * m + i) * n + j] = size;
      }
    }
  }
  return { sums, sizes };
}

/** The product on wasm, in memory that was full of NaN. */
async function multiply(a: Float32Array, b: Float32Array, spec: MatmulSpec) {
  const count = spec.batch.reduce((product, length) => product * length, 1);
  soil(wasm, 'float32', a.length, b.length, count * spec.m * spec.n);
  const [left, right] = [wasm.upload(a), wasm.upload(b)];
  const out = wasm.matmul(left, right, spec);
  const values = await wasm.read(out);
  same(await wasm.read(left), a, 'a after the product');
  same(await wasm.read(right), b, 'b after the product');
  for (const buffer of [left, right, out]) wasm.free(buffer);
  return values as Float32Array;
}

function name({ m, n, k, transposeA, transposeB, batch }: MatmulSpec): string {
  return `[${m}, ${k}]${transposeA ? "'" : ''} [${k}, ${n}]${transposeB ? "'" : ''}, batch [${batch}]`;
}

/** Whole numbers, so that every order of adding gives the same. */
async function exact(options: Options): Promise<void> {
  const spec = specOf(options);
  const { m, n, k, batch } = spec;
  const last = (strides: readonly number[]) =>
    batch.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 0);
  const none = batch.includes(0);
  const a = floatsOf(none ? 0 : last(spec.batchStridesA) + m * k, 1, 'whole');
  const b = floatsOf(none ? 0 : last(spec.batchStridesB) + k * n, 2, 'whole');
  same(await multiply(a, b, spec), Float32Array.from(naive(a, b, spec).sums), name(spec));
}

const transposes = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);

test('every small size on each side, transposed or not', async () => {
  for (const transpose of transposes) {
    for (const size of small) {
      for (const other of [1, 4, 9]) {
        await exact({ m: size, n: other, k: 5, ...transpose });
        await exact({ m: other, n: size, k: 4, ...transpose });
        await exact({ m: other, n: 8, k: size, ...transpose });
        await exact({ m: size, n: size, k: other, ...transpose });
      }
      await exact({ m: size, n: size, k: size, ...transpose });
    }
  }
});

test('sizes around those of the blocks', async () => {
  for (const transpose of transposes) {
    for (const size of blocks) {
      await exact({ m: size, n: 9, k: 3, ...transpose });
      await exact({ m: 5, n: size, k: 3, ...transpose });
      await exact({ m: 5, n: 9, k: size, ...transpose });
    }
    for (const size of [511, 512, 513, 1023, 1024, 1025, 2049]) {
      await exact({ m: 5, n: size, k: 2, ...transpose });
      await exact({ m: 3, n: 5, k: size, ...transpose });
    }
    await exact({ m: 97, n: 33, k: 257, ...transpose });
    await exact({ m: 193, n: 1, k: 513, ...transpose });
    await exact({ m: 1, n: 1025, k: 257, ...transpose });
  }
});

const size = fc.constantFrom(...sizes);

test('any sizes, transposed or not', async () => {
  await fc.assert(
    fc.asyncProperty(
      size,
      size,
      size,
      fc.boolean(),
      fc.boolean(),
      (m, n, k, transposeA, transposeB) => exact({ m, n, k, transposeA, transposeB }),
    ),
    LONG ? { ...runs(), endOnFailure: true } : { ...runs(), numRuns: 60, endOnFailure: true },
  );
});

/** A batch of up to three axes; each operand has its own matrix along an axis, or one for all. */
const batches = fc.array(
  fc.record({ length: fc.constantFrom(0, 1, 2, 3), a: fc.boolean(), b: fc.boolean() }),
  {
    maxLength: 3,
  },
);

test('batches, with matrices that serve many', async () => {
  const few = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 9, 17);
  await fc.assert(
    fc.asyncProperty(
      batches,
      few,
      few,
      few,
      fc.boolean(),
      fc.boolean(),
      async (axes, m, n, k, transposeA, transposeB) => {
        const strides = (own: 'a' | 'b', matrix: number) => {
          let step = matrix;
          return axes
            .toReversed()
            .map((axis) => {
              const stride = axis[own] ? step : 0;
              if (axis[own]) step *= axis.length;
              return stride;
            })
            .reverse();
        };
        await exact({
          ...{ m, n, k, transposeA, transposeB },
          batch: axes.map(({ length }) => length),
          batchStridesA: strides('a', m * k),
          batchStridesB: strides('b', k * n),
        });
      },
    ),
    runs(2),
  );
});

test('real numbers: the error of each sum stays within that of adding in float32', async () => {
  for (const transpose of transposes) {
    for (const [m, n, k] of [
      [5, 9, 3],
      [17, 33, 97],
      [33, 17, 257],
      [97, 40, 600],
    ]) {
      const spec = specOf({ m, n, k, ...transpose });
      const [a, b] = [floatsOf(m * k, 3, 'real'), floatsOf(k * n, 4, 'real')];
      const { sums, sizes } = naive(a, b, spec);
      (await multiply(a, b, spec)).forEach((value, i) => {
        const error = Math.abs(value - sums[i]);
        assert.ok(
          error <= (k + 1) * 2 ** -24 * sizes[i],
          `${name(spec)}: value ${i}, error ${error}`,
        );
      });
    }
  }
});

test('NaN and infinities stay in their rows and columns', async () => {
  for (const transpose of transposes) {
    for (const value of [NaN, Infinity]) {
      for (const [m, n, k] of [
        [5, 9, 3],
        [4, 8, 4],
        [7, 3, 17],
        [97, 10, 257],
      ]) {
        const spec = specOf({ m, n, k, ...transpose });
        for (const [row, inner] of [
          [0, 0],
          [m - 1, k - 1],
          [m >> 1, k >> 1],
        ]) {
          const [a, b] = [floatsOf(m * k, 5, 'whole'), floatsOf(k * n, 6, 'whole')];
          a[spec.transposeA ? inner * m + row : row * k + inner] = value;
          same(await multiply(a, b, spec), Float32Array.from(naive(a, b, spec).sums), name(spec));
        }
        for (const [inner, column] of [
          [0, 0],
          [k - 1, n - 1],
          [k >> 1, n >> 1],
        ]) {
          const [a, b] = [floatsOf(m * k, 5, 'whole'), floatsOf(k * n, 6, 'whole')];
          b[spec.transposeB ? column * k + inner : inner * n + column] = value;
          same(await multiply(a, b, spec), Float32Array.from(naive(a, b, spec).sums), name(spec));
        }
      }
    }
  }
});

test('a long sum is as near as sums of blocks are', async () => {
  const spec = specOf({ m: 1, n: 1, k: 100_000 });
  const [a, b] = [floatsOf(spec.k, 7, 'positive'), floatsOf(spec.k, 8, 'positive')];
  near(await multiply(a, b, spec), naive(a, b, spec).sums, [1e-5, 0], 'sum');
});

test.run();
