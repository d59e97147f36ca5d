/** The examples of the README, docs/models.md and docs/tasks.md, run as they would be pasted: as modules that import the built package. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const examplesOf = (file: string) =>
  [...readFileSync(file, 'utf8').matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
const examples = examplesOf('README.md');
const modelExamples = examplesOf('docs/models.md');
const taskExamples = examplesOf('docs/tasks.md');

/** What the example printed. */
function run(code: string, name: string): string {
  mkdirSync('build/readme', { recursive: true });
  const file = `build/readme/${name}.mjs`;
  writeFileSync(file, code);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
  return stdout;
}

test('the ten-line example finds the weights', () => {
  assert.match(run(examples[0], 'ten-lines'), /1,\s*-2,\s*3\s/);
});

test('the training example trains and evaluates', () => {
  const lines = run(examples[1], 'train').trim().split('\n');
  assert.match(lines[0], /^10 \d\.\d+$/);
  assert.match(lines[1], /^20 \d\.\d+$/);
  assert.match(lines[2], /^0\.\d+$/);
});

test('the examples of docs/models.md print what they say', () => {
  const [encoder, stream, observing] = modelExamples.map((code, i) => run(code, `models-${i}`));
  assert.match(encoder, /^3 0\.\d\d\n$/);
  assert.is(stream, '5 true [ 12 ]\n');
  assert.match(observing, 'memory.read layers.0.attention layers.1.attention memory.written');
  assert.match(observing, '[ 1, 2, 13, 13 ]');
});

test('the examples of docs/tasks.md print what they say', () => {
  const [words, own] = taskExamples.map((code, i) => run(code, `tasks-${i}`));
  assert.match(words, /^(5000 perplexity|The corpus 'moby-dick' is not installed; .*)\n$/);
  assert.is(own, '8 7 6\n');
});

test('there is no example that is not run', () => {
  assert.is(examples.length, 2);
  assert.is(modelExamples.length, 3);
  assert.is(taskExamples.length, 2);
});

test.run();
