/** Every layer: shapes, gradients, dropout, backends, leaks and initial values. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  checkGradients,
  grad,
  Key,
  memoryReport,
  mul,
  normal,
  type Parameter,
  type Shape,
  scope,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import {
  DecoderLayer,
  Embedding,
  FeedForward,
  type Layer,
  LayerNorm,
  Linear,
  Module,
  memoryRows,
  SelfAttention,
} from '../../src/nn/index.js';
import { made, type Place } from './made.js';

const test = suite('layers');

const cpu = createCpuBackend();
const exact: Place = { key: Key.of(3), dtype: 'float64', backend: cpu };
const single: Place[] = [cpu, createWasmBackend()].map((backend) => ({
  key: Key.of(3),
  dtype: 'float32',
  backend,
}));
const drop = Key.of(8);
const drops = /Dropout|Feed|Sequential|Attention|Decoder/;

/** A scalar that weights every value of `x` differently. */
function weighted(x: Tensor): Tensor {
  return sum(mul(x, normal(Key.of(77), x.shape, { dtype: x.dtype, backend: x.backend })));
}

/** A few indices of a tensor, the first and the last among them. */
function some(size: number): number[] {
  const step = Math.max(1, Math.floor(size / 7));
  return [...new Set([...Array(size).keys()].filter((i) => i % step === 0).concat(size - 1))];
}

/** Compares the gradient by each parameter with central differences. */
async function agree(layer: Module, compute: () => Tensor): Promise<void> {
  const gradients = grad(compute, layer)();
  const epsilon = 1e-5;
  for (const [name, parameter] of Object.entries(layer.parameters())) {
    const values = (await parameter.data()).slice();
    const gradient = await gradients[name].data();
    const at = async (i: number, change: number) => {
      const moved = values.slice();
      moved[i] += change;
      parameter.assign(tensor(moved, { shape: parameter.shape, backend: parameter.backend }));
      const result = scope(compute);
      const value = await result.item();
      result.dispose();
      return value;
    };
    for (const i of some(values.length)) {
      const difference = ((await at(i, epsilon)) - (await at(i, -epsilon))) / (2 * epsilon);
      const error = Math.abs(gradient[i] - difference) / Math.max(1, Math.abs(difference));
      assert.ok(error < 1e-6, `${name}[${i}]: ${gradient[i]}, expected ${difference}`);
      await at(i, 0);
    }
  }
}

const shapesOf = (parameters: Record<string, Parameter>): Record<string, Shape> =>
  Object.fromEntries(Object.entries(parameters).map(([name, { shape }]) => [name, [...shape]]));

for (const [name, { layer: make, input, shape, parameters }] of Object.entries(made)) {
  test(`${name}: shapes, and dropout only with a key`, async () => {
    const layer = make(exact);
    assert.equal(shapesOf(layer.parameters()), parameters);
    const x = input(exact);
    const y = layer.forward(x);
    assert.equal([...y.shape], shape);
    const values = [...(await y.data())];
    assert.ok(values.every(Number.isFinite));
    assert.equal([...(await layer.forward(x).data())], values, 'the same without a key');
    const dropped = [...(await layer.forward(x, drop).data())];
    assert.equal([...(await layer.forward(x, drop).data())], dropped, 'the same with this key');
    assert.is(String(dropped) !== String(values), drops.test(name), 'dropout');
  });

  test(`${name}: gradients agree with central differences`, async () => {
    const layer = make(exact);
    const x = input(exact);
    const compute = () => weighted(layer.forward(x, drop));
    if (Object.keys(parameters).length > 0) await agree(layer, compute);
    if (x.dtype === 'int32') return;
    const f = (x: Tensor) => layer.forward(x, drop);
    const { passed, worst } = await checkGradients(f, [x], { order: 1 });
    assert.ok(passed, worst);
  });

  test(`${name}: float32 on cpu and wasm as float64 on cpu, from the same key`, async () => {
    const expected = await make(exact).forward(input(exact), drop).data();
    for (const place of single) {
      const layer = make(place);
      const all = Object.values(layer.parameters());
      assert.ok(all.every(({ dtype }) => dtype === 'float32'));
      assert.ok(all.every(({ backend }) => backend === place.backend));
      const y = layer.forward(input(place), drop);
      assert.is(y.dtype, 'float32');
      (await y.data()).forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]) < 2e-5, `${value}, expected ${expected[i]}`);
      });
    }
  });

  test(`${name}: nothing is left of a pass, nor of the layer`, () => {
    for (const place of single) {
      const { buffers } = memoryReport();
      const layer = make(place);
      const own = Object.keys(layer.parameters()).length;
      assert.is(memoryReport().buffers, buffers + own, 'parameters alone');
      scope(() => {
        const x = input(place);
        const f = () => weighted(layer.forward(x, drop));
        if (own > 0) valueAndGrad(f, layer)();
      });
      assert.is(memoryReport().buffers, buffers + own);
      layer.dispose();
      assert.is(memoryReport().buffers, buffers);
    }
  });

  test(`${name}: equal keys, equal values; without a key, values of its own`, async () => {
    const [place] = single;
    const values = async (layer: Layer) =>
      Promise.all(Object.values(layer.parameters()).map(async (x) => String(await x.data())));
    assert.equal(await values(make(place)), await values(make(place)));
    const { key: _, ...keyless } = place;
    const [one, two] = [make(keyless as Place), make(keyless as Place)];
    const isDrawn = Object.keys(parameters).length > 0 && !name.endsWith('Norm');
    assert.is(String(await values(one)) !== String(await values(two)), isDrawn);
  });
}

