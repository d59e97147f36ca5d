/** A run that went wrong: what is kept of it, from where it goes on, and with which settings. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NotFinite } from '../../src/errors.js';
import {
  CONFIG_FILE,
  checkpointFile,
  loadRun,
  METRICS_FILE,
  MODEL_FILE,
  OPTIMIZER_FILE,
  type RunConfig,
  readConfig,
  STATE_FILE,
  TrainingRun,
} from '../../src/runs/index.js';
import { constant, SGD, train as trainLoop } from '../../src/training/index.js';
import { configOf, contents, failure, MemoryStorage, savedRun, train } from './helpers.js';

const test = suite('diverged runs');

/** A run that grows by its weight decay until a step is not finite. */
const wild = (training: Partial<RunConfig['training']> = {}) =>
  configOf('rmt', {
    steps: 60,
    saveEvery: 3,
    optimizer: { name: 'sgd', learningRate: 10, betas: [0.9, 0.9], weightDecay: 10 },
    schedule: { name: 'constant', warmUp: 0 },
    curriculum: null,
    clip: null,
    ...training,
  });

async function divergedRun(): Promise<{ storage: MemoryStorage; step: number }> {
  const storage = new MemoryStorage();
  const run = await TrainingRun.start(wild(), { storage });
  assert.match(await failure(train(run)), /no parameter was changed/);
  run.dispose();
  return { storage, step: run.step };
}

const stepsIn = (storage: MemoryStorage) =>
  [...new Set([...storage.files.keys()].map((name) => /^step-(\d+)/.exec(name)?.[1] ?? ''))]
    .filter(Boolean)
    .map(Number)
    .sort((a, b) => a - b);
const jsonOf = (storage: MemoryStorage, name: string) =>
  JSON.parse(new TextDecoder().decode(storage.files.get(name)));

test('the state before a step that is not finite is saved, but the best and the one before stay', async () => {
  const { storage, step } = await divergedRun();
  const steps = stepsIn(storage);
  assert.is(steps.at(-1), step);
  assert.is(steps.at(-2), step - (step % 3 || 3), 'the last that was saved in time');
  const { best } = jsonOf(storage, checkpointFile(step, STATE_FILE));
  assert.ok(steps.includes(best.step) && best.step < step, `best ${best.step} of ${steps}`);

  const again = await TrainingRun.resume(storage);
  assert.match(await failure(train(again)), /no parameter was changed/);
  again.dispose();
  assert.equal(stepsIn(storage), steps, 'another try changes nothing');
});

test('it goes on from the best with a lower learning rate, and the run keeps what was otherwise', async () => {
  const { storage } = await divergedRun();
  const { step: best, model } = await loadRun(storage, { best: true });
  model.dispose();
  const options = { from: 'best', learningRate: 1e-3, clip: 1, nonFinite: 'skip' } as const;
  const run = await TrainingRun.resume(storage, { ...options, steps: best + 4 });
  assert.is(run.step, best);
  assert.equal(stepsIn(storage).at(-1), best, 'what came after it is removed');
  await train(run);
  run.dispose();
  const { training, history } = jsonOf(storage, CONFIG_FILE);
  assert.equal(
    [training.optimizer.learningRate, training.clip, training.nonFinite, training.steps],
    [1e-3, 1, 'skip', best + 4],
  );
  assert.equal(history, [{ step: best, learningRate: 10, clip: null, nonFinite: 'stop' }]);
  const lines = new TextDecoder().decode(storage.files.get(METRICS_FILE)).trim().split('\n');
  const rates = lines.map((line) => JSON.parse(line).learningRate);
  assert.equal(rates, [...Array(best).fill(10), ...Array(4).fill(1e-3)]);
});

test('a run goes on from any checkpoint that it has, or begins again, with the same bits', async () => {
  const config = configOf('rmt', { steps: 9, saveEvery: 3, curriculum: null });
  const storage = await savedRun(config);
  const whole = contents(storage, 9);
  for (const from of [6, 0]) {
    const run = await TrainingRun.resume(storage, { from });
    assert.is(run.step, from);
    await train(run);
    run.dispose();
    assert.equal(contents(storage, 9), whole, `from ${from}`);
    assert.is((await readConfig(storage)).history, undefined, 'nothing was changed');
  }
  const before = new Map(storage.files);
  for (const from of [7, 3.5, -1, 'worst' as 'best']) {
    assert.match(
      await failure(TrainingRun.resume(storage, { from })),
      /The run has no checkpoint ("worst"|7|3.5|-1); there are (3, )?6, 9, and 0, to begin again/,
    );
  }
  assert.equal(storage.files, before);
});

