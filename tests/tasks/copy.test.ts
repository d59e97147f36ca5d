import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Key } from '../../src/autograd/index.js';
import { isHeldOut } from '../../src/tasks/held-out.js';
import { Copy, createTask, IGNORED, Memorize } from '../../src/tasks/index.js';
import { readGolden } from '../models/golden.js';

test('the format is that of the published generator', () => {
  const { copy } = readGolden<{ copy: { src: number[][]; tgt: number[][]; answer_size: number } }>(
    'tasks_samples',
  );
  const batch = new Copy({ length: 24, symbols: 8 }).batch(Key.of(1), 1, 'train');
  const [length, answer] = [24, copy.answer_size];
  // Rebuild each published sample from its source symbols by the rule that our batches follow.
  for (const [i, src] of copy.src.entries()) {
    const source = src.slice(0, length);
    assert.equal(src, [...source, 1, ...source, ...source.slice(0, -1)]);
    assert.equal(copy.tgt[i].slice(-answer), [...source, ...source]);
  }
  const source = [...batch.inputs.slice(0, length)];
  assert.equal([...batch.inputs], [...source, 1, ...source, ...source.slice(0, -1)]);
  assert.equal([...batch.targets], [...Array(length).fill(IGNORED), ...source, ...source]);
  assert.is(batch.promptLength, length + 1);
});

test('memorize: the first symbols are the answer, however much is read after them', () => {
  const task = new Memorize({ length: 20, kept: 3, symbols: 4 });
  for (const { name, length, vocabulary } of [task, createTask('memorize', { length: 20 })]) {
    assert.equal([name, length, vocabulary > 5], ['memorize', 20, true]);
  }
  const { inputs, targets, promptLength, time } = task.withLength(40).batch(Key.of(4), 5, 'test');
  assert.equal([promptLength, time], [41, 43]);
  for (let row = 0; row < 5; row++) {
    const [read, said] = [inputs, targets].map((all) => [
      ...all.slice(row * time, (row + 1) * time),
    ]);
    assert.is(read[40], 1);
    assert.equal(said, [...Array(40).fill(IGNORED), ...read.slice(0, 3)]);
    assert.equal(read.slice(41), read.slice(0, 2));
  }
  assert.throws(
    () => new Memorize({ length: 2, kept: 3 }),
    /length must be a whole number from 3 to 1048576/,
  );
});

test('batches follow from the key, and symbols are spread evenly', () => {
  const task = new Copy({ length: 12 });
  const batch = (seed: number) => task.batch(Key.of(seed), 64, 'train');
  assert.equal(batch(1), batch(1));
  assert.not.equal(batch(1).inputs, batch(2).inputs);
  const counts = new Map<number, number>();
  for (const symbol of task.batch(Key.of(3), 1000, 'train').targets) {
    if (symbol !== IGNORED) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
  }
  assert.equal(
    [...counts.keys()].sort((a, b) => a - b),
    [2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
  );
  for (const count of counts.values()) assert.ok(Math.abs(count / 24000 - task.chance) < 0.01);
});

test('no test sequence is ever a training sequence', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 4, max: 30 }), (seed, length) => {
      const task = new Copy({ length });
      const sources = (split: 'train' | 'test') => {
        const { inputs, time } = task.batch(Key.of(seed), 4, split);
        return [0, 1, 2, 3].map((row) => inputs.slice(row * time, row * time + length));
      };
      assert.ok(sources('train').every((source) => !isHeldOut(source)));
      assert.ok(sources('test').every(isHeldOut));
    }),
    { seed: 5, numRuns: 50 },
  );
});

test('other lengths, other counts, and what cannot be', () => {
  const task = new Copy({ length: 24, symbols: 3, copies: 1 }).withLength(5);
  assert.is(task.length, 5);
  assert.is(task.batch(Key.of(0), 2, 'test').time, 10);
  assert.is(task.show([2, 3, 4, 1, 0]), '012>_');
  assert.throws(
    () => new Copy({ length: 0 }),
    /copy: length must be a whole number from 1 to 1048576, got 0/,
  );
  assert.throws(
    () => new Copy({ symbols: Number.NaN }),
    /copy: symbols must be a whole number >= 2, got NaN/,
  );
  assert.throws(
    () => createTask('juggle' as 'copy'),
    /createTask: there is no task "juggle"; choose from copy/,
  );
});

test.run();
