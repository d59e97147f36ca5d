/** The fused kernels of the WebGPU backend against those of wasm, on Dawn in Node. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceBuffer, Kernels, TypedArray } from '../../src/backends/backend.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import { fusedKernels } from '../../src/backends/webgpu/fused.js';
import { floatsOf, intsOf, near } from './arrays.js';
import { attentionCalls } from './attention-calls.js';
import { dawn } from './dawn.js';

const test = suite('fused kernels on WebGPU');

const wasm = createWasmBackend();
let device: WebGPUDevice;
let kernels: Partial<Kernels>;
const used = new Set<string>();
test.before(async () => {
  const adapter = (await (await dawn()).requestAdapter()) as GPUAdapter;
  const { maxStorageBuffersPerShaderStage } = adapter.limits;
  device = new WebGPUDevice(
    await adapter.requestDevice({ requiredLimits: { maxStorageBuffersPerShaderStage } }),
  );
  kernels = fusedKernels(device);
});

type Call = (
  inputs: readonly (DeviceBuffer | undefined)[],
  numbers: readonly number[],
  results: readonly { shape: readonly number[]; dtype: 'float32' }[],
) => readonly DeviceBuffer[];
type Input = TypedArray | undefined;

const real = (size: number, seed = 1) => floatsOf(size, seed, 'real');

const references = wasm.kernels as Kernels;

/** The kernel of wasm to compare with, its inputs, and results that aren't compared. */
function referenceOf(
  name: keyof Kernels,
  inputs: Input[],
  [, , width]: number[],
): [keyof Kernels, Input[], { shape: number[]; dtype: 'float32' }[]] {
  const ones = () => new Float32Array(width).fill(1);
  const [x, g] = inputs;
  if (name === 'normalize') return ['layerNorm', [x, ones(), new Float32Array(width)], []];
  if (name !== 'normalizeGradient') return [name, inputs, []];
  const vector = { shape: [width], dtype: 'float32' as const };
  return ['layerNormGradient', [x, ones(), g], [vector, vector]];
}

/** Results of both backends, whose sizes are `sizes`; wasm gets `others` as inputs. */
async function both(
  name: keyof Kernels,
  inputs: Input[],
  numbers: number[],
  sizes: number[],
  others = inputs,
) {
  used.add(name);
  const results = sizes.map((size) => ({ shape: [size], dtype: 'float32' as const }));
  const ours = inputs.map((x) => x && device.upload(x as Float32Array));
  const came = (kernels[name] as Call)(ours, numbers, results);
  const [named, given, more] = referenceOf(name, others, numbers);
  const theirs = given.map((x) => x && wasm.upload(x));
  const all = (references[named] as Call)(theirs, numbers, [...results, ...more]);
  const expected = all.slice(0, sizes.length);
  const read = await Promise.all([
    ...came.map((buffer) => device.read(buffer)),
    ...expected.map((buffer) => wasm.read(buffer)),
  ]);
  for (const buffer of [...ours, ...came]) if (buffer) device.free(buffer);
  for (const buffer of [...theirs, ...all]) if (buffer) wasm.free(buffer);
  return { came: read.slice(0, came.length), expected: read.slice(came.length) };
}

async function agree(
  name: keyof Kernels,
  inputs: Input[],
  numbers: number[],
  sizes: number[],
  tolerance: [number, number] = [2e-5, 4e-6],
  others = inputs,
) {
  const { came, expected } = await both(name, inputs, numbers, sizes, others);
  assert.is(came.length, expected.length, name);
  for (const [i, values] of came.entries()) {
    near(values, expected[i], tolerance, `${name} ${numbers}, result ${i}`);
  }
}

/** Compares results with values that are known, of kernels that wasm has not. */
async function equal(
  name: keyof Kernels,
  inputs: readonly Float32Array[],
  numbers: readonly number[],
  expected: readonly Float64Array[],
) {
  used.add(name);
  const results = expected.map(({ length }) => ({ shape: [length], dtype: 'float32' as const }));
  const ours = inputs.map((x) => device.upload(x));
  const came = (kernels[name] as Call)(ours, [...numbers], results);
  const read = await Promise.all(came.map((buffer) => device.read(buffer)));
  for (const [i, values] of expected.entries()) {
    near(read[i], Float32Array.from(values), [1e-4, 4e-5], `${name} ${numbers}, result ${i}`);
  }
  for (const buffer of [...ours, ...came]) device.free(buffer);
}

