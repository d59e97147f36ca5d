/** Tasks that are judged by whole answers: what the curve counts is what the sentence about guessing says. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judge } from '../../playground/src/answers.js';
import { configsOf } from '../../playground/src/configs.js';
import { isLearnt, READ, recent } from '../../playground/src/progress.js';
import { defaults } from '../../playground/src/state.js';
import { Trainer } from '../../playground/src/trainer.js';
import { rightAnswers } from '../../playground/src/whole-answers.js';
import { Key, loadBackend } from '../../src/index.js';
import { MemoryStorage, unpackRun } from '../../src/runs/index.js';
import { createTask, IGNORED } from '../../src/tasks/index.js';

const test = suite('whole answers');

const task = createTask('quadratic', { range: 5 });

test('padding and the steps before the answer do not count: saying nothing gets what guessing gets', () => {
  const batch = task.batch(Key.of(3), 400, 'test');
  const { size, time, targets, answerStart = 0 } = batch;
  const columns = [0, 60, 120].map((start) => ({
    start,
    time: 60,
    said: new Int32Array(size * 60),
  }));
  const share = rightAnswers(batch, columns) / size; // 0 is padding
  assert.ok(Math.abs(share - task.chance) < 0.06, `${share}`);
  const counted = targets.filter((target) => target !== IGNORED);
  const tokens = counted.filter((target) => target === 0).length / counted.length;
  assert.ok(
    tokens > 0.6,
    `saying nothing has ${tokens} of the tokens right, which would look learnt`,
  );

  for (const { start, time: width, said } of columns) {
    for (let row = 0; row < size; row++) {
      for (let i = 0; i < width; i++) said[row * width + i] = targets[row * time + start + i];
    }
  }
  assert.is(rightAnswers(batch, columns), size);
  columns[0].said.fill(9); // before the answer
  assert.is(rightAnswers(batch, columns), size);
  const last = columns[2];
  last.said[answerStart - last.start] = 23; // in the answer of the first row
  assert.is(rightAnswers(batch, columns), size - 1);
});

test('each step counts other held-out samples; a file has no such counts, so its steps are a gap', async () => {
  const backend = await loadBackend('wasm');
  const state = { ...defaults, task: 'quadratic', length: 5, width: '16', layers: 1 } as const;
  const trainer = await Trainer.start(configsOf({ ...state, batch: 4 })[0], backend);
  assert.is(trainer.opened.metric, 'answers');
  for (let i = 0; i < 3; i++) {
    const { accuracy } = await trainer.step();
    assert.ok(Number.isInteger(accuracy * READ), `${accuracy}`);
  }
  const { archive, step } = await trainer.save();
  assert.is(step, 3);
  const storage = new MemoryStorage([]);
  await unpackRun(storage, archive);
  const resumed = await Trainer.resume(storage, backend);
  const { history } = resumed.opened;
  assert.ok(history.length === 3 && history.every(({ accuracy }) => Number.isNaN(accuracy)));
  const next = await resumed.step();
  assert.is(recent([...history, next], 'accuracy'), next.accuracy);
  await trainer.dispose();
  await resumed.dispose();
});

test('learnt is what ten steps say, none of them a gap', () => {
  const point = (accuracy: number) => ({
    step: 1,
    loss: 0,
    accuracy,
    tokensPerSecond: 1,
    segmentGradientNorms: [],
  });
  const ten = Array.from({ length: 10 }, () => point(1));
  assert.is(isLearnt(ten), true);
  assert.is(isLearnt([...ten.slice(1), point(Number.NaN)]), false);
  assert.is(isLearnt(ten.slice(1)), false);
});

test('of an answer with padding the symbols count, and what was said in the place of padding', () => {
  const sample = { prompt: [], answer: ['1', '2', '·', '·'], given: ['1', '3', '4', '·'] };
  assert.equal(judge(sample), { count: 3, wrong: [2, 3] });
});

test.run();
