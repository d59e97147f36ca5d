/** `memgrad explain` as a user calls it. */
import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { explain } from '../../src/explain/index.js';
import { events, memgrad, refused, together } from './spawn.js';

const test = suite('memgrad explain');

const neuron = ['explain', 'tanh(w * x + b)', '--at', 'w=0.5, x=2, b=-0.25'];

test('prints values, rules and gradients, as docs/explain.md shows them', async () => {
  const { code, stdout, stderr } = await memgrad(neuron);
  assert.is(code, 0, stderr);
  const [, shown] = /```\n(Forward\n.*?)```/s.exec(await readFile('docs/explain.md', 'utf8')) ?? [];
  assert.is(stdout, `tanh(w * x + b)\n\n${shown}`);
});

test('says which values it chose, that a result was summed, why a gradient is missing, and where NaN begins', async () => {
  const nan = ['explain', 'log(x) * y', '--at', 'x=-1, y=2'];
  const [chosen, constant, undefinedAt, listed, minus] = await together([
    ['explain', 'x * [1, 2] + y'],
    ['explain', 'x = 5; x * x'],
    nan,
    [...nan, '--json'],
    ['explain', '-x', '--at', 'x=2'],
  ]);
  assert.match(
    chosen.stdout,
    'Chosen, since no value was given: x=0.5, y=1.5. Give one with --at "x=0.5".',
  );
  assert.match(chosen.stdout, 'so they are summed');
  assert.match(chosen.stdout, '(summed over the repeated axes)');
  assert.match(
    constant.stdout,
    /The result depends on no variable, so there is no gradient\. x is/,
  );
  assert.match(undefinedAt.stdout, 'NaN begins at v₁ = log(x): log(-1) has no value.');
  const [{ remarks }] = events(listed.stdout);
  assert.match((remarks as string[]).join(), 'NaN begins at v₁ = log(x)');
  assert.match(minus.stdout, 'v₁ = -x');
});

test('fits 80 columns, whatever there is to say', async () => {
  const { code, stdout } = await memgrad([
    'explain',
    'layerNorm(reshape(x, [2, 3]), [1, 2, 3], b) * attention(q, q, q)',
    '--at',
    'x=[1,2,3,4,5,-6], b=[0.123456, 0.2, 0.3], q=[[1, 2, 3], [-0.123456, 5, 6]]',
  ]);
  assert.is(code, 0);
  const long = stdout.split('\n').filter((line) => line.length > 80);
  assert.equal(long, []);
});

test('--json is what the library gives, with the rules', async () => {
  const { stdout, stderr } = await memgrad([...neuron, '--json']);
  assert.is(stderr, '');
  const all = events(stdout);
  const { nodes, backward } = await explain('tanh(w * x + b)', { at: { w: 0.5, x: 2, b: -0.25 } });
  const forward = all.filter(({ event }) => event === 'forward');
  assert.equal(
    forward.map(({ value, gradient }) => [value, gradient]),
    nodes.map(({ value, gradient }) => [value, gradient]),
  );
  const steps = all.filter(({ event }) => event === 'backward');
  assert.equal(
    steps.map(({ incoming }) => incoming),
    backward.map(({ incoming }) => incoming),
  );
  const [{ contributions }] = steps as unknown as [
    { contributions: { rule: { formula: string } }[] },
  ];
  assert.is(contributions[0].rule.formula, '(1 - v₃ ** 2) * dv₃');
});

test('what is not understood is one line with its position', async () => {
  const wrong: [args: readonly string[], message: string][] = [
    [['tanh(w *'], 'ends too early'],
    [['w * foo(x)'], "'foo' at character 5"],
    [['w', '--at', 'w'], 'write name=value'],
    [['w', '--at', 'z=1'], 'it reads w'],
    [['w', '--at', 'w=1,2'], 'write w=[1, 2]'],
    [['-x**2'], 'write -(x ** 2) or (-x) ** 2'],
    [['x', '--al'], "no option '--al'; did you mean"],
    [['--jsn', 'x'], "did you mean '--json'"],
    [['w', '*', 'x'], 'put the expression in quotes'],
    [[], 'missing required argument'],
  ];
  const ended = await together(wrong.map(([args]) => ['explain', ...args]));
  for (const [i, [, message]] of wrong.entries()) assert.match(refused(ended[i]), message);
});

test('--help has examples in 80 columns', async () => {
  const { stdout } = await memgrad(['explain', '--help']);
  assert.match(stdout, '$ memgrad explain "tanh(w * x + b)"');
  assert.ok(stdout.split('\n').every((line) => line.length <= 80));
});

test.run();
