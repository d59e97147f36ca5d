/** Values and gradients against PyTorch's (tests/goldens/operators.py). */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  attention,
  broadcastTo,
  type CrossEntropyOptions,
  concat,
  crossEntropy,
  type MatmulOptions,
  matmul,
  oneHot,
  type Padding,
  pad,
  pow,
  reshape,
  slice,
  stack,
  type Tensor,
  tensor,
  transpose,
  vjp,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { upload, withFloats } from '../../src/testing/case.js';
import { operationNames, operations } from '../../src/testing/index.js';
import { close } from './helpers.js';

interface Golden {
  dtype: 'float' | 'int32';
  shape: number[];
  values: (number | 'inf' | '-inf' | 'nan')[];
}

interface Entry {
  operation: string;
  options: Record<string, unknown>;
  inputs: Golden[];
  value: Golden;
  gradients?: Golden[];
}

type Call = (inputs: Tensor[], options: Record<string, unknown>) => Tensor;
type Reduction = (x: Tensor, axes?: number[], options?: { keepDims: boolean }) => Tensor;

const reduced =
  (f: Reduction): Call =>
  ([x], { axes, keepDims }) =>
    f(x, (axes as number[] | null) ?? undefined, { keepDims: keepDims as boolean });
const alongAxis =
  (f: (x: Tensor, axis: number) => Tensor): Call =>
  ([x], { axis }) =>
    f(x, axis as number);

/** How the options of an entry are passed. Without a line here, the inputs are all there is. */
const calls: Record<string, Call> = {
  powNumber: ([x], { exponent }) => pow(x, exponent as number),
  sum: reduced(operations.sum),
  mean: reduced(operations.mean),
  max: reduced(operations.max),
  min: reduced(operations.min),
  logsumexp: reduced(operations.logsumexp),
  argmax: alongAxis(operations.argmax),
  softmax: alongAxis(operations.softmax),
  logSoftmax: alongAxis(operations.logSoftmax),
  matmul: ([a, b], options) => matmul(a, b, options as MatmulOptions),
  reshape: ([x], { shape }) => reshape(x, shape as number[]),
  transpose: ([x], { order }) => transpose(x, order as number[]),
  broadcastTo: ([x], { shape }) => broadcastTo(x, shape as number[]),
  slice: ([x], { axis, start, end }) => slice(x, axis as number, start as number, end as number),
  pad: ([x], { padding, value }) => pad(x, padding as Padding, value as number),
  concat: (inputs, { axis }) => concat(inputs, axis as number),
  stack: (inputs, { axis }) => stack(inputs, axis as number),
  scatterAdd: ([x, i], { rows }) => operations.scatterAdd(x, i, rows as number),
  oneHot: ([i], { depth }) => oneHot(i, depth as number, 'float64'),
  layerNorm: ([x, w, b], { epsilon }) => operations.layerNorm(x, w, b, epsilon as number),
  crossEntropy: ([logits, targets], options) =>
    crossEntropy(logits, targets, options as CrossEntropyOptions),
  attention: ([q, k, v, ...rest], { has }) =>
    attention(q, k, v, Object.fromEntries((has as string[]).map((name, i) => [name, rest[i]]))),
};

/** The uvu runner starts in the root of the project. */
const entries: Entry[] = JSON.parse(readFileSync('tests/goldens/operators.json', 'utf8'));
const backend = createCpuBackend();
const test = suite('goldens');

function numbers({ values }: Golden): number[] {
  const text = { inf: Infinity, '-inf': -Infinity, nan: NaN };
  return values.map((value) => (typeof value === 'string' ? text[value] : value));
}

function call({ operation, options }: Entry, inputs: Tensor[]): Tensor {
  if (Object.hasOwn(calls, operation)) return calls[operation](inputs, options);
  const f = operations[operation as keyof typeof operations] as (...inputs: Tensor[]) => Tensor;
  return f(...inputs);
}

for (const operation of new Set(entries.map((entry) => entry.operation))) {
  test(`${operation} as in PyTorch`, async () => {
    for (const [i, entry] of entries.entries()) {
      if (entry.operation !== operation) continue;
      const what = `entry ${i}, ${operation} of ${entry.inputs.map(({ shape }) => `[${shape}]`)} ${JSON.stringify(entry.options)}:`;
      const args = entry.inputs.map((input) =>
        upload({ ...input, values: numbers(input) }, backend, 'float64'),
      );
      const [value, pullback] = vjp(
        (...floating) => call(entry, withFloats(args, floating)),
        ...args.filter(({ dtype }) => dtype !== 'int32'),
      );
      assert.equal([...value.shape], entry.value.shape, what);
      close(await value.data(), numbers(entry.value), 1e-10, `${what} value`);
      if (!entry.gradients) continue;
      const cotangent = Float64Array.from(
        { length: value.size },
        (_, j) => 0.5 + ((7 * j) % 11) / 11,
      );
      const gradients = pullback(tensor(cotangent, { shape: value.shape, backend }));
      for (const [j, gradient] of gradients.entries()) {
        assert.equal([...gradient.shape], entry.gradients[j].shape, what);
        close(
          await gradient.data(),
          numbers(entry.gradients[j]),
          1e-9,
          `${what} gradient of input ${j},`,
        );
      }
    }
  });
}

test('the goldens reach every operation that PyTorch has', () => {
  const reached = new Set(entries.map((entry) => entry.operation));
  const missing = operationNames.filter((name) => !reached.has(name));
  const without = ['cast', 'dropout', 'identity', 'rotate', 'stopGradient'];
  const newer = ['rmsNorm', 'swiglu']; // the fixtures are of PyTorch 1.13
  // known-values.test.ts has values of these.
  const byHand = [
    ...['flatten', 'flip', 'roll', 'squeeze', 'tile', 'tril', 'triu', 'unsqueeze'],
    ...['tan', 'log1p', 'expm1', 'atan2', 'clip', 'round', 'floor', 'ceil', 'mod'],
    ...['softplus', 'silu', 'leakyRelu', 'elu'],
    ...['variance', 'std', 'norm', 'prod', 'cumsum', 'cumprod'],
    ...['mse', 'huber', 'binaryCrossEntropy', 'einsum', 'argsort', 'sort', 'takeAlongAxis'],
    ...['conv1d', 'conv2d', 'maxPool', 'averagePool', 'batchNorm', 'groupNorm'],
  ];
  assert.equal(missing.sort(), [...without, ...newer, ...byHand].sort());
});

test.run();
