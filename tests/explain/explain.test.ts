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
  parseValue,
  parseValues,
  remarksOn,
  ruleOf,
  showCall,
  showSum,
  stepsOf,
} from '../../src/explain/index.js';
import { loadBackend } from '../../src/index.js';
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
  'tanh(w*x))': /cannot read the text at character 10: unexpected '\)'/,
  'w * x +\n ?': /cannot read the text at line 2, character 2/,
  'quux(x)': /'quux' at character 1 is not an operation; choose from neg, abs/,
  'tanh + 1': /'tanh' at character 1 is an operation; call it as tanh\(x\)/,
  'tanh = 1': /'tanh' at character 1 already has a meaning/,
  'tanh(x, 1)': /'tanh\(x, 1\)' at character 1 has 2 arguments, expected 1: tanh\(x\)/,
  'sum(x, y)':
    /'y' at character 8 does not fit: sum\(x, axes\?, \{ keepDims\? \}\) takes a number or a list of numbers/,
  'sum(x, { axis: 1 })': /'axis: 1' at character 10 is not an option here/,
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
  'tanh.constructor("x")': /is not an operation/,
  'constructor(x)': /'constructor' at character 1 is not an operation/,
  'sum(...x)': /not understood/,
  'sum(x, { ...y })': /is not an option/,
  'NaN + 1': /is not a variable/,
  'argmax(x, 0)':
    /axis 0 does not exist.*This is 'argmax\(x, 0\)' at character 1\. No value was given for x/,
  'argmax([1, 2], 0)': /result holds whole numbers/,
  'matmul(a, b)':
    /matmul: expected tensors of rank 2.*No value was given for a, b, so each is a number/,
  'gather([1, 2], 5)': /gather.*at character 1/,
  'gather([1, 2], i) + i': /'i' at character 21 is used both as whole numbers/,
  '[[1, 2], [3]]': /every list of a level.*at character 1/,
  'broadcastTo(x, [65])': /at most 64 values/,
  'broadcastTo(x, [1e9, 1e9])': /at most 64 values/,
  'oneHot(t, 1e9)': /a number up to 64/,
  'pad([1], [[1e9, 0]])': /at most 16/,
  'concat([x, 1], 0)': /concat|axis 0 does not exist/,
  '-x**2':
    /^explain: '-x' at character 1 has a sign before a power, which can mean two things; write -\(x \*\* 2\) or \(-x\) \*\* 2\.$/,
  '2 * -sum(a - b) ** (y)': /'-sum\(a - b\)' at character 5 .* write -\(sum\(a - b\) \*\* …\)/,
  'a;\n+x ** exp(n)': /'\+x' at line 2, character 1 .* or \(\+x\) \*\* …/,
  '** 2': /cannot read the text at character 1: unexpected '\*\*'/,
  'x ** ** 2': /character 6: unexpected '\*\*'/,
  'x ^ 2': /the operator \^.*; write \*\* for a power/,
  '3x': /at character 2: identifier directly after number; write \* between/,
  '2(x)': /'2\(x\)' at character 1 calls something that is not an operation; write \* to multiply/,
  'x + x(1)':
    /'x\(1\)' at character 5 calls something that is not an operation; write \* to multiply/,
  'Tanh(x)': /did you mean 'tanh'/,
  'Math.exp(x)': /'Math.exp' at character 1 is not an operation; did you mean 'exp'/,
  'softMax(x)': /did you mean 'softmax'/,
  'toString(x)': /'toString' at character 1 is not an operation/,
  '__proto__(x)': /'__proto__' at character 1 is not an operation/,
  'sum.call(x)': /'sum.call' at character 1 is not an operation/,
  'sum(x, { __proto__: 1 })': /'__proto__: 1' at character 10 is not an option/,
  "cast(x, '__proto__')": /is not a dtype/,
  '1,5 * x': /'1,5 \* x' at character 1 has commas; write \[1, 2\] for a list, 1\.5 for a decimal/,
  'tanh((x, y))': /'x, y' at character 7 has commas/,
  'x + 1e999': /'1e999' at character 5 is larger than any number; write Infinity/,
  '010 * x': /'010' at character 1 begins with 0, as octal numbers do; write 10\./,
  '1__0': /at character 3: numeric separator/,
  'x²': /character 2: unexpected character '²'; write \*\* 2/,
  'x × y − 1': /character 3: unexpected character '×'; write \*/,
  'x # y': /character 3: unexpected character '#'; write \/\/ before a comment/,
  '😀': /character 1: unexpected character '😀'/,
  '𝑥 + 😀': /character 5: unexpected character '😀'/,
  '\ud800': /character 1: unexpected character 'U\+D800'/,
  '1 \0': /character 3: unexpected character 'U\+0000'/,
  'tanh x': /character 6: unexpected 'x'/,
  'x\r\n  + ?': /line 2, character 5: unexpected '\?'/,
  'gather([1, 2], 0.5)': /'0\.5' at character 16 has the value 0\.5 where whole numbers are used/,
  'undefined + x': /'undefined' at character 1 is not a variable/,
  [`${'('.repeat(990)}x${')'.repeat(990)}`]: /nested too deep/,
  [`${'['.repeat(900)}1${']'.repeat(900)}`]: /nested too deep|in more than 6 lists/,
  [`${'- '.repeat(900)}x`]: /more than 200 operations/,
};

