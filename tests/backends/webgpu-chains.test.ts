/** Elementwise kernels on WebGPU that a prepared list joins into one. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type {
  ArithmeticKernel,
  BinaryKernel,
  ComparisonKernel,
  DeviceBuffer,
  UnaryKernel,
} from '../../src/backends/backend.js';
import { floatsOf, intsOf, LONG, random, same } from './arrays.js';
import { checkTexts } from './kernel-texts.js';
import {
  add,
  apart,
  type Buffers,
  buffers,
  type Compute,
  check,
  counted,
  gpu,
  matmul,
  neg,
  openFor,
  pad,
  readAll,
  reals,
  reluGradient,
  slice,
  texts,
  view,
} from './prepared.js';

const test = suite('chains of elementwise kernels on WebGPU');
openFor(test);

const float: UnaryKernel[] = [
  ...(['neg', 'abs', 'sign', 'exp', 'log', 'sqrt'] as const),
  ...(['sin', 'cos', 'tanh', 'sigmoid', 'relu', 'erf'] as const),
];
const arithmetic: ArithmeticKernel[] = ['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum'];
const comparisons: ComparisonKernel[] = [
  ...(['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const),
];
const binary = (kernel: BinaryKernel, a: DeviceBuffer, b: DeviceBuffer) =>
  gpu.binary(kernel, view(a), view(b));

/** A chain of `length` steps in which each step has the result of the step before. */
function chainOf(seed: number, length: number): Compute {
  return (inputs) => {
    const next = random(seed);
    const pick = <T>(list: readonly T[]) => list[Math.floor(next() * list.length)];
    let made = inputs[0];
    for (let step = 0; step < length; step++) {
      const other = pick(inputs.filter(({ dtype }) => dtype === made.dtype));
      const [a, b] = next() < 0.5 ? [made, other] : [other, made];
      const isFloat = made.dtype === 'float32';
      const kind = next();
      if (kind < 0.15) made = gpu.cast(made, isFloat ? 'int32' : 'float32');
      else if (kind < 0.25) made = binary(pick(comparisons), a, b);
      else if (kind < 0.4) {
        const condition = pick(inputs.filter(({ dtype }) => dtype === 'int32'));
        made = gpu.where(view(condition), view(a), view(b));
      } else if (kind < 0.65 && isFloat) {
        made = next() < 0.9 ? gpu.unary(pick(float), made) : reluGradient(a, b);
      } else made = binary(pick(arithmetic), a, b);
    }
    return [made];
  };
}

for (let seed = 0; seed < (LONG ? 300 : 12); seed++) {
  test(`random steps, ${seed}`, async () => {
    const size = [1, 7, 64, 301][seed % 4];
    const inputs = [
      ...(['hard', 'hard', 'real'] as const).map((content, i) =>
        gpu.upload(floatsOf(size, seed + i, content)),
      ),
      ...[2 ** 31 - 1, 3].map((limit) => gpu.upload(intsOf(size, seed, limit))),
    ];
    const length = 2 + (seed % 7);
    await check('chain', inputs, length - 1, chainOf(seed, length));
  });
}

test('a product and a sum of two steps are rounded one after the other', async () => {
  const [x, y] = [0, 1].map((seed) => floatsOf(1000, seed, 'real'));
  const z = x.map((value, i) => -Math.fround(value * y[i]));
  const inputs = [x, y, z].map((values) => gpu.upload(values));
  await check('fma', inputs, 1, ([a, b, c]) => [add(binary('mul', a, b), c)]);
  // Rounded once, the sums would be what the products lost. A GPU that does so has to be told not to.
  const list = gpu.prepare(inputs, () => [add(binary('mul', inputs[0], inputs[1]), inputs[2])]);
  assert.equal(await gpu.read((list.run(inputs) as Buffers)[0]), new Float32Array(1000));
  const text = texts.get('elements flat,flat,flat,float_add(x0,x1),float_add(y0,x2)');
  assert.match(String(text), /y0\[lane\] = bits_of\(.*\) \^ p\.zero;/);
});

test('operands are views of every kind', async () => {
  const [x, y] = reals(30 * 8, 60 * 24);
  const whole = view(x, [30, 8]);
  const cases: [string, number[], number?][] = [
    ['one value', [0, 0], 5],
    ['a row', [0, 1], 4],
    ['a column', [1, 0], 3],
    ['every second row of some columns', [48, 1], 8],
    ['columns from an odd offset', [24, 1], 3],
    ['transposed', [1, 30]],
    ['reversed', [-8, -1], 239],
  ];
  for (const [what, strides, offset] of cases) {
    await check(what, [x, y], 2, ([, y]) => [
      neg(gpu.unary('tanh', gpu.binary('mul', view(y, [30, 8], strides, offset), whole))),
    ]);
    const piece = { view: view(y, [30, 8], strides, offset), at: [0, 0] };
    await check(`a copy of ${what}`, [x, y], 1, ([x]) => [
      binary('sub', x, gpu.assemble([30, 8], 'float32', 0, [piece])),
    ]);
  }
});

