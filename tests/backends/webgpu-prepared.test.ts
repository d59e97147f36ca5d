/** Prepared lists on WebGPU: launches that are merged compute what they compute one by one. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceBuffer, Kernels, TypedArray, View } from '../../src/backends/backend.js';
import { stridesOf } from '../../src/backends/layout.js';
import { WebGPUBackend } from '../../src/backends/webgpu/backend.js';
import { WebGPUDevice } from '../../src/backends/webgpu/device.js';
import { floatsOf, intsOf, same } from './arrays.js';
import { dawn } from './dawn.js';
import { checkTexts } from './kernel-texts.js';

const test = suite('prepared lists on WebGPU');
let gpu: WebGPUBackend;
let errors: string[];
const texts = new Map<string, string>();
test.before(async () => {
  const adapter = await (await dawn()).requestAdapter();
  const device = (await adapter?.requestDevice()) as GPUDevice; // with the fewest bindings
  errors = [];
  device.addEventListener('uncapturederror', ({ error }) => errors.push(error.message));
  const { createShaderModule } = device;
  device.createShaderModule = (descriptor) => {
    texts.set(descriptor.label ?? '', descriptor.code);
    return createShaderModule.call(device, descriptor);
  };
  gpu = new WebGPUBackend(new WebGPUDevice(device));
});
test.after(() => gpu.close());
test.after.each(() => assert.equal(errors, []));

type Part = <T>(f: () => T) => T;
type Buffers = readonly DeviceBuffer[];
type Compute = (inputs: Buffers, part: Part) => Buffers;

const direct: Part = (f) => f();
const readAll = (buffers: Buffers) => Promise.all(buffers.map((buffer) => gpu.read(buffer)));

/** The buffers that `f` returns, and how many kernels it runs. */
function counted(f: () => Buffers): [buffers: Buffers, launches: number] {
  const before = gpu.counts().dispatches;
  const buffers = f();
  return [buffers, gpu.counts().dispatches - before];
}

/** Compares a prepared list, run twice, with the same launches one by one, of which `merged` go. */
async function check(what: string, inputs: Buffers, merged: number, compute: Compute) {
  const [eager, all] = counted(() => compute(inputs, direct));
  const expected = await readAll(eager);
  const list = gpu.prepare(inputs, (part) => compute(inputs, part));
  for (let run = 0; run < 2; run++) {
    const [made, some] = counted(() => list.run(inputs) as Buffers);
    assert.is(all - some, merged, `${what}: merged launches of ${all}`);
    const came = await readAll(made);
    for (const [i, values] of came.entries()) same(values, expected[i], `${what}, result ${i}`);
    for (const buffer of made) gpu.free(buffer);
  }
  list.dispose();
}

/** Random buffers of these sizes, with values of every kind. */
const buffers = (...sizes: number[]): Buffers =>
  sizes.map((size, i) => gpu.upload(floatsOf(size, size + i, 'hard')));
/** The same with ordinary values. */
const reals = (...sizes: number[]): Buffers =>
  sizes.map((size, i) => gpu.upload(floatsOf(size, size + i, 'real')));

function view(
  buffer: DeviceBuffer,
  shape: readonly number[] = [buffer.size],
  strides: readonly number[] = stridesOf(shape),
  offset = 0,
): View {
  return { buffer, shape, strides, offset };
}
const add = (a: DeviceBuffer, b: DeviceBuffer) => gpu.binary('add', view(a), view(b));
const neg = (x: DeviceBuffer) => gpu.unary('neg', x);

function kernel<K extends keyof Kernels>(name: K, inputs: Buffers, numbers: number[], count = 1) {
  const call = gpu.kernels[name] as unknown as (...args: unknown[]) => Buffers;
  const [{ size }] = inputs;
  const result = { shape: [size], dtype: 'float32' };
  return call(
    inputs,
    numbers,
    Array.from({ length: count }, () => result),
  );
}
const reluGradient = (y: DeviceBuffer, g: DeviceBuffer) => kernel('reluGradient', [y, g], [])[0];

function matmul(a: DeviceBuffer, b: DeviceBuffer, n: number): DeviceBuffer {
  const k = b.size / n;
  const plain = { transposeA: false, transposeB: false, batch: [] };
  const spec = { m: a.size / k, n, k, ...plain, batchStridesA: [], batchStridesB: [] };
  return gpu.matmul(a, b, spec);
}
const sumRows = (x: DeviceBuffer, width: number) =>
  gpu.reduce('sum', view(x, [width, x.size / width], [1, width]), 1);
