/** Stopping and going on: the same bits as without a stop, whatever the moment. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport } from '../../src/autograd/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { MemgradError } from '../../src/errors.js';
import { modelNames } from '../../src/models/index.js';
import {
  CONFIG_FILE,
  checkpointFile,
  loadRun,
  METRICS_FILE,
  OPTIMIZER_FILE,
  type RunConfig,
  STATE_FILE,
  type StoredTensor,
  TrainingRun,
} from '../../src/runs/index.js';
import { scheduleNames } from '../../src/runs/training-parts.js';
import { type OptimizerName, optimizerNames } from '../../src/training/index.js';
import {
  configOf,
  contents,
  failure,
  isKilled,
  MemoryStorage,
  Mortal,
  savedRun,
  train,
} from './helpers.js';

const test = suite('resume');
const STEPS = 24;

/** Everything on that has a state: dropout, a curriculum that grows on the way, a plateau that is reached. */
function eventful(name: RunConfig['model']['name'], backend = 'wasm'): RunConfig {
  const config = configOf(name, {
    steps: STEPS,
    saveEvery: 5,
    schedule: { name: 'plateau', warmUp: 3 },
    curriculum: { start: 2, by: 2, at: 0.01, cuts: [8] },
    checkpointSegments: name === 'rmt',
  });
  const model = { name, config: { ...config.model.config, dropout: 0.1, dropatt: 0.1 } };
  return { ...config, backend: backend as RunConfig['backend'], model };
}

for (const backendName of ['cpu', 'wasm'] as const) {
  for (const name of modelNames) {
    test(`${name} on ${backendName}: N steps, a stop, and M steps have the bits of N + M`, async () => {
      const backend = await loadBackend(backendName);
      const config = eventful(name, backendName);
      const whole = contents(await savedRun(config, backend), STEPS);
      const lengths = [...whole.metrics.matchAll(/"length":(\d)/g)].map(([, length]) => length);
      assert.ok(new Set(lengths).size > 1, 'the curriculum grew');
      const cuts = [...whole.metrics.matchAll(/"segmentLength":(\d)/g)].map(([, cut]) => cut);
      assert.ok(new Set(cuts).size > 1, 'and cut finer');

      const storage = new MemoryStorage();
      const first = await TrainingRun.start(config, { storage, backend });
      await train(first, 7);
      first.dispose();
      for (const count of [6, Infinity]) {
        const run = await TrainingRun.resume(storage, { backend });
        await train(run, count);
        run.dispose();
      }
      assert.equal(contents(storage, STEPS), whole);
    });
  }
}

test('the state of every schedule and optimiser is carried over', async () => {
  const own: Partial<Record<OptimizerName, object>> = {
    sgd: { momentum: 0.9, nesterov: true },
    rmsprop: { momentum: 0.5 },
    muon: { iterations: 3 },
  };
  for (const [i, name] of optimizerNames.entries()) {
    const base = eventful('transformer');
    const training = {
      ...base.training,
      optimizer: { ...base.training.optimizer, name, weightDecay: 0.01, ...own[name] },
      schedule: { name: scheduleNames[i % scheduleNames.length], warmUp: 0 },
    };
    const config = { ...base, training };
    const whole = contents(await savedRun(config), STEPS);
    const storage = new MemoryStorage();
    const first = await TrainingRun.start(config, { storage });
    await train(first, 11);
    first.dispose();
    const second = await TrainingRun.resume(storage);
    await train(second);
    second.dispose();
    assert.equal(contents(storage, STEPS), whole, name);
  }
});

test('killed before or within any write of a run, it resumes and ends with the same bits', async () => {
  const config = configOf('rmt', { steps: 6, saveEvery: 2 });
  const whole = contents(await savedRun(config), 6);
  let kills = 0;
  for (; ; kills++) {
    const storage = new Mortal(new Map(), kills);
    const died = await TrainingRun.start(config, { storage }).then(
      (run) =>
        train(run)
          .then(() => false, isKilled)
          .finally(() => run.dispose()),
      isKilled,
    );
    const left = new MemoryStorage(storage.files);
    if (!left.files.has(CONFIG_FILE)) {
      assert.match(await failure(TrainingRun.resume(left)), /Cannot read 'config.json'/);
      continue;
    }
    const run = await TrainingRun.resume(left);
    await train(run);
    run.dispose();
    assert.equal(contents(left, 6), whole, `killed at ${kills}`);
    const best = JSON.parse(new TextDecoder().decode(left.files.get(checkpointFile(6, STATE_FILE))))
      .best.step;
    assert.equal(
      [...new Set([...left.files.keys()].map((name) => name.split('/')[0]))].sort(),
      [...new Set([CONFIG_FILE, METRICS_FILE, `step-${best}`, 'step-4', 'step-6'])].sort(),
      'nothing else is left',
    );
    if (!died) break;
  }
  assert.ok(kills > 25, `${kills} moments`);
});

