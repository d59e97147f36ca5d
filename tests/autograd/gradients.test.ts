/** Every operation, in every pattern, against central differences; and that such a check can fail. */
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  checkGradients,
  mul,
  square,
  stopGradient,
  sub,
  type Tensor,
  tensor,
} from '../../src/autograd/index.js';
import { type Operation, type GradientRule as Rule, run } from '../../src/autograd/run.js';
import { floats } from '../../src/testing/case.js';
import { cases, checkAllGradients, differentiableNames } from '../../src/testing/index.js';
import { refusal } from './helpers.js';

const test = suite('gradients');

/** The fused operations whose own rule the tests below have compared with central differences. */
const reached = new Set<string>();

for (const operation of differentiableNames) {
  test(`${operation}: first and second order`, async () => {
    let count = 0;
    for await (const row of checkAllGradients({ operations: [operation] })) {
      const { pattern, rule, fused, passed, worst } = row;
      assert.ok(passed, `${operation}, ${pattern}, ${rule}: ${worst}`);
      for (const name of fused) reached.add(name);
      count++;
    }
    assert.ok(count > 0, `no pattern of ${operation} is compared with central differences`);
  });
}

test('the own rule of every fused operation was among them', () => {
  assert.equal([...reached].sort(), fusedOperations().sort());
});

/** The names of the operations in the sources that have a definition and a gradient. */
function fusedOperations(): string[] {
  const names: string[] = [];
  const folder = 'src/autograd/operations';
  for (const file of readdirSync(folder)) {
    const source = readFileSync(`${folder}/${file}`, 'utf8');
    const literals = source.match(/^const \w+: Operation\b[\s\S]*?^\};$/gm) ?? [];
    const fused = literals.filter((literal) => /^ {2}definition\b/m.test(literal));
    const definitions = source.match(/^\s*(async )?definition\s*[(:]/gm) ?? [];
    assert.is(fused.length, definitions.length, `${file}: a definition outside of a literal`);
    for (const literal of fused) {
      const [, name] = literal.match(/^ {2}name: '(\w+)'/m) ?? [];
      assert.ok(name, `${file}: ${literal.slice(0, 60)}`);
      if (!/^ {2}gradients: noGradient/m.test(literal)) names.push(name);
    }
  }
  return names;
}

/** x y, fused. The gradient by x is that of `rule`; its definition is right. */
function fusedProduct(rule: Operation['gradients']): (...inputs: readonly Tensor[]) => Tensor {
  const operation: Operation = {
    name: 'fusedProduct',
    infer: ([x]) => [x],
    forward: () => undefined,
    definition: ([x, y]) => [mul(x, y)],
    gradients: rule,
  };
  return (...inputs) => run(operation, inputs, undefined)[0];
}

test('a wrong rule of a fused operation fails, its right definition passes', async () => {
  const { relu } = cases;
  const verdicts = async (rule: Operation['gradients']) => {
    const inputs = [floats([3], 1)];
    const call = fusedProduct(rule);
    const pattern = { pattern: 'x x', inputs, call: ([x]: readonly Tensor[]) => call(x, x) };
    cases.relu = { ...relu, patterns: [pattern] };
    const seen: string[] = [];
    for await (const row of checkAllGradients({ operations: ['relu'] })) {
      seen.push(`${row.rule} ${row.errors.map((error) => (error < 1e-6 ? 'ok' : 'wrong'))}`);
      assert.is(row.passed, !seen.at(-1)?.includes('wrong'));
      assert.equal(row.fused, row.rule === 'own' ? ['fusedProduct'] : []);
    }
    return seen;
  };
  try {
    const byY: Rule<undefined> = ([g], { inputs: [x] }) => mul(g, x);
    const byX: Rule<undefined> = ([g], { inputs: [, y] }) => mul(g, y);
    const frozen: Rule<undefined> = ([g], { inputs: [, y] }) => mul(g, stopGradient(y));
    const defined = 'definition ok,ok';
    assert.equal(await verdicts([byX, byY]), ['own ok,ok', defined]);
    assert.equal(await verdicts([([g]) => g, byY]), ['own wrong,ok', defined]);
    assert.equal(await verdicts([frozen, byY]), ['own ok,wrong', defined]);
  } finally {
    cases.relu = relu;
  }
});

test('a wrong first derivative is found', async () => {
  const wrong = (x: Tensor) => mul(x, stopGradient(x));
  const inputs = [tensor([3, 1], { dtype: 'float64' })];
  const { passed, errors, worst } = await checkGradients(wrong, inputs, { order: 1 });
  assert.not.ok(passed);
  assert.ok(errors[0] > 1);
  assert.match(worst, /^order 1, argument 0, element 0: central difference .*, gradient /);
});

test('a wrong second derivative is found, at order 2 only', async () => {
  // x^2 with a first derivative of 2x that is a constant to the second.
  const half = (x: Tensor) => {
    const frozen = stopGradient(x);
    const slope = mul(mul(frozen, 2), x); // derivative 2x, value 2x^2
    return sub(slope, square(frozen)); // value x^2
  };
  const inputs = [tensor([3, 1], { dtype: 'float64' })];
  assert.ok((await checkGradients(square, inputs)).passed);
  const first = await checkGradients((x) => half(x), inputs, { order: 1 });
  assert.is(first.errors.length, 1);
  const second = await checkGradients((x) => half(x), inputs);
  assert.not.ok(second.passed);
});

test('a NaN is a failure', async () => {
  const { passed, errors } = await checkGradients(
    (x) => mul(x, NaN),
    [tensor([1], { dtype: 'float64' })],
  );
  assert.not.ok(passed);
  assert.is(errors[0], Infinity);
});

test('names that are no operation, or have no gradient, are refused', async () => {
  for (const name of ['multiply', 'argmax']) {
    const message = await refusal(() => checkAllGradients({ operations: [name] }).next());
    assert.match(message, `gradcheck: there is no operation "${name}"; choose from `);
  }
});

test.run();
