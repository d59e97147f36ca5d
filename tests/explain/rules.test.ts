/**
 * Every rule that is shown, held against what the engine computed: a rule is an expression of the
 * same language, so it is run. What the engine computed is held against `grad` and differences.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  broadcastTo,
  grad,
  Key,
  type Nested,
  scope,
  type Tensor,
  tensor,
  vjp,
  zeros,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import {
  type ExplainedNode,
  type Explanation,
  explain,
  explainable,
} from '../../src/explain/index.js';
import { describe } from '../../src/explain/operations.js';
import { rawRule } from '../../src/explain/text.js';
import { type CaseInput, floats, indices, ints } from '../../src/testing/case.js';
import { cases, type OperationName, operations } from '../../src/testing/index.js';

const test = suite('rules');
const backend = createCpuBackend();

const x = floats([2, 3], 1);
const wide = floats([2, 2, 3], 2);
const square = floats([3, 3], 3);
const mask = ints([1, 0, 1, 1, 1, 0], [2, 3]);
const qkv = { q: floats([2, 4], 4), k: floats([3, 4], 5), v: floats([3, 4], 6) };

/** A call of an operation as it is written, and its arguments by name. */
type Call = readonly [text: string, at: Readonly<Record<string, CaseInput>>];

/** Calls of one argument and its options. */
const calls = (name: string, at: Record<string, CaseInput>, ...rest: string[]): Call[] =>
  rest.map(
    (more): Call => [`${name}(${[...Object.keys(at), ...(more ? [more] : [])].join(', ')})`, at],
  );

/** The operations whose arguments are all tensors have the cases of `src/testing`. */
const plain = [
  'neg',
  'abs',
  'sign',
  'exp',
  'log',
  'sqrt',
  'sin',
  'cos',
  'tanh',
  'sigmoid',
  'relu',
  'erf',
  'square',
  'gelu',
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'maximum',
  'minimum',
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
  'where',
  'identity',
  'stopGradient',
  'gather',
  'swiglu',
  'tan',
  'log1p',
  'expm1',
  'atan2',
  'clip',
  'round',
  'floor',
  'ceil',
  'mod',
  'softplus',
  'silu',
] as const;
type Plain = (typeof plain)[number];

