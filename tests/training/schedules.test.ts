import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Copy } from '../../src/tasks/index.js';
import { Curriculum, constant, cosine, onPlateau, warmUp } from '../../src/training/index.js';

test('constant and warm-up', () => {
  assert.is(constant().factor(1000), 1);
  assert.equal([1, 5, 10, 11].map(warmUp(10).factor), [0.1, 0.5, 1, 1]);
});

test('cosine falls from 1 to its floor and stays there', () => {
  const schedule = cosine(100, 0.1);
  assert.is(schedule.factor(1), 1);
  assert.ok(Math.abs(schedule.factor(51) - 0.55) < 1e-12);
  assert.ok(Math.abs(schedule.factor(101) - 0.1) < 1e-12);
  assert.ok(Math.abs(schedule.factor(500) - 0.1) < 1e-12);
  assert.is(warmUp(10, schedule).factor(5), 0.5 * schedule.factor(5));
});

test('on plateau: halves when the loss stops falling, and only then', () => {
  const schedule = warmUp(1, onPlateau({ patience: 10 }));
  for (let step = 0; step < 50; step++) schedule.observe?.(1 - step / 100);
  assert.is(schedule.factor(60), 1);
  for (let step = 0; step < 25; step++) schedule.observe?.(2);
  assert.ok(schedule.factor(90) <= 0.5);
});

test('schedules refuse what makes no sense', () => {
  assert.throws(() => warmUp(0), /warmUp: steps must be a whole number >= 1, got 0/);
  assert.throws(() => cosine(Number.NaN), /cosine: steps/);
  assert.throws(() => onPlateau({ factor: 1 }), /factor must be a number between 0 and 1, got 1/);
});

test('a curriculum grows at its threshold up to the length of the task', () => {
  const curriculum = new Curriculum(new Copy({ length: 10 }), {
    start: 4,
    by: 4,
    at: 0.9,
    window: 3,
  });
  const lengths: number[] = [];
  for (const accuracy of [1, 1, 0.5, 1, 1, 1, 1, 1, 1, 1, 1]) {
    curriculum.observe(accuracy);
    lengths.push(curriculum.task.length);
  }
  assert.equal(lengths, [4, 4, 4, 4, 4, 8, 8, 8, 10, 10, 10]);
  assert.throws(
    () => new Curriculum(new Copy(), { start: 0, by: 1 }),
    /start must be a whole number >= 1, got 0/,
  );
  assert.throws(
    () => new Curriculum(new Copy(), { start: 1, by: 1, at: 2 }),
    /at must be a number in \(0, 1\], got 2/,
  );
});

test('a curriculum cuts finer once samples have their full length', () => {
  const options = { start: 4, by: 4, cuts: [12, 6], at: 0.9, window: 2 };
  const curriculum = new Curriculum(new Copy({ length: 8 }), options);
  const places: unknown[] = [];
  for (let step = 0; step < 8; step++) {
    curriculum.observe(1);
    places.push([curriculum.task.length, curriculum.segmentLength]);
  }
  const end = [8, undefined];
  const expected = [[4, 12], [8, 12], [8, 12], [8, 6], [8, 6], end, end, end];
  assert.equal(places, expected);

  const resumed = new Curriculum(new Copy({ length: 8 }), options);
  resumed.restore({ length: 8, cutsLeft: 1, recent: [1] });
  assert.is(resumed.segmentLength, 6);
  assert.equal(resumed.state(), { length: 8, cutsLeft: 1, recent: [1] });
  assert.throws(
    () => resumed.restore({ length: 4, cutsLeft: 1, recent: [] }),
    /length 4, 1 cuts left and 0 accuracies, expected .* fewer than 2 cuts only at full length/,
  );
  assert.throws(() => resumed.restore({ length: 8, cutsLeft: 3, recent: [] }), /3 cuts left/);
  assert.throws(
    () => new Curriculum(new Copy(), { start: 4, by: 4, cuts: [0] }),
    /each of cuts must be a whole number >= 1, got 0/,
  );
  assert.throws(
    () => new Curriculum(new Copy(), { start: 4, by: 4, cuts: [6, 12] }),
    /each of cuts must be shorter than the one before, got 12 after 6/,
  );
});

test.run();
