/** The kernels of the WebGPU backend at sizes and strides that the conformance suite has not. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceBuffer, Piece, TypedArray, View } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { stridesOf } from '../../src/backends/layout.js';
import { WebGPUBackend } from '../../src/backends/webgpu/backend.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import { dawn } from './dawn.js';

const test = suite('kernels of the WebGPU backend');
const cpu = createCpuBackend();
let gpu: WebGPUBackend;
test.before(async () => {
  const adapter = await (await dawn()).requestAdapter();
  gpu = new WebGPUBackend(new WebGPUDevice((await adapter?.requestDevice()) as GPUDevice));
});
test.after(() => gpu.close());

type Both = typeof cpu | WebGPUBackend;

/** The same numbers each time: k / 64 for whole k, so that sums are exact in float32. */
function floats(size: number): Float32Array {
  let state = 7;
  return Float32Array.from({ length: size }, () => {
    state = (state * 16807) % 2147483647;
    return ((state % 257) - 128) / 64;
  });
}

/** Computes on both backends, and compares the bits. */
async function same(what: string, compute: (backend: Both) => DeviceBuffer): Promise<TypedArray> {
  const [came, expected] = await Promise.all([gpu, cpu].map((each) => each.read(compute(each))));
  assert.is(came.constructor, expected.constructor, what);
  assert.is(came.length, expected.length, what);
  const wrong = came.findIndex((value, i) => !Object.is(value, expected[i]));
  if (wrong >= 0) assert.unreachable(`${what}: ${came[wrong]} at ${wrong}, not ${expected[wrong]}`);
  return came;
}

/** Uploads values once for each backend. */
function shared(values: TypedArray): (backend: Both) => DeviceBuffer {
  const buffers = new Map([gpu, cpu].map((backend) => [backend, backend.upload(values)]));
  return (backend) => buffers.get(backend) as DeviceBuffer;
}

function view(buffer: DeviceBuffer, shape: number[], strides = stridesOf(shape), offset = 0): View {
  return { buffer, shape, strides, offset };
}

const shapes: [what: string, shape: number[], strides: number[] | undefined, kept: number][] = [
  ['the first axis of a bias gradient', [128, 1088], [1, 128], 1],
  ['the first axis of a row of 3', [3, 5000], [1, 3], 1],
  ['the first axis of many columns', [5000, 3], [1, 5000], 1],
  ['everything', [100_003], undefined, 0],
  ['long rows', [3, 23_333], undefined, 1],
  ['many short rows', [9000, 3], undefined, 1],
  ['rows of 128', [300, 128], undefined, 1],
  ['a middle axis', [4, 6, 50], [300, 1, 6], 2],
  ['repeated values', [5, 7, 300], [0, 1, 0], 2],
  ['ten axes', Array(10).fill(2), [...stridesOf(Array(10).fill(2))].reverse(), 5],
  ['one value', [1, 1], undefined, 1],
];
for (const [what, shape, strides, kept] of shapes) {
  test(`reduces ${what}`, async () => {
    const x = shared(floats(140_000));
    const whole = shared(Int32Array.from(floats(140_000), (value) => 64 * value));
    for (const kernel of ['sum', 'max'] as const) {
      for (const input of [x, whole]) {
        await same(kernel, (backend) =>
          backend.reduce(kernel, view(input(backend), shape, strides), kept),
        );
      }
    }
    const last = shape.length - 1;
    for (const input of [x, whole]) {
      await same('argmax', (backend) =>
        backend.reduce('argmax', view(input(backend), shape, strides), last),
      );
    }
  });
}

test('argmax takes the first of equal values, and the first NaN', async () => {
  const values = new Float32Array(3000).fill(2);
  values.set([NaN], 1700);
  values.set([NaN], 1300);
  values.fill(3, 2500, 2600);
  const x = shared(values);
  const positions = await same('argmax', (backend) =>
    backend.reduce('argmax', view(x(backend), [3, 1000]), 1),
  );
  assert.equal([...positions], [0, 300, 500]);
});

test('sums of a million values are as accurate as pairwise sums', async () => {
  const values = Float32Array.from({ length: 1_000_000 }, (_, i) => 1 + (i % 1000) / 3000);
  const exact = values.reduce((sum, value) => sum + value, 0);
  const [sum] = await gpu.read(gpu.reduce('sum', view(gpu.upload(values), [1_000_000]), 0));
  assert.ok(Math.abs(sum / exact - 1) < 3e-7, `${sum}, not ${exact}`);
});