/** The others are called in every way that matters to a rule. */
const written: Record<Exclude<OperationName, Plain>, readonly Call[]> = {
  cast: calls('cast', { x }, "'float64'", "'float32'"),
  sum: calls('sum', { x }, '', '0', '[1]', '1, { keepDims: true }', '{ keepDims: true }'),
  mean: calls('mean', { x }, '', '0', '[1]', '1, { keepDims: true }'),
  max: calls('max', { x }, '', '0', '1, { keepDims: true }'),
  min: calls('min', { x }, '', '0', '1, { keepDims: true }'),
  logsumexp: calls('logsumexp', { x }, '', '0', '1, { keepDims: true }'),
  variance: calls('variance', { x }, '', '0', '[1]', '1, { correction: 0, keepDims: true }'),
  std: calls('std', { x }, '', '0', '[1]', '1, { correction: 0, keepDims: true }'),
  norm: calls('norm', { x }, '', '0', '[1]', '1, { keepDims: true }'),
  prod: calls('prod', { x }, '', '0', '[1]', '1, { keepDims: true }'),
  cumsum: calls('cumsum', { x }, '0', '1', '-1'),
  cumprod: calls('cumprod', { x }, '0', '1', '-1'),
  argmax: calls('argmax', { x }, '0', '-1'),
  matmul: [
    ...calls('matmul', { a: x, b: square }, '', '{ transposeB: true }'),
    ...calls('matmul', { a: floats([3, 2], 7), b: square }, '{ transposeA: true }'),
    ...calls(
      'matmul',
      { a: floats([3, 2], 7), b: square },
      '{ transposeA: true, transposeB: true }',
    ),
    ...calls('matmul', { a: wide, b: square }, ''),
    ...calls('matmul', { a: x, b: floats([2, 3, 2], 8) }, ''),
  ],
  linear: [
    ...calls('linear', { x, weight: square }, '', "{ activation: 'relu' }"),
    ...calls('linear', { x, weight: square, bias: floats([3], 9) }, '', "{ activation: 'relu' }"),
    ...calls('linear', { x: wide, weight: square, bias: floats([3], 9) }, ''),
  ],
  reshape: calls('reshape', { x }, '[3, 2]', '[-1]'),
  transpose: [
    ...calls('transpose', { x }, '', '[1, 0]'),
    ...calls('transpose', { wide }, '[2, 0, 1]', '[-1, 0, 1]'),
  ],
  broadcastTo: calls('broadcastTo', { x: floats([3], 10) }, '[2, 3]', '[3]'),
  slice: calls('slice', { x }, '1, 1', '0, -1', '-1, 0, 2'),
  pad: calls('pad', { x }, '[[1, 0], [0, 2]]', '[[0, 0], [1, 1]], 3'),
  concat: [
    ['concat([x, z, x], 0)', { x, z: floats([1, 3], 11) }],
    ['concat([x, x], -1)', { x }],
  ],
  stack: [
    ['stack([x, z])', { x, z: floats([2, 3], 12) }],
    ['stack([x, x], -1)', { x }],
  ],
  leakyRelu: calls('leakyRelu', { x }, '', '0.2'),
  elu: calls('elu', { x }, '', '0.5'),
  squeeze: [
    ...calls('squeeze', { x: floats([2, 1, 3, 1], 50) }, '', '1', '[-1, 1]'),
    ...calls('squeeze', { x }, ''),
  ],
  unsqueeze: calls('unsqueeze', { x }, '0', '1', '-1'),
  flatten: [...calls('flatten', { x }, ''), ...calls('flatten', { wide }, '', '1', '0, 1', '-2')],
  flip: calls('flip', { x }, '', '0', '[1]', '[-1, 0]'),
  tile: [
    ...calls('tile', { x }, '[2, 1]', '[3]', '[2, 1, 2]', '[1, 1]'),
    ...calls('tile', { x: floats([], 51) }, '[2]'),
  ],
  roll: calls('roll', { x }, '1', '-2', '1, 0', '-1, 1', '5, -1'),
  tril: calls('tril', { x }, '', '1', '-1'),
  triu: calls('triu', { x }, '', '1', '-1'),
  scatterAdd: calls('scatterAdd', { x, i: ints([1, 1]) }, '3'),
  einsum: [
    ["einsum('ij,kj->ik', [x, z])", { x, z: floats([2, 3], 62) }],
    ["einsum('ij->ji', [x])", { x }],
    ["einsum('ij', [x])", { x }],
    ["einsum('ii', [s])", { s: square }],
    ["einsum('...j,kj->...k', [x, z])", { x, z: floats([2, 3], 62) }],
    ["einsum('...j->j...', [x])", { x }],
  ],
  argsort: calls('argsort', { x }, '', '0', '-1, { descending: true }'),
  sort: calls('sort', { x }, '', '0', '-1, { descending: true }'),
  takeAlongAxis: [
    ...calls('takeAlongAxis', { x: floats([3], 63), i: ints([2, 2, 0]) }, '0'),
    ...calls('takeAlongAxis', { x, i: ints([2, 2], [2, 1]) }, '1'),
  ],
  oneHot: calls('oneHot', { i: indices([2], 13, 3) }, '3'),
  softmax: calls('softmax', { x }, '', '0', '-1'),
  logSoftmax: calls('logSoftmax', { x }, '', '0', '-1'),
  layerNorm: calls('layerNorm', { x, weight: floats([3], 14), bias: floats([3], 15) }, '', '0.1'),
  rmsNorm: calls('rmsNorm', { x, weight: floats([3], 14) }, '', '0.1'),
  conv1d: calls(
    'conv1d',
    { x: floats([2, 2, 4], 70), w: floats([3, 2, 2], 71), b: floats([3], 72) },
    '',
    '{ stride: 2, padding: 1 }',
  ),
  conv2d: [
    ...calls(
      'conv2d',
      { x: floats([1, 2, 3, 3], 73), w: floats([2, 2, 2, 2], 74), b: floats([2], 75) },
      '',
      '{ padding: [1, 0], stride: [2, 1] }',
    ),
    ...calls('conv2d', { x: floats([1, 2, 3, 3], 73), w: floats([2, 2, 2, 2], 74) }, ''),
    ...calls(
      'conv2d',
      { x: floats([1, 2, 3, 3], 73), w: floats([2, 1, 2, 2], 76), b: floats([2], 75) },
      '{ groups: 2, dilation: 2 }',
    ),
  ],
  maxPool: calls('maxPool', { x: floats([1, 2, 3, 3], 76) }, '3', '2', '[3, 2], { stride: 1 }'),
  averagePool: calls(
    'averagePool',
    { x: floats([1, 2, 3, 3], 76) },
    '3',
    '[3, 3]',
    '2, { padding: 1 }',
  ),
  batchNorm: calls(
    'batchNorm',
    { x: floats([2, 2, 3], 77), w: floats([2], 78), b: floats([2], 79) },
    '',
    '{ epsilon: 0.1 }',
  ),
  groupNorm: [
    ['groupNorm(x, 2, w, b)', { x: floats([2, 4, 2], 80), w: floats([4], 81), b: floats([4], 82) }],
    [
      'groupNorm(x, 1, w, b, 0.1)',
      { x: floats([2, 4, 2], 80), w: floats([4], 81), b: floats([4], 82) },
    ],
  ],
  crossEntropy: [
    ...calls(
      'crossEntropy',
      { x, t: ints([2, 0]) },
      '',
      "{ reduction: 'sum' }",
      "{ reduction: 'none' }",
      '{ labelSmoothing: 0.1 }',
      "{ labelSmoothing: 0.25, reduction: 'none' }",
    ),
    ...calls('crossEntropy', { x, t: ints([2, -1]) }, '{ ignoreIndex: -1 }'),
    ...calls('crossEntropy', { x: floats([3], 16), t: ints([1], []) }, ''),
  ],
  mse: calls(
    'mse',
    { x, z: floats([2, 3], 60) },
    '',
    "{ reduction: 'sum' }",
    "{ reduction: 'none' }",
  ),
  huber: calls(
    'huber',
    { x, z: floats([2, 3], 60) },
    '',
    "{ delta: 0.5, reduction: 'sum' }",
    "{ delta: 5, reduction: 'none' }",
  ),
  binaryCrossEntropy: calls(
    'binaryCrossEntropy',
    { x, z: floats([2, 3], 61, 'positive') },
    '',
    "{ reduction: 'sum' }",
    "{ reduction: 'none' }",
  ),
  dropout: calls('dropout', { x }, '0.5, 3', '0.5, 3, { residual: x }', '0, 3'),
  rotate: [
    ...calls(
      'rotate',
      { x: floats([3, 2, 4], 17), c: floats([2, 2], 18), s: floats([2, 2], 19) },
      '',
    ),
    ...calls(
      'rotate',
      { x: floats([2, 8], 17), c: floats([2, 2], 18), s: floats([2, 2], 19) },
      '2',
    ),
  ],
  attention: [
    ...calls('attention', qkv, '', '{ heads: 2 }'),
    ['attention(q, k, v, { mask: m, bias: z })', { ...qkv, m: mask, z: floats([2, 3], 20) }],
  ],
};