/** The mean and the standard deviation of the values. */
async function spread(x: Tensor): Promise<[mean: number, deviation: number]> {
  const values = Array.from(await x.data());
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
  return [mean, Math.sqrt(squares / values.length)];
}

test('weights start by fan-in, rows N(0, 0.1), and both N(0, 0.02) with init narrow', async () => {
  const key = Key.of(5);
  const starting = (init?: 'narrow' | 'wide') =>
    [
      [new Linear(400, 100, { key, init }).weight, 1 / 20],
      [new Embedding(400, 100, { key, init }).weight, 0.1],
      [memoryRows(400, 100, { key, init }), 0.1],
      [new FeedForward(100, 400, { key, init }).outer.weight, 1 / 20],
      [new SelfAttention(100, 4, { key, init }).qkv.weight, 1 / 10],
      [new DecoderLayer(100, 4, { key, init }).feedForward.inner.weight, 1 / 10],
    ] as const;
  for (const init of [undefined, 'wide', 'narrow'] as const) {
    for (const [weight, expected] of starting(init)) {
      const [mean, deviation] = await spread(weight);
      const wanted = init === 'narrow' ? 0.02 : expected;
      assert.ok(Math.abs(mean) < 0.02 * wanted, `${mean}`);
      assert.ok(Math.abs(deviation / wanted - 1) < 0.03, `${deviation}, expected ${wanted}`);
    }
  }
  const repeated = memoryRows(3, 5000, { key, memInit: 'repeated' });
  const [first, second] = (await repeated.array()) as number[][];
  assert.equal(first, second);
  assert.ok(Math.abs((await spread(repeated))[1] - 1) < 0.03);
});

test('norms start at 1 and 0; with a key LayerNorm starts N(1, 0.02)', async () => {
  const norm = new LayerNorm(4);
  assert.equal(await norm.weight.array(), [1, 1, 1, 1]);
  assert.equal(await norm.bias.array(), [0, 0, 0, 0]);
  const [mean, deviation] = await spread(new LayerNorm(10_000, { key: Key.of(1) }).weight);
  assert.ok(Math.abs(mean - 1) < 0.001 && Math.abs(deviation - 0.02) < 0.001, `${deviation}`);
});

test('a model takes its parameters’ place in valueAndGrad and grad, in both positions', async () => {
  const layer = new Linear(2, 1, { bias: false });
  layer.weight.assign(tensor([[2, 3]]));
  const x = tensor([[5, 7]]);
  const loss = (x: Tensor) => sum(layer.forward(x));
  const [value, gradients] = valueAndGrad(loss, layer)(x);
  assert.is(await value.item(), 31);
  const byName: Record<string, Tensor> = gradients;
  assert.equal(Object.keys(byName), ['weight']);
  assert.equal(await byName.weight.array(), [[5, 7]]);
  assert.equal(await grad(loss, layer)(x).weight.array(), [[5, 7]]);
  const first = grad((model: Linear, x: Tensor) => sum(model.forward(x)))(layer, x);
  assert.equal(await first.weight.array(), [[5, 7]]);
  const record = grad(loss, layer.parameters())(x);
  assert.equal(await record.weight.array(), [[5, 7]]);
  assert.throws(() => grad(loss, new (class extends Module {})())(x), /found no tensor/);
});

test.run();
