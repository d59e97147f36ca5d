/** Expressions: what is refused and how, and random ones against the library. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  grad,
  mul,
  type Nested,
  neg,
  scope,
  sigmoid,
  sin,
  softmax,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { MemgradError } from '../../src/errors.js';
import {
  type Explanation,
  examples,
  explain,
  explainable,
  knownAt,
  parseValues,
  ruleOf,
  showCall,
  showSum,
  stepsOf,
} from '../../src/explain/index.js';
import { refusal } from '../autograd/helpers.js';

const test = suite('explain');
const backend = createCpuBackend();
const RUNS = process.env.MEMGRAD_LONG ? 3000 : 200;

const variable = ({ nodes }: Explanation, name: string) => {
  const node = nodes.find((each) => each.kind === 'variable' && each.name === name);
  assert.ok(node, name);
  return node;
};

test('one neuron: values, gradients, and the rules in its own names', async () => {
  const explanation = await explain('tanh(w*x+b)', { at: { w: 0.5, x: 2, b: -0.25 } });
  const { nodes, backward, result } = explanation;
  const slope = 1 - Math.tanh(0.75) ** 2;
  assert.is(nodes[result].value[0], Math.tanh(0.75));
  const gradients = ['w', 'x', 'b'].map((name) => variable(explanation, name).gradient?.[0]);
  assert.equal(gradients, [2 * slope, 0.5 * slope, slope]);
  assert.equal(
    backward.map(({ node }) => showCall(explanation, nodes[node])),
    ['tanh(v₂)', 'v₁ + b', 'w * x'],
  );
  assert.equal(ruleOf(explanation, nodes[backward[2].node], 0), {
    formula: 'x * dv₁',
    numbers: `2 * ${Number(slope.toPrecision(6))}`,
    words: undefined,
  });
});

test('what is used twice gets a sum, and every part of it is there', async () => {
  const explanation = await explain('x * x + x', { at: { x: 3 } });
  const parts = explanation.backward.flatMap(({ contributions }) =>
    contributions.filter(({ to }) => explanation.nodes[to].name === 'x'),
  );
  assert.equal(
    parts.map((part) => showSum(explanation, part)),
    ['dx = 1', 'dx = 1 + 3 = 4', 'dx = 4 + 3 = 7'],
  );
});

test('a step through time takes the old value of its name', async () => {
  const text = 'h = tanh(w * h); h = tanh(w * h); h = tanh(w * h)';
  const explanation = await explain(text, { at: { w: 0.8, h: 0.3 } });
  const names = explanation.nodes.filter(({ operation }) => operation === 'tanh');
  assert.equal(
    names.map(({ name }) => name),
    ['h₂', 'h₃', 'h₄'],
  );
  const slope = names.reduce((product, { value }) => product * 0.8 * (1 - value[0] ** 2), 1);
  const [came] = variable(explanation, 'h').gradient ?? [];
  assert.ok(Math.abs(came - slope) < 1e-15);
});

test('a variable without a value has one that depends on nothing but its place', async () => {
  const explanation = await explain('a * b + c', { at: { b: 7 } });
  assert.equal(explanation.defaults, ['a', 'c']);
  assert.equal(
    explanation.nodes.filter(({ kind }) => kind === 'variable').map(({ value }) => value[0]),
    [0.5, 7, 0.25],
  );
});

test('several numbers are summed; one in a list is not', async () => {
  const many = await explain('x * 2', { at: { x: [1, 2] } });
  assert.is(many.summed, true);
  assert.is(many.nodes[many.result].operation, 'sum');
  assert.equal(variable(many, 'x').gradient, [2, 2]);
  assert.is((await explain('x * 2', { at: { x: [[1]] } })).summed, false);
});

test('operators are the operations of the library; c ? a : b is where', async () => {
  const text = 'a + b - a * b / a ** 2 > -b ? a : +b';
  const { nodes } = await explain(text, { at: { a: 2, b: 3 } });
  assert.equal(
    nodes.flatMap(({ operation }) => operation ?? []),
    ['add', 'mul', 'pow', 'div', 'sub', 'neg', 'greater', 'where'],
  );
});

test('what nothing flows to has no gradient, and what is integer or written down neither', async () => {
  const explanation = await explain('u = x * 3; stopGradient(u) * y + gather([1, 2], i)', {
    at: { x: 2, y: 3, i: 1 },
  });
  assert.equal(variable(explanation, 'x').gradient, [0]);
  assert.equal(variable(explanation, 'y').gradient, [6]);
  assert.is(variable(explanation, 'i').gradient, undefined);
  assert.is(variable(explanation, 'i').dtype, 'int32');
});

test('a composed operation says what the engine ran', async () => {
  const { nodes, result } = await explain('mean(x)', { at: { x: [1, 2] } });
  assert.equal(nodes[result].ranAs, ['sum', 'div']);
});

test('steps: what is known grows one operation at a time', async () => {
  const explanation = await explain('tanh(w * x)');
  const steps = stepsOf(explanation);
  assert.equal(
    steps.map(({ kind }) => kind),
    ['start', 'forward', 'forward', 'seed', 'backward', 'backward'],
  );
  const counts = steps.map((_, at) => {
    const { values, gradients } = knownAt(explanation, at);
    return [values.size, gradients.size];
  });
  assert.equal(counts, [
    [2, 0],
    [3, 0],
    [4, 0],
    [4, 1],
    [4, 2],
    [4, 4],
  ]);
});

const refused: Record<string, RegExp> = {
  '': /is empty/,
  ';': /has no expression/,
  'tanh(w*x': /ends too early/,
  'tanh(w*x))': /cannot read the text at character 10: unexpected token/,
  'w * x +\n ?': /cannot read the text at line 2, character 2/,
  'foo(x)': /'foo' at character 1 is no operation; there are neg, abs/,
  'tanh + 1': /'tanh' at character 1 is an operation; call it as tanh\(x\)/,
  'tanh = 1': /'tanh' at character 1 has a meaning already/,
  'tanh(x, 1)': /'tanh\(x, 1\)' at character 1 has 2 arguments, expected 1: tanh\(x\)/,
  'sum(x, y)':
    /'y' at character 8 does not fit: sum\(x, axes\?, \{ keepDims\? \}\) takes a number or a list of numbers/,
  'sum(x, { axis: 1 })': /'axis: 1' at character 10 is no option here/,
  'x % 2': /'x % 2' at character 1 has the operator %/,
  'x[0]': /'x\[0\]' at character 1 is not understood/,
  'x.y': /not understood/,
  'x => x': /not understood/,
  "'text'": /not understood/,
  '`x`': /not understood/,
  '/x/': /not understood/,
  '10n': /not understood/,
  '!x': /not understood/,
  'x && y': /not understood|has the operator/,
  this: /not understood/,
  'x += 1': /'x \+= 1' at character 1 is not understood/,
  '[x, y]': /'\[x, y\]' at character 1 is not understood/,
  'if (x) y': /not understood/,
  'let x = 1': /not understood/,
  'import("fs")': /not understood/,
  'globalThis.process': /not understood/,
  'tanh.constructor("x")': /is no operation/,
  'constructor(x)': /'constructor' at character 1 is no operation/,
  'sum(...x)': /not understood/,
  'sum(x, { ...y })': /no option/,
  'NaN + 1': /no variable/,
  'argmax(x, 0)':
    /axis 0 does not exist.*This is 'argmax\(x, 0\)' at character 1\. No value was given for x/,
  'argmax([1, 2], 0)': /result is whole numbers/,
  'matmul(a, b)':
    /matmul: takes tensors of rank 2.*No value was given for a, b, so each is a number/,
  'gather([1, 2], 5)': /gather.*at character 1/,
  'gather([1, 2], i) + i': /'i' at character 21 is used as whole numbers/,
  '[[1, 2], [3]]': /every list of a level.*at character 1/,
  'broadcastTo(x, [65])': /at most 64 values/,
  'broadcastTo(x, [1e9, 1e9])': /at most 64 values/,
  'oneHot(t, 1e9)': /a number up to 64/,
  'pad([1], [[1e9, 0]])': /at most 16/,
  'concat([x, 1], 0)': /concat|axis 0 does not exist/,
};

for (const [text, message] of Object.entries(refused)) {
  test(`refused: ${JSON.stringify(text)}`, async () => {
    const said = await refusal(() => explain(text));
    assert.match(said, message);
    assert.not.match(said, '\n', 'one line');
  });
}

test('refused: more than can be looked at', async () => {
  assert.match(
    await refusal(() => explain('x'.repeat(2001))),
    /2001 characters, expected at most 2000/,
  );
  assert.match(await refusal(() => explain(`x${'+x'.repeat(300)}`)), /more than 200 operations/);
  const long = Array.from({ length: 9 }, (_, i) => i);
  const outer = 'reshape(x, [9, 1]) * x';
  assert.match(
    await refusal(() => explain(outer, { at: { x: long } })),
    /has shape \[9, 9\], expected at most 64/,
  );
  assert.match(
    await refusal(() => explain('x * 2', { at: { x: Array(65).fill(1) } })),
    /expected at most 64/,
  );
});

test('refused: values that fit no variable', async () => {
  assert.match(
    await refusal(() => explain('w * x', { at: { z: 1 } })),
    /'z', which the expression doesn't read; it reads w, x/,
  );
  assert.match(await refusal(() => explain('1 + 2', { at: { z: 1 } })), /it reads no variable/);
  const text = { w: 'text' } as unknown as Record<string, Nested>;
  assert.match(await refusal(() => explain('w', { at: text })), /tensor/);
});

test('values are read as they are written', async () => {
  assert.equal(
    [...parseValues('w=0.5, x = -2e3,\n b=[[1, -2], [3, +4]]; c = PI')],
    [
      ['w', 0.5],
      ['x', -2000],
      [
        'b',
        [
          [1, -2],
          [3, 4],
        ],
      ],
      ['c', Math.PI],
    ],
  );
  for (const text of ['w', 'w=x', 'w=tanh(1)', '3', 'w==1', "w='a'", 'if (w) x', 'w+=1', 'w=1,,']) {
    assert.match(await refusal(async () => parseValues(text)), /^explain: /);
  }
});

/** Texts that look like expressions, and others. */
const anyText = fc.oneof(
  fc.string(),
  fc
    .array(
      fc.constantFrom(
        ...explainable,
        ...'+-*/%()[]{},;=<>?:.!'.split(''),
        ...['**', '==', 'x', 'y', '2', '-1', '0.5', '[1, 2]', 'keepDims', 'true', ' ', '\n'],
      ),
      { maxLength: 16 },
    )
    .map((parts) => parts.join('')),
  // A call with arguments of all kinds.
  fc
    .tuple(
      fc.constantFrom(...explainable),
      fc.array(
        fc.constantFrom(
          'x',
          'y * x',
          '[1, 2, 3]',
          '[[1, 2], [3, 4]]',
          '0',
          '1',
          '-1',
          '0.5',
          '[0]',
          '[0, 1]',
          '[[1, 1]]',
          '[]',
          '[x, x]',
          '[x]',
          "'sum'",
          'true',
          'Infinity',
          '{ keepDims: true }',
          '{ heads: 0 }',
          '{ heads: 2 }',
          '{ mask: [[1]] }',
          '{ bias: x }',
        ),
        { maxLength: 4 },
      ),
    )
    .map(([name, args]) => `${name}(${args.join(', ')})`),
);