test('the best checkpoint is kept beside the last one, and can be loaded', async () => {
  const storage = await savedRun(
    configOf('rmt', {
      steps: 60,
      saveEvery: 5,
      curriculum: null,
      schedule: { name: 'constant', warmUp: 0 },
    }),
  );
  const losses = new TextDecoder()
    .decode(storage.files.get(METRICS_FILE))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).loss as number);
  const means = Array.from({ length: 12 }, (_, i) => {
    const last = losses.slice(Math.max(0, 5 * (i + 1) - 10), 5 * (i + 1));
    return last.reduce((sum, loss) => sum + loss, 0) / last.length;
  });
  const best = 5 * (means.indexOf(Math.min(...means)) + 1);
  const loaded = await loadRun(storage, { best: true });
  assert.is(loaded.step, best);
  const last = await loadRun(storage);
  assert.is(last.step, 60);
  loaded.model.dispose();
  last.model.dispose();
});

test('more steps can be asked for, and a run that has taken them all is finished', async () => {
  const config = configOf('rmt', { schedule: { name: 'constant', warmUp: 0 } });
  const storage = await savedRun(config);
  const done = await TrainingRun.resume(storage);
  assert.ok(done.finished);
  const { seconds } = done;
  assert.ok(seconds > 0, 'those of the steps before');
  await train(done);
  assert.equal([done.step, done.seconds], [2, seconds]);
  done.dispose();
  const more = await TrainingRun.resume(storage, { steps: 5 });
  await train(more);
  assert.ok(more.seconds > seconds);
  more.dispose();
  const longer = { ...config, training: { ...config.training, steps: 5 } };
  assert.equal(contents(storage, 5), contents(await savedRun(longer), 5));
  assert.match(await failure(TrainingRun.start(config, { storage })), /a run already/);
});

test('a run from before seconds were noted is resumed, and counts from 0', async () => {
  const storage = await savedRun();
  storage.changeText(STATE, (text) => text.replace(/ *"seconds": .*\n/, ''));
  const run = await TrainingRun.resume(storage);
  assert.equal([run.step, run.seconds], [2, 0]);
  run.dispose();
});

const STATE = checkpointFile(2, STATE_FILE);
const OPTIMIZER = checkpointFile(2, OPTIMIZER_FILE);
const damaged: [what: string, damage: (storage: MemoryStorage) => void, message: RegExp][] = [
  [
    'a state of another version',
    (s) => s.changeText(STATE, (text) => text.replace('"version": 2', '"version": 7')),
    /version is 7/,
  ],
  [
    'a state of another step',
    (s) => s.changeText(STATE, (text) => text.replace('"step": 2', '"step": 3')),
    /is of step 3, but step 2/,
  ],
  [
    'a curriculum that never was',
    (s) => s.changeText(STATE, (text) => text.replace(/"length": 2/, '"length": 900')),
    /the saved state has length 900/,
  ],
  [
    'no curriculum',
    (s) =>
      s.changeText(STATE, (text) => text.replace(/"curriculum": \{[^}]*\}/, '"curriculum": null')),
    /another schedule or curriculum/,
  ],
  ['a moment missing', (s) => s.changeTensors(OPTIMIZER, drop), /lacks the tensor 'first.memory'/],
  [
    'a moment too many',
    (s) => s.changeTensors(OPTIMIZER, add),
    /has a tensor "third.memory" that the run does not have/,
  ],
];
for (const [what, damage, message] of damaged) {
  test(`a run with ${what} is not resumed, and nothing is changed or left behind`, async () => {
    const storage = await savedRun();
    damage(storage);
    const before = new Map(storage.files);
    const live = memoryReport().buffers;
    assert.match(await failure(TrainingRun.resume(storage)), message);
    assert.is(memoryReport().buffers, live);
    assert.equal(storage.files, before);
  });
}

function drop(tensors: Map<string, StoredTensor>): void {
  tensors.delete('first.memory');
}

function add(tensors: Map<string, StoredTensor>): void {
  tensors.set('third.memory', tensors.get('first.memory') as StoredTensor);
}

test('a step that throws leaves the run as it was saved after the step before', async () => {
  const config = configOf('rmt', {
    steps: 50,
    optimizer: { name: 'sgd', learningRate: 999, betas: [0.9, 0.9], weightDecay: 999 },
    schedule: { name: 'constant', warmUp: 0 },
    clip: null,
  });
  const storage = new MemoryStorage();
  const run = await TrainingRun.start(config, { storage });
  const error = await train(run).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(error, MemgradError);
  assert.match((error as Error).message, /no parameter was changed/);
  assert.ok(run.step > 0);
  const loaded = await loadRun(storage);
  assert.is(loaded.step, run.step);
  run.dispose();
  loaded.model.dispose();
});

test.run();
