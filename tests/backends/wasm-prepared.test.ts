/** Captured functions on wasm: lists of kernel calls that run again (wasm/prepared.ts). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  attention,
  capture,
  dropout,
  gather,
  grad,
  Key,
  layerNorm,
  matmul,
  memoryReport,
  mul,
  ones,
  Parameter,
  scope,
  slice,
  sum,
  type Tensor,
  tensor,
  transpose,
  treeLeaves,
  valueAndGrad,
  zeros,
} from '../../src/autograd/index.js';
import type { Backend, PreparedList } from '../../src/backends/backend.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { MemgradError, OutOfMemory } from '../../src/errors.js';
import { Adam } from '../../src/training/index.js';
import { floatsOf } from './arrays.js';

const test = suite('wasm prepared');

/** A backend, and how often its lists have run to their end. */
async function counted(options: Parameters<typeof createWasmBackend>[0] = {}) {
  const backend = createWasmBackend(options);
  const seen = { lists: 0, runs: 0 };
  const prepare = backend.prepare?.bind(backend) as NonNullable<Backend['prepare']>;
  backend.prepare = (inputs, record) => {
    const list = prepare(inputs, record);
    if (!list) return undefined;
    seen.lists++;
    const wrapped: PreparedList = {
      run(buffers) {
        const results = list.run(buffers);
        if (results) seen.runs++;
        return results;
      },
      renumber: (again) => list.renumber(again),
      dispose: () => list.dispose(),
    };
    return wrapped;
  };
  // The code of lists loads on demand.
  while (!prepare([], () => [])) await new Promise((done) => setTimeout(done, 1));
  return { backend, seen };
}

const values = async (tree: unknown) =>
  Promise.all(treeLeaves(tree as Tensor[]).map(async (x) => [...(await x.data())]));

/** A step with views, sums, products, dropout, norms and an optimiser. */
function stepOf(backend: Backend) {
  const weight = new Parameter(tensor(floatsOf(12, 1, 'real'), { shape: [3, 4], backend }));
  const bias = new Parameter(tensor(floatsOf(4, 2, 'real'), { shape: [4], backend }));
  const parameters = { weight, bias };
  const optimizer = new Adam({ learningRate: 0.1 });
  const step = (x: Tensor, key: Key) => {
    const loss = () => {
      const rows = dropout(x, 0.3, key);
      const h = add(matmul(rows, weight), bias);
      return sum(mul(transpose(h, [1, 0]), slice(transpose(rows, [1, 0]), 0, 1, 2)));
    };
    const [value, gradients] = valueAndGrad(loss, parameters)();
    optimizer.step(parameters, gradients);
    return [value, sum(gradients.weight, 0)];
  };
  return { step, parameters };
}

test('replays are lists, with the bits of a function that is not captured', async () => {
  const { backend, seen } = await counted();
  const sides = [stepOf(backend), stepOf(backend)];
  const captured = capture(sides[0].step);
  for (let i = 0; i < 12; i++) {
    const x = tensor(floatsOf(15, 10 + i, 'real'), { shape: [5, 3], backend });
    const results = [captured(x, Key.of(i)), sides[1].step(x, Key.of(i))];
    const [came, expected] = await Promise.all(results.map(values));
    assert.equal(came, expected, `call ${i}`);
    const [mine, theirs] = await Promise.all(
      sides.map(({ parameters }) => values(Object.values(parameters))),
    );
    assert.equal(mine, theirs, `parameters after call ${i}`);
  }
  // The first call makes the moments, the second is recorded.
  assert.equal(seen, { lists: 1, runs: 10 });
});

test('a float is never taken for the place of a buffer', async () => {
  const { backend, seen } = await counted();
  const x = tensor(floatsOf(12, 7, 'real'), { shape: [3, 4], backend });
  const [weight, bias] = [ones([4], { backend }), zeros([4], { backend })];
  for (const epsilon of [2 ** 40, 2 ** 40 + 2 ** -8, 2 ** 40 + 3 * 2 ** 32, 2 ** 41, 1e30]) {
    const f = (y: Tensor) => [layerNorm(mul(y, 3), weight, bias, epsilon), add(y, epsilon)];
    const expected = await values(f(x));
    const captured = capture(f);
    for (let i = 0; i < 4; i++) assert.equal(await values(captured(x)), expected, `${epsilon}`);
  }
  assert.is(seen.runs, 15);
});

