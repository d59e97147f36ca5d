/** Options: none that doesn't exist, and none of another type, is taken in silence. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as m from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { f64, i32, refusal } from './helpers.js';

const test = suite('options of the engine');

const x = m.ones([2, 2]);
const key = m.Key.of(1);
type Options = Record<string, unknown> | undefined;
const as = <T>(value: unknown) => value as T;

/** Every function that takes options, how to call it with them, and one that it has. */
const calls: Record<string, [call: (options: never) => unknown, known: Options]> = {
  tensor: [(o) => m.tensor([1, 2], o), { shape: [2, 1], dtype: 'float64' }],
  full: [(o) => m.full([2], 1, o), { dtype: 'int32' }],
  zeros: [(o) => m.zeros([2], o), { backend: createCpuBackend() }],
  ones: [(o) => m.ones([2], o), { dtype: 'float64' }],
  arange: [(o) => m.arange(3, o), { dtype: 'float32' }],
  linspace: [(o) => m.linspace(0, 1, 2, o), { dtype: 'float64' }],
  eye: [(o) => m.eye(2, 3, o), { dtype: 'int32' }],
  uniform: [(o) => m.uniform(key, [2], o), { backend: createCpuBackend() }],
  normal: [(o) => m.normal(key, [2], o), { dtype: 'float64' }],
  dropout: [(o) => m.dropout(x, 0.5, key, o), { residual: x }],
  matmul: [(o) => m.matmul(x, x, o), { transposeA: true }],
  linear: [(o) => m.linear(x, x, undefined, o), { activation: 'relu' }],
  attention: [(o) => m.attention(x, x, x, o), { heads: 2, dropout: { rate: 0.1, key } }],
  'attention: dropout': [
    (o) => m.attention(x, x, x, { dropout: as({ rate: 0.1, key, ...as<object>(o) }) }),
    { rate: 0.5 },
  ],
  crossEntropy: [
    (o) => m.crossEntropy(x, i32([0, 1]), o),
    { reduction: 'sum', ignoreIndex: 1, labelSmoothing: 0.1, weights: m.ones([2]) },
  ],
  mse: [(o) => m.mse(x, x, o), { reduction: 'sum' }],
  huber: [(o) => m.huber(x, x, o), { delta: 2, reduction: 'none' }],
  binaryCrossEntropy: [(o) => m.binaryCrossEntropy(x, x, o), { reduction: 'mean' }],
  sum: [(o) => m.sum(x, 0, o), { keepDims: true }],
  mean: [(o) => m.mean(x, 0, o), { keepDims: true }],
  argsort: [(o) => m.argsort(x, 0, o), { descending: true }],
  sort: [(o) => m.sort(x, 0, o), { descending: true }],
  topk: [(o) => m.topk(x, 1, 0, o), { largest: false }],
  randperm: [(o) => m.randperm(key, 2, o), { backend: createCpuBackend() }],
  bernoulli: [(o) => m.bernoulli(key, [2], 0.5, o), { backend: createCpuBackend() }],
  choice: [(o) => m.choice(key, x, 1, o), { replacement: false, weights: m.ones([2]) }],
  meshgrid: [(o) => m.meshgrid([m.ones([2])], o), { indexing: 'xy' }],
  conv1d: [
    (o) => m.conv1d(m.ones([1, 1, 4]), m.ones([1, 1, 2]), undefined, o),
    { stride: 2, padding: [1], dilation: 2, groups: 1 },
  ],
  conv2d: [
    (o) => m.conv2d(m.ones([1, 1, 4, 4]), m.ones([1, 1, 2, 2]), undefined, o),
    { stride: [1, 2] },
  ],
  maxPool: [(o) => m.maxPool(m.ones([1, 1, 4]), 2, o), { stride: 1, padding: 1 }],
  averagePool: [(o) => m.averagePool(m.ones([1, 1, 4]), 2, o), { stride: 1 }],
  batchNorm: [
    (o) => m.batchNorm(x, m.ones([2]), m.ones([2]), o),
    { mean: m.ones([2]), variance: m.ones([2]), epsilon: 0.1 },
  ],
  variance: [(o) => m.variance(x, 0, o), { keepDims: true, correction: 0 }],
  std: [(o) => m.std(x, 0, o), { correction: 2 }],
  norm: [(o) => m.norm(x, 0, o), { keepDims: true }],
  prod: [(o) => m.prod(x, 0, o), { keepDims: true }],
  max: [(o) => m.max(x, 0, o), { keepDims: true }],
  min: [(o) => m.min(x, 0, o), { keepDims: true }],
  argmax: [(o) => m.argmax(x, 0, o), { keepDims: true }],
  logsumexp: [(o) => m.logsumexp(x, 0, o), { keepDims: true }],
  checkGradients: [(o) => m.checkGradients(m.neg, [f64([1])], o), { order: 1 }],
  loadBackend: [(o) => loadBackend('wasm', o), { threads: 1 }],
  wasm: [(o) => createWasmBackend(o), { maximumBytes: 2 ** 24 }],
};

