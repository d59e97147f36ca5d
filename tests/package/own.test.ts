/** Models of one's own, written outside the repository in strict TypeScript, from the packed package. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { install, node } from './installed.js';

const test = suite('models of one’s own');

const strict = [
  ...['--target', 'es2022', '--module', 'nodenext', '--moduleResolution', 'nodenext'],
  ...['--strict', '--skipLibCheck', 'false', '--noUncheckedIndexedAccess', 'false'],
];

test('a GRU, an RMT with a gate and interfaces compile, train, are loaded again and generate', () => {
  const folder = join(install().folder, 'own');
  cpSync(resolve('tests/package/own'), folder, { recursive: true });
  for (const compiler of [
    'typescript-oldest/bin/tsc',
    'typescript/bin/tsc6',
    '@typescript/native/bin/tsc',
  ]) {
    node([resolve('node_modules', compiler), ...strict, 'use.ts'], folder); // writes use.js
  }
  const [gated, gru, shapes, lines, typed] = node(['use.js'], folder).trim().split('\n');
  const [, accuracy] = /^GatedRMT true true 6 ([\d.]+)$/.exec(gated) ?? [];
  assert.ok(Number(accuracy) > 0.9, gated);
  assert.match(gru, /^GRU true true 6 /);
  assert.is(shapes, '0 [ 4, 2 ] [ 1 ]');
  assert.is(lines, '3');
  assert.is(typed, '3,2 0,0 POST 2.00');
});

test('the first program of your-own-loop.md compiles in strict TypeScript, save that its functions have no types', () => {
  const folder = join(install().folder, 'loop');
  mkdirSync(folder);
  const page = readFileSync('docs/your-own-loop.md', 'utf8');
  const [, program] = /```js\n(.*?)```/s.exec(page) ?? [];
  writeFileSync(join(folder, 'xor.ts'), program);
  const compiler = resolve('node_modules/@typescript/native/bin/tsc');
  node([compiler, ...strict, '--noImplicitAny', 'false', 'xor.ts'], folder);
  assert.match(node(['xor.js'], folder), '[ 0, 1, 1, 0 ]');
});

test.run();
