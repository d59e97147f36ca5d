/** A loop of one's own in a page: its model kept in the browser and resumed, with the bits of Node. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundle } from '../bundle.js';
import { STRICT, visit } from './browser.js';
import { resumed, whole } from './fitting.js';

const test = suite('fit in a browser');

const page = `
  import { OriginStorage } from './src/runs/index.ts';
  import { resumed, whole } from './tests/browser/fitting.ts';
  const through = (name) => async (bytes) => {
    await new OriginStorage(name).write('model.safetensors', bytes);
    return new OriginStorage(name).read('model.safetensors');
  };
  export const main = async () => {
    const inFiles = await resumed(through('files'));
    delete FileSystemFileHandle.prototype.createWritable; // Safari before 26
    const inDatabase = await resumed(through('database'));
    const found = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) found.push(name);
    const databases = (await indexedDB.databases()).length;
    return { inFiles, inDatabase, whole: await whole(), found: found.join(), databases };
  };
`;

test('kept in files, or in IndexedDB where those are read-only, and resumed: the bits of Node', async () => {
  const { problems, result } = await visit(await bundle(page), STRICT, {});
  assert.equal(problems, []);
  const expected = await whole();
  assert.is(expected.split(',').length, 32);
  assert.is(await resumed(async (bytes) => bytes), expected);
  assert.equal(result, {
    inFiles: expected,
    inDatabase: expected,
    whole: expected,
    found: 'files',
    databases: 1,
  });
});

test.run();
