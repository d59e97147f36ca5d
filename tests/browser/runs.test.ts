/** A run in a browser's own file system: kept there, downloaded, gone on with in Node, and uploaded again. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packRun, type RunConfig, TrainingRun, unpackRun } from '../../src/runs/index.js';
import { bundle } from '../bundle.js';
import { configOf, contents, MemoryStorage, savedRun, train } from '../runs/helpers.js';
import { STRICT, visit, WITH_WORKERS } from './browser.js';

const test = suite('runs in a browser');
const STEPS = 12;

function config(): RunConfig {
  const base = configOf('rmt', { steps: STEPS, saveEvery: 2 });
  return { ...base, model: { name: 'rmt', config: { ...base.model.config, dropout: 0.1 } } };
}

/** On a page: takes 5 steps, resumes in 4, uploads what it was given and finishes that. */
const page = `
  import { OriginStorage, packRun, TrainingRun, unpackRun } from './src/runs/index.ts';
  const train = async (run, count) => {
    const stop = new AbortController();
    for await (const _ of run.train({ signal: stop.signal })) if (--count === 0) stop.abort();
    run.dispose();
  };
  const send = async (storage) => {
    // As a page downloads it: through a blob.
    const url = URL.createObjectURL(new Blob([await packRun(storage)]));
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result.split(',')[1]);
      fetch(url).then((response) => response.blob()).then((blob) => reader.readAsDataURL(blob));
    });
  };
  export const main = async ({ config, upload }) => {
    const storage = new OriginStorage('run');
    await train(await TrainingRun.start(config, { storage }), 5);
    const again = await TrainingRun.start(config, { storage }).catch(({ message }) => message);
    const open = await TrainingRun.resume(storage);
    const second = await TrainingRun.resume(new OriginStorage('run')).catch(({ message }) => message);
    const other = new Worker(URL.createObjectURL(new Blob([\`
      navigator.locks.request('memgrad run run', { ifAvailable: true }, (lock) => postMessage(lock === null));
    \`])));
    const elsewhere = await new Promise((resolve) => (other.onmessage = ({ data }) => resolve(data)));
    await train(open, 4);
    const half = await send(storage);
    // A tab that dies while a file is first written leaves it there, empty.
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('run');
    const torn = await folder.getDirectoryHandle('step-99', { create: true });
    await torn.getFileHandle('trainer-state.json', { create: true });
    await train(await TrainingRun.resume(storage));
    const uploaded = new OriginStorage('uploaded');
    await unpackRun(uploaded, Uint8Array.from(atob(upload), (char) => char.charCodeAt(0)));
    await train(await TrainingRun.resume(uploaded));
    const missing = await storage.read('nothing').catch(({ message }) => message);
    return {
      again,
      second,
      elsewhere,
      missing,
      half,
      names: await storage.list(),
      whole: await send(storage),
      uploaded: await send(uploaded),
    };
  };
`;

test('a run on a page, resumed there, downloaded and uploaded has the bits of one in Node', async () => {
  const expected = contents(await savedRun(config()), STEPS);
  const begun = new MemoryStorage();
  const run = await TrainingRun.start(config(), { storage: begun });
  await train(run, 3);
  run.dispose();
  const upload = Buffer.from(await packRun(begun)).toString('base64');
  const policy = WITH_WORKERS.replace("connect-src 'self'", "connect-src 'self' blob:");
  const visited = await visit(await bundle(page), policy, { config: config(), upload });
  assert.equal(visited.problems, []);
  const result = visited.result as Record<string, string> & { names: string[] };
  assert.match(result.again, /^There is a run already/);
  assert.match(result.second, /^'run' is being trained by another tab or Worker; close that one/);
  assert.is(String(result.elsewhere), 'true', 'a Worker finds it locked');
  assert.is(result.missing, "Cannot read 'nothing': there is no such file.");
  assert.ok(result.names.includes(`step-${STEPS}/trainer-state.json`), result.names.join());

  const received = async (archive: string) => {
    const storage = new MemoryStorage();
    await unpackRun(storage, Buffer.from(archive, 'base64'));
    return storage;
  };
  assert.equal(contents(await received(result.whole), STEPS), expected);
  assert.equal(contents(await received(result.uploaded), STEPS), expected);
  const half = await received(result.half);
  const resumed = await TrainingRun.resume(half);
  assert.is(resumed.step, 9);
  await train(resumed);
  resumed.dispose();
  assert.equal(contents(half, STEPS), expected);
});

/**
 * On a page whose browser lacks something: `writes` (Safari before 26), `files` (a page over http),
 * `database` too, or neither lacks. Names what is there at the end.
 */