test('pads and buffers of one value are operands too', async () => {
  const inputs = buffers(24, 24, 24);
  await check('pads', inputs, 4, ([x, y, z]) => [
    add(add(pad(x, 10, 8, 0), pad(y, 10, 8, 3)), pad(z, 10, 8, 6, -0)),
  ]);
  await check('fill', inputs, 1, ([x]) => [binary('sub', gpu.fill(1, 24, 'float32'), x)]);
});

test('a value that several steps of the chain read, and one that others read', async () => {
  const inputs = reals(64, 64);
  await check('twice in one step', inputs, 1, ([x]) => {
    const y = gpu.unary('tanh', x);
    return [binary('mul', y, y)];
  });
  await check('in two steps', inputs, 3, ([x, g]) => {
    const y = gpu.unary('sigmoid', x);
    return [binary('mul', g, binary('mul', y, binary('sub', x, y)))];
  });
  await check('elsewhere', inputs, 1, ([x, g]) => {
    const y = gpu.unary('sigmoid', x);
    return [binary('mul', binary('add', g, y), g), apart(y)];
  });
  await check('a result', inputs, 1, ([x, g]) => {
    const y = gpu.unary('sigmoid', x);
    return [neg(binary('add', g, y)), y];
  });
});

test('a value of which another part or order is read stays', async () => {
  const inputs = reals(64, 64);
  await check('transposed', inputs, 0, ([x, g]) => [
    gpu.binary('add', view(g, [8, 8]), view(neg(x), [8, 8], [1, 8])),
  ]);
  await check('one for all', inputs, 0, ([x, g]) => [
    gpu.binary('add', view(g), view(neg(slice(x, 0, 1)), [64], [0])),
  ]);
  await check('a part', inputs, 0, ([x, g]) => [add(slice(g, 0, 8), slice(neg(x), 8, 8))]);
  await check('also transposed', inputs, 0, ([x]) => {
    const y = neg(x);
    return [gpu.binary('mul', view(y, [8, 8]), view(y, [8, 8], [1, 8]))];
  });
});

test('a chain takes over nothing of a part with numbers, and stands behind products', async () => {
  const inputs = reals(64, 64);
  await check('a part', inputs, 1, ([x], part) => [neg(neg(part(() => neg(x))))]);
  await check('a product', inputs, 2, ([x, y]) => [neg(neg(add(matmul(x, y, 8), y)))]);
});

test('a chain has as many steps and buffers as a kernel has room for', async () => {
  const [x] = reals(32);
  const steps = (count: number): Compute => {
    return () => [
      Array(count)
        .fill(neg)
        .reduce((y, step) => step(y), x),
    ];
  };
  await check('16 steps', [x], 15, steps(16));
  await check('30 steps', [x], 28, steps(30));
  // Eight bindings: seven operands and the result.
  const inputs = reals(...Array(13).fill(32));
  const sum = (count: number): Compute => {
    return (all) => [all.slice(1, count).reduce((y, x) => binary('sub', y, x), all[0])];
  };
  await check('7 operands', inputs, 5, sum(7));
  await check('8 operands', inputs, 5, sum(8));
  await check('13 operands', inputs, 10, sum(13));
  // One buffer needs one binding.
  await check('one operand', inputs, 11, ([x, y]) => [
    Array(12)
      .fill(y)
      .reduce((z, y) => binary('sub', z, y), x),
  ]);
  // A view of 17 axes has 66 numbers.
  const shape = Array(17).fill(2);
  const wide = reals(2 ** 17, ...Array(4).fill(18));
  await check('more numbers than fit', wide, 2, ([x, ...rest]) => [
    rest.reduce((y, z) => gpu.binary('sub', view(y, shape), view(z, shape, Array(17).fill(1))), x),
  ]);
});

test('chains of one form share a kernel, whatever their shapes and operations of one family', async () => {
  const run = async (size: number, kernel: ArithmeticKernel) => {
    const inputs = reals(size, size, size);
    const list = gpu.prepare(inputs, () => [
      binary(kernel, binary('add', inputs[0], inputs[1]), inputs[2]),
    ]);
    const [made, launches] = counted(() => list.run(inputs) as Buffers);
    assert.is(launches, 1);
    await readAll(made);
    list.dispose();
    return gpu.counts().kernels;
  };
  const kernels = await run(12, 'mul');
  assert.is(await run(77, 'sub'), kernels);
});

test('a chain reads inputs that lie elsewhere in each run', async () => {
  const [x, y] = buffers(64, 64);
  const compute: Compute = ([a, b]) => [neg(binary('mul', a, b))];
  const inputs = (at: number) => [slice(x, at, 24), slice(y, at + 8, 24)];
  const list = gpu.prepare(inputs(4), () => compute(inputs(4), (f) => f()));
  for (const at of [4, 16]) {
    const [came] = await readAll(list.run(inputs(at)) as Buffers);
    const [expected] = await readAll(compute(inputs(at), (f) => f()));
    same(came, expected, `from ${at} on`);
  }
  list.dispose();
});

test('their texts compare no float that may be NaN', () => {
  assert.ok([...texts.keys()].filter((key) => /\(.*y0/.test(key)).length > 15);
  checkTexts(texts);
});

test.run();
