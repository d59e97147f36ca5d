/** Storages of runs, called as nobody should. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import * as runs from '../../src/runs/index.js';
import { MemoryStorage, OriginStorage, type RunStorage } from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node/index.js';

const test = suite('storages');

const odd = [
  undefined,
  null,
  NaN,
  -1,
  1.5,
  '',
  '..',
  'a/../b',
  'a/b/c',
  '/etc/x',
  true,
  1n,
  [],
  {},
  () => 0,
  new Map(),
  new ArrayBuffer(8),
  new Float32Array(1),
  Symbol('s'),
];

async function expectSentence(action: () => unknown, what: string): Promise<void> {
  const error = await Promise.resolve()
    .then(action)
    .then(
      () => undefined,
      (error) => error,
    );
  assert.instance(error, MemgradError, `${what}: ${error?.stack ?? 'no error'}`);
}

test('whatever the arguments are, the error is a sentence, and nothing is written', async () => {
  const memory = new MemoryStorage([['config.json', Uint8Array.of(1, 2)]]);
  const bytes = new Uint8Array(1);
  // In Node there is no place for an OriginStorage; names and bytes are looked at first.
  const folder = new FolderStorage('build/none');
  for (const storage of [memory, new OriginStorage('run'), folder] as RunStorage[]) {
    for (const [i, value] of odd.entries()) {
      const what = `${storage.constructor.name}, argument ${i}`;
      await expectSentence(() => storage.read(value as string), what);
      await expectSentence(() => storage.write(value as string, bytes), what);
      await expectSentence(() => storage.append(value as string, bytes, 0), what);
      await expectSentence(() => storage.write('config.json', value as Uint8Array), what);
      await expectSentence(() => storage.append('config.json', value as Uint8Array, 0), what);
      await expectSentence(() => storage.append('config.json', bytes, value as number), what);
    }
  }
  assert.equal([...memory.files], [['config.json', Uint8Array.of(1, 2)]]);
  for (const [i, value] of odd.entries()) {
    await expectSentence(() => new OriginStorage(value as string), `argument ${i}`);
    if (typeof value === 'string') continue; // a text is a list of letters
    if (value === undefined || (typeof value === 'object' && value && Symbol.iterator in value))
      continue;
    await expectSentence(() => new MemoryStorage(value as never), `argument ${i}`);
  }
  for (const files of [
    'ab',
    [5],
    [['a']],
    [['a', 'b']],
    [[5, bytes]],
    [['../a', bytes]],
    new Float32Array(1),
  ]) {
    await expectSentence(() => new MemoryStorage(files as never), String(files));
  }
});

test('a path where a storage is wanted is refused in a sentence', async () => {
  for (const [i, value] of ['runs/first', ...odd].entries()) {
    const what = `argument ${i}`;
    const given = value as never;
    await expectSentence(() => runs.loadRun(given), what);
    await expectSentence(() => runs.readConfig(given), what);
    await expectSentence(() => runs.resumeTraining(given, {} as never), what);
    await expectSentence(() => runs.saveCheckpoint(given, {} as never, { step: 1 }), what);
    await expectSentence(() => runs.TrainingRun.resume(given), what);
    await expectSentence(() => runs.writeJson(given, 'config.json', {}), what);
    if (typeof value !== 'string' || value === '') {
      await expectSentence(() => new FolderStorage(given), what);
    }
  }
});

test('a browser without files and database is told in one sentence', async () => {
  for (const action of [
    () => new OriginStorage('run').list(),
    () => new OriginStorage('run').write('config.json', new Uint8Array(3)),
  ]) {
    await expectSentence(action, 'in Node');
  }
});

test('the storages of docs/reliability.md compile', () => {
  const page = readFileSync('docs/reliability.md', 'utf8');
  const blocks = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code);
  assert.ok(blocks.some((code) => code.includes('const storage = {')));
  const folder = 'build/types';
  mkdirSync(folder, { recursive: true });
  for (const [i, code] of blocks.entries()) writeFileSync(`${folder}/reliability-${i}.mjs`, code);
  const compilerOptions = { allowJs: true, checkJs: true, rootDir: '../..' };
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions,
    include: ['*.mjs'],
    exclude: [],
  };
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
  const compiler = 'node_modules/@typescript/native/bin/tsc';
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', folder], {
    encoding: 'utf8',
  });
  assert.is(status, 0, stdout);
});

test.run();