/** Puts the rows of `x` at row `at` of a matrix of `rows` rows. */
function pad(x: DeviceBuffer, rows: number, width: number, at = 1, value = 0): DeviceBuffer {
  const piece = { view: view(x, [x.size / width, width]), at: [at, 0] };
  return gpu.assemble([rows, width], x.dtype, value, [piece]);
}
/** Some values from `offset` on, which stay where they are. */
const slice = (x: DeviceBuffer, offset: number, size: number) =>
  gpu.assemble([size], x.dtype, 0, [{ view: view(x, [size], [1], offset), at: [0] }]);
const norm = (x: DeviceBuffer, weight: DeviceBuffer, g: DeviceBuffer) =>
  kernel('layerNormGradient', [x, weight, g], [1e-5, x.size / weight.size, weight.size], 3);

for (const n of [7, 8]) {
  test(`a product takes over the gradient of relu and an addend, ${n} columns`, async () => {
    const inputs = [...reals(5 * 6, 6 * n), ...buffers(5 * n, 5 * n)];
    await check('relu', inputs, 1, ([a, b, y]) => [reluGradient(y, matmul(a, b, n))]);
    await check('both', inputs, 2, ([a, b, y, r]) => [reluGradient(y, add(r, matmul(a, b, n)))]);
    await check('not behind it', inputs, 1, ([a, b, y, r]) => [
      add(reluGradient(y, matmul(a, b, n)), r),
    ]);
    await check('not as y', inputs, 0, ([a, b, , r]) => [reluGradient(matmul(a, b, n), r)]);
  });

  test(`padding takes over an addend, ${n} columns`, async () => {
    const inputs = buffers(3 * n, 5 * n, 2 * n);
    await check('an input', inputs, 1, ([x, r]) => [add(pad(x, 5, n), r)]);
    await check('of rows and of -0', inputs, 1, ([x, r]) => [add(r, pad(x, 5, n, 2, -0))]);
    await check('of a later result', inputs, 1, ([x, r]) => [add(pad(x, 5, n), neg(r))]);
    await check('a chain', inputs, 2, ([x, r, y]) => [
      add(pad(y, 5, n, 3), add(pad(x, 5, n), neg(r))),
    ]);
    await check('only one each', inputs, 1, ([x, r]) => [add(add(pad(x, 5, n), r), r)]);
    await check('a part of a buffer', inputs, 1, ([x, r, y]) => [
      add(pad(y, 3, n), slice(r, 4, 3 * n)),
      neg(x),
    ]);
    const whole = [gpu.upload(intsOf(3 * n, 1, 9)), gpu.upload(intsOf(5 * n, 2, 9))];
    await check('not of int32', whole, 0, ([x, r]) => [add(pad(x, 5, n), r)]);
    const pieces = (x: DeviceBuffer, count: number) =>
      Array.from({ length: count }, (_, i) => ({ view: view(x, [3, n]), at: [4 * i, 0] }));
    const [x, r] = buffers(3 * n, 32 * n);
    for (const count of [6, 7]) {
      const join = () => gpu.assemble([32, n], 'float32', 0, pieces(x, count));
      await check(`${count} pieces`, [x, r], count === 6 ? 1 : 0, () => [add(join(), r)]);
    }
  });

  test(`gradients of norms take over addends, ${n} columns`, async () => {
    const inputs = reals(5 * n, n, 5 * n, 5 * n, n, n, 5 * n);
    await check('all', inputs, 3, ([x, weight, g, r, w, b]) => {
      const [ofX, ofWeight, ofBias] = norm(x, weight, g);
      return [add(ofX, r), add(w, ofWeight), add(ofBias, b)];
    });
    await check('segments', inputs, 5, ([x, weight, g, r, w]) => {
      const one = norm(x, weight, g);
      const two = norm(r, weight, one[0]);
      const three = norm(x, weight, two[0]);
      const sum = (i: number) => add(add(one[i], two[i]), three[i]);
      return [neg(three[0]), sum(1), sum(2), neg(w)];
    });
    await check(
      'an addend before, a weight that is read between',
      inputs,
      1,
      ([x, weight, g, , w, b]) => {
        const [ofX, ofWeight, ofBias] = norm(x, weight, g);
        const read = neg(ofWeight);
        return [ofX, read, add(ofWeight, w), add(ofBias, b)];
      },
    );
    await check(
      'a later addend, a weight that is read before',
      inputs,
      0,
      ([x, weight, g, , w]) => {
        const [, ofWeight, ofBias] = norm(x, weight, g);
        const read = neg(ofWeight);
        return [read, add(ofBias, neg(w))];
      },
    );
    await check('a later addend, a weight that is read later', inputs, 1, ([x, weight, g, , w]) => {
      const [, ofWeight, ofBias] = norm(x, weight, g);
      const sum = add(ofBias, neg(w));
      return [sum, neg(ofWeight)];
    });
    await check('both results of one', inputs, 0, ([x, weight, g]) => {
      const [ofX, ofWeight, ofBias] = norm(x, weight, g);
      return [ofX, add(ofWeight, ofBias)];
    });
    await check('the rows of rms norm', inputs, 2, ([x, weight, g, r, w]) => {
      const [ofX, ofWeight] = kernel('rmsNormGradient', [x, weight, g], [1e-5, 5, n], 2);
      return [add(r, ofX), add(ofWeight, w)];
    });
    await check('without a weight, a later addend', inputs, 1, ([x, , g, r]) => [
      add(kernel('normalizeGradient', [x, g], [1e-5, 5, n])[0], neg(r)),
    ]);
  });

  test(`sums take over an addend, ${n} columns`, async () => {
    const inputs = reals(5 * n, n, 9000 * n);
    await check('of rows', inputs, 1, ([x, r]) => [add(sumRows(x, n), r)]);
    await check('of parts', inputs, 1, ([, r, x]) => [add(r, sumRows(x, n))]);
    await check('not the largest', inputs, 0, ([x, r]) => [
      add(gpu.reduce('max', view(x, [n, 5], [1, n]), 1), r),
    ]);
  });
}