test('lists that are freed leave no memory taken', async () => {
  const { backend, seen } = await counted({ maximumBytes: 2 ** 20 });
  const x = tensor(floatsOf(6000, 3, 'real'), { shape: [20, 30, 10], backend });
  const before = memoryReport().buffers;
  for (let i = 0; i < 300; i++) {
    const f = capture((y: Tensor) => sum(transpose(mul(y, i), [2, 0, 1]), 0));
    for (let j = 0; j < 3; j++) scope(() => f(x)).dispose();
    f.dispose();
  }
  assert.is(memoryReport().buffers, before);
  assert.equal(seen, { lists: 300, runs: 600 });
});

test('what a kernel refuses is the same error as without capture, and loses nothing', async () => {
  const { backend, seen } = await counted();
  const table = tensor(floatsOf(20, 4, 'real'), { shape: [5, 4], backend });
  const f = capture((rows: Tensor) => gather(mul(table, 2), rows));
  const rowsOf = (...rows: number[]) => tensor(Int32Array.from(rows), { backend });
  scope(() => {
    for (let i = 0; i < 3; i++) f(rowsOf(i, 1));
  });
  const before = memoryReport();
  assert.throws(
    () => scope(() => f(rowsOf(1, 7))),
    (error: unknown) =>
      error instanceof MemgradError && /index 7 at position 1/.test(error.message),
  );
  const after = memoryReport();
  assert.is(after.bytes, before.bytes);
  const expected = await values([gather(mul(table, 2), rowsOf(4, 0))]);
  assert.equal(await values([f(rowsOf(4, 0))]), expected);
  assert.is(seen.runs, 3);
});

test('where attention declines values, the definition runs', async () => {
  const { backend, seen } = await counted();
  const mask = tensor(Int32Array.of(1, 0, 1, 1), { shape: [2, 2], backend });
  const scores = (x: Tensor) => attention(x, x, x, { mask });
  const f = capture(grad((x: Tensor) => sum(scores(x))));
  const input = (last: number) =>
    tensor([1, 2, 3, last], { shape: [1, 1, 2, 2], backend, dtype: 'float32' });
  for (const last of [4, 5, 6, Number.NaN, 7]) {
    const [came, expected] = [f(input(last)), grad((x: Tensor) => sum(scores(x)))(input(last))];
    assert.equal(await values([came]), await values([expected]), `${last}`);
  }
  assert.is(seen.runs, 3);
});

test('a list is prepared again when threads have moved memory', async () => {
  const { backend, seen } = await counted({ threads: 2 });
  const a = tensor(floatsOf(128 * 128, 5, 'real'), { shape: [128, 128], backend });
  const f = capture((x: Tensor) => matmul(mul(x, 2), x));
  const expected = await values([matmul(mul(a, 2), a)]);
  for (let i = 0; i < 200 && backend.threads < 2; i++) {
    f(a).dispose();
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.is(backend.threads, 2);
  const { runs } = seen;
  for (let i = 0; i < 4; i++) assert.equal(await values([f(a)]), expected);
  assert.ok(seen.runs >= runs + 3, `${seen.runs} runs, ${runs} of them before`);
  backend.close();
});

test('without memory for a list, the error is the usual one, and the list runs again later', async () => {
  const { backend } = await counted({ maximumBytes: 2 ** 20 });
  const x = tensor(floatsOf(20_000, 6, 'real'), { backend });
  const f = capture((y: Tensor) => sum(mul(add(y, 1), y)));
  const expected = await values([f(x)]);
  assert.equal(await values([f(x)]), expected);
  const hoard: Tensor[] = [];
  assert.throws(
    () => {
      for (;;) hoard.push(mul(x, 1));
    },
    (error: unknown) => error instanceof OutOfMemory,
  );
  assert.throws(
    () => f(x),
    (error: unknown) => error instanceof OutOfMemory && /out of memory/.test(error.message),
  );
  for (const kept of hoard) kept.dispose();
  assert.equal(await values([f(x)]), expected);
});

test('after close, a captured function throws what every use throws', async () => {
  const { backend } = await counted();
  const x = tensor([1, 2], { backend });
  const f = capture((y: Tensor) => scope(() => mul(y, 2)));
  for (let i = 0; i < 3; i++) f(x);
  backend.close();
  assert.throws(
    () => f(x),
    (error: unknown) => error instanceof MemgradError && /is closed/.test(error.message),
  );
});

test.run();
