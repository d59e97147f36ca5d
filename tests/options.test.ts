/** The check that refuses unknown options, and the values that messages show. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describe, MemgradError } from '../src/errors.js';
import { checkOptions, type OptionNames } from '../src/options.js';

const test = suite('options');

interface Options {
  learningRate?: number;
  weightDecay?: number;
  numMemTokens?: number;
  length?: number;
}
const known: OptionNames<Options> = {
  learningRate: 1,
  weightDecay: 1,
  numMemTokens: 1,
  length: 1,
};

function message(options: unknown): string {
  try {
    checkOptions('f', options as Options, known);
  } catch (error) {
    assert.instance(error, MemgradError);
    return (error as Error).message;
  }
  return '';
}

test('known options and none at all pass', () => {
  assert.is(message(undefined), '');
  assert.is(message({}), '');
  assert.is(message({ learningRate: 1, length: undefined }), '');
});

for (const [given, meant] of Object.entries({
  lr: 'learningRate',
  learningrate: 'learningRate',
  learning_rate: 'learningRate',
  learnignRate: 'learningRate',
  weight_decay: 'weightDecay',
  num_mem_tokens: 'numMemTokens',
  len: 'length',
})) {
  test(`'${given}' is refused and '${meant}' suggested`, () => {
    assert.is(
      message({ [given]: 1 }),
      `f: there is no option "${given}"; did you mean '${meant}'? Known are learningRate, weightDecay, numMemTokens, length.`,
    );
  });
}

test('where nothing is near, the known options are listed', () => {
  const all = 'learningRate, weightDecay, numMemTokens, length';
  for (const name of ['nesterov', 'constructor', '__proto__x', 'x'.repeat(1e6)]) {
    const text = message({ [name]: true });
    assert.ok(text.endsWith(`; choose from ${all}.`), text.slice(0, 200));
    assert.ok(text.length < 200, `${text.length} characters`);
  }
});

test('what is no object is refused', () => {
  for (const [value, shown] of [
    [0.01, '0.01'],
    ['x', '"x"'],
    [null, 'null'],
    [[1], 'a list of 1'],
    [
      new (class Layer {
        width = 1;
      })(),
      'a Layer',
    ],
  ] as const) {
    assert.ok(message(value).endsWith(`got ${shown}.`), message(value));
  }
});

test('describe is short whatever the value', () => {
  for (const [value, shown] of [
    [undefined, 'nothing'],
    [3, '3'],
    ['a"b', '"a\\"b"'],
    [[[1], [2]], 'a list of 2'],
    [new Float32Array(5), 'Float32Array of 5'],
    [new Map(), 'Map'],
    [() => 1, 'a function'],
    [{ a: 1 }, 'an object'],
    [{ toString: {}, constructor: 1 }, 'an object'],
    [new (class Layer {})(), 'a Layer'],
    [Object.create(null), 'an object'],
    [10n, '10n'],
    [Symbol('s'), 'Symbol(s)'],
  ] as const) {
    assert.is(describe(value), shown);
  }
  assert.ok(describe('y'.repeat(1e6)).length <= 61);
});

test('a Map, a date or a promise has no options, and is refused', () => {
  const settings: unknown[] = [
    new Map([['lr', 1]]),
    new Date(0),
    Promise.resolve({}),
    new Set(),
    [],
  ];
  for (const value of settings) {
    assert.match(message(value), /^f: expected an object of options \(learningRate, .*\), got /);
  }
  class Settings {
    learningRate = 1;
  }
  assert.is(message(new Settings()), '');
  assert.is(describe(5n), '5n');
});

test.run();