/** Rows and widths: short and long, one value or four at a time, more rows than a workgroup has. */
const rowSizes = [
  [1, 1],
  [3, 5],
  [9, 128],
  [2, 33],
  [17, 20],
  [2, 1300],
  [3, 1027],
];

test('softmax, with and without a mask, and its gradient', async () => {
  for (const [rows, width] of rowSizes) {
    const size = rows * width;
    await agree('softmax', [real(size), undefined], [0, 0.7, rows, width], [size]);
    const mask = intsOf(size, 2, 1);
    mask.fill(0, 0, width);
    await agree('softmax', [real(size), mask], [rows, 1, rows, width], [size]);
    if (rows === 17) continue;
    const row = intsOf(width, 3, 1);
    await agree('softmax', [real(size), row], [1, 2, rows, width], [size]);
    const y = real(size, 5).map((x) => (x > 1 ? 0 : Math.abs(x) / width));
    const g = real(size, 6).map((x, i) => (y[i] === 0 ? NaN : x));
    await agree('softmaxGradient', [y, g], [0.3, rows, width], [size]);
  }
});

test('layer normalisation and root mean square normalisation, and their gradients', async () => {
  for (const [rows, width] of rowSizes) {
    const size = rows * width;
    const [x, weight, bias, g] = [size, width, width, size].map(real);
    const numbers = [1e-5, rows, width];
    if (width > 1) await agree('normalize', [x], numbers, [size]);
    await agree('layerNorm', [x, weight, bias], numbers, [size]);
    await agree('rmsNorm', [x, weight], numbers, [size]);
    const loose: [number, number] = [1e-4, 2e-5];
    if (width > 1) await agree('normalizeGradient', [x, g], numbers, [size], loose);
    await agree('layerNormGradient', [x, weight, g], numbers, [size, width, width], loose);
    await agree('rmsNormGradient', [x, weight, g], numbers, [size, width], loose);
  }
  // More rows than the threads that sum a column.
  const [rows, width] = [300, 8];
  const [x, weight, g] = [rows * width, width, rows * width].map(real);
  await agree(
    'layerNormGradient',
    [x, weight, g],
    [1e-5, rows, width],
    [rows * width, width, width],
    [1e-4, 2e-5],
  );
});

test('norms of huge numbers, and of NaN and infinities', async () => {
  const rows = [
    [3e38, -3e38, 1e38, 0],
    [1e30, 2e30, 3e30, 4e30],
    [NaN, 1, 2, 3],
    [Infinity, 1, 2, 3],
  ].flat();
  const inputs = [Float32Array.from(rows), real(4), real(4, 2)];
  await agree('layerNorm', inputs, [1e-5, 4, 4], [16]);
  await agree('rmsNorm', inputs.slice(0, 2), [1e-5, 4, 4], [16]);
  await agree('layerNormGradient', [...inputs.slice(0, 2), real(16)], [1e-5, 2, 4], [16, 4, 4]);
});

test('cross-entropy, and its gradient', async () => {
  for (const [rows, width] of rowSizes) {
    const targets = intsOf(rows, 3, 1000).map((x) => Math.abs(x) % width);
    if (rows > 2) targets[1] = -100;
    const inputs = [real(rows * width), targets];
    await agree('crossEntropy', inputs, [-100, rows, width], [rows]);
    await agree(
      'crossEntropyGradient',
      [...inputs, real(rows, 9)],
      [-100, rows, width],
      [rows * width],
    );
  }
  const { came } = await bothOnGpu(
    'crossEntropy',
    [real(9), Int32Array.of(3, -1, 2)],
    [-100, 3, 3],
  );
  assert.equal(Array.from(came[0], Number.isNaN), [true, true, false], 'targets out of range');
});

/** What `kernels` return where wasm throws. */
async function bothOnGpu(name: keyof Kernels, inputs: TypedArray[], numbers: number[]) {
  const ours = inputs.map((x) => device.upload(x as Float32Array));
  const buffers = (kernels[name] as Call)(ours, numbers, [{ shape: [], dtype: 'float32' }]);
  const came = await Promise.all(buffers.map((buffer) => device.read(buffer)));
  for (const buffer of [...ours, ...buffers]) device.free(buffer);
  return { came };
}

