/** The random number generator: known answers, and the numbers made from it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, normal, uniform } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { randomWords, threefry, uniformFloats } from '../../src/backends/threefry.js';

const test = suite('threefry');

test('known answers of Random123, Threefry-2x32 with 20 rounds', () => {
  const answers = [
    { counter: [0, 0], key: [0, 0], words: [0x6b200159, 0x99ba4efe] },
    {
      counter: [0xffffffff, 0xffffffff],
      key: [0xffffffff, 0xffffffff],
      words: [0x1cb996fc, 0xbb002be7],
    },
    {
      counter: [0x243f6a88, 0x85a308d3],
      key: [0x13198a2e, 0x03707344],
      words: [0xc4923a9c, 0x483df7a0],
    },
  ];
  for (const { counter, key, words } of answers) {
    assert.equal(threefry({ hi: key[0], lo: key[1] }, counter[0], counter[1]), words);
  }
});

test('a longer stream starts with the shorter one, at odd lengths too', () => {
  const key = Key.of(11);
  for (const length of [0, 1, 2, 7, 8]) {
    assert.equal([...randomWords(key, length)], [...randomWords(key, 9)].slice(0, length));
  }
});

test('uniform floats are exact multiples of 2^-24 in [0, 1)', () => {
  for (const value of uniformFloats(Key.of(2), 1000)) {
    assert.ok(value >= 0 && value < 1);
    assert.is((value * 2 ** 24) % 1, 0);
  }
});

/** Mean of f over the values. */
function average(values: Iterable<number>, f: (x: number) => number): number {
  let [total, count] = [0, 0];
  for (const value of values) {
    total += f(value);
    count++;
  }
  return total / count;
}

const COUNT = 100_000;

test('uniform has the moments of the uniform distribution', async () => {
  const values = await uniform(Key.of(3), [COUNT]).data();
  // Five standard errors each.
  const error = 5 / Math.sqrt(COUNT);
  assert.ok(Math.abs(average(values, (x) => x) - 1 / 2) < error * Math.sqrt(1 / 12));
  assert.ok(Math.abs(average(values, (x) => (x - 0.5) ** 2) - 1 / 12) < error * Math.sqrt(1 / 180));
  const neighbours = average(
    values.keys(),
    (i) => (values[i] - 0.5) * (values[(i + 1) % COUNT] - 0.5),
  );
  assert.ok(Math.abs(neighbours) < error / 12);
});

test('normal has the moments of the normal distribution', async () => {
  for (const dtype of ['float32', 'float64'] as const) {
    const values = await normal(Key.of(4), [COUNT], { dtype, backend: createCpuBackend() }).data();
    const error = 5 / Math.sqrt(COUNT);
    assert.ok(Math.abs(average(values, (x) => x)) < error);
    assert.ok(Math.abs(average(values, (x) => x ** 2) - 1) < error * Math.sqrt(2));
    assert.ok(Math.abs(average(values, (x) => x ** 3)) < error * Math.sqrt(15));
    assert.ok(Math.abs(average(values, (x) => x ** 4) - 3) < error * Math.sqrt(96));
    const beyond = average(values, (x) => (Math.abs(x) > 1.959964 ? 1 : 0));
    assert.ok(Math.abs(beyond - 0.05) < error * Math.sqrt(0.05 * 0.95));
  }
});

test('equal keys give equal numbers, and keys derived from one differ in all of theirs', () => {
  const key = Key.of(5);
  assert.equal(key.fold(3), Key.of(5).fold(3));
  assert.equal(key.split(3), [key.fold(0), key.fold(1), key.fold(2)]);
  const keys = [key, ...key.split(50), ...key.fold(7).split(50), Key.of(6), Key.of(2 ** 40)];
  const names = new Set(keys.map(({ hi, lo }) => `${hi} ${lo}`));
  assert.is(names.size, keys.length);
  const words = new Set(keys.flatMap((each) => [...randomWords(each, 20)]));
  assert.ok(words.size >= keys.length * 20 - 2, 'streams share words');
});

test('streams of derived keys do not correlate', () => {
  const [a, b] = Key.of(8)
    .split(2)
    .map((key) => uniformFloats(key, COUNT));
  const product = average(a.keys(), (i) => (a[i] - 0.5) * (b[i] - 0.5));
  assert.ok(Math.abs(product) < 5 / 12 / Math.sqrt(COUNT));
});

test('a seed above 2^32 uses both words', () => {
  assert.equal({ ...Key.of(2 ** 32 + 5) }, { hi: 1, lo: 5 });
  assert.equal({ ...Key.of(2 ** 53 - 1) }, { hi: 2 ** 21 - 1, lo: 2 ** 32 - 1 });
});

test('integers reach every value below the limit, about as often', () => {
  const counts = Array(7).fill(0);
  for (const value of Key.of(9).integers(70_000, 7)) counts[value]++;
  assert.is(counts.length, 7);
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, String(counts));
});

test.run();
