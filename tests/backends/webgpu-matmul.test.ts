/** Matrix products of the WebGPU backend against plain loops, on Dawn in Node. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MatmulSpec } from '../../src/backends/backend.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import {
  type Epilogue,
  largeTile,
  matmul,
  type Plan,
  planOf,
  smallTile,
} from '../../src/backends/webgpu/kernels/matmul.js';
import type { GpuBuffer } from '../../src/backends/webgpu/memory.js';
import { floatsOf } from './arrays.js';
import { dawn } from './dawn.js';

const test = suite('products on WebGPU');

let device: WebGPUDevice;
test.before(async () => {
  const adapter = (await (await dawn()).requestAdapter()) as GPUAdapter;
  const { maxComputeWorkgroupStorageSize } = adapter.limits;
  device = new WebGPUDevice(
    await adapter.requestDevice({ requiredLimits: { maxComputeWorkgroupStorageSize } }),
  );
});

type Options = Partial<MatmulSpec> & Pick<MatmulSpec, 'm' | 'n' | 'k'>;

const specOf = (options: Options): MatmulSpec => ({
  transposeA: false,
  transposeB: false,
  batch: [],
  batchStridesA: [],
  batchStridesB: [],
  ...options,
});

/** In float64, one product after another. Skips zeros of a. */
function naive(a: Float32Array, b: Float32Array, spec: MatmulSpec): Float64Array {
  const { m, n, k, transposeA, transposeB, batch, batchStridesA, batchStridesB } = spec;
  const count = batch.reduce((product, length) => product * length, 1);
  const sums = new Float64Array(count * m * n);
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
        for (let p = 0; p < k; p++) {
          const x = a[startA + i * rowA + p * columnA];
          if (spec.skipZeros && x === 0) continue;
          sums[(index * m + i) * n + j] += x * b[startB + p * rowB + j * columnB];
        }
      }
    }
  }
  return sums;
}

/** The number of values of an operand: up to the last matrix that its strides reach. */
function extent(matrix: number, batch: readonly number[], strides: readonly number[]): number {
  return matrix + batch.reduce((sum, length, axis) => sum + (length - 1) * strides[axis], 0);
}

interface Case {
  plan?: Plan;
  a?: Float32Array;
  b?: Float32Array;
  epilogue?: readonly (keyof Epilogue)[];
}

/** Compares a product of small whole numbers, which are exact, and of what `more` says. */
async function check(options: Options, { plan, epilogue = [], ...given }: Case = {}) {
  const spec = specOf(options);
  const { m, n, k, batch } = spec;
  const a = given.a ?? floatsOf(extent(m * k, batch, spec.batchStridesA), 1, 'whole');
  const b = given.b ?? floatsOf(extent(k * n, batch, spec.batchStridesB), 2, 'whole');
  const expected = naive(a, b, spec);
  const bias = floatsOf(n, 3, 'whole');
  const addend = floatsOf(expected.length, 4, 'whole');
  const y = floatsOf(expected.length, 5, 'whole');
  y[0] = NaN;
  for (let i = 0; i < expected.length; i++) {
    if (epilogue.includes('bias')) expected[i] += bias[i % n];
    if (epilogue.includes('addend')) expected[i] += addend[i];
    if (epilogue.includes('relu')) expected[i] = expected[i] < 0 ? 0 : expected[i];
    if (epilogue.includes('reluGradient') && !(y[i] > 0)) expected[i] = 0;
  }
  const buffers: GpuBuffer[] = [];
  const upload = (values: Float32Array) => {
    buffers.push(device.upload(values));
    return buffers[buffers.length - 1];
  };
  const after: Epilogue = {
    bias: epilogue.includes('bias') ? upload(bias) : undefined,
    addend: epilogue.includes('addend') ? upload(addend) : undefined,
    relu: epilogue.includes('relu'),
    reluGradient: epilogue.includes('reluGradient') ? upload(y) : undefined,
  };
  const out = matmul(device, upload(a), upload(b), spec, after, plan);
  const came = await device.read(out);
  for (const buffer of [...buffers, out]) device.free(buffer);
  const at = expected.findIndex((value, i) => !(came[i] === value || Object.is(came[i], value)));
  if (at < 0 && came.length === expected.length) return;
  const what = `${JSON.stringify({ ...options, plan, epilogue })}: value ${at}`;
  assert.unreachable(`${what} of ${expected.length} is ${came[at]}, expected ${expected[at]}`);
}

const transposes = [0, 1, 2, 3].map((i) => ({ transposeA: i >= 2, transposeB: i % 2 === 1 }));

