/** Every operation, in every pattern, against central differences; and that such a check can fail. */
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
import { checkAllGradients, differentiableNames } from '../../src/testing/index.js';
import { refusal } from './helpers.js';

const test = suite('gradients');

for (const operation of differentiableNames) {
  test(`${operation}: first and second order`, async () => {
    let count = 0;
    for await (const { pattern, passed, worst } of checkAllGradients({ operations: [operation] })) {
      assert.ok(passed, `${operation}, ${pattern}: ${worst}`);
      count++;
    }
    assert.ok(count > 0, `no pattern of ${operation} is compared with central differences`);
  });
}

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
