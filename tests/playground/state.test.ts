/** The page's state in its address. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configsOf } from '../../playground/src/configs.js';
import { lessons } from '../../playground/src/lessons.js';
import {
  defaults,
  opening,
  ranges,
  readState,
  type State,
  startLesson,
  tabs,
  writeState,
} from '../../playground/src/state.js';
import { modelNames } from '../../src/models/index.js';
import { taskNames } from '../../src/tasks/index.js';

const test = suite('the state of the playground');

const read = (address: string) => readState(new URLSearchParams(address));

test('nothing in the address is RMT beside the Transformer, and these write nothing', () => {
  assert.equal(read(''), { ...defaults, model: 'rmt', second: 'transformer' });
  assert.is(String(writeState(opening)), '');
  assert.equal(startLesson('', { ...defaults, theme: 'dark' }), { ...opening, theme: 'dark' });
});

test('a link that says anything has the models that it names: one, unless it names a second', () => {
  for (const link of [
    'tab=lens',
    'model=rmt',
    'seed=7',
    'lesson=memory',
    'task=reverse&length=6',
  ]) {
    assert.is(read(link).second, 'none', link);
  }
  assert.is(read('seed=7&second=transformer').second, 'transformer');
  assert.is(String(writeState(defaults)), 'second=none');
  assert.is(String(writeState({ ...opening, tab: 'lens' })), 'tab=lens&second=transformer');
});

test('no text makes an address that does not come back', () => {
  const state: State = { ...defaults, expression: 'x'.repeat(3000), seed: 7 };
  assert.is(String(writeState(state)), 'seed=7');
  const long = { ...defaults, expression: 'x'.repeat(2000), at: 'y'.repeat(2000) };
  assert.equal(read(String(writeState(long))), long);
});

test('any state comes back from its address', () => {
  const whole = (name: keyof typeof ranges) =>
    fc.integer({ min: ranges[name][0], max: ranges[name][1] });
  // Any but surrogates. fc.string would take two seconds to list them.
  const character = fc
    .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
    .map((point) => String.fromCodePoint(point));
  const states = fc.record({
    tab: fc.constantFrom(...tabs),
    lesson: fc.constantFrom('', ...lessons.map(({ id }) => id)),
    task: fc.constantFrom(...taskNames),
    model: fc.constantFrom(...modelNames),
    second: fc.constantFrom('none' as const, ...modelNames),
    length: whole('length'),
    segments: whole('segments'),
    memory: whole('memory'),
    seed: whole('seed'),
    rate: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    expression: fc.string({ maxLength: 40, unit: character }),
    erase: fc.constantFrom('', '2.1', '2.1,3.12'),
  });
  fc.assert(
    fc.property(states, (some) => {
      const state: State = { ...defaults, ...some };
      assert.equal(read(String(writeState(state))), state);
    }),
  );
});

test('what is not known or out of range counts as left out', () => {
  const wrong =
    'tab=attic&task=constructor&model=__proto__&segments=0&memory=1e3&cache=-1&layers=2.5' +
    '&seed=abc&rate=2&heads=3&width=17&lesson=none&erase=1&backend=cpu&unknown=1&length=';
  assert.equal(read(wrong), opening);
  assert.is(read('segments=4&memory=none').segments, 4);
});

test('a lesson stands for its settings, and what is changed is added to it', () => {
  for (const { id, state } of lessons) {
    const started = startLesson(id, { ...defaults, theme: 'dark', memory: 31 });
    assert.equal(started, { ...defaults, ...state, lesson: id, theme: 'dark' });
    assert.is(String(writeState({ ...started, theme: 'system' })), `lesson=${id}`);
    assert.is(String(writeState({ ...started, theme: 'system', seed: 7 })), `lesson=${id}&seed=7`);
  }
});

test('every state makes runs that can be, and both models see the same data', () => {
  for (const task of taskNames) {
    for (const model of modelNames) {
      const state: State = { ...defaults, task, model, second: 'rmt', segments: 4 };
      const [first, second] = configsOf(state);
      assert.is(first.model.name, model);
      assert.equal(
        [first.task, first.seed, first.training],
        [second.task, second.seed, second.training],
      );
    }
  }
});

test.run();