test('swiglu, rotary positions, dropout and the gradient of relu', async () => {
  for (const size of [1, 7, 2052]) {
    await agree('swiglu', [real(size), real(size, 2)], [size], [size]);
    await agree('swigluGradient', [real(size), real(size, 2), real(size, 3)], [size], [size, size]);
    const y = real(size);
    y[0] = NaN;
    await agree('reluGradient', [y, real(size, 2)], [size], [size]);
    const words = [0xfedcba98, 0x76543210];
    await agree('dropout', [real(size), undefined], [0.3, ...words, size], [size]);
    await agree('dropout', [real(size), real(size, 2)], [0.5, ...words, size], [size]);
  }
  for (const [rows, time, heads, half] of [
    [6, 3, 2, 4],
    [5, 5, 3, 3],
    [40, 20, 2, 8],
  ]) {
    const size = rows * heads * half * 2;
    const angles = [real(time * half, 3), real(time * half, 4)];
    for (const sign of [1, -1]) {
      const numbers = [sign, rows, time, heads, half];
      await agree('rotate', [...angles, real(size)], numbers, [size]);
      await agree('rotate', [...angles, real(size), real(size, 2)], numbers, [size, size]);
    }
  }
});

test('linear', async () => {
  for (const [rows, outputs, width] of [
    [1, 9, 12],
    [70, 68, 12],
    [40, 5, 33],
  ]) {
    const inputs = [real(rows * width), real(outputs * width, 2), real(outputs, 3)];
    for (const relu of [0, 1]) {
      await agree('linear', inputs, [rows, outputs, width, relu], [rows * outputs]);
    }
  }
});

test('the gradients of a linear layer', async () => {
  for (const [rows, outputs, width] of [
    [1, 9, 12],
    [70, 68, 12],
    [300, 5, 33],
    [600, 36, 40],
  ]) {
    const inputs = [real(rows * width), real(rows * outputs, 2)];
    const numbers = [rows, outputs, width];
    const results = [outputs * width, outputs];
    const [x, g] = inputs;
    const expected = results.map((size) => new Float64Array(size));
    for (let row = 0; row < rows; row++) {
      for (let o = 0; o < outputs; o++) {
        expected[1][o] += g[row * outputs + o];
        for (let w = 0; w < width; w++) {
          expected[0][o * width + w] += g[row * outputs + o] * x[row * width + w];
        }
      }
    }
    await equal('linearGradient', inputs, numbers, expected);
  }
});

test('several projections of one input, and their gradients', async () => {
  for (const [parts, rows, outputs, width] of [
    [3, 5, 32, 12],
    [2, 70, 32, 20],
    [3, 40, 64, 33],
    [2, 3, 5, 3],
  ]) {
    const x = real(rows * width);
    const weight = real(parts * outputs * width, 2);
    const gradients = Array.from({ length: parts }, (_, i) => real(rows * outputs, 3 + i));
    const numbers = [parts, rows, outputs, width];
    const products = gradients.map(() => new Float64Array(rows * outputs));
    const [ofX, ofWeight] = [x, weight].map(({ length }) => new Float64Array(length));
    for (let part = 0; part < parts; part++) {
      for (let row = 0; row < rows; row++) {
        for (let o = 0; o < outputs; o++) {
          for (let w = 0; w < width; w++) {
            const [at, to] = [(part * outputs + o) * width + w, row * outputs + o];
            products[part][to] += x[row * width + w] * weight[at];
            ofX[row * width + w] += gradients[part][to] * weight[at];
            ofWeight[at] += gradients[part][to] * x[row * width + w];
          }
        }
      }
    }
    await equal('projections', [x, weight], numbers, products);
    if (outputs % 32 > 0) continue; // the definition computes it
    await equal('projectionsGradient', [x, weight, ...gradients], numbers, [ofX, ofWeight]);
  }
});

test('the factor that clips gradients', async () => {
  for (const [numbers, clip, factor] of [
    [[1, 3, 4], 2.5, 0.5],
    [[1, 3, 4], 10, 1],
    [[1, 0, 0], 10, 1],
    [[1, 3e30, 4e30], 5e30, 1],
    [[1, 3, 4], Infinity, 1],
    [[NaN, 3, 4], 1, NaN],
    [[1, Infinity, 4], 1, NaN],
    [[1, NaN, 4], Infinity, NaN],
  ] as const) {
    const values = Float32Array.from(numbers);
    await equal('clipFactor', [values], [2, clip], [Float64Array.of(factor)]);
  }
});

