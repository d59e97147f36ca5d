/**
 * Values worked out by hand from the formulas that PyTorch and NumPy document: of operations that
 * return several tensors, and of those that the goldens of PyTorch 1.13 lack.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as m from '../../src/autograd/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { operations } from '../../src/testing/index.js';
import { close, f64, i32, refusal } from './helpers.js';

const test = suite('known values');
const wasm = await loadBackend('wasm');
const cpu = await loadBackend('cpu');

/** The values, as nested lists. */
const listed = (tensors: readonly m.Tensor[]) => Promise.all(tensors.map((x) => x.array()));

const x23 = f64([
  [1, 2, 3],
  [4, 5, 6],
]);

test('rearranging', async () => {
  assert.equal(await m.flip(x23).array(), [
    [6, 5, 4],
    [3, 2, 1],
  ]);
  assert.equal(await m.flip(x23, 1).array(), [
    [3, 2, 1],
    [6, 5, 4],
  ]);
  assert.equal(await m.roll(x23, 1).array(), [
    [6, 1, 2],
    [3, 4, 5],
  ]);
  assert.equal(await m.roll(x23, -1, 1).array(), [
    [2, 3, 1],
    [5, 6, 4],
  ]);
  assert.equal(await m.tile(i32([1, 2]), [2, 2]).array(), [
    [1, 2, 1, 2],
    [1, 2, 1, 2],
  ]);
  assert.equal(await m.tril(x23, 1).array(), [
    [1, 2, 0],
    [4, 5, 6],
  ]);
  assert.equal(await m.triu(x23, 1).array(), [
    [0, 2, 3],
    [0, 0, 6],
  ]);
  assert.equal(m.flatten(m.zeros([2, 3, 4, 5]), 1, 2).shape, [2, 12, 5]);
  assert.equal(m.squeeze(m.zeros([1, 2, 1])).shape, [2]);
  assert.match(
    await refusal(() => m.squeeze(x23, 1)),
    'expected length 1 along axis 1, got [2, 3]',
  );
  assert.match(
    await refusal(() => m.flatten(x23, 1, 0)),
    'flatten: end must be an axis from 1 on, got 0',
  );
  assert.match(await refusal(() => m.tril(f64([1]))), 'tril: expected rank 2 or more, got [1]');
});

test('split and chunk have the lengths of PyTorch', async () => {
  const x = m.arange(7);
  assert.equal(await listed(m.split(x, 3)), [[0, 1, 2], [3, 4, 5], [6]]);
  assert.equal(await listed(m.split(x, [1, 0, 6])), [[0], [], [1, 2, 3, 4, 5, 6]]);
  assert.equal(await listed(m.split(x23, 2, 1)), [
    [
      [1, 2],
      [4, 5],
    ],
    [[3], [6]],
  ]);
  assert.equal(
    m.chunk(x, 3).map(({ size }) => size),
    [3, 3, 1],
  );
  assert.equal(m.chunk(m.arange(6), 4).length, 3); // of length 2
  assert.equal(
    m.chunk(m.zeros([0, 2]), 3).map(({ shape }) => shape),
    [[0, 2]],
  );
  assert.match(
    await refusal(() => m.split(x, [3, 3])),
    'expected lengths with the sum 7, got [3, 3]',
  );
  assert.match(await refusal(() => m.split(x, 0)), 'split: sizes must be a whole number >= 1');
  assert.match(await refusal(() => m.chunk(x, 0)), 'chunk: count must be a whole number >= 1');
  const joined = (parts: (y: m.Tensor) => m.Tensor[]) => (y: m.Tensor) =>
    m.concat(
      parts(y).map((part, i) => m.mul(part, m.mul(part, i + 1))),
      1,
    );
  for (const parts of [
    (y: m.Tensor) => m.split(y, 2, 1),
    (y: m.Tensor) => m.split(y, [1, 2], -1),
    (y: m.Tensor) => m.chunk(y, 2, 1),
  ]) {
    assert.ok((await m.checkGradients(joined(parts), [x23])).passed);
  }
});