const tiles: Record<string, Plan> = {
  'small tiles': { tile: smallTile, parts: 1 },
  'large tiles': { tile: largeTile, parts: 1 },
  'small tiles in three parts': { tile: smallTile, parts: 3 },
};
for (const [name, plan] of Object.entries(tiles)) {
  test(`${name}, at sizes around theirs, each operand as it is and transposed`, async () => {
    const { rows, columns, depth } = plan.tile ?? smallTile;
    const steps = depth * plan.parts;
    for (const flags of transposes) {
      // Rows that are multiples of 4 are read four values at a time.
      await check({ m: 4, n: 8, k: 4, ...flags }, { plan });
      await check({ m: rows + 4, n: columns + 4, k: steps - 4, ...flags }, { plan });
      await check({ m: rows, n: columns, k: steps + depth, ...flags }, { plan });
      await check({ m: rows + 1, n: columns - 1, k: steps + 1, ...flags }, { plan });
      await check({ m: 5, n: 1, k: 2, ...flags }, { plan });
      await check({ m: 5, n: 4, k: 7, ...flags }, { plan });
      await check({ m: rows - 1, n: 2, k: 1, ...flags }, { plan });
    }
  });
}

test('up to four rows', async () => {
  for (const flags of transposes) {
    for (const [m, n, k] of [
      [1, 33, 65],
      [2, 8, 1],
      [3, 7, 31],
      [4, 64, 40],
      [1, 1, 1],
    ]) {
      assert.is(planOf(specOf({ m, n, k }), 32768).tile, undefined);
      await check({ m, n, k, ...flags });
    }
  }
});

test('batches: strides of 0, several axes, and strides that merge', async () => {
  for (const m of [3, 6]) {
    const sizes = { m, n: 5, k: 8 };
    const [a, b] = [m * 8, 40];
    for (const flags of transposes) {
      await check({ ...sizes, ...flags, batch: [3], batchStridesA: [a], batchStridesB: [b] });
      await check({ ...sizes, ...flags, batch: [3], batchStridesA: [0], batchStridesB: [b] });
    }
    await check({ ...sizes, batch: [2, 3], batchStridesA: [3 * a, a], batchStridesB: [0, b] });
    await check({ ...sizes, batch: [2, 3], batchStridesA: [3 * a, a], batchStridesB: [3 * b, b] });
    await check({ ...sizes, batch: [2, 1, 3], batchStridesA: [0, 0, a], batchStridesB: [b, 0, 0] });
    await check({
      ...sizes,
      batch: [2, 2, 2, 2],
      batchStridesA: [0, a, 0, 2 * a],
      batchStridesB: [b, 0, 2 * b, 0],
    });
  }
});

test('epilogues', async () => {
  const all: (readonly (keyof Epilogue)[])[] = [
    ['bias'],
    ['bias', 'relu'],
    ['addend'],
    ['reluGradient'],
    ['bias', 'addend', 'relu', 'reluGradient'],
  ];
  for (const epilogue of all) {
    for (const n of [8, 7]) {
      await check({ m: 33, n, k: 12, transposeB: true }, { epilogue });
      await check({ m: 2, n, k: 12, transposeB: true }, { epilogue });
      await check({ m: 10, n, k: 600 }, { epilogue, plan: { tile: smallTile, parts: 4 } });
    }
  }
});

test('0 times NaN or infinity is 0 where zeros are skipped, and NaN where not', async () => {
  for (const [m, k, plan] of [
    [6, 8, undefined],
    [3, 8, undefined],
    [6, 80, { tile: smallTile, parts: 2 }],
    [6, 7, undefined],
  ] as [number, number, Plan | undefined][]) {
    for (const n of [8, 5]) {
      for (const flags of transposes) {
        const a = floatsOf(m * k, 1, 'whole');
        const b = floatsOf(k * n, 2, 'whole');
        b[0] = NaN;
        b[9] = Infinity;
        await check({ m, n, k, ...flags, skipZeros: true }, { plan, a, b });
        await check({ m, n, k, ...flags }, { plan, a, b });
      }
    }
  }
});

test('the plan: few rows, few tiles with much k, and large products', () => {
  const plan = (m: number, n: number, k: number) => planOf(specOf({ m, n, k }), 32768);
  assert.equal(plan(1, 512, 512), { parts: 1 });
  assert.equal(plan(1088, 384, 128), { tile: smallTile, parts: 1 });
  assert.equal(plan(128, 128, 1088), { tile: smallTile, parts: 7 });
  assert.equal(plan(1024, 1024, 1024), { tile: smallTile, parts: 1 });
  assert.equal(plan(2048, 2048, 2048), { tile: largeTile, parts: 1 });
  assert.is(planOf(specOf({ m: 4096, n: 4096, k: 64 }), 16384).tile, smallTile);
});

test.run();