for (const [name, [call, known]] of Object.entries(calls)) {
  test(`${name}: an option that doesn't exist is refused, known ones are not`, async () => {
    await call(as(known));
    await call(as(undefined));
    const message = await refusal(() => call(as({ axis: 1 })));
    assert.ok(message.startsWith(`${name}: there is no option "axis"; `), message);
  });
  if (name === 'attention: dropout') continue;
  test(`${name}: something else in place of options is refused`, async () => {
    for (const wrong of [true, 'float32', null, () => 1, x, ...(name === 'arange' ? [] : [2])]) {
      const message = await refusal(() => call(as(wrong)));
      assert.match(message, /: expected an object of options[, ]/);
    }
  });
}

const values: [call: () => unknown, message: string][] = [
  [
    () => m.conv1d(m.ones([1, 1, 4]), m.ones([1, 1, 2]), as({ padding: 1 })),
    'conv1d (options come fourth): expected tensors, got an object; wrap values in tensor(...).',
  ],
  [
    () => m.conv2d(m.ones([1, 1, 4, 4]), m.ones([1, 1, 2, 2]), as({ padding: 1 })),
    'conv2d (options come fourth): expected tensors, got an object; wrap values in tensor(...).',
  ],
  [() => m.sum(x, 0, as({ keepDims: 'yes' })), 'sum: keepDims must be true or false, got "yes".'],
  [() => m.mean(x, 0, as({ keepDims: 1 })), 'mean: keepDims must be true or false, got 1.'],
  [
    () => m.logsumexp(x, 0, as({ keepDims: null })),
    'logsumexp: keepDims must be true or false, got null.',
  ],
  [() => m.matmul(x, x, as({ transposeB: 1 })), 'matmul: transposeB must be true or false, got 1.'],
  [() => m.dropout(x, as('0.5'), key), 'dropout: rate must be a number in [0, 1), got "0.5".'],
  [() => m.dropout(x, 0, as(1)), 'dropout: key must be a Key, from Key.of(seed), got 1.'],
  [
    () => m.attention(x, x, x, { dropout: as({ rate: 0.5, key: 3 }) }),
    'attention: dropout: key must be a Key, from Key.of(seed), got 3.',
  ],
  [
    () => m.attention(x, x, x, as({ mask: null })),
    'attention: expected tensors, got null; wrap values in tensor(...).',
  ],
  [
    () => m.layerNorm(x, m.ones([2]), m.ones([2]), as('small')),
    'layerNorm: epsilon must be a finite number >= 0, got "small".',
  ],
  [
    () => m.checkGradients(m.neg, [f64([1])], as({ order: 3 })),
    'checkGradients: order must be a whole number from 1 to 2, got 3.',
  ],
  [
    () => createWasmBackend(as({ maximumBytes: '1 GiB' })),
    'wasm: maximumBytes must be a finite number, got "1 GiB".',
  ],
  [
    () => m.tensor([1, 2], as([2, 1])),
    'tensor: expected an object of options, got a list of 2; a shape is written { shape: [2, 1] }.',
  ],
  ...(['cpu', {}, 7] as const).map((backend): [() => unknown, string] => [
    () => m.zeros([2], { backend: as(backend) }),
    `zeros: backend must be the result of await loadBackend(name), got ${{ cpu: '"cpu"', 7: '7' }[String(backend)] ?? 'an object'}.`,
  ]),
  [
    () => m.setDefaultBackend(as(loadBackend('cpu'))),
    'setDefaultBackend: backend must be the result of await loadBackend(name), got Promise.',
  ],
];
for (const [call, message] of values) {
  test(message, async () => assert.is(await refusal(call), message));
}

test.run();
