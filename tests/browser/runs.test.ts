/** A run in a browser's own file system: kept there, downloaded, gone on with in Node, and uploaded again. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packRun, type RunConfig, TrainingRun, unpackRun } from '../../src/runs/index.js';
import { bundle } from '../bundle.js';
import { configOf, contents, MemoryStorage, savedRun, train } from '../runs/helpers.js';
import { STRICT, visit } from './browser.js';

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
    await train(await TrainingRun.resume(storage), 4);
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
  const policy = STRICT.replace("connect-src 'self'", "connect-src 'self' blob:");
  const visited = await visit(await bundle(page), policy, { config: config(), upload });
  assert.equal(visited.problems, []);
  const result = visited.result as Record<string, string> & { names: string[] };
  assert.match(result.again, /^There is a run already/);
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

test.run();