test('whatever is typed is explained or refused in one sentence', async () => {
  let explained = 0;
  await fc.assert(
    fc.asyncProperty(anyText, async (text) => {
      try {
        const explanation = await explain(text);
        explained++;
        for (const { node, contributions } of explanation.backward) {
          for (const { input } of contributions)
            ruleOf(explanation, explanation.nodes[node], input);
        }
      } catch (error) {
        assert.instance(
          error,
          MemgradError,
          `${text}: ${error instanceof Error ? error.stack : error}`,
        );
      }
    }),
    { seed: 20_240_602, numRuns: RUNS * 10 },
  );
  assert.ok(explained > RUNS / 4, `${explained} were explained`);
});

/** A random expression: its text, and the same in the library. */
interface Made {
  text: string;
  f: (values: Tensor[]) => Tensor;
}

const names = ['a', 'b', 'v'];
const { made } = fc.letrec<{ made: Made; leaf: Made }>((tie) => ({
  leaf: fc.oneof(
    fc.nat({ max: 2 }).map((i): Made => ({ text: names[i], f: (values) => values[i] })),
    fc.integer({ min: -20, max: 20 }).map((n): Made => {
      const constant = tensor(n / 10, { dtype: 'float64', backend });
      return { text: n < 0 ? `(${n / 10})` : `${n / 10}`, f: () => constant };
    }),
  ),
  made: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(fc.constantFrom(['+', add], ['-', sub], ['*', mul] as const), tie('made'), tie('made'))
      .map(
        ([[sign, run], a, b]): Made => ({
          text: `(${a.text} ${sign} ${b.text})`,
          f: (values) => (run as typeof add)(a.f(values), b.f(values)),
        }),
      ),
    fc
      .tuple(fc.constantFrom({ tanh }, { sin }, { sigmoid }, { neg }, { sum }), tie('made'))
      .map(([one, a]): Made => {
        const [[name, run]] = Object.entries(one);
        return { text: `${name}(${a.text})`, f: (values) => run(a.f(values)) };
      }),
    tie('made').map(
      (a): Made => ({
        text: `softmax([1, 2, 0] * ${a.text})`,
        f: (values) => softmax(mul(three(), a.f(values))),
      }),
    ),
  ),
}));
const three = () => tensor([1, 2, 0], { dtype: 'float64', backend });

