/** The examples of the README, run as they would be pasted: as modules that import the built package. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const examples = [...readFileSync('README.md', 'utf8').matchAll(/```js\n(.*?)```/gs)].map(
  ([, code]) => code,
);

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

test('there is no example that is not run', () => {
  assert.is(examples.length, 2);
});

test.run();
