/** Making tensors: of nested and typed arrays, of ranges, and of more values than there is room for. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as m from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { type Backend, loadBackend } from '../../src/backends/index.js';
import { OutOfMemory } from '../../src/errors.js';
import { refusal } from './helpers.js';

const test = suite('create');
const wasm = await loadBackend('wasm');
const cpu = createCpuBackend();
m.setDefaultBackend(cpu);

test('arange counts from start to end by step', async () => {
  const counted = async (x: m.Tensor) => [x.dtype, ...(await x.data())];
  assert.equal(await counted(m.arange(3)), ['int32', 0, 1, 2]);
  assert.equal(await counted(m.arange(2, 5)), ['int32', 2, 3, 4]);
  assert.equal(await counted(m.arange(2, 9, 3)), ['int32', 2, 5, 8]);
  assert.equal(await counted(m.arange(5, 0, -2)), ['int32', 5, 3, 1]);
  assert.equal(await counted(m.arange(4, 4)), ['int32']);
  assert.equal(await counted(m.arange(0)), ['int32']);
  const options = { dtype: 'float32', backend: wasm } as const;
  assert.equal(await counted(m.arange(0, 1, 0.25, options)), ['float32', 0, 0.25, 0.5, 0.75]);
  assert.equal(await counted(m.arange(2.5, options)), ['float32', 0, 1, 2]);
  assert.equal(await counted(m.arange(1, 3, options)), ['float32', 1, 2]);
});

test('rows may be typed arrays, whose dtype is the default', async () => {
  const x = m.tensor([new Float32Array([1, 2, 3]), new Float32Array([4, 5, 6])]);
  assert.equal([x.dtype, x.shape], ['float32', [2, 3]]);
  assert.equal(await x.array(), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  assert.is(m.tensor([Int32Array.of(1)]).dtype, 'int32');
  const deep = m.tensor([[Float64Array.of(0.5)], [Float64Array.of(1)]], { dtype: 'float32' });
  assert.equal(
    [deep.dtype, deep.shape, [...(await deep.data())]],
    ['float32', [2, 1, 1], [0.5, 1]],
  );
  const mixed = m.tensor([new Float32Array([1, 2]), [3, 4]], { shape: [4] });
  assert.equal([...(await mixed.data())], [1, 2, 3, 4]);
  assert.equal(m.tensor([new Float32Array(0), new Float32Array(0)]).shape, [2, 0]);
});

test('a refusal is short, however large the data', () => {
  const wrong = [
    [new Float32Array(300_000), new Float32Array(5)],
    [new Uint8Array(300_000)],
    ['1'.repeat(300_000)],
    [[1, 2], 'x'],
    Array(300_000).fill('1'),
  ];
  for (const values of wrong) {
    try {
      m.tensor(values as unknown as m.TensorValues);
      assert.unreachable();
    } catch (error) {
      assert.ok((error as Error).message.length < 300, (error as Error).message.slice(0, 400));
    }
  }
});

test('113 million numbers in nested arrays are copied straight into their place', async () => {
  // A list that grows by one number at a time ends the process beyond 112 million.
  const row = Array(1_000_000).fill(0.5);
  let [first, size] = [0, 0];
  const noting: Backend = Object.assign(createCpuBackend(), {
    upload(data: Float32Array) {
      [first, size] = [data[113_999_999], data.length];
      return cpu.upload(data.subarray(0, 1));
    },
  });
  const x = m.tensor(Array(114).fill(row), { backend: noting });
  assert.equal([x.shape, first, size], [[114, 1_000_000], 0.5, 114_000_000]);
});

/** Every maker, asked for more values than any backend has room for. */
const makers: Record<string, (size: number, backend: Backend) => unknown> = {
  zeros: (n, backend) => m.zeros([n], { backend }),
  ones: (n, backend) => m.ones([n, n], { backend }),
  full: (n, backend) => m.full([n], 2, { backend, dtype: 'int32' }),
  uniform: (n, backend) => m.uniform(m.Key.of(1), [n], { backend }),
  normal: (n, backend) => m.normal(m.Key.of(1), [n], { backend }),
  arange: (n, backend) => m.arange(n, { backend }),
  broadcastTo: (n, backend) => m.broadcastTo(m.zeros([1], { backend }), [n]),
  add: (n, backend) => {
    const side = Math.ceil(Math.sqrt(n)); // two arrays that fit, and a sum that does not
    return m.add(m.zeros([side, 1], { backend }), m.zeros([1, side], { backend }));
  },
  oneHot: (n, backend) => m.oneHot(m.zeros([10], { dtype: 'int32', backend }), n),
  scatterAdd: (n, backend) =>
    m.scatterAdd(m.zeros([1, 2], { backend }), m.zeros([1], { dtype: 'int32', backend }), n),
  pad: (n, backend) => m.pad(m.zeros([1], { backend }), [[n, n]]),
  concat: (n, backend) => {
    const rows = m.zeros([2 ** 20, 1], { backend });
    return m.concat(Array(Math.ceil(n / 2 ** 20)).fill(rows), 0);
  },
  matmul: (n, backend) => {
    const side = Math.ceil(Math.sqrt(n));
    return m.matmul(m.zeros([side, 1], { backend }), m.zeros([1, side], { backend }));
  },
  integers: (n) => m.Key.of(1).integers(n, 10),
};
for (const [name, make] of Object.entries(makers)) {
  for (const backend of [wasm, cpu]) {
    test(`${name} of too many values on ${backend.name} is out of memory, at once`, () => {
      const before = m.memoryReport().buffers;
      for (const size of name === 'concat' ? [2 ** 31] : [2 ** 31, 2 ** 40]) {
        const start = performance.now();
        try {
          m.scope(() => make(size, backend));
          assert.unreachable();
        } catch (error) {
          assert.instance(error, OutOfMemory, String(error));
          assert.match((error as Error).message, /out of memory/);
        }
        assert.ok(performance.now() - start < 5000);
      }
      assert.is(m.memoryReport().buffers, before);
    });
  }
}

