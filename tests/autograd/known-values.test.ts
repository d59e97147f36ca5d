/**
 * Values worked out by hand from the formulas that PyTorch and NumPy document: of operations that
 * return several tensors, and of those that the goldens of PyTorch 1.13 lack.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as m from '../../src/autograd/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { close, f64, i32, refusal } from './helpers.js';

const test = suite('known values');
const wasm = await loadBackend('wasm');

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
  assert.match(await refusal(() => m.squeeze(x23, 1)), 'axis 1 of shape [2, 3] has length 3');
  assert.match(await refusal(() => m.flatten(x23, 1, 0)), 'axis 1 is behind axis 0');
  assert.match(await refusal(() => m.tril(f64([1]))), 'expected a tensor of rank 2 or more');
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
  assert.match(await refusal(() => m.split(x, [3, 3])), 'must add up to 7');
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

test('meshgrid indexes as PyTorch by default, as NumPy on demand', async () => {
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
  const [first, second] = m.meshgrid([a, b], { indexing: 'xy' });
  assert.equal(await first.array(), [
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
  assert.equal(await second.array(), [
    [3, 3],
    [4, 4],
    [5, 5],
  ]);
  assert.equal(
    m.meshgrid([a, b, f64([])], { indexing: 'xy' }).map(({ shape }) => shape),
    [
      [3, 2, 0],
      [3, 2, 0],
      [3, 2, 0],
    ],
  );
  const product = (...vectors: m.Tensor[]) => m.meshgrid(vectors).reduce(m.mul);
  assert.ok((await m.checkGradients(product, [a, b, f64([2])])).passed);
  assert.match(await refusal(() => m.meshgrid([x23])), 'expected vectors, got shape [2, 3]');
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

test.run();