/** The calls of an operation; `smooth` where differences tell the gradient. */
function callsOf(name: OperationName): { call: Call; smooth: boolean }[] {
  const smooth = cases[name].differentiable === true;
  if (name in written) {
    return written[name as Exclude<OperationName, Plain>].map((call) => ({
      call,
      smooth: smooth && !call[0].includes('float32'), // which has too few digits
    }));
  }
  return cases[name].patterns.flatMap(({ inputs, only }) => {
    const names = ['a', 'b', 'c'].slice(0, inputs.length);
    const fits = inputs.every(({ values }) => values.length > 0 && values.length <= 64);
    const floating = inputs.some(({ dtype }) => dtype === 'float');
    const arity = describe(name).takes.length;
    if (!fits || !floating || only === 'forward' || inputs.length !== arity) return [];
    const at = Object.fromEntries(names.map((n, i) => [n, inputs[i]]));
    return [{ call: [`${name}(${names.join(', ')})`, at] as const, smooth: smooth && !only }];
  });
}

/** `values` as nested lists. */
function nested(values: readonly number[], shape: readonly number[]): Nested {
  if (shape.length === 0) return values[0];
  const step = values.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    nested(values.slice(i * step, (i + 1) * step), shape.slice(1)),
  );
}

const valuesOf = (at: Call[1]) =>
  Object.fromEntries(
    Object.entries(at).map(([name, { values, shape }]) => [name, nested(values, shape)]),
  );

