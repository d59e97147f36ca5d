/** The conformance suite on the reference itself, and on backends that break one promise each. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Backend } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { type ConformanceOptions, runConformance } from '../../src/testing/index.js';
import { refusal } from '../autograd/helpers.js';

const test = suite('conformance');

test('the cpu backend passes in float32 and in float64', async () => {
  const rows = await runConformance(createCpuBackend(), { order: 2 });
  const failed = rows.filter((row) => !row.passed);
  assert.equal(failed, []);
  for (const what of ['forward', 'gradient', 'second']) {
    for (const dtype of ['float32', 'float64']) {
      assert.ok(rows.some((row) => row.what === what && row.dtype === dtype));
    }
  }
});

/** The operations that fail on a cpu backend with some of its methods replaced. */
async function failing(
  replace: (cpu: Backend) => Partial<Backend>,
  operations?: string[],
): Promise<Set<string>> {
  const backend = createCpuBackend();
  Object.assign(backend, replace(createCpuBackend()));
  const rows = await runConformance(backend, { operations });
  return new Set(rows.filter((row) => !row.passed).map((row) => row.operation));
}

test('a backend of float32 alone can be run', async () => {
  const rows = await runConformance(
    Object.assign(createCpuBackend(), { dtypes: ['float32', 'int32'] }),
  );
  assert.equal(
    rows.filter((row) => !row.passed),
    [],
  );
  assert.not.ok(rows.some((row) => row.dtype === 'float64'));
});

test('a kernel that is off by a little is found', async () => {
  const failed = await failing(
    (cpu) => ({
      unary: (kernel, x) => cpu.unary(kernel === 'tanh' ? 'sin' : kernel, x),
    }),
    ['tanh', 'sin', 'exp'],
  );
  assert.equal([...failed], ['tanh']);
});

test('a kernel that throws fails its rows, and the rest still runs', async () => {
  const failed = await failing(
    () => ({
      matmul() {
        throw new Error('not written yet');
      },
    }),
    ['add', 'matmul'],
  );
  assert.equal([...failed], ['matmul']);
});

test('wrong rounding, wrong random bits and shared memory are found', async () => {
  const failed = await failing((cpu) => ({
    cast: (x, dtype) => {
      const { data } = x as unknown as { data: Float32Array };
      return cpu.upload(
        dtype === 'int32'
          ? Int32Array.from(data, Math.round)
          : dtype === 'float32'
            ? Float32Array.from(data)
            : Float64Array.from(data),
      );
    },
    uniform: (key, size) => cpu.uniform({ hi: key.lo, lo: key.hi }, size),
    read: async (buffer) => (buffer as unknown as { data: Float32Array }).data,
  }));
  for (const name of ['backend.cast', 'backend.uniform', 'backend.read', 'cast', 'dropout']) {
    assert.ok(failed.has(name), name);
  }
});

test('a kernel that only gradients of gradients run is found, at order 2', async () => {
  const [broken, cpu] = [createCpuBackend(), createCpuBackend()];
  // The gradient of log is g / x, whose gradient by x is the first to run neg.
  broken.unary = (kernel, x) => cpu.unary(kernel === 'neg' ? 'abs' : kernel, x);
  const failed = async (order: 1 | 2) => {
    const rows = await runConformance(broken, { operations: ['log'], order });
    return [...new Set(rows.filter(({ passed }) => !passed).map(({ what }) => what))];
  };
  assert.equal(await failed(1), []);
  assert.equal(await failed(2), ['second']);
});

test('options that do not exist are refused', async () => {
  const cpu = createCpuBackend();
  const wrong = { orders: 2 } as ConformanceOptions;
  assert.match(await refusal(() => runConformance(cpu, wrong)), "did you mean 'order'?");
  const third = { order: 3 as 2 };
  assert.match(await refusal(() => runConformance(cpu, third)), 'runConformance: order must be');
});

test('an operation that is not known is refused', async () => {
  const message = await refusal(() =>
    runConformance(createCpuBackend(), { operations: ['multiply'] }),
  );
  assert.match(message, 'conformance: there is no operation "multiply"; choose from abs, add');
});

test.run();
