import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key } from '../../src/autograd/index.js';
import { MemgradError } from '../../src/errors.js';
import { type SamplingOptions, sampleToken } from '../../src/models/index.js';

const test = suite('sampling');

const logits = [0.1, 2, -1, 1.5, 2];
const key = Key.of(1);

/** How often each token is drawn. */
function counts(options: SamplingOptions, draws = 4000): number[] {
  const found = logits.map(() => 0);
  for (let i = 0; i < draws; i++) found[sampleToken(logits, key.fold(i), options)]++;
  return found;
}

function softmax(values: number[]): number[] {
  const powers = values.map(Math.exp);
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** Four standard deviations of a frequency. */
function close(found: number[], expected: number[], draws = 4000) {
  found.forEach((count, i) => {
    const p = expected[i];
    const slack = 4 * Math.sqrt((p * (1 - p)) / draws) + 1e-12;
    assert.ok(Math.abs(count / draws - p) <= slack, `token ${i}: ${count / draws}, expected ${p}`);
  });
}

test('temperature 1 draws by probability, others by scaled logits', () => {
  close(counts({}), softmax(logits));
  close(counts({ temperature: 2 }), softmax(logits.map((x) => x / 2)));
  close(counts({ temperature: 0.3 }), softmax(logits.map((x) => x / 0.3)));
});

test('greedy choice takes the first of the largest', () => {
  assert.is(sampleToken(logits, key, { temperature: 0 }), 1);
  assert.is(sampleToken(logits, key, { topK: 1 }), 1);
  assert.is(sampleToken(logits, key, { topP: 1e-9 }), 1);
});

test('top-k draws among the k most likely', () => {
  const [, a, , c, b] = softmax(logits);
  const kept = a + b + c;
  close(counts({ topK: 3 }), [0, a / kept, 0, c / kept, b / kept]);
});

test('top-p draws among the fewest that reach p', () => {
  const [, a, , c, b] = softmax(logits);
  close(counts({ topP: a + b - 0.01 }), [0, 0.5, 0, 0, 0.5]);
  const kept = a + b + c;
  close(counts({ topP: a + b + 0.01 }), [0, a / kept, 0, c / kept, b / kept]);
});

test('top-p is measured among what top-k left', () => {
  close(counts({ topK: 2, topP: 0.9 }), [0, 0.5, 0, 0, 0.5]);
  close(counts({ topK: 2, topP: 0.5 }), [0, 1, 0, 0, 0]);
});

test('equal keys draw the same token', () => {
  const draw = (seed: number) => sampleToken(logits, Key.of(seed));
  for (let seed = 0; seed < 20; seed++) assert.is(draw(seed), draw(seed));
});

test('impossible tokens are never drawn, and large logits overflow nothing', () => {
  for (let i = 0; i < 100; i++) {
    assert.is(sampleToken([-Infinity, 5000, -Infinity], key.fold(i)), 1);
  }
});

test('says what is wrong', () => {
  const refused = (given: number[], options: SamplingOptions, message: string) =>
    assert.throws(
      () => sampleToken(given, key, options),
      (error: Error) => error instanceof MemgradError && error.message === message,
    );
  refused(logits, { temperature: -1 }, 'sample: temperature must be a finite number >= 0, got -1.');
  refused(logits, { topK: 0 }, 'sample: topK must be a whole number >= 1, or Infinity, got 0.');
  refused(logits, { topK: 1.5 }, 'sample: topK must be a whole number >= 1, or Infinity, got 1.5.');
  refused(logits, { topP: 0 }, 'sample: topP must be a number in (0, 1], got 0.');
  for (const [given, largest] of [
    [[], -Infinity],
    [[1, Number.NaN], Number.NaN],
    [[Infinity, 1], Infinity],
  ] as const) {
    refused(
      [...given],
      {},
      `sample: the largest of ${given.length} logits is ${largest}, expected a finite number; check the model.`,
    );
  }
});

test.run();