test('the norm of many tensors, and of numbers whose squares overflow or vanish', async () => {
  const sizes = [1, 2, 3, 5, 4000, 0, 17, 1, 9000, 2, 2, 2, 2, 2, 2, 2, 40, 3, 3, 3];
  await agree(
    'norm',
    sizes.map((size, i) => real(size, i)),
    [sizes.length],
    [1],
  );
  const groups = [1, 3, 12, 4];
  await agree(
    'norm',
    sizes.map((size, i) => real(size, i)),
    groups,
    [groups.length],
  );
  await agree('norm', [Float32Array.of(3e38), Float32Array.of(1e38, 0)], [2], [1]);
  await agree('norm', [Float32Array.of(3e-30, 4e-30), Float32Array.of(0)], [2], [1], [1e-5, 0]);
  await agree('norm', [Float32Array.of(0, 0, 0)], [1], [1]);
  await agree('norm', [Float32Array.of(1), Float32Array.of(2, NaN)], [2], [1]);
  await agree('norm', [Float32Array.of(1, Infinity), Float32Array.of(1e-30)], [2], [1]);
  const many = Array.from({ length: 300 }, (_, i) => real(2, i));
  await agree(
    'norm',
    many,
    many.map(() => 1),
    [300],
  );
});

test('Adam, whose results are parts of one buffer that the next step reads at once', async () => {
  const sizes = [1, 5, 1030, 4, 0, 7, 16, 3, 3, 3, 3, 3, 3, 3, 3, 3];
  const numbers = [0.9, 0.98, 1e-8, 0.01];
  const rates = [Float32Array.of(0.01, 0.3, 0.999), Float32Array.of(0.5)];
  const lists = [1, 2, 3].map((seed) => sizes.map((size, i) => real(size, seed * 100 + i)));
  const second = sizes.map((size, i) => floatsOf(size, 400 + i, 'positive'));
  const gradients = (step: number) => sizes.map((size, i) => real(size, 500 * step + i));
  const three = [...sizes, ...sizes, ...sizes];
  const inputs = [...lists[0], ...lists[1], ...lists[2], ...second];
  await agree('adam', [...inputs, ...rates], numbers, three);
  await agree('adam', [...inputs, rates[0], Float32Array.of(NaN)], numbers, three);

  const results = three.map((size) => ({ shape: [size], dtype: 'float32' as const }));
  const count = sizes.length;
  const run = (call: Call, upload: (x: Float32Array) => DeviceBuffer) => {
    let state: readonly DeviceBuffer[] = [...lists[0], ...lists[2], ...second].map(upload);
    for (const step of [1, 2, 3]) {
      const [p, rest] = [state.slice(0, count), state.slice(count)];
      const shared = rates.map(upload);
      state = call([...p, ...gradients(step).map(upload), ...rest, ...shared], numbers, results);
    }
    return state;
  };
  const before = device.counts().dispatches;
  const ours = run(kernels.adam as Call, (x) => device.upload(x));
  const expected = run(references.adam as Call, (x) => wasm.upload(x));
  for (const [i, buffer] of ours.entries()) {
    near(await device.read(buffer), await wasm.read(expected[i]), [1e-5, 1e-6], `tensor ${i}`);
  }
  const bindings = device.limits.maxStorageBuffersPerShaderStage;
  const later = 2 * Math.ceil(15 / (bindings - 4));
  const first = Math.ceil(15 / Math.floor((bindings - 3) / 4));
  assert.is(device.counts().dispatches - before, first + later);
});

for (const { what, kernel, inputs, numbers, sizes, tolerance, clean } of attentionCalls) {
  test(what, () => agree(kernel, inputs, numbers, sizes, tolerance, clean));
}

test('heads that are too wide, and attention to nothing, are left to the definition', () => {
  const attention = kernels.attention as unknown as (...args: unknown[]) => unknown;
  const [q, k, v] = [130, 130, 130].map((size) => device.upload(real(size)));
  assert.is(attention([q, k, v, undefined, undefined], [1, 1, 1, 1, 130, 130, 0, 1]), undefined);
  assert.is(attention([q, k, v, undefined, undefined], [1, 1, 1, 0, 130, 130, 0, 1]), undefined);
});

test('every kernel was compared', () => {
  assert.equal([...used].sort(), Object.keys(kernels).sort());
});

test.run();
