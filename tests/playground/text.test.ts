/** A run on a text of one's own in the page. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Trainer } from '../../playground/src/trainer.js';
import { loadBackend } from '../../src/index.js';
import {
  MemoryStorage,
  packRun,
  TrainingRun,
  textConfig,
  unpackRun,
} from '../../src/runs/index.js';
import { ByteTokenizer, TextTask } from '../../src/tasks/index.js';

const test = suite('text in the page');

const verse = 'one fish, two fish;\nred fish, blüe fish 😀\n'.repeat(20);

test('a run on a text goes on, answers, is looked into and saved', async () => {
  const backend = await loadBackend('wasm');
  const text = new TextTask(verse, new ByteTokenizer(verse));
  const sizes = { nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8, numMemTokens: 2 };
  const training = { steps: 3, segmentLength: 16, batchSize: 2 };
  const begun = new MemoryStorage();
  const run = await TrainingRun.start(await textConfig(text, { sizes, training }), {
    storage: begun,
    text,
  });
  for await (const _ of run.train());
  run.dispose();

  const storage = new MemoryStorage();
  await unpackRun(storage, await packRun(begun));
  const trainer = await Trainer.resume(storage, backend);
  const { opened } = trainer;
  assert.is(opened.history.length, 3);
  assert.is(opened.segments, Math.ceil((2 * text.length - 1) / 16));
  const point = await trainer.step();
  assert.is(point.step, 4);
  assert.ok(Number.isFinite(point.loss) && Number.isNaN(point.accuracy));
  const sample = await trainer.sample(0);
  assert.is(sample.answer.length, text.length);
  const shown = await trainer.look(0, [{ segment: 1, token: 0 }]);
  assert.is(shown.segments.length, opened.segments);
  assert.is(shown.gradients?.rows, opened.segments);
  const { archive, step } = await trainer.save();
  assert.is(step, 4);
  await trainer.dispose();

  const copy = new MemoryStorage();
  await unpackRun(copy, archive);
  const resumed = await TrainingRun.resume(copy);
  assert.is(resumed.step, 4);
  assert.ok(resumed.task instanceof TextTask);
  resumed.dispose();
});

test.run();