const lackingPage = `
  import { MemoryStorage, OriginStorage, packRun, TrainingRun, unpackRun } from './src/runs/index.ts';
  const { createWritable } = FileSystemFileHandle.prototype;
  const { storage: files } = Object.getOwnPropertyDescriptors(Navigator.prototype);
  const lack = (...what) => {
    if (what.includes('writes')) delete FileSystemFileHandle.prototype.createWritable;
    else FileSystemFileHandle.prototype.createWritable = createWritable;
    if (what.includes('files')) delete Navigator.prototype.storage;
    else Object.defineProperty(Navigator.prototype, 'storage', files);
  };
  const train = async (run, count) => {
    const stop = new AbortController();
    for await (const _ of run.train({ signal: stop.signal })) if (--count === 0) stop.abort();
    run.dispose();
  };
  const foldersNow = async () => {
    lack();
    const names = [];
    for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
    return names.sort();
  };
  const message = (promise) => promise.then(() => 'no error', (error) => error.name + ': ' + error.message);
  const text = (bytes) => new TextDecoder().decode(bytes);
  const bytes = (text) => new TextEncoder().encode(text);
  const base64 = async (storage) => btoa(String.fromCharCode(...await packRun(storage)));

  export const main = async ({ config }) => {
    const result = {};
    // A browser that cannot write files begins a run, and is then replaced by one that can.
    lack('writes');
    await train(await TrainingRun.start(config, { storage: new OriginStorage('run') }), 5);
    result.again = await message(TrainingRun.start(config, { storage: new OriginStorage('run') }));
    await train(await TrainingRun.resume(new OriginStorage('run')), 4);
    result.inDatabase = await foldersNow();
    const updated = new OriginStorage('run');
    await train(await TrainingRun.resume(updated));
    result.names = await updated.list();
    result.whole = await base64(updated);
    result.stillInDatabase = await foldersNow();

    // A page over http.
    lack('files');
    const storage = new OriginStorage('http');
    result.none = await storage.list();
    await storage.write('config.json', bytes('abcdef'));
    await storage.append('metrics.jsonl', bytes('one two'), 0);
    await storage.append('metrics.jsonl', bytes('2'), 4);
    result.appended = text(await storage.read('metrics.jsonl'));
    result.behind = await message(storage.append('metrics.jsonl', bytes('x'), 6));
    result.kept = text(await storage.read('metrics.jsonl'));
    result.missing = await message(storage.read('nothing'));
    result.large = await message(storage.read('config.json', 5));
    await storage.write('step-1/model.safetensors', new Uint8Array(1000).subarray(1, 4));
    result.view = (await storage.read('step-1/model.safetensors')).buffer.byteLength;
    await storage.remove('step-1/model.safetensors');
    result.left = await storage.list();
    result.others = await new OriginStorage('htt').list();

    // A run of files, in a browser that reads them and cannot write.
    lack();
    await new OriginStorage('files').write('config.json', bytes('abc'));
    lack('writes');
    const old = new OriginStorage('files');
    result.old = text(await old.read('config.json'));
    result.oldWrite = await message(old.write('config.json', bytes('x')));
    result.oldAppend = await message(old.append('metrics.jsonl', bytes('x'), 0));

    // Neither of them.
    const database = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB');
    delete globalThis.indexedDB;
    Object.defineProperty(globalThis, 'indexedDB', { value: undefined, configurable: true });
    result.neither = await message(new OriginStorage('files').list());
    delete globalThis.indexedDB;
    if (database) Object.defineProperty(globalThis, 'indexedDB', database);

    result.odd = [];
    lack();
    for (const value of [undefined, null, '', '.', '..', 'a/b', 5, {}, Symbol('s')]) {
      try { new OriginStorage(value); result.odd.push('no error'); } catch (error) { result.odd.push(error.name); }
    }
    const fine = new OriginStorage('fine');
    for (const value of [undefined, null, '', '..', 'a/../b', 'a/b/c', '/etc', 5, {}]) {
      result.odd.push((await message(fine.read(value))).split(':')[0]);
      result.odd.push((await message(fine.write(value, bytes('x')))).split(':')[0]);
      result.odd.push((await message(fine.append(value, bytes('x'), 0))).split(':')[0]);
      result.odd.push((await message(fine.remove(value))).split(':')[0]);
      result.odd.push((await message(fine.write('a', value))).split(':')[0]);
      result.odd.push((await message(fine.append('a', bytes('x'), value ?? 'x'))).split(':')[0]);
    }
    result.fine = await fine.list();
    result.end = await foldersNow();
    return result;
  };
`;

test('where files cannot be written a run is kept in the database, and found there by a newer browser', async () => {
  const visited = await visit(await bundle(lackingPage), STRICT, { config: config() });
  assert.equal(visited.problems, []);
  const result = visited.result as Record<string, string> & Record<string, string[]>;
  assert.match(result.again, /There is a run already/);
  assert.equal(result.inDatabase, []);
  assert.equal(result.stillInDatabase, []);
  assert.ok(result.names.includes(`step-${STEPS}/trainer-state.json`), result.names.join());
  const received = new MemoryStorage();
  await unpackRun(received, Buffer.from(result.whole, 'base64'));
  assert.equal(contents(received, STEPS), contents(await savedRun(config()), STEPS));

  assert.equal([result.none, result.others], [[], []]);
  assert.is(result.appended, 'one 2');
  assert.match(result.behind, /^MemgradError: 'metrics.jsonl' has 5 bytes, but 6 were written/);
  assert.is(result.kept, 'one 2');
  assert.is(result.missing, "MemgradError: Cannot read 'nothing': there is no such file.");
  assert.match(result.large, /has 6 bytes, but at most 5 are allowed/);
  assert.is(result.view, 3 as never);
  assert.equal(result.left, ['config.json', 'metrics.jsonl']);

  assert.is(result.old, 'abc');
  for (const message of [result.oldWrite, result.oldAppend]) {
    assert.match(message, /^MemgradError: Cannot write .* update it, or go on with a copy/);
  }
  assert.match(result.neither, /^MemgradError: 'files' cannot be kept: .* MemoryStorage/);
  assert.equal([...new Set(result.odd)], ['MemgradError']);
  assert.equal(result.fine, []);
  assert.equal(result.end, ['files'], 'looking for a run makes no folder');
});

test.run();