test('a backend without room refuses before anything is drawn on the host', () => {
  let filled = 0;
  const full: Backend = Object.assign(createCpuBackend(), {
    fill() {
      filled++;
      throw new OutOfMemory('small: out of memory.');
    },
  });
  for (const make of [
    () => m.normal(m.Key.of(1), [2 ** 28], { backend: full }),
    () => m.arange(2 ** 28, { backend: full }),
  ]) {
    const start = performance.now();
    assert.throws(make, /small: out of memory/);
    assert.ok(performance.now() - start < 500);
  }
  assert.is(filled, 2);
});

test('what the system refuses is out of memory as well', () => {
  const refusing: Backend = Object.assign(createCpuBackend(), {
    fill() {
      return cpu.upload(new Float32Array(2 ** 53 - 1)); // a RangeError
    },
  });
  assert.throws(
    () => m.zeros([2], { backend: refusing }),
    (error: Error) => error instanceof OutOfMemory,
  );
});

test('cast advice is right: nothing is lost by following it', async () => {
  const [n, x] = [m.tensor([1, 2], { dtype: 'int32' }), m.tensor([0.5, 0.5])];
  assert.throws(() => m.mul(n, x), /convert the int32 one with cast\(x, 'float32'\)/);
  assert.equal([...(await m.mul(m.cast(n, 'float32'), x).data())], [0.5, 1]);
});

test('functions of one and two tensors work in map and reduce', async () => {
  const list = [m.tensor(1), m.tensor(2), m.tensor(3)];
  assert.is(await list.map(m.neg).reduce(m.add).item(), -6);
});

test('a backend is closed twice without harm, and says that it is closed', async () => {
  for (const name of ['cpu', 'wasm'] as const) {
    const backend = await loadBackend(name);
    const x = m.tensor([1, 2], { backend });
    backend.close?.();
    assert.is(typeof backend.close, 'function', name);
    backend.close?.();
    if (name === 'cpu') assert.equal(await m.add(x, 1).array(), [2, 3]);
    else assert.match(await refusal(() => m.add(x, 1)), 'wasm: this backend is closed');
    x.dispose();
  }
});

test('a shape with holes is refused, and takes no part in what is counted', async () => {
  const before = m.memoryReport();
  const holes = new Array<number>(2);
  for (const make of [m.zeros, m.ones, (shape: number[]) => m.normal(m.Key.of(1), shape)]) {
    assert.match(await refusal(() => make(holes)), /a shape is a list of whole numbers >= 0/);
  }
  assert.equal(m.memoryReport(), before);
});

test('what becomes of a list later does not reach tensors that were made with it', () => {
  const shape = [2, 2];
  const made = [
    m.zeros(shape),
    m.broadcastTo(m.tensor([1, 2]), shape),
    m.reshape(m.ones([4]), shape),
  ];
  made.push(m.uniform(m.Key.of(1), shape), m.normal(m.Key.of(1), shape));
  shape[0] = 7;
  for (const one of made) assert.equal(one.shape, [2, 2]);
});

test('an axis that is not a number is told so, and an epsilon below 0 is refused', async () => {
  const x = m.ones([2, 3]);
  const dim = { dim: 0 } as unknown as number;
  assert.match(await refusal(() => m.sum(x, dim)), /an axis is a whole number/);
  assert.match(await refusal(() => m.max(x, x as unknown as number)), /an axis is a whole number/);
  const [weight, bias] = [m.ones([3]), m.ones([3])];
  assert.match(
    await refusal(() => m.layerNorm(x, weight, bias, -1)),
    /epsilon must be .* >= 0, got -1/,
  );
});

test.run();
