/** What a console shows of a tensor, and what arithmetic with one says. */
import { inspect } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  broadcastTo,
  full,
  Key,
  normal,
  Parameter,
  reshape,
  tensor,
  transpose,
  zeros,
} from '../../src/autograd/index.js';
import type { Backend } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { refusal } from './helpers.js';

const test = suite('console');
const wasm = await loadBackend('wasm');

const shown: [value: unknown, text: string][] = [
  [tensor(2.5, { backend: wasm }), 'Tensor(float32 [] on wasm) 2.5'],
  [
    tensor([0.1, -1 / 3, 1e-9, 12345678]),
    'Tensor(float32 [4] on cpu) [0.1, -0.33333, 1e-9, 12345678]',
  ],
  [tensor([NaN, -Infinity], { backend: wasm }), 'Tensor(float32 [2] on wasm) [NaN, -Infinity]'],
  [
    tensor([
      [1, 2],
      [3, 4],
    ]),
    'Tensor(float32 [2, 2] on cpu)\n[[1, 2],\n [3, 4]]',
  ],
  [
    tensor(new Int32Array(8), { shape: [2, 2, 2] }),
    'Tensor(int32 [2, 2, 2] on cpu)\n[[[0, 0],\n  [0, 0]],\n [[0, 0],\n  [0, 0]]]',
  ],
  [zeros([0]), 'Tensor(float32 [0] on cpu) []'],
  [zeros([2, 0]), 'Tensor(float32 [2, 0] on cpu)\n[[],\n []]'],
  [new Parameter(tensor([1, 2])), 'Parameter(float32 [2] on cpu) [1, 2]'],
  [tensor([1], { dtype: 'float64' }), 'Tensor(float64 [1] on cpu) [1]'],
];
for (const [value, text] of shown) {
  test(text.replaceAll('\n', ' '), () => assert.is(inspect(value), text));
}

test('a backend shows its name and dtypes', () => {
  assert.is(inspect(wasm), 'Backend(wasm, float32,int32)');
});

test('of a large tensor some values are shown, whatever its shape', () => {
  for (const shape of [[1e6], [1000, 1000], [100, 100, 100], [2, 500_000], Array(16).fill(2)]) {
    const text = inspect(full(shape, -1.23456789e-30));
    assert.ok(text.includes('…'), text.slice(0, 100));
    const numbers = text.match(/e-30/g) ?? [];
    assert.ok(
      numbers.length >= (shape.length < 6 ? 8 : 1) && numbers.length <= 64,
      `${shape}: ${numbers.length} numbers`,
    );
  }
});

test('inside an object the rows stand below one another', () => {
  const text = inspect({ w: zeros([2, 2]) });
  assert.match(text, /w: Tensor\(float32 \[2, 2\] on cpu\)/);
  assert.ok(text.split('\n').length < 8, text);
});

test('a freed tensor says so, and one on a GPU how its values are read', () => {
  const x = tensor([1]);
  x.dispose();
  assert.is(inspect(x), 'Tensor(float32 [1] on cpu), freed');
  const far: Backend = Object.assign(createCpuBackend(), { name: 'webgpu', peek: undefined });
  assert.is(
    inspect(zeros([2], { backend: far })),
    'Tensor(float32 [2] on webgpu), read its values with await data()',
  );
});

test('a console shows a tensor of a closed backend, too', () => {
  const backend = createWasmBackend();
  const x = tensor([1], { backend });
  backend.close();
  assert.is(inspect(x), 'Tensor(float32 [1] on wasm), on a closed backend');
});

test('a shape cannot be assigned', () => {
  const x = tensor([1, 2]);
  const untyped = x as unknown as Record<string, unknown>;
  assert.throws(() => {
    untyped.shape = [4];
  }, /has only a getter/);
  assert.equal(x.shape, [2]);
});

test('the lengths of a shape cannot be changed, and a shape that was passed still can', () => {
  const passed = [2, 2];
  const made = [
    tensor([1, 2, 3, 4], { shape: passed }),
    reshape(tensor([1, 2, 3, 4]), passed),
    zeros(passed),
    broadcastTo(tensor([1, 2]), passed),
    normal(Key.of(1), passed),
  ];
  passed[0] = 7;
  for (const x of [...made, transpose(made[0], [1, 0]), new Parameter(made[0])]) {
    assert.throws(() => {
      (x.shape as number[])[0] = 5;
    }, /read only/);
    assert.equal(x.shape, [2, 2]);
  }
});

test('what a browser shows of a tensor without its inspector: dtype and the lengths of its axes', () => {
  const x = normal(Key.of(1), [2]);
  assert.equal({ ...x } as object, { dtype: 'float32', axes: [2] });
  assert.throws(
    () => JSON.stringify({ x }),
    /can't be converted to JSON; convert its values, await array/,
  );
});

test('arithmetic and comparison with a tensor say what to write', async () => {
  const x = tensor([1, 2]) as unknown as number;
  const uses: (() => unknown)[] = [
    () => 1 + x,
    () => x * 2,
    () => -x,
    () => x < 1,
    () => x ** 2,
    () => Math.max(x, 1),
    () => Number(x),
  ];
  for (const use of uses) {
    assert.is(
      await refusal(use),
      "Tensor(float32 [2] on cpu) can't be used with +, *, < or ==; write add(a, b), mul(a, b) and so on, or await its item().",
    );
  }
  assert.is(`${x}`, 'Tensor(float32 [2] on cpu)');
  assert.is(String(x), 'Tensor(float32 [2] on cpu)');
});

test.run();
