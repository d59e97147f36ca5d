/** The table of all that a run is, and what is made of it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runOptions, taskOptions } from '../../src/cli/train-config.js';
import { configKinds } from '../../src/models/config.js';
import { modelNames, modelReads, presets } from '../../src/models/index.js';
import type { Check } from '../../src/runs/check.js';
import {
  checkRunConfig,
  type RunConfig,
  runConfig,
  textDefaults,
  trainingPresets,
} from '../../src/runs/index.js';
import { run } from '../../src/runs/schema.js';
import { taskFields } from '../../src/runs/task-config.js';
import { createTask, describeTask, taskNames } from '../../src/tasks/index.js';
import { createOptimizer, optimizerHas, optimizerNames } from '../../src/training/index.js';

const test = suite('the table of a run');

/** The places of all fields of a check: those in it, and those of the objects among them. */
function placesOf(check: Check<unknown>, place = ''): string[] {
  const fields = Object.entries(check.fields ?? {});
  if (fields.length === 0) return [place];
  return fields.flatMap(([name, field]) => placesOf(field, `${place}.${name}`));
}

/** A configuration with every field that there is. */
const full = (): RunConfig => {
  const { curriculum: _, ...training } = runConfig().training;
  return runConfig({
    sizes: {
      ...{ rotaryBase: 10, init: 'wide', cutoffs: [3], sameLength: true, memAtEnd: true },
      ...{ writeTokens: 'own', readMemFromCache: true, positions: 'absolute', clampLen: 3 },
    },
    training: {
      ...training,
      optimizer: {
        ...{ name: 'muon', momentum: 0.9, nesterov: true, epsilon: 1e-8, alpha: 0.9 },
        ...{ beta2Decay: -0.8, threshold: 1, iterations: 3 },
      },
      curriculum: { start: 1, by: 1, cuts: [30] },
    },
  });
};

test('every field of a configuration is in the table, once', () => {
  const found: string[] = [];
  const walk = (value: unknown, place: string): void => {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject || place === '.task') found.push(place);
    else for (const [name, part] of Object.entries(value)) walk(part, `${place}.${name}`);
  };
  walk({ ...full(), history: [] }, '');
  const places = placesOf(run);
  assert.equal([...places].sort(), [...found].sort());
  assert.is(new Set(places).size, places.length);
});

test('every option of a model is in the table but its backend', () => {
  const { fields = {} } = run.fields?.model.fields?.config ?? {};
  const options = Object.keys(configKinds).filter((name) => name !== 'backend');
  assert.equal(Object.keys(fields).sort(), options.sort());
});

test('every option of an optimiser is in the table but those that JSON has no values for', () => {
  const { fields = {} } = run.fields?.training.fields?.optimizer ?? {};
  const { name: _, ...options } = fields;
  for (const option of Object.keys(options)) {
    assert.ok(
      optimizerNames.some((name) => optimizerHas(name, option)),
      option,
    );
  }
  const outside = new Set(['groups', 'ema', 'adamw']);
  for (const name of optimizerNames) {
    const { kinds } = createOptimizer(name).constructor as unknown as { kinds: () => object };
    const missing = Object.keys(kinds()).filter((option) => !(option in options));
    assert.equal(
      missing.filter((option) => !outside.has(option)),
      [],
      name,
    );
  }
});

test('every option of a task has a field whose default is its own', () => {
  for (const name of taskNames) {
    const { options } = describeTask(name);
    const fields = taskFields(name);
    assert.equal(Object.keys(fields), Object.keys(options));
    const { task } = runConfig({ task: { name } });
    for (const [option, { default: value, optional }] of Object.entries(options)) {
      const kept = (task.options as Record<string, unknown>)[option];
      assert.is(kept, optional ? undefined : value, `${name}: ${option}`);
    }
    // What is left out of a configuration is what the task itself takes.
    const [first] = Object.keys(options);
    assert.is(createTask(name).length, options[first].default, `${name}: its length comes first`);
  }
});

test('a flag is in the table once, with a help, and with the default of a run', () => {
  const flags = [...runOptions.map(({ flag }) => flag), ...[...taskOptions().keys()]];
  assert.is(new Set(flags).size, flags.length);
  const usual = runConfig();
  for (const { path, flag, check, setting } of runOptions) {
    assert.ok(setting.help, flag);
    const value = path.reduce<unknown>((part, name) => Object(part)[name], usual);
    if ('default' in setting) assert.equal(value, setting.default, flag);
    if (value !== undefined && !path.includes('curriculum')) check(value, flag);
  }
});

test('a preset, and over it the sizes of a text, and over them what is chosen', () => {
  for (const preset of ['fast', 'paper'] as const) {
    const { model, training } = runConfig({ preset });
    const { optimizer, schedule, clip } = trainingPresets[preset];
    for (const [name, value] of Object.entries(presets[preset])) {
      assert.equal(model.config[name as keyof typeof model.config], value, name);
    }
    assert.equal(training.optimizer, { ...optimizer, weightDecay: 0 });
    assert.equal([training.schedule, training.clip], [schedule, clip]);
  }
  const sha256 = 'a'.repeat(64);
  const text = { name: 'text', options: { tokens: 'bytes', sha256 } } as const;
  const { model, training } = runConfig({ task: text, sizes: { nToken: 9, memLen: 5 } });
  assert.equal(model.config.dModel, textDefaults.model.dModel);
  assert.equal([model.config.memLen, model.config.nToken], [5, 9]);
  assert.equal([training.bpttDepth, training.steps], [0, 1000]);
  const given = runConfig({ sizes: { norm: 'post' }, training: { optimizer: { betas: [0, 0] } } });
  assert.is(given.model.config.finalNorm, false);
  assert.equal(given.training.optimizer, {
    ...trainingPresets.fast.optimizer,
    betas: [0, 0],
    weightDecay: 0,
  });
});

test('what cannot be is refused, and says where', () => {
  const refused = (make: () => unknown, message: RegExp) => assert.throws(make, message);
  refused(
    () => runConfig({ preset: 'slow' as 'fast' }),
    /runConfig: preset is "slow", but fast or/,
  );
  refused(() => runConfig({ modl: 'rmt' } as never), /no option "modl"; did you mean 'model'/);
  refused(() => runConfig({ sizes: { nLayers: 2 } as never }), /config has the field "nLayers"/);
  refused(
    () => runConfig({ task: { name: 'copy', options: { pairs: 2 } as never } }, 'mine'),
    /mine: task.options has the field "pairs"/,
  );
  refused(
    () => runConfig({ training: { optimizer: { name: 'sgd', nesterov: true } } }),
    /momentum must be a number > 0 with nesterov/,
  );
  const { training, ...rest } = runConfig();
  const curriculum = { start: 1, by: 1, at: 1, cuts: [4, 5] };
  refused(
    () => checkRunConfig({ ...rest, training: { ...training, curriculum } }),
    /each of cuts must be shorter/,
  );
});

test('a model reads what it says, and all read what they share', () => {
  const readers = (option: Parameters<typeof modelReads>[1]) =>
    modelNames.filter((name) => modelReads(name, option));
  assert.equal(readers('nLayer'), modelNames);
  assert.equal(readers('memLen'), ['transformer-xl', 'transformer-xl-rmt']);
  assert.equal(readers('numMemTokens'), ['rmt', 'mem-transformer', 'transformer-xl-rmt']);
  assert.equal(readers('writeTokens'), ['rmt', 'transformer-xl-rmt']);
});

test.run();