test('what is read twice, or lasts, stays', async () => {
  const inputs = reals(9, 9, 9);
  await check('read twice', inputs, 0, ([a, b, r]) => {
    const product = matmul(a, b, 3);
    return [add(product, r), neg(product)];
  });
  await check('added to itself', inputs, 0, ([a, b]) => {
    const product = matmul(a, b, 3);
    return [add(product, product)];
  });
  await check('lasting', inputs, 0, ([a, b, r]) => {
    const product = matmul(a, b, 3);
    return [add(product, r), product];
  });
  await check('a part', inputs, 0, ([a, b, r]) => [
    add(slice(matmul(a, b, 3), 4, 5), slice(r, 4, 5)),
  ]);
});

test('operands may lie elsewhere in each run', async () => {
  const [a, b, y, r] = [...reals(9, 9), ...buffers(24, 24)];
  const compute: Compute = ([a, b, y, r]) => [reluGradient(y, add(matmul(a, b, 3), r))];
  const inputs = (at: number) => [a, b, slice(y, at, 9), slice(r, at + 4, 9)];
  const list = gpu.prepare(inputs(4), () => compute(inputs(4), direct));
  for (const at of [4, 8]) {
    const [made, launches] = counted(() => list.run(inputs(at)) as Buffers);
    assert.is(launches, 1);
    const [came] = await readAll(made);
    const [expected] = await readAll(compute(inputs(at), direct));
    same(came, expected, `from ${at} on`);
  }
  list.dispose();
});

test('parts with numbers stay, and what is merged around them keeps its order', async () => {
  const inputs = reals(12, 4, 12, 12, 4);
  let words = [1, 2];
  const dropout = (x: DeviceBuffer) => kernel('dropout', [x], [0.5, ...words])[0];
  const compute: Compute = ([x, weight, g, r, w], part) => {
    const [ofX, ofWeight, ofBias] = norm(x, weight, g);
    const dropped = part(() => dropout(add(ofX, r)));
    const noise = part(() => dropout(ofWeight));
    // Its operand comes behind a part that reads the other result.
    return [dropped, add(ofBias, noise), add(dropped, pad(w, 3, 4))];
  };
  await check('parts', inputs, 1, compute);
  const calls: (() => void)[] = [];
  const list = gpu.prepare(inputs, (part) =>
    compute(inputs, (f) => {
      calls.push(f);
      return part(f);
    }),
  );
  const seen: TypedArray[] = [];
  for (const next of [
    [1, 2],
    [3, 4],
  ]) {
    words = next;
    list.renumber(() => {
      for (const again of calls) again();
    });
    const came = await readAll(list.run(inputs) as Buffers);
    const expected = await readAll(compute(inputs, direct));
    for (const [i, values] of came.entries()) same(values, expected[i], `${words}, result ${i}`);
    seen.push(came[0]);
  }
  assert.not.equal(seen[0], seen[1]);
  list.dispose();
});

test('their texts compare no float that may be NaN', () => {
  assert.ok([...texts.keys()].filter((key) => /addend|to_weight/.test(key)).length > 8);
  checkTexts(texts);
});

test.run();