test('random expressions have the gradients that the library gives, to the bit, and sums that add up', async () => {
  const at: Record<string, Nested> = { a: 0.7, b: -1.3, v: [0.2, -0.5, 1.1] };
  const values = names.map((name) => tensor(at[name], { dtype: 'float64', backend }));
  await fc.assert(
    fc.asyncProperty(made, async ({ text, f }) => {
      const gradients = scope(() => grad((all: Tensor[]) => sum(f(all)))(values));
      const expected = await Promise.all(gradients.map((gradient) => gradient.data()));
      const read = Object.fromEntries(
        Object.entries(at).filter(([name]) => new RegExp(`\\b${name}\\b`).test(text)),
      );
      const explanation = await explain(text, { at: read });
      const { nodes, backward, result } = explanation;
      names.forEach((name, i) => {
        const node = nodes.find((each) => each.kind === 'variable' && each.name === name);
        assert.equal(
          node?.gradient ?? [...expected[i]].fill(0),
          [...expected[i]],
          `${text}: ${name}`,
        );
      });
      const totals = new Map<number, readonly number[]>(nodes[result].gradient && [[result, [1]]]);
      for (const { node, incoming, contributions } of backward) {
        assert.equal(incoming, totals.get(node), `${text}: all contributions have come before`);
        for (const { to, total } of contributions) totals.set(to, total);
      }
      for (const { id, gradient } of nodes) {
        if (totals.has(id)) assert.equal(gradient, totals.get(id), `${text}: node ${id}`);
      }
    }),
    { seed: 20_240_602, numRuns: RUNS, includeErrorInReport: true },
  );
});

test('the prepared expressions are explained, with the values they come with', async () => {
  for (const { name, expression, at } of examples) {
    const { defaults, summed } = await explain(expression, { at });
    assert.equal([defaults, summed], [[], false], name);
  }
  const softmaxed = examples.find(({ name }) => name.startsWith('Softmax'));
  assert.ok(softmaxed);
  const explanation = await explain(softmaxed.expression, { at: softmaxed.at });
  const p = explanation.nodes.find(({ name }) => name === 'p')?.value ?? [];
  variable(explanation, 'z').gradient?.forEach((came, i) => {
    assert.ok(Math.abs(came - (p[i] - (i === 0 ? 1 : 0))) < 1e-15, 'p minus the target');
  });
});

test.run();