const views: [what: string, shape: number[], strides: number[], offset: number][] = [
  ['contiguous', [30, 8], [8, 1], 0],
  ['contiguous from an aligned offset', [30, 8], [8, 1], 16],
  ['contiguous from another offset', [30, 8], [8, 1], 17],
  ['one value', [30, 8], [0, 0], 5],
  ['a row', [30, 8], [0, 1], 4],
  ['a row from an odd offset', [30, 8], [0, 1], 3],
  ['a column', [30, 8], [1, 0], 3],
  ['transposed', [30, 8], [1, 30], 0],
  ['reversed', [30, 8], [-8, -1], 239],
  ['rows of another width', [30, 7], [8, 1], 1],
  ['ten axes', Array(10).fill(2), [...stridesOf(Array(10).fill(2))].reverse(), 0],
  ['six axes', [2, 3, 1, 2, 3, 2], [1, 2, 9, 6, 12, 36], 3],
];
for (const [what, shape, strides, offset] of views) {
  test(`a view that is ${what}`, async () => {
    const x = shared(floats(1100));
    const whole = shared(Int32Array.from({ length: 1100 }, (_, i) => (i * 7919) % 1000));
    const own = stridesOf(shape);
    for (const input of [x, whole]) {
      await same('sub', (backend) =>
        backend.binary(
          'sub',
          view(input(backend), shape, strides, offset),
          view(input(backend), shape, own),
        ),
      );
      await same('less', (backend) =>
        backend.binary(
          'less',
          view(input(backend), shape, own),
          view(input(backend), shape, strides, offset),
        ),
      );
      await same('where', (backend) =>
        backend.where(
          view(whole(backend), shape, strides, offset),
          view(input(backend), shape, own),
          view(input(backend), shape, strides, offset),
        ),
      );
      await same('copy', (backend) =>
        backend.assemble(shape, input(backend).dtype, 0, [
          { view: view(input(backend), shape, strides, offset), at: shape.map(() => 0) },
        ]),
      );
    }
  });
}

test('assembles more pieces than a kernel has room for, with and without fill', async () => {
  const x = shared(floats(400));
  const whole = shared(Int32Array.from({ length: 400 }, (_, i) => i - (1 << 30)));
  for (const rank of [2, 9]) {
    const ones = Array(rank - 2).fill(1);
    for (const width of [3, 4]) {
      for (const input of [x, whole]) {
        const pieces = (backend: Both): Piece[] =>
          Array.from({ length: 15 }, (_, i) => ({
            view: view(
              input(backend),
              [...ones, 2, width],
              [...ones, i % 2 ? 1 : width, i % 2 ? 5 : 1],
              i,
            ),
            at: [...ones.map(() => 0), 2 * i + Math.floor(i / 7), 4 * (i % 2)],
          }));
        await same(`rank ${rank}, width ${width}`, (backend) =>
          backend.assemble([...ones, 33, 12], input(backend).dtype, -3, pieces(backend)),
        );
        await same('side by side', (backend) =>
          backend.assemble(
            [...ones, 2, 15 * width],
            input(backend).dtype,
            0,
            pieces(backend).map(({ view }, i) => ({
              view,
              at: [...ones.map(() => 0), 0, i * width],
            })),
          ),
        );
      }
    }
  }
});

test('gathers rows of any width', async () => {
  const indices = shared(Int32Array.from({ length: 77 }, (_, i) => (i * 31) % 10));
  for (const width of [1, 3, 8]) {
    const table = shared(floats(10 * width));
    await same(`width ${width}`, (backend) =>
      backend.gather(table(backend), indices(backend), width),
    );
  }
});

const tables: [what: string, rows: number, count: number, width: number][] = [
  ['a small table', 12, 1088, 128],
  ['a table of one row', 1, 3000, 5],
  ['more rows than indices', 300, 70, 3],
  ['a large table', 3000, 800, 6],
  ['wide rows', 7, 100, 300],
];
for (const [what, rows, count, width] of tables) {
  test(`scatterAdd into ${what}`, async () => {
    const next = floats(count);
    const indices = shared(
      Int32Array.from(next, (value) => Math.floor((value + 2) * 64 * 97) % rows),
    );
    const whole = shared(Int32Array.from(floats(count * width), (value) => value * 64));
    for (const values of [shared(floats(count * width)), whole]) {
      await same(what, (backend) =>
        backend.scatterAdd(values(backend), indices(backend), rows, width),
      );
    }
  });
}

test('scatterAdd adds in one order, and passes over indices outside the table', async () => {
  for (const rows of [5, 600]) {
    const values = Float32Array.from({ length: 4000 }, (_, i) => Math.sin(i) * 10 ** (i % 7));
    const x = gpu.upload(values);
    const indices = gpu.upload(Int32Array.from(values, (_, i) => ((i * i) % 7) - 1));
    const runs = await Promise.all(
      [0, 1, 2].map(() => gpu.read(gpu.scatterAdd(x, indices, rows, 1))),
    );
    assert.equal(runs[1], runs[0]);
    assert.equal(runs[2], runs[0]);
    const expected = new Float64Array(rows);
    for (const [i, value] of values.entries()) {
      const row = ((i * i) % 7) - 1;
      if (row >= 0 && row < rows) expected[row] += value;
    }
    for (const [i, value] of runs[0].entries()) {
      assert.ok(Math.abs(value - expected[i]) < 20, `row ${i}: ${value}, not ${expected[i]}`);
    }
  }
});

test('more workgroups than one axis has', async () => {
  const size = 65_535 * 256 + 300;
  const x = gpu.fill(1, size, 'float32');
  const y = gpu.unary('neg', x);
  gpu.free(x);
  const ends = gpu.assemble([2, 5], 'float32', 0, [
    { view: view(y, [2, 5], [size - 5, 1]), at: [0, 0] },
  ]);
  gpu.free(y);
  assert.equal(await gpu.read(ends), new Float32Array(10).fill(-1));
});

test.run();
