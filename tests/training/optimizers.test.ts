import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad, mul, Parameter, square, sum, tensor } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { MemgradError } from '../../src/errors.js';
import { Adam, AdamW, createOptimizer, type Optimizer, SGD } from '../../src/training/index.js';

const cpu = createCpuBackend();
const wasm = createWasmBackend();

const options = { learningRate: 0.1, weightDecay: 0.01 };
const adam = { ...options, betas: [0.9, 0.98] as const };

// Three steps on x^2 * [1, 2, 0.5] from [1, -2, 3] by PyTorch 1.13 in float64.
const expected = {
  SGD: [0.05819419899999998, 1.0844928020000002, 1.443973497],
  Adam: [0.7013970369373069, -1.7005319348087846, 2.700321304357142],
  AdamW: [0.6987200506778289, -1.6948512172190295, 2.6916416150382663],
};
const make: Record<keyof typeof expected, () => Optimizer> = {
  SGD: () => new SGD({ ...options, momentum: 0.9 }),
  Adam: () => new Adam(adam),
  AdamW: () => new AdamW(adam),
};

for (const name of ['SGD', 'Adam', 'AdamW'] as const) {
  for (const [backend, dtype, tolerance] of [
    [cpu, 'float64', 1e-12],
    [cpu, 'float32', 1e-6],
    [wasm, 'float32', 1e-6],
  ] as const) {
    test(`${name} takes PyTorch's steps: ${backend.name}, ${dtype}`, async () => {
      const optimizer = make[name]();
      const x = new Parameter(tensor([1, -2, 3], { dtype, backend }));
      const weights = tensor([1, 2, 0.5], { dtype, backend });
      const gradient = grad(() => sum(mul(square(x), weights)), { x });
      for (let step = 0; step < 3; step++) optimizer.step({ x }, gradient(), { rate: 0.1 });
      (await x.data()).forEach((value, i) => {
        assert.ok(
          Math.abs(value - expected[name][i]) < tolerance,
          `${value} is not ${expected[name][i]}`,
        );
      });
    });
  }
}

test('a step that fails changes nothing', async () => {
  const optimizer = new Adam();
  const a = new Parameter(tensor([1, 2]));
  const b = new Parameter(tensor([3, 4]));
  const good = { a: tensor([1, 1]), b: tensor([1, 1]) };
  optimizer.step({ a, b }, good, { rate: 0.1 });
  const before = [await a.array(), await b.array()];
  const moments = await Promise.all(
    Object.values(optimizer.state()).map((moment) => moment.array()),
  );
  const bad = { a: tensor([1, 1]), b: tensor([1, 1, 1]) };
  assert.throws(
    () => optimizer.step({ a, b }, bad, { rate: 0.1 }),
    /the gradient is Tensor.*\[3\].*expected the shape and dtype of/,
  );
  assert.equal([await a.array(), await b.array()], before);
  assert.equal(
    await Promise.all(Object.values(optimizer.state()).map((moment) => moment.array())),
    moments,
  );
});

test('options out of range are refused', () => {
  const refused = (make: () => unknown, message: string) =>
    assert.throws(
      make,
      (error: Error) => error instanceof MemgradError && error.message === message,
    );
  refused(
    () => new Adam({ learningRate: Number.NaN }),
    'optimizer: learningRate must be a finite number >= 0, got NaN.',
  );
  refused(
    () => new SGD({ learningRate: 1, momentum: 1 }),
    'optimizer: momentum must be a number in [0, 1), got 1.',
  );
  refused(
    () => createOptimizer('lion' as 'adam'),
    'createOptimizer: there is no optimiser "lion"; choose from sgd, adam, adamw, rmsprop, adafactor, muon.',
  );
});

test.run();