test('meshgrid has the axes of its vectors in their order', async () => {
  const [a, b] = [f64([1, 2]), f64([3, 4, 5])];
  const rows = [
    [1, 1, 1],
    [2, 2, 2],
  ];
  const columns = [
    [3, 4, 5],
    [3, 4, 5],
  ];
  assert.equal(await listed(m.meshgrid([a, b])), [rows, columns]);
  const exchanged = m.meshgrid([a, b], { indexing: 'xy' });
  assert.equal(
    await listed(exchanged),
    await listed([rows, columns].map((x) => m.transpose(f64(x)))),
  );
  const shapes = (...vectors: m.Tensor[]) =>
    m.meshgrid(vectors, { indexing: 'xy' }).map(({ shape }) => [...shape]);
  assert.equal(shapes(a, b, f64([1, 2, 3, 4])), Array(3).fill([3, 2, 4])); // as NumPy
  assert.equal(shapes(a), [[2]]);
  assert.equal(
    m.meshgrid([a, b, i32([])]).map(({ shape }) => shape),
    [
      [2, 3, 0],
      [2, 3, 0],
      [2, 3, 0],
    ],
  );
  const product = (...vectors: m.Tensor[]) => m.meshgrid(vectors).reduce(m.mul);
  assert.ok((await m.checkGradients(product, [a, b, f64([2])])).passed);
  const swapped = (...vectors: m.Tensor[]) =>
    m.meshgrid(vectors, { indexing: 'xy' }).reduce((x, y) => m.mul(m.square(x), y));
  assert.ok((await m.checkGradients(swapped, [a, b, f64([2])])).passed);
  assert.match(await refusal(() => m.meshgrid([x23])), 'expected vectors, got [2, 3]');
  assert.match(
    await refusal(() => m.meshgrid([a], { indexing: 'yx' as 'xy' })),
    'meshgrid: indexing must be one of ij, xy, got "yx".',
  );
});

test('linspace includes both ends; eye has ones on its diagonal', async () => {
  assert.equal(await m.linspace(0, 1, 5).array(), [0, 0.25, 0.5, 0.75, 1]);
  assert.equal(await m.linspace(2, 1, 2).array(), [2, 1]);
  assert.equal(await m.linspace(3, 9, 1).array(), [3]);
  assert.equal(await m.linspace(3, 9, 0).array(), []);
  const third = await m.linspace(0.1, 0.3, 7, { dtype: 'float64' }).data();
  assert.equal([third[0], third[6]], [0.1, 0.3]);
  close(third, [0.1, 0.4 / 3, 0.5 / 3, 0.2, 0.7 / 3, 0.8 / 3, 0.3], 1e-15);
  assert.equal(await m.linspace(0, 6, 4, { dtype: 'int32' }).array(), [0, 2, 4, 6]);
  assert.match(await refusal(() => m.linspace(0, 1, 3, { dtype: 'int32' })), 'linspace');
  assert.equal(await m.linspace(-3e38, 3e38, 3, { backend: wasm }).array(), [
    Math.fround(-3e38),
    0,
    Math.fround(3e38),
  ]);
  assert.equal(await m.eye(2).array(), [
    [1, 0],
    [0, 1],
  ]);
  assert.equal(await m.eye(2, 3, { dtype: 'int32' }).array(), [
    [1, 0, 0],
    [0, 1, 0],
  ]);
  assert.equal(m.eye(0).shape, [0, 0]);
});

/** Numbers of every magnitude and both signs, and special ones. */
const wide = Array.from({ length: 400 }, (_, i) => {
  const [exponent] = m.Key.of(i).integers(1, 80);
  const [fraction] = m.Key.of(1000 + i).integers(1, 2 ** 20);
  return (i % 2 ? 1 : -1) * (1 + fraction / 2 ** 20) * 2 ** (exponent - 55);
});
const special = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, Infinity, -Infinity, NaN];
const all = [...special, ...wide];

