/** Runs on a text: the text and its tokenizer are in the run, and it resumes to the same bits. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, memoryReport } from '../../src/autograd/index.js';
import { modelNames } from '../../src/models/index.js';
import {
  buildTask,
  CARRIED_FILE,
  checkpointFile,
  checkRunConfig,
  loadModel,
  loadRun,
  packRun,
  TEXT_FILE,
  TOKENIZER_FILE,
  TrainingRun,
  textConfig,
  unpackRun,
} from '../../src/runs/index.js';
import {
  ByteTokenizer,
  PairTokenizer,
  TextTask,
  type Tokenizer,
  WordTokenizer,
} from '../../src/tasks/index.js';
import { evaluateStream } from '../../src/training/index.js';
import { contents, failure, isKilled, MemoryStorage, Mortal, train } from './helpers.js';

const test = suite('runs on a text');

const verse = 'one fish, two fish;\nred fish, blüe fish 😀\n'.repeat(12);
const STEPS = 9; // the streams begin again after some of them
const sizes = {
  ...{ nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8, memLen: 5, numMemTokens: 2 },
  dropout: 0.1,
};
const training = { steps: STEPS, segmentLength: 32, batchSize: 3, saveEvery: 4, bpttDepth: 1 };

const bytes = () => new TextTask(verse, new ByteTokenizer(verse));

async function savedRun(text: TextTask, name: (typeof modelNames)[number] = 'rmt') {
  const config = await textConfig(text, { model: name, sizes, training, seed: 3 });
  const storage = new MemoryStorage();
  const run = await TrainingRun.start(config, { storage, text });
  await train(run);
  run.dispose();
  return { config, storage };
}

function bits(storage: MemoryStorage) {
  const carried = storage.files.get(checkpointFile(STEPS, CARRIED_FILE)) as Uint8Array;
  return { ...contents(storage, STEPS), carried: Buffer.from(carried).toString('hex') };
}

for (const name of modelNames) {
  test(`${name} stopped after any step has the bits of a run that was not`, async () => {
    const { buffers } = memoryReport();
    const text = bytes();
    const { config, storage: whole } = await savedRun(text, name);
    for (const count of [1, 4, 7]) {
      const storage = new MemoryStorage();
      const run = await TrainingRun.start(config, { storage, text });
      await train(run, count);
      run.dispose();
      const resumed = await TrainingRun.resume(storage);
      assert.is(resumed.step, count);
      assert.ok(resumed.task instanceof TextTask);
      await train(resumed);
      resumed.dispose();
      assert.equal(bits(storage), bits(whole));
    }
    assert.is(memoryReport().buffers, buffers);
  });
}

test('a run holds its text and its tokenizer, also in an archive', async () => {
  const tokenizers: Tokenizer[] = [
    new ByteTokenizer(verse),
    new WordTokenizer(verse, { split: 'prose', most: 6 }),
    new PairTokenizer(verse, { vocabulary: 280 }),
  ];
  for (const tokenizer of tokenizers) {
    const text = new TextTask(verse.repeat(4), tokenizer);
    const { storage } = await savedRun(text);
    const unpacked = new MemoryStorage();
    await unpackRun(unpacked, await packRun(storage));
    assert.is(new TextDecoder().decode(unpacked.files.get(TEXT_FILE)), verse.repeat(4));
    const run = await loadRun(unpacked);
    assert.ok(run.task instanceof TextTask);
    const { task, model, step } = run;
    assert.is(step, STEPS);
    assert.equal(task.tokenizer.encode(verse), tokenizer.encode(verse));
    const how = { model, segmentLength: 32, batchSize: 2 };
    const [loaded, own] = [
      await evaluateStream({ ...how, task }),
      await evaluateStream({ ...how, task: text }),
    ];
    assert.is(loaded.loss, own.loss);
    model.dispose();

    // Without its text, the model can still be loaded, to sample from.
    unpacked.files.delete(TEXT_FILE);
    const alone = await loadModel(unpacked);
    assert.equal(alone.tokenizer?.encode(verse), tokenizer.encode(verse));
    assert.is(alone.step, STEPS);
    const again = await evaluateStream({ ...how, model: alone.model, task: text });
    assert.is(again.loss, own.loss);
    alone.model.dispose();
  }
});

test('samples are passages of a part, each begins with a whole character', () => {
  const task = bytes();
  const parts = { train: verse.slice(0, verse.length * 0.95), test: verse };
  for (const split of ['train', 'test'] as const) {
    const batch = task.batch(Key.of(1), 20, split);
    assert.is(batch.time, 2 * task.length - 1);
    for (let row = 0; row < 20; row++) {
      const shown = task.show(batch.inputs.slice(row * batch.time, (row + 1) * batch.time));
      assert.not.ok(shown.startsWith('\ufffd'), shown);
      assert.ok(parts[split].includes(shown.replace(/\ufffd+$/, '')), shown);
    }
  }
  assert.is(task.withLength(5).batch(Key.of(1), 1, 'test').time, 9);
  assert.ok(task.chance > 0.1 && task.chance < 0.3, String(task.chance)); // spaces
});

test('another text, or none, is refused', async () => {
  const text = bytes();
  const { config, storage } = await savedRun(text);
  const other = verse.replace('one', 'two');
  const start = (given?: TextTask) => failure(TrainingRun.start(config, { text: given }));
  assert.match(await start(), /The run is on a text, but there is none/);
  assert.match(
    await start(new TextTask(other, new ByteTokenizer(verse))),
    /^The text has the SHA-256 "[0-9a-f]{12}...", but the run is on one with "[0-9a-f]{12}..."; put that/,
  );
  const pairs = new TextTask(verse, new PairTokenizer(verse));
  assert.match(await start(pairs), /on bytes, but the tokenizer of the text makes bpe/);
  assert.throws(() => buildTask(config), /text is missing, but a TextTask/);

  const changed = (change: (copy: MemoryStorage) => void) => {
    const copy = new MemoryStorage(storage.files);
    change(copy);
    const before = new Map(copy.files);
    return Promise.all([
      failure(TrainingRun.resume(copy)),
      failure(loadRun(copy)).then((message) => {
        assert.equal(copy.files, before);
        return message;
      }),
    ]);
  };
  const cases: [RegExp, (copy: MemoryStorage) => void][] = [
    [/The text has the SHA-256/, (copy) => copy.changeText(TEXT_FILE, () => other)],
    [/The run has no 'text\.txt'.*put the file back/, (copy) => copy.files.delete(TEXT_FILE)],
    [/tokenizer\.json': there is no such/, (copy) => copy.files.delete(TOKENIZER_FILE)],
    [/tokenizer\.json is not valid JSON/, (copy) => copy.changeText(TOKENIZER_FILE, () => '{')],
    [/name must be bytes, words or bpe/, (copy) => copy.changeText(TOKENIZER_FILE, () => '{}')],
    [
      /'tokenizer\.json' has \d+ tokens \(bpe\), but the run is on \d+ \(bytes\); put back/,
      (copy) => copy.changeText(TOKENIZER_FILE, () => JSON.stringify(new PairTokenizer(verse))),
    ],
    [
      /'tokenizer\.json' has 2 tokens \(bytes\), but the run is on \d+ \(bytes\)/,
      (copy) => copy.changeText(TOKENIZER_FILE, () => JSON.stringify(new ByteTokenizer('ab'))),
    ],
  ];
  for (const [message, change] of cases) {
    for (const failed of await changed(change)) assert.match(failed, message);
    if (/tokenizer/.test(String(message))) {
      const copy = new MemoryStorage(storage.files);
      change(copy);
      assert.match(await failure(loadModel(copy)), message);
    }
  }
});

test('a text that is too short, or settings that a text has not', async () => {
  const text = bytes();
  const config = await textConfig(text, { sizes, training });
  const longer = checkRunConfig({ ...config, training: { ...config.training, batchSize: 90 } });
  assert.match(
    await failure(TrainingRun.start(longer, { text })),
    /The text is too short: its first nine tenths have \d+ tokens, but 90 parallel streams/,
  );
  const sized = await textConfig(text, { sizes: { ...sizes, nToken: 3 } as never, training });
  assert.match(
    await failure(TrainingRun.start(sized, { text })),
    /nToken 3, but the task 'text' with these options has \d+ different tokens/,
  );
  for (const [name, value] of [
    ['curriculum', { start: 1, by: 1, at: 0.5 }],
    ['stopAt', 0.9],
    ['bpttDepth', null],
  ] as const) {
    const wrong = textConfig(text, { training: { ...training, [name]: value } });
    assert.match(await failure(wrong), new RegExp(`training.${name} is .* on a text`));
  }
  assert.match(await failure(textConfig(text, { model: 'lstm' as 'rmt' })), /model.name is "lstm"/);
  assert.match(await failure(textConfig('abc' as never)), /text must be a TextTask/);
  assert.match(await failure(textConfig(text, { steps: 3 } as never)), /no option "steps"/);
  const foreign: Tokenizer = {
    name: 'bytes',
    vocabulary: 256,
    encode: (given) => new Int32Array(Buffer.from(given as string)),
    decode: String,
    decoder: () => ({ push: String, end: () => '' }),
  };
  assert.match(await failure(textConfig(new TextTask(verse, foreign))), /which can be saved/);
});

test('a run that was killed at any write is whole, or can be begun again', async () => {
  const text = bytes();
  const config = await textConfig(text, { sizes, training: { ...training, steps: 5 } });
  for (let lives = 0, finished = false; !finished; lives++) {
    const storage = new Mortal(new Map(), lives);
    const run = await TrainingRun.start(config, { storage, text }).catch(isKilled);
    if (run !== true) {
      finished = await train(run).then(
        () => true,
        (error) => !isKilled(error),
      );
      run.dispose();
    }
    const left = new MemoryStorage(storage.files);
    const resumed = left.files.has('config.json')
      ? await TrainingRun.resume(left)
      : await TrainingRun.start(config, { storage: new MemoryStorage(), text });
    await train(resumed);
    assert.is(resumed.step, 5);
    resumed.dispose();
    assert.ok(lives < 60);
  }
});

test.run();