function close(came: readonly number[], expected: readonly number[], what: string, error = 1e-12) {
  const off = (value: number, wanted: number) =>
    !Object.is(value, wanted) &&
    !(Math.abs(value - wanted) <= error * Math.max(1, Math.abs(wanted)));
  if (came.length === expected.length && !came.some((value, i) => off(value, expected[i]))) return;
  throw new Error(`${what}: ${came} where ${expected} was expected`);
}

/** The sum of a call's results, each with a weight of its own, so that all their gradients differ. */
async function weighted([text, at]: Call): Promise<Call> {
  const { nodes } = await explain(`result = ${text}; sum(cast(result, 'float64'))`, {
    at: valuesOf(at),
  });
  const result = nodes.findLast(({ name, kind }) => name === 'result' && kind === 'operation');
  const weights = floats(result?.shape ?? at.x.shape, 30, 'positive');
  return [`sum(cast(${text}, 'float64') * weights)`, { ...at, weights }];
}

/** What the library gives for the call as JavaScript: its gradients by the floating arguments. */
async function ofLibrary([text, at]: Call): Promise<Map<string, number[]>> {
  const names = Object.keys(at);
  const code = forLibrary(text).replace(/^sum\((.*) \* weights\)$/, 'sum(mul($1, weights))');
  const f = new Function(...Object.keys(operations), 'Key', ...names, `return ${code}`);
  const args = names.map((name) => {
    const { dtype, shape, values } = at[name];
    const as = dtype === 'int32' ? 'int32' : 'float64';
    return tensor(nested(values, shape), { dtype: as, backend });
  });
  const floating = names.filter((name) => at[name].dtype !== 'int32');
  const gradients = scope(() =>
    grad((variables: Tensor[]) => {
      const given = names.map((name, i) => variables[floating.indexOf(name)] ?? args[i]);
      return f(...Object.values(operations), Key, ...given);
    })(floating.map((name) => args[names.indexOf(name)])),
  );
  const read = await Promise.all(gradients.map((gradient) => gradient.data()));
  return new Map(floating.map((name, i) => [name, [...read[i]]]));
}

/** The central differences of the value by each number of `variable`. */
async function differences([text, at]: Call, variable: string): Promise<number[]> {
  const valueAt = async (element: number, by: number) => {
    const { shape, values, dtype } = at[variable];
    const moved = { dtype, shape, values: values.map((v, i) => (i === element ? v + by : v)) };
    const { nodes, result } = await explain(text, { at: valuesOf({ ...at, [variable]: moved }) });
    return nodes[result].value[0];
  };
  const made: number[] = [];
  for (const element of at[variable].values.keys()) {
    made.push(((await valueAt(element, 1e-5)) - (await valueAt(element, -1e-5))) / 2e-5);
  }
  return made;
}