test('a schedule may change, plateau and curriculum states included, and change back', async () => {
  const config = configOf('rmt', {
    steps: 6,
    saveEvery: 2,
    schedule: { name: 'plateau', warmUp: 2 },
  });
  const storage = await savedRun(config);
  const change = async (name: 'constant' | 'plateau', options: object) => {
    const run = await TrainingRun.resume(storage, {
      schedule: { name, warmUp: 2 },
      ...options,
    });
    await train(run);
    run.dispose();
  };
  await change('constant', { steps: 8 });
  await change('plateau', { from: 6, steps: 8 });
  assert.is((await readConfig(storage)).history, undefined, 'what was undone leaves no trace');
  await change('constant', { steps: 10 });
  await change('plateau', { steps: 12 });
  assert.equal((await readConfig(storage)).history, [
    { step: 8, schedule: { name: 'plateau', warmUp: 2 } },
    { step: 10, schedule: { name: 'constant', warmUp: 2 } },
  ]);
});

test('a damaged last checkpoint blocks nothing: the one before is there', async () => {
  const config = configOf('rmt', { steps: 9, saveEvery: 3, curriculum: null });
  const storage = await savedRun(config);
  const whole = contents(storage, 9);
  for (const file of [OPTIMIZER_FILE, MODEL_FILE]) {
    storage.files.set(checkpointFile(9, file), new Uint8Array(20));
    const message = await failure(TrainingRun.resume(storage));
    assert.match(message, new RegExp(`^step-9/${file}: .*go on from step 6 instead .*--from 6`));
  }
  const run = await TrainingRun.resume(storage, { from: 6 });
  await train(run);
  run.dispose();
  assert.equal(contents(storage, 9), whole);
});

test('parameters that are not finite are never saved', async () => {
  const storage = new MemoryStorage();
  const run = await TrainingRun.start(wild({ steps: 9 }), { storage });
  await train(run, 3);
  const [name, parameter] = Object.entries(run.model.parameters())[0];
  const values = (await parameter.data()).fill(Infinity);
  const { tensor } = await import('../../src/autograd/index.js');
  parameter.assign(tensor(values, { shape: parameter.shape }));
  const before = stepsIn(storage);
  assert.match(await failure(train(run)), /not finite/);
  assert.equal(stepsIn(storage), before, name);
  run.dispose();
});

test('where every step is skipped, a run ends with an error', async () => {
  const { storage, step } = await divergedRun();
  const run = await TrainingRun.resume(storage, { nonFinite: 'skip', steps: 200 });
  const error = await train(run).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(error, NotFinite);
  assert.match((error as Error).message, /All of the last \d+ steps were skipped/);
  assert.ok(run.step < 200 && run.step > step);
  run.dispose();

  const config = wild({ steps: 4, nonFinite: 'skip' });
  const poisoned = await TrainingRun.start(config);
  const { tensor } = await import('../../src/autograd/index.js');
  for (const parameter of Object.values(poisoned.model.parameters())) {
    const values = (await parameter.data()).fill(Number.NaN);
    parameter.assign(tensor(values, { shape: parameter.shape }));
  }
  assert.match(await failure(train(poisoned)), /All of the last 4 steps were skipped/);
  poisoned.dispose();
});

test('what it goes on from lies before the parameters that fail, so a lower learning rate helps', async () => {
  for (const nonFinite of ['stop', 'skip'] as const) {
    for (const saveEvery of [1, 5, 60]) {
      const storage = new MemoryStorage();
      const run = await TrainingRun.start(wild({ steps: 200, nonFinite, saveEvery }), { storage });
      assert.match(await failure(train(run)), /not finite|expected finite/);
      const what = `${nonFinite}, saved every ${saveEvery} steps`;
      const { from, steps } = await run.checkpoints();
      run.dispose();
      if (saveEvery === 1) assert.not.equal(from, 0, `${what}: ${steps}`);
      const log = new TextDecoder().decode(storage.files.get(METRICS_FILE)).trim().split('\n');
      assert.is(log.length, run.step, `${what}: the log has the steps that were skipped`);

      const again = await TrainingRun.resume(storage, { from, learningRate: 1e-4 });
      let taken = 0;
      for await (const { skipped } of again.train()) {
        assert.is(skipped, undefined, `${what}: from ${from} of ${steps}`);
        if (++taken === 3) break;
      }
      assert.is(taken, 3);
      again.dispose();
    }
  }
});

test('a learning rate that is not finite is refused before the step', async () => {
  const { task, model, dispose } = await TrainingRun.start(configOf());
  const before = await Promise.all(Object.values(model.parameters()).map((one) => one.data()));
  for (const factor of [Infinity, Number.NaN, 1e308]) {
    const optimizer = new SGD({ learningRate: 1000 });
    const schedule = { ...constant(), factor: () => factor };
    const loop = trainLoop({ model, task, optimizer, schedule, segmentLength: 4, steps: 1 });
    assert.match(await failure(loop.next()), /step 1 has the learning rate (Infinity|NaN)/);
  }
  const after = await Promise.all(Object.values(model.parameters()).map((one) => one.data()));
  assert.equal(after, before);
  void dispose;
});

test('options of resume that do not exist are refused', async () => {
  const storage = await savedRun();
  const options = { learning_rate: 1 } as object;
  assert.match(await failure(TrainingRun.resume(storage, options)), /did you mean 'learningRate'/);
});

test.run();