for (const [text, message] of Object.entries(refused)) {
  test(`refused: ${JSON.stringify(text.slice(0, 60))}`, async () => {
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
  const at = (value: unknown) => ({ at: { w: value } }) as { at: Record<string, Nested> };
  for (const value of ['text', null, true, {}, 1n]) {
    assert.match(
      await refusal(() => explain('w', at(value))),
      /^explain: the value of w must be a number or a list of numbers, got /,
    );
  }
  assert.match(await refusal(() => explain('w', at([[1], [2, 3]]))), /every list of a level/);
  assert.match(
    await refusal(() => explain('gather([1, 2], w)', at(0.5))),
    /'w' at character 16 has the value 0.5 where whole numbers are used/,
  );
  assert.equal((await explain('w', at(undefined))).defaults, ['w']);
});

test('refused: arguments of another kind, and options that do not exist', async () => {
  const call = explain as (...args: unknown[]) => Promise<Explanation>;
  for (const text of [undefined, null, 5, ['x'], {}]) {
    assert.match(await refusal(() => call(text)), /^explain: the text must be a string, got /);
  }
  assert.match(await refusal(() => call('x', { att: {} })), /no option "att"; did you mean 'at'/);
  assert.match(await refusal(() => call('x', 5)), /expected an object of options/);
  assert.match(
    await refusal(() => call('x', { at: 'x=1' })),
    /at must be .* got "x=1"; parseValues/,
  );
  assert.match(await refusal(() => call('x', { at: null })), /at must be .* got null/);
  assert.match(
    await refusal(() => (parseValues as (text: unknown) => unknown)(5)),
    /the list of values must be a string, got 5/,
  );
});

test('names of the prototype are variables like others', async () => {
  for (const name of ['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__proto__']) {
    const explanation = await explain(`${name} * 3`, { at: new Map([[name, 2]]) });
    assert.equal(explanation.nodes[explanation.result].value, [6], name);
    assert.equal(variable(explanation, name).gradient, [3], name);
    assert.equal([...parseValues(`${name}=2`)], [[name, 2]]);
  }
});

test('numbers may be written in every way of JavaScript that means what it looks like', async () => {
  const { nodes, result } = await explain('x * 0 + 0x10 + 1_000 + .5 + 2. + 1e2 + 0b11');
  assert.equal(nodes[result].value, [16 + 1000 + 0.5 + 2 + 100 + 3]);
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
  const said = (text: string) => refusal(() => parseValues(text));
  assert.match(
    await said('w=1,2'),
    /'2' at character 5 of the list of values has no name; write w=\[1, 2\] .* w=1\.2 /,
  );
  assert.match(await said('w=1, w=2'), /gives w a second value/);
  assert.match(await said('w=[[1], 2]'), /'\[\[1\], 2\]' at character 3 .* is uneven/);
  assert.match(await said('w=[1 2]'), /cannot read the list of values at character 6/);
  assert.match(await said('w='), /the list of values ends too early/);
});

test('the value of one variable is read; errors name it', async () => {
  assert.is(parseValue('w', ' -0.5 '), -0.5);
  assert.equal(parseValue('w', '[[1, 2], [3, 4]]'), [
    [1, 2],
    [3, 4],
  ]);
  const texts: Record<string, RegExp> = {
    '': /the value of w, '', is empty; write a number/,
    ' ': /is empty/,
    '1,2': /the value of w, '1,2', has commas; write \[1, 2\] for a list, and 1\.2 for/,
    '[1, 2': /the value of w ends too early/,
    abc: /'abc' at character 1 of the value of w is neither a number nor a list/,
    NaN: /'NaN' .* is neither a number/,
    '1 + 1': /'1 \+ 1' .* is neither a number/,
    '1; 2': /the value of w, '1; 2', is neither a number/,
    '{}': /the value of w, '\{\}', is neither a number/,
    '1e999': /larger than any number/,
    '[1, [2]]': /uneven/,
    '1 2': /cannot read the value of w at character 3/,
    '-x**2': /sign before a power/,
    '１': /cannot read the value of w at character 1|no number/,
  };
  for (const [text, message] of Object.entries(texts)) {
    assert.match(await refusal(() => parseValue('w', text)), message, text);
  }
});

const remarked: [text: string, at: Record<string, Nested>, ...remarks: RegExp[]][] = [
  ['tanh(w * x)', {}],
  ['2 + 3', {}, /depends on no variable, so there is no gradient\. Write a name/],
  ['x = 5; x * x', {}, /no gradient\. x is assigned and therefore a constant/],
  ['a * 2; b + 1', {}, /^The result does not depend on a\.$/],
  ['sign(x) * y', {}, /^No gradient reaches x: it ends at sign\(x\), which passes none on\.$/],
  ['stopGradient(x * 2)', {}, /No gradient reaches x: it ends at stopGradient\(v₁\)/],
  ['gather([1, 2], i) * x', {}, /^i holds whole numbers here/],
  ['log(x)', { x: -1 }, /^NaN begins at v₁ = log\(x\): log\(-1\) has no value\./],
  ['x / y', { x: 0, y: 0 }, /NaN begins at v₁ = x \/ y: 0 \/ 0 has no value/],
  ['x / y', { x: 2, y: 0 }, /^Infinity begins at v₁ = x \/ y: 2 \/ 0 is infinite/],
  [
    'e = exp(z); p = e / sum(e)',
    { z: [1000, 2] },
    /^Infinity begins at e = exp\(z\): exp\(1000\) is too large for float64/,
    /^NaN begins at p = e \/ v₁: Infinity \/ Infinity has no value/,
  ],
  // [2, 1] times [2]: the 0 of the second row meets Infinity in the second column.
  ['x * y', { x: [[1], [0]], y: [2, Infinity] }, /NaN begins at .*: 0 \* Infinity has no value/],
  ['softmax(z)', { z: [Infinity, 1] }, /NaN begins at .*, from inputs with Infinity among them/],
  ['mean(x)', { x: [] }, /NaN begins at .*, from no numbers/],
  ['x', { x: Number.NaN }, /^x was given as NaN/],
  ['x / Infinity', { x: 1 }],
  [
    'sqrt(x)',
    { x: 0 },
    /^In the backward pass Infinity begins at v₁ = sqrt\(x\): dx \+= dv₁ \/ \(2 \* v₁\) = 1 \/ \(2 \* 0\)/,
  ],
  ['sqrt(x) * x', { x: 0 }, /In the backward pass NaN begins at .* = 0 \/ \(2 \* 0\)/],
];
for (const [text, at, ...remarks] of remarked) {
  test(`remarks on ${text} at ${JSON.stringify(at)}`, async () => {
    const said = remarksOn(await explain(text, { at }));
    assert.is(said.length, remarks.length, said.join('\n'));
    remarks.forEach((remark, i) => {
      assert.match(said[i], remark);
    });
  });
}

test('in float32 a number that is too large for it is named', async () => {
  const said = remarksOn(await explain('1e39 * x', { backend: await loadBackend('wasm') }));
  assert.match(said[0], '1e+39 is too large for float32, and became Infinity.');
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
        ...['constructor', '__proto__', 'valueOf', 'NaN', 'Infinity', 'undefined', 'this', 'let'],
        ...['1e999', '0x10', '1_000', '010', '.5', '10n', '1e', "'a'", '"', '`', '\\', '#'],
        ...['😀', '²', '−', '×', '\u2028', '\u0301', '\ud800', '//', '/*', '=>', '...', '?.', 'é'],
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

/** What an error quotes from a text of one line stands where it says. */
function pointsRight(text: string, message: string) {
  assert.not.match(message, /[\n\r\u2028\u2029]/, `${JSON.stringify(text)}: one line`);
  assert.ok(message.length < 1200, message);
  const letters = [...text];
  const [, quoted, at] = /(?:explain: |This is )'(.*?)' at character (\d+)/.exec(message) ?? [];
  const [, place, odd] = /at character (\d+): unexpected character '(.*?)'[;.]/.exec(message) ?? [];
  const [part, from] = place ? [odd, Number(place)] : [quoted?.replace(/…$/, ''), Number(at)];
  if (
    part === undefined ||
    /^U\+[0-9A-F]+$/.test(part) ||
    part.includes('…') ||
    part.includes('\ufffd')
  )
    return;
  const there = letters
    .slice(from - 1)
    .join('')
    .replace(/\s+/g, ' ');
  assert.ok(there.startsWith(part), `${JSON.stringify(text)}: ${message}`);
}

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
        pointsRight(text, (error as MemgradError).message);
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