/** The remainder as in Python: that of C, moved to the sign of the divisor. */
function remainder(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

/** The nearest whole number, half to even. */
function halfToEven(x: number): number {
  const near = Math.round(x);
  return Math.abs(x % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

for (const { backend, dtype, digits, largest } of [
  { backend: cpu, dtype: 'float64', digits: 2 ** -52, largest: 2 ** 26 },
  { backend: wasm, dtype: 'float32', digits: 2 ** -23, largest: 2 ** 12 },
] as const) {
  const values = (numbers: readonly number[]) => m.tensor(numbers, { dtype, backend });
  const narrow = (x: number) => (dtype === 'float32' ? Math.fround(x) : x);
  const near = async (
    name: string,
    came: m.Tensor,
    expected: (i: number) => number,
    ulps: number,
    given: (i: number) => unknown,
  ) => {
    for (const [i, value] of (await came.data()).entries()) {
      const right = narrow(expected(i));
      const same = Object.is(value, right) || value === right;
      const error = Math.abs(value - right) / (digits * Math.abs(right));
      assert.ok(same || error <= ulps, `${name} of ${given(i)}: ${value}, expected ${right}`);
    }
  };

  for (const [name, ulps, expected] of [
    ['tan', 6, Math.tan],
    ['log1p', 4, Math.log1p],
    ['expm1', 4, Math.expm1],
    ['round', 0, halfToEven],
    ['floor', 0, Math.floor],
    ['ceil', 0, Math.ceil],
    ['softplus', 4, (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
    ['silu', 6, (x: number) => x / (1 + Math.exp(-x))],
    ['leakyRelu', 1, (x: number) => (x > 0 ? x : narrow(0.01) * x)],
    ['elu', 4, (x: number) => (x > 0 ? x : Math.expm1(x))],
  ] as const) {
    test(`${name} in ${dtype} is that of float64`, async () => {
      const x = all.map(narrow).filter((v) => name !== 'silu' || v > -80);
      await near(
        name,
        operations[name](values(x)),
        (i) => expected(x[i]),
        ulps,
        (i) => x[i],
      );
    });
  }

  test(`atan2 and mod in ${dtype} are those of float64`, async () => {
    const pairs = [
      ...special.flatMap((a) => special.map((b) => [a, b])),
      ...wide.map((a, i) => [a, wide[(7 * i + 3) % wide.length]]),
    ].map((pair) => pair.map(narrow));
    const [a, b] = [0, 1].map((side) => values(pairs.map((pair) => pair[side])));
    const given = (i: number) => pairs[i].join(', ');
    await near('atan2', m.atan2(a, b), (i) => Math.atan2(pairs[i][0], pairs[i][1]), 3, given);
    const exact = pairs.filter(([x, y]) => !(Math.abs(x / y) >= largest) || x / y === Infinity);
    const [c, d] = [0, 1].map((side) => values(exact.map((pair) => pair[side])));
    const rest = (i: number) => remainder(exact[i][0], exact[i][1]);
    await near('mod', m.mod(c, d), rest, 0, (i) => exact[i].join(', '));
  });
}

test('mod of whole numbers has the sign of the divisor', async () => {
  const rest = m.mod(i32([7, -7, 7, -7, 6, 5]), i32([3, 3, -3, -3, -3, 0]));
  assert.equal(await rest.array(), [1, 2, -2, -1, 0, 5]);
});

test('the gradients of limits are those of PyTorch', async () => {
  const x = f64([-2, -1, 0, 1, 2, NaN]);
  const [value, pullback] = m.vjp((y) => m.clip(y, -1, 1), x);
  assert.equal(await value.array(), [-1, -1, 0, 1, 1, NaN]);
  assert.equal(await pullback(m.ones([6], { dtype: 'float64' }))[0].array(), [0, 1, 1, 1, 0, 1]);
  const slopes = async (f: (y: m.Tensor) => m.Tensor) =>
    m
      .vjp(f, f64([0]))[1](m.ones([1], { dtype: 'float64' }))[0]
      .array();
  assert.equal(await slopes(m.leakyRelu), [0.01]);
  assert.equal(await slopes(m.elu), [1]);
  assert.equal(await slopes(m.softplus), [0.5]);
  assert.equal(await slopes(m.log1p), [1]);
  assert.equal(await slopes((y) => m.atan2(y, -1)), [-1]);
});

const gradientOf = async (f: (y: m.Tensor) => m.Tensor, x: m.Tensor) => {
  const [value, pullback] = m.vjp(f, x);
  return pullback(m.ones(value.shape, { dtype: 'float64' }))[0].array();
};

test('variance, std, norm and products', async () => {
  const x = f64([
    [1, 2, 6],
    [4, 4, 4],
  ]);
  assert.equal(await m.variance(x, 1).array(), [7, 0]); // 4 + 1 + 9 over 2
  close(await m.variance(x, 1, { correction: 0 }).data(), [14 / 3, 0]);
  close(await m.std(x, 1).data(), [Math.sqrt(7), 0]);
  assert.equal(await m.variance(x, 0).array(), [4.5, 2, 2]);
  assert.ok(Number.isNaN(await m.variance(f64([5])).item()));
  assert.ok(Number.isNaN(await m.variance(f64([])).item()));
  assert.equal(await gradientOf((y) => m.variance(y, 1), x), [
    [-2, -1, 3],
    [0, 0, 0],
  ]);
  assert.equal(await gradientOf((y) => m.std(y), f64([2, 2, 2])), [0, 0, 0]);
  assert.equal(await m.norm(f64([3, -4])).item(), 5);
  close(await m.norm(m.tensor([3e30, -4e30], { backend: wasm })).data(), [Math.fround(5e30)], 1e-6);
  close((await gradientOf(m.norm, f64([3, -4]))) as number[], [0.6, -0.8]);
  assert.equal(await gradientOf(m.norm, f64([0, 0])), [0, 0]);
  assert.equal(await m.prod(f64([2, -3, 4])).item(), -24);
  assert.is(await m.prod(f64([])).item(), 1);
  assert.equal(await gradientOf((y) => m.prod(y), f64([2, 0, 3])), [0, 6, 0]);
  assert.equal(await gradientOf((y) => m.prod(y), f64([2, 0, 0])), [0, 0, 0]);
  assert.equal(await m.cumsum(x, 1).array(), [
    [1, 3, 9],
    [4, 8, 12],
  ]);
  assert.equal(await m.cumsum(i32([1, 2, 3, 4, 5]), 0).array(), [1, 3, 6, 10, 15]);
  assert.equal(await m.cumprod(f64([2, 3, 0, 4]), -1).array(), [2, 6, 0, 0]);
  assert.equal(await gradientOf((y) => m.cumsum(y, 0), f64([5, 6, 7])), [3, 2, 1]);
  assert.equal(await gradientOf((y) => m.cumprod(y, 0), f64([2, 0, 3])), [1, 8, 0]); // 1 + 0 + 0; 2 + 6
  assert.match(await refusal(() => m.variance(x, 0, { correction: -1 })), 'correction must be');
});

test('losses', async () => {
  const [a, b] = [f64([1, 2, 5]), f64([0, 2.5, 2])];
  close(await m.mse(a, b).data(), [(1 + 0.25 + 9) / 3]);
  assert.equal(await m.huber(a, b, { reduction: 'none' }).array(), [0.5, 0.125, 2.5]);
  assert.equal(await m.huber(a, b, { reduction: 'sum', delta: 2 }).item(), 0.5 + 0.125 + 4);
  assert.is(await m.mse(f64([]), f64([])).item(), 0);
  assert.match(await refusal(() => m.mse(a, f64([1]))), 'mse: expected one shape, got [3], [1]');
  const losses = m.binaryCrossEntropy(f64([0, 2, -800, 800]), i32([1, 0, 0, 0]), {
    reduction: 'none',
  });
  close(await losses.data(), [Math.log(2), Math.log(1 + Math.exp(2)), 0, 800]);
});

test('cross-entropy: smoothing, weights and probabilities as PyTorch defines them', async () => {
  const logits = f64([
    [0, Math.log(2), Math.log(5)],
    [Math.log(3), 0, 0],
  ]);
  // The probabilities are [1/8, 2/8, 5/8] and [3/5, 1/5, 1/5].
  const [first, second] = [
    [1 / 8, 2 / 8, 5 / 8],
    [3 / 5, 1 / 5, 1 / 5],
  ].map((row) => row.map((p) => -Math.log(p)));
  const all = (row: number[]) => row.reduce((sum, loss) => sum + loss, 0);
  const targets = i32([2, 0]);
  const of = async (options: m.CrossEntropyOptions, t = targets) =>
    m.crossEntropy(logits, t, options).data();
  const smooth = [
    0.9 * first[2] + (0.1 / 3) * all(first),
    0.9 * second[0] + (0.1 / 3) * all(second),
  ];
  close(await of({ labelSmoothing: 0.1, reduction: 'none' }), smooth);
  close(await of({ labelSmoothing: 0.1 }), [(smooth[0] + smooth[1]) / 2]);
  const weights = f64([2, 1, 3]);
  close(await of({ weights }), [(3 * first[2] + 2 * second[0]) / 5]);
  close(await of({ weights, reduction: 'sum' }), [3 * first[2] + 2 * second[0]]);
  const weighed = (row: number[]) => 2 * row[0] + row[1] + 3 * row[2];
  close(await of({ weights, labelSmoothing: 0.3 }), [
    (0.7 * (3 * first[2] + 2 * second[0]) + 0.1 * (weighed(first) + weighed(second))) / 5,
  ]);
  close(await of({ weights, labelSmoothing: 0.3 }, i32([2, -100])), [
    (0.7 * 3 * first[2] + 0.1 * weighed(first)) / 3,
  ]);
  const shares = f64([
    [0.5, 0, 0.5],
    [0, 1, 0],
  ]);
  close(await of({ reduction: 'none' }, shares), [(first[0] + first[2]) / 2, second[1]]);
  close(await of({ weights }, shares), [(first[0] + 1.5 * first[2] + second[1]) / 2]);
  close(await of({ labelSmoothing: 0.3 }, shares), [
    (0.45 * first[0] + 0.1 * first[1] + 0.45 * first[2] + 0.1 * all(second) + 0.7 * second[1]) / 2,
  ]);
  assert.match(
    await refusal(() => of({ weights: f64([1]) })),
    'expected a weight for each class, got [2, 3], [1]',
  );
  assert.match(await refusal(() => of({ labelSmoothing: 1 })), 'must be a number in [0, 1), got 1');
});

test('einsum', async () => {
  const [a, b] = [x23, f64([[1, 0, 2]])];
  assert.equal(await m.einsum('ij,kj->ik', [a, b]).array(), [[7], [16]]);
  assert.equal(await m.einsum('ij->j', [a]).array(), [5, 7, 9]);
  assert.equal(await m.einsum('ij,ij', [a, a]).item(), 91);
  const square = f64([
    [1, 2],
    [3, NaN],
  ]);
  assert.equal(await m.einsum('ii->i', [square]).array(), [1, NaN]);
  assert.equal(await m.einsum('ba', [a]).array(), await m.transpose(a).array());
  const stacked = m.stack([a, m.mul(a, 10)]); // [2, 2, 3]
  const dotted = (equation: string, ...tensors: m.Tensor[]) => m.einsum(equation, tensors).array();
  assert.equal(await dotted('...j,kj->...k', stacked, b), [
    [[7], [16]],
    [[70], [160]],
  ]);
  assert.equal(await dotted('...i,...i', stacked, a), [
    [14, 77],
    [140, 770],
  ]);
  assert.equal(await dotted('...i->i...', a), await m.transpose(a).array());
  assert.equal(await dotted('...i->i', a), [5, 7, 9]);
  assert.equal(await dotted('i...->i', stacked), [21, 210]);
  assert.equal(await dotted('...->...', a), await a.array());
  assert.equal(await dotted('ij->...', a), 21);
  assert.equal(await dotted('b...a', a), await m.transpose(a).array());
  assert.equal(await dotted('...,...', m.reshape(f64([1, 2]), [2, 1]), f64([3, 4, 5])), [
    [3, 4, 5],
    [6, 8, 10],
  ]);
  assert.equal(m.einsum('...i,...i->...', [m.ones([1, 4, 2]), m.ones([3, 1, 2])]).shape, [3, 4]);
  assert.equal(m.einsum('...i->...i', [m.ones([1, 1, 2])]).shape, [1, 1, 2]);
  assert.equal(m.einsum('...i,i->...i', [m.ones([1, 0, 2]), m.ones([2])]).shape, [1, 0, 2]);
  for (const [equation, tensors] of [
    ['ij,jk', [a]],
    ['ij,jk', [a, a]],
    ['ijk', [a]],
    ['i', [a]],
    ['ij->ik', [a]],
    ['ij->ii', [a]],
    ['i?', [a]],
    ['i.j', [a]],
    ['ij->i->j', [a]],
    ['ij->i,j', [a]],
    ['01', [a]],
    ['..j', [a]],
    ['....', [a]],
    ['......', [m.ones([2, 2, 2, 2, 2, 2])]],
    ['...ijk', [a]],
    ['...,...', [a, f64([1, 2])]],
    ['...i,...j->......', [a, a]],
    ['...i,...i', [a, m.ones([3, 3], { dtype: 'float64' })]],
    [undefined, [a]],
  ] as [string, m.Tensor[]][]) {
    const shapes = tensors.map(({ shape }) => `[${shape.join(', ')}]`).join(', ');
    assert.match(await refusal(() => m.einsum(equation, tensors)), `, got ${shapes}.`);
  }
});

test('sorting is stable, with NaN as the largest value', async () => {
  const x = f64([2, NaN, 1, 2, Infinity, -Infinity, NaN, 1]);
  assert.equal(await m.argsort(x).array(), [5, 2, 7, 0, 3, 4, 1, 6]);
  assert.equal(await m.argsort(x, 0, { descending: true }).array(), [1, 6, 4, 0, 3, 2, 7, 5]);
  assert.equal(await m.sort(x).array(), [-Infinity, 1, 1, 2, 2, Infinity, NaN, NaN]);
  const ends = i32([2 ** 31 - 1, 0, -(2 ** 31), 2 ** 31 - 1, 5]);
  assert.equal(await m.argsort(ends).array(), [2, 1, 4, 0, 3]);
  assert.equal(await m.argsort(ends, 0, { descending: true }).array(), [0, 3, 4, 1, 2]);
  const { values, indices } = m.topk(x23, 2);
  assert.equal(await listed([values, indices]), [
    [
      [3, 2],
      [6, 5],
    ],
    [
      [2, 1],
      [2, 1],
    ],
  ]);
  const least = m.topk(x23, 1, 0, { largest: false });
  assert.equal(await listed([least.values, least.indices]), [[[1, 2, 3]], [[0, 0, 0]]]);
  const weighted = (y: m.Tensor) => m.mul(m.topk(y, 2).values, m.topk(y, 2, 1).values);
  assert.ok((await m.checkGradients(weighted, [x23])).passed);
  assert.match(await refusal(() => m.topk(x23, 4)), 'topk: k must be a whole number from 0 to 3');
  assert.match(
    await refusal(() => m.takeAlongAxis(x23, i32([[3], [0]]), 1)),
    'an index is outside the axis, expected 0 to 2',
  );
  assert.match(
    await refusal(() => m.takeAlongAxis(x23, i32([[0]]), 1)),
    'expected equal lengths but along axis 1, got [2, 3], [1, 1]',
  );
  for (const length of [100, 257]) {
    const numbers = [...m.Key.of(length).integers(length, 40)];
    const expected = numbers.map((_, i) => i).sort((i, j) => numbers[i] - numbers[j] || i - j);
    for (const backend of [cpu, wasm]) {
      const order = m.argsort(m.tensor(numbers, { dtype: 'int32', backend }));
      assert.equal(await order.array(), expected);
    }
  }
});

test('random choices are the same on every backend, and each is equally likely', async () => {
  const key = m.Key.of(5);
  for (const backend of [cpu, wasm]) {
    const order = [...(await m.randperm(key, 50, { backend }).data())];
    assert.equal(order, [...(await m.randperm(key, 50).data())]);
    assert.not.equal(
      order,
      [...order].sort((a, b) => a - b),
    );
    assert.equal(
      [...order].sort((a, b) => a - b),
      [...(await m.arange(50).data())],
    );
    const drawn = m.bernoulli(key, [4000], 0.25, { backend });
    assert.is(drawn.dtype, 'int32');
    assert.equal(await drawn.array(), await m.bernoulli(key, [4000], 0.25).array());
    const share = (await m.sum(drawn).item()) / 4000;
    assert.ok(Math.abs(share - 0.25) < 0.03, `${share}`);
  }
  // Each of the 6 orders of 3 comes in about a sixth of the cases.
  const counts = new Map<string, number>();
  for (let i = 0; i < 1200; i++) {
    const order = String(await m.randperm(key.fold(i), 3).data());
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.is(counts.size, 6);
  assert.ok([...counts.values()].every((count) => count > 150 && count < 250));
  assert.equal(await m.bernoulli(key, [2, 3], f64([0, 1, 0])).array(), [
    [0, 1, 0],
    [0, 1, 0],
  ]);
  const rows = m.arange(10);
  const all = await m.choice(key, rows, 10, { replacement: false }).data();
  assert.equal(
    [...all].sort((a, b) => a - b),
    [...(await rows.data())],
  );
  assert.equal(m.choice(key, x23, 7).shape, [7, 3]);
  assert.ok(new Set(await m.choice(key, rows, 1000).data()).size === 10);
  const [, pullback] = m.vjp((y) => m.choice(key, y, 2, { replacement: false }), x23);
  assert.equal(await pullback(m.ones([2, 3], { dtype: 'float64' }))[0].array(), [
    [1, 1, 1],
    [1, 1, 1],
  ]);
  assert.match(
    await refusal(() => m.choice(key, x23, 3, { replacement: false })),
    'choice: count must be a whole number from 0 to 2, got 3',
  );
  assert.match(await refusal(() => m.choice(key, m.zeros([0]), 1)), 'from 0 to 0');
  const second = f64([0, 1, 0]);
  for (const replacement of [true, false]) {
    const one = m.choice(key, m.arange(3), 1, { replacement, weights: second });
    assert.equal(await one.array(), [1]);
  }
  assert.match(
    await refusal(() => m.choice(key, m.arange(3), 2, { replacement: false, weights: second })),
    'choice: too few weights are above 0, expected one for each row chosen.',
  );
  for (const weights of [f64([0, 0]), f64([-1, NaN])]) {
    assert.match(await refusal(() => m.choice(key, x23, 1, { weights })), 'too few weights');
    assert.equal(m.choice(key, x23, 0, { weights }).shape, [0, 3]);
  }
  assert.equal(m.choice(key, m.zeros([0, 2]), 0, { weights: f64([]) }).shape, [0, 2]);
  assert.match(
    await refusal(() => m.choice(key, x23, 1, { weights: second })),
    'choice: expected a weight for each row, got [2, 3], [3]',
  );
  assert.match(
    await refusal(() => m.choice(key, x23, 1, { weights: i32([1, 2]) })),
    'choice: weights: expected float32 or float64, got int32',
  );
  assert.match(await refusal(() => m.bernoulli(key, [2], 1.5)), 'a number in [0, 1], or a tensor');
  assert.match(await refusal(() => m.bernoulli(key, [], f64([0.5]))), 'does not broadcast to []');
});

test('choice by weights draws each row with its probability', async () => {
  const weights = [0.5, 0, 1e-40, 2.5, 1];
  const rows = m.arange(5);
  const counts = Array(5).fill(0);
  const drawn = m.choice(m.Key.of(8), rows, 8000, { weights: f64(weights) });
  for (const row of await drawn.data()) counts[row]++;
  [1000, 0, 0, 5000, 2000].forEach((expected, row) => {
    assert.ok(Math.abs(counts[row] - expected) <= 4 * Math.sqrt(expected), `${counts}`);
  });
  // Without replacement: the first by its weight, the second by its weight among the others.
  const pairs = new Map<string, number>();
  const three = f64([1, 2, 3]);
  for (let i = 0; i < 1000; i++) {
    const options = { weights: three, replacement: false };
    const drawn = m.scope(() => m.choice(m.Key.of(9).fold(i), m.arange(3), 2, options));
    const pair = String(await drawn.data());
    pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
  }
  for (const [pair, share] of [
    ['0,1', (1 / 6) * (2 / 5)],
    ['0,2', (1 / 6) * (3 / 5)],
    ['1,0', (2 / 6) * (1 / 4)],
    ['1,2', (2 / 6) * (3 / 4)],
    ['2,0', (3 / 6) * (1 / 3)],
    ['2,1', (3 / 6) * (2 / 3)],
  ] as const) {
    const deviation = Math.sqrt(1000 * share * (1 - share));
    assert.ok(Math.abs((pairs.get(pair) ?? 0) - 1000 * share) <= 4 * deviation, pair);
  }
  // A weight of a denormal number is larger than none.
  for (const backend of [cpu, wasm]) {
    const least = m.tensor([0, 1e-40, 0], { backend });
    const [x, key] = [m.arange(3, { backend }), m.Key.of(3)];
    assert.equal(await m.choice(key, x, 2, { weights: least }).array(), [1, 1]);
  }
  const [, pullback] = m.vjp((y) => m.choice(m.Key.of(1), y, 4, { weights: f64([0, 1]) }), x23);
  assert.equal(await pullback(m.ones([4, 3], { dtype: 'float64' }))[0].array(), [
    [0, 0, 0],
    [4, 4, 4],
  ]);
});

type Grid = number[][][][];

/** The values of a window: by batch, channel, row and column of the tap; 0 or `fill` outside. */
const at = (x: Grid, fill: number) => (n: number, c: number, i: number, j: number) =>
  x[n][c][i]?.[j] ?? fill;

test('conv2d and pooling are the sums of their definition', async () => {
  const [batch, channels, height, width, outputs] = [2, 3, 6, 7, 4];
  const x = m.normal(m.Key.of(1), [batch, channels, height, width], { dtype: 'float64' });
  const weight = m.normal(m.Key.of(2), [outputs, channels, 3, 2], { dtype: 'float64' });
  const bias = m.normal(m.Key.of(3), [outputs], { dtype: 'float64' });
  const [grid, filters, shift] = [
    (await x.array()) as Grid,
    (await weight.array()) as Grid,
    (await bias.array()) as number[],
  ];
  for (const { stride, padding, dilation = [1, 1] } of [
    { stride: [1, 1], padding: [0, 0] },
    { stride: [2, 3], padding: [1, 2] },
    { stride: [3, 1], padding: [0, 1] },
    { stride: [1, 2], padding: [2, 0], dilation: [2, 4] },
  ]) {
    const made = m.conv2d(x, weight, bias, { stride, padding, dilation });
    const value = at(grid, 0);
    const rows = Math.floor((height + 2 * padding[0] - 2 * dilation[0] - 1) / stride[0]) + 1;
    const columns = Math.floor((width + 2 * padding[1] - dilation[1] - 1) / stride[1]) + 1;
    assert.equal(made.shape, [batch, outputs, rows, columns]);
    const expected = ((await made.array()) as Grid).map((image, n) =>
      image.map((plane, o) =>
        plane.map((row, i) =>
          row.map((_, j) =>
            filters[o].reduce(
              (sum, filter, c) =>
                filter.reduce(
                  (inner, taps, p) =>
                    taps.reduce((total, tap, q) => {
                      const y = i * stride[0] + p * dilation[0] - padding[0];
                      const z = j * stride[1] + q * dilation[1] - padding[1];
                      return total + tap * value(n, c, y, z);
                    }, inner),
                  sum,
                ),
              shift[o],
            ),
          ),
        ),
      ),
    );
    close(await made.data(), expected.flat(3), 1e-12);
  }
  const largest = await m.maxPool(x, [3, 2], { stride: 2, padding: [1, 1] }).array();
  const mean = await m.averagePool(x, [3, 2], { stride: 2, padding: [1, 1] }).array();
  const windowAt = (fill: number, n: number, c: number, i: number, j: number) =>
    [0, 1, 2].flatMap((p) => [0, 1].map((q) => at(grid, fill)(n, c, 2 * i + p - 1, 2 * j + q - 1)));
  (largest as Grid).forEach((image, n) => {
    image.forEach((plane, c) => {
      plane.forEach((row, i) => {
        row.forEach((value, j) => {
          assert.is(value, Math.max(...windowAt(-Infinity, n, c, i, j)));
          const sum = windowAt(0, n, c, i, j).reduce((a, b) => a + b, 0);
          close([(mean as Grid)[n][c][i][j]], [sum / 6]);
        });
      });
    });
  });
  const line = m.conv1d(f64([[[1, 2, 3, 4]]]), f64([[[1, 0, -1]]]), f64([10]), { padding: 1 });
  assert.equal(await line.array(), [[[8, 8, 8, 13]]]);
});

test('groups of a convolution are convolutions of their channels', async () => {
  const random = (seed: number, shape: m.Shape) =>
    m.normal(m.Key.of(seed), shape, { dtype: 'float64' });
  for (const [groups, channels, outputs] of [
    [2, 4, 6],
    [3, 3, 3],
    [4, 4, 8],
  ]) {
    const x = random(1, [2, channels, 4, 5]);
    const weight = random(2, [outputs, channels / groups, 2, 3]);
    const bias = random(3, [outputs]);
    const made = m.conv2d(x, weight, bias, { groups, padding: 1 });
    const parts = (y: m.Tensor, axis: number) => m.chunk(y, groups, axis);
    const [xs, weights, biases] = [parts(x, 1), parts(weight, 0), parts(bias, 0)];
    const apart = xs.map((part, i) => m.conv2d(part, weights[i], biases[i], { padding: 1 }));
    close(await made.data(), await m.concat(apart, 1).data(), 1e-12);
  }
});

test('a stride beyond the end leaves one window', async () => {
  const x = m.ones([1, 1, 3, 3]);
  assert.equal(await m.maxPool(x, 2, { stride: 2 ** 30 }).array(), [[[[1]]]]);
});

test('conv and pooling refuse what does not fit', async () => {
  const [x, weight] = [m.ones([1, 2, 4, 4]), m.ones([3, 2, 2, 2])];
  for (const [call, message] of [
    [
      () => m.conv2d(x, m.ones([3, 1, 2, 2])),
      'expected rank 4, channels / groups in axis 1 of the weight, outputs that groups divides and a bias for each output, got [1, 2, 4, 4], [3, 1, 2, 2]',
    ],
    [
      () => m.conv2d(x, m.ones([3, 1, 2, 2]), undefined, { groups: 2 }),
      'outputs that groups divides and a bias for each output, got [1, 2, 4, 4], [3, 1, 2, 2]',
    ],
    [
      () => m.conv2d(x, m.ones([4, 2, 2, 2]), undefined, { groups: 2 }),
      'channels / groups in axis 1 of the weight',
    ],
    [
      () => m.conv2d(x, weight, undefined, { groups: 0 }),
      'conv2d: groups must be a whole number >= 1, got 0.',
    ],
    [
      () => m.conv2d(x, weight, undefined, { dilation: [1, 0] }),
      'conv2d: dilation must be a whole number >= 1, or 2 of them',
    ],
    [
      () => m.conv2d(x, weight, undefined, { dilation: 4 }),
      'space for windows of [5, 5], got [4, 4]',
    ],
    [() => m.conv2d(m.ones([2, 4, 4]), weight), 'expected rank 4'],
    [() => m.conv1d(x, weight), 'conv1d: expected rank 3, '],
    [
      () => m.conv2d(x, weight, m.ones([2])),
      'a bias for each output, got [1, 2, 4, 4], [3, 2, 2, 2], [2]',
    ],
    [() => m.conv2d(x, weight, undefined, { padding: -1 }), 'conv2d: padding must be'],
    [
      () => m.conv2d(x, weight, undefined, { stride: [1] }),
      'conv2d: stride must be a whole number >= 1, or 2 of them',
    ],
    [
      () => m.conv2d(x, weight, undefined, { stride: 0 }),
      'conv2d: stride must be a whole number >= 1',
    ],
    [() => m.maxPool(x, 5), 'space for windows of [5, 5], got [4, 4]'],
    [
      () => m.maxPool(x, 2, { padding: 2 }),
      'expected padding of at most half of [2, 2], got [2, 2]',
    ],
    [() => m.averagePool(m.ones([2, 3]), 2), 'expected [batch, channels, ...space], got [2, 3]'],
    [
      () => m.groupNorm(x, 3, m.ones([2]), m.ones([2])),
      'expected channels for 3 equal groups, got [1, 2, 4, 4]',
    ],
    [
      () => m.batchNorm(x, m.ones([3]), m.ones([2])),
      'expected [batch, channels, ...space] and [channels], got [1, 2, 4, 4], [3], [2]',
    ],
    [
      () => m.batchNorm(x, m.ones([2]), m.ones([2]), { mean: m.ones([2]) }),
      'batchNorm: variance must be given with mean',
    ],
  ] as const) {
    assert.match(await refusal(call), message);
  }
});

test('batchNorm and groupNorm', async () => {
  const x = f64([
    [
      [1, 3],
      [10, 10],
    ],
    [
      [5, 7],
      [10, 18],
    ],
  ]);
  const [weight, bias] = [f64([1, 2]), f64([0, 1])];
  // Channel 0 has the mean 4 and the variance 5, channel 1 has 12 and 12.
  const [a, b] = [Math.sqrt(5), Math.sqrt(12)];
  close(await m.batchNorm(x, weight, bias, { epsilon: 0 }).data(), [
    -3 / a,
    -1 / a,
    1 - 4 / b,
    1 - 4 / b,
    1 / a,
    3 / a,
    1 - 4 / b,
    1 + 12 / b,
  ]);
  const running = { mean: f64([1, 2]), variance: f64([4, 16]), epsilon: 0 };
  close(await m.batchNorm(x, weight, bias, running).data(), [0, 1, 5, 5, 2, 3, 5, 9]);
  close(await m.groupNorm(x, 2, weight, bias, 0).data(), [-1, 1, NaN, NaN, -1, 1, -1, 3]);
  // One group: [1, 3, 10, 10] has the mean 6 and the variance 16.5.
  const c = Math.sqrt(16.5);
  const [first] = (await m.groupNorm(x, 1, weight, bias, 0).array()) as number[][][];
  close(first.flat(), [-5 / c, -3 / c, 1 + 8 / c, 1 + 8 / c]);
});

test.run();
