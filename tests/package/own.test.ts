/** Strict TypeScript outside the repository, on the packed package: every sub-path, and models of one's own. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exported, install, node } from './installed.js';

const test = suite('models of one’s own');

/** The oldest, the last one in JavaScript, and the newest. */
const compilers = [
  'typescript-oldest/bin/tsc',
  'typescript/bin/tsc6',
  '@typescript/native/bin/tsc',
];

/** Declarations are checked, save those that come with the compiler, which take half of its time. */
const checked = ['--skipLibCheck', 'false', '--skipDefaultLibCheck'];

for (const compiler of compilers) {
  test(`${compiler}: each sub-path, a GRU and an RMT with a gate compile, and declarations are checked`, () => {
    const { folder } = install();
    cpSync(resolve('tests/package/own'), join(folder, 'own'), { recursive: true });
    const names = [...exported().keys()].map((name) => name.replace('.', 'memgrad'));
    const imports = names.map((name, i) => `import * as m${i} from '${name}';`);
    writeFileSync(
      join(folder, 'all.ts'),
      `${imports.join('\n')}\nexport const all = [${names.map((_, i) => `m${i}`)}];\n`,
    );
    const strict = ['--target', 'es2022', '--strict', ...checked];
    for (const how of [
      ['--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit'],
      ['--module', 'nodenext', '--moduleResolution', 'nodenext'], // writes own/use.js
    ]) {
      const tsc = resolve('node_modules', compiler);
      node([tsc, ...strict, ...how, 'all.ts', 'own/use.ts'], folder);
    }
  });
}

test('they train, are loaded again and generate', () => {
  const folder = join(install().folder, 'own');
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
  const how = ['--target', 'es2022', '--module', 'nodenext', '--strict', ...checked];
  node([compiler, ...how, '--noImplicitAny', 'false', 'xor.ts'], folder);
  assert.match(node(['xor.js'], folder), '[ 0, 1, 1, 0 ]');
});

test.run();