/** The few ways in which the language differs: seeds, options before which an argument is left out, dtypes. */
function forLibrary(text: string): string {
  return text
    .replace(/(dropout\(x, [\d.]+), (\d+)/, '$1, Key.of($2)')
    .replace(/(sum\(x), \{/, '$1, undefined, {')
    .replace(/(linear\(x, weight), \{/, '$1, undefined, {')
    .replace(/(oneHot\(i, 3)/, "$1, 'float64'");
}

/** The value of a rule's formula, as a contribution to `to`: summed back, or repeated. */
async function evaluate(
  formula: string,
  call: ExplainedNode,
  explanation: Explanation,
  to: ExplainedNode,
) {
  const { nodes } = explanation;
  const at: Record<string, Nested> = {};
  const give = (name: string, values: readonly number[], shape: readonly number[]) => {
    if (formula.match(/[a-z]\w*/gi)?.includes(name)) at[name] = nested(values, shape);
  };
  call.inputNames.forEach((name, i) => {
    const { value, shape } = nodes[call.inputs[i]];
    give(name, value, shape);
  });
  const kept = describe(call.operation as OperationName).reduces ? keptShape(call, to) : call.shape;
  give('y', call.value, kept);
  give('dy', call.gradient ?? [], kept);
  const { nodes: made, result, summed } = await explain(formula, { at });
  const { value, shape } = made[summed ? made[result].inputs[0] : result];
  const flat = scope(() => {
    const came = tensor(nested(value, shape), { dtype: 'float64', backend });
    if (value.length < to.value.length) return broadcastTo(came, to.shape);
    const zero = zeros(to.shape, { dtype: 'float64', backend });
    const [, pullback] = vjp((z) => broadcastTo(z, came.shape), zero);
    return pullback(came)[0];
  });
  return [...(await flat.data())];
}

/** The shape of a reduction's result with length 1 along what was reduced. */
function keptShape({ plain, shape }: ExplainedNode, { shape: full }: ExplainedNode) {
  if (plain.keepDims) return shape;
  const axes = plain.axes === undefined ? full.map((_, i) => i) : [plain.axes].flat();
  return full.map((length, axis) =>
    axes.map((a) => (Number(a) + full.length) % full.length).includes(axis) ? 1 : length,
  );
}

for (const name of explainable) {
  test(name, async () => {
    const calls = callsOf(name);
    assert.ok(calls.length > 0);
    let rules = 0;
    for (const { call, smooth } of calls) {
      const [text, at] = await weighted(call);
      const explanation = await explain(text, { at: valuesOf(at) });
      const { nodes, backward } = explanation;

      const floating = Object.keys(at).filter((variable) => at[variable].dtype !== 'int32');
      const expected = floating.length > 0 ? await ofLibrary([text, at]) : [];
      for (const [variable, gradient] of expected) {
        const what = `${text}: d${variable}`;
        const node = nodes.find((each) => each.kind === 'variable' && each.name === variable);
        close(node?.gradient ?? [], gradient, what);
        if (smooth) close(gradient, await differences([text, at], variable), what, 1e-6);
      }

      const node = nodes.find(({ operation }) => operation === name);
      const step = backward.find((each) => each.node === node?.id);
      if (!node || !step) continue;
      assert.equal(step.incoming, node.gradient);
      for (const { input, to, value } of step.contributions) {
        const { formula, words } = rawRule(explanation, node, input);
        assert.ok(formula ?? words);
        if (!formula || text.includes('ignoreIndex')) continue; // the rest is in words
        rules++;
        close(
          await evaluate(formula, node, explanation, nodes[to]),
          value,
          `${text}: ${formula}`,
          1e-9,
        );
      }
    }
    assert.is(rules > 0, cases[name].differentiable === true, 'a rule where there is a gradient');
  });
}

test('a rule that is wrong would be found', async () => {
  const explanation = await explain('tanh(x)', { at: { x: [0.5, 1] } });
  const [to, call] = explanation.nodes;
  const value = await evaluate('(1 + y ** 2) * dy', call, explanation, to);
  assert.throws(() => close(value, to.gradient ?? [], 'tanh'));
});

test.run();
