/** Models of one's own, written outside the repository in strict TypeScript, from the packed package. */
import { cpSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { install, node } from './installed.js';

const test = suite('models of one’s own');

const strict = [
  ...['--target', 'es2022', '--module', 'nodenext', '--moduleResolution', 'nodenext'],
  ...['--strict', '--skipLibCheck', 'false', '--noUncheckedIndexedAccess', 'false'],
];

test('a GRU and an RMT with a gate compile, train, are loaded again and generate', () => {
  const folder = join(install().folder, 'own');
  cpSync(resolve('tests/package/own'), folder, { recursive: true });
  for (const compiler of [
    'typescript-oldest/bin/tsc',
    'typescript/bin/tsc6',
    '@typescript/native/bin/tsc',
  ]) {
    node([resolve('node_modules', compiler), ...strict, 'use.ts'], folder); // writes use.js
  }
  const [gated, gru, shapes, lines] = node(['use.js'], folder).trim().split('\n');
  const [, accuracy] = /^GatedRMT true true 6 ([\d.]+)$/.exec(gated) ?? [];
  assert.ok(Number(accuracy) > 0.9, gated);
  assert.match(gru, /^GRU true true 6 /);
  assert.is(shapes, '0 [ 4, 2 ] [ 1 ]');
  assert.is(lines, '3');
});

test.run();
