import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport } from '../../src/autograd/index.js';
import { MemgradError } from '../../src/errors.js';
import { modelNames } from '../../src/models/index.js';
import {
  CONFIG_FILE,
  checkpointFile,
  checkRunConfig,
  loadRun,
  MODEL_FILE,
  type RunStorage,
  type StoredTensor,
  TrainingRun,
} from '../../src/runs/index.js';
import { explained } from '../../src/runs/node/explained.js';
import { FolderStorage } from '../../src/runs/node/folder-storage.js';
import {
  configOf,
  contents,
  failure,
  inFolder,
  MemoryStorage,
  savedRun,
  train,
} from './helpers.js';

const test = suite('runs');

/** The message with which loading must fail, leaving no tensor behind. */
async function refusal(storage: RunStorage): Promise<string> {
  const before = memoryReport().buffers;
  const message = await failure(loadRun(storage));
  assert.is(memoryReport().buffers, before, 'something is left behind');
  return message;
}

const MODEL = checkpointFile(2, MODEL_FILE);

for (const name of modelNames) {
  test(`${name}: what is loaded is what was trained and saved`, async () => {
    const config = configOf(name);
    const storage = new MemoryStorage();
    const run = await TrainingRun.start(config, { storage });
    await train(run);

    const loaded = await loadRun(storage);
    assert.equal(loaded.config, config);
    assert.is(loaded.step, 2);
    assert.is(loaded.task.length, 4);
    const before = run.model.parameters();
    const after = loaded.model.parameters();
    assert.equal(Object.keys(after), Object.keys(before));
    for (const [key, parameter] of Object.entries(after)) {
      assert.equal(await parameter.data(), await before[key].data(), key);
    }
    run.dispose();
    loaded.model.dispose();
  });
}

test('a run loads although listings miss checkpoints that a training removes meanwhile', async () => {
  const storage = new MemoryStorage();
  const run = await TrainingRun.start(configOf(), { storage });
  await train(run);
  run.dispose();
  const list = storage.list.bind(storage);
  let missed = 0;
  storage.list = async () => {
    const names = await list();
    return ++missed <= 3 ? names.filter((name) => !name.startsWith('step-')) : names;
  };
  const { model, step } = await loadRun(storage);
  assert.is(step, 2);
  model.dispose();
  missed = -Infinity;
  assert.match(await refusal(storage), 'The run has no checkpoint yet');
});

test('training twice gives the same files', async () => {
  assert.equal(contents(await savedRun(), 2), contents(await savedRun(), 2));
});

test('a run is judged by ten steps where they hold answers enough, by up to fifty where not', async () => {
  for (const [batchSize, steps] of [
    [64, 10],
    [25, 25],
    [2, 50],
  ] as const) {
    const ends = { batchSize, steps: 60, stopAt: 1e-9, curriculum: null };
    const run = await TrainingRun.start(configOf('transformer', ends));
    await train(run);
    assert.is(run.step, steps, `batches of ${batchSize}`);
    run.dispose();
  }
});

const embedding = 'decoder.embedding';
const mismatches: [
  what: string,
  change: (tensors: Map<string, StoredTensor>, metadata: Record<string, string>) => void,
  message: RegExp,
][] = [
  ['a missing tensor', (t) => t.delete('memory') && pad(t), /has a tensor "spare"|lacks/],
  ['a renamed tensor', (t) => rename(t, 'memory', 'memories'), /"memories".*does not have/],
  ['__proto__', (t) => rename(t, 'memory', '__proto__'), /"__proto__".*does not have/],
  ['another shape', (t) => reshape(t, embedding, [8, 6]), /float32 \[8, 6\].*float32 \[6, 8\]/],
  ['another rank', (t) => reshape(t, embedding, [6, 8, 1]), /float32 \[6, 8, 1\]/],
  ['another dtype', (t) => retype(t, embedding), /float64 \[6, 8\].*float32 \[6, 8\]/],
  ['no format', (_, metadata) => delete metadata.format, /not marked/],
  ['another version', (_, metadata) => setVersion(metadata), /version 2/],
  ['no step', (_, metadata) => delete metadata.step, /no metadata of step 2/],
  ['too few numbers', (t) => t.clear(), /has 0/],
];
for (const [what, change, message] of mismatches) {
  test(`parameters with ${what} are refused`, async () => {
    const storage = await savedRun();
    storage.changeTensors(MODEL, change);
    assert.match(await refusal(storage), message);
  });
}

function pad(tensors: Map<string, StoredTensor>): void {
  tensors.set('spare', { dtype: 'float32', shape: [16], data: new Float32Array(16) });
}

function rename(tensors: Map<string, StoredTensor>, from: string, to: string): void {
  tensors.set(to, tensors.get(from) as StoredTensor);
  tensors.delete(from);
}

function reshape(tensors: Map<string, StoredTensor>, name: string, shape: number[]): void {
  tensors.set(name, { ...(tensors.get(name) as StoredTensor), shape });
}

function retype(tensors: Map<string, StoredTensor>, name: string): void {
  const { shape, data } = tensors.get(name) as StoredTensor;
  tensors.set(name, { dtype: 'float64', shape, data: Float64Array.from(data) });
}

function setVersion(metadata: Record<string, string>): void {
  metadata.version = '1';
}

const hostile: [what: string, change: (text: string) => string, message: RegExp][] = [
  ['no JSON', () => '{', /not valid JSON/],
  ['a list', () => '[]', /a list of 0/],
  ['null', () => 'null', /config.json is null/],
  ['deep', () => '['.repeat(100_000) + ']'.repeat(100_000), /a list of 1/],
  ['another version', (text) => text.replace('"version": 2', '"version": 1'), /version is 1/],
  ['an unknown field', (text) => text.replace('{', '{"hook": 1,'), /field "hook".*not known/],
  ['__proto__', (text) => text.replace('{', '{"__proto__": {"a": 1},'), /field "__proto__"/],
  [
    'constructor in a part',
    (text) => text.replace('"config": {', '"config": {"constructor": 1,'),
    /model.config has the field "constructor"/,
  ],
  ['a missing field', (text) => text.replace('"nLayer": 1,', ''), /nLayer is missing/],
  ['a huge model', (text) => text.replace('"dModel": 8', '"dModel": 1e9'), /dModel is 1000000000/],
  ['a text for a size', (text) => text.replace('"dModel": 8', '"dModel": "8"'), /dModel is "8"/],
  ['a fraction', (text) => text.replace('"dModel": 8', '"dModel": 8.5'), /dModel is 8.5/],
  ['an infinite rate', (text) => text.replace('0.01', '1e999'), /learningRate is Infinity/],
  ['an unknown model', (text) => text.replace('"rmt"', '"toString"'), /model.name is "toString"/],
  ['an unknown task', (text) => text.replace('"copy"', '"valueOf"'), /task.name is "valueOf"/],
  [
    'a model larger than its file',
    (text) => text.replace('"dModel": 8', '"dModel": 4096'),
    /describes a model of \d+ parameters or more/,
  ],
  [
    'a model larger than any',
    (text) =>
      text.replace('"dModel": 8', '"dModel": 16384').replace('"dInner": 8', '"dInner": 16384'),
    /parameters or more, but at most 100000000/,
  ],
  [
    'another vocabulary',
    (text) => text.replace('"symbols": 4', '"symbols": 5'),
    /nToken 6.*7 different tokens/,
  ],
  ['odd heads', (text) => text.replace('"dHead": 4', '"dHead": 3'), /dHead.*even/],
  ['a huge memory', (text) => text.replace('"memLen": 4', '"memLen": 1e12'), /memLen/],
  ['a huge batch', (text) => text.replace('"batchSize": 2', '"batchSize": 1e12'), /batchSize/],
];
for (const [what, change, message] of hostile) {
  test(`a configuration with ${what} is refused`, async () => {
    const storage = await savedRun();
    storage.changeText(CONFIG_FILE, change);
    assert.match(await refusal(storage), message);
  });
}

test('nothing but a MemgradError comes of any JSON in any place', () => {
  const places = paths(configOf());
  fc.assert(
    fc.property(fc.constantFrom(...places), fc.jsonValue(), (path, value) => {
      const config = structuredClone(configOf()) as unknown as Record<string, unknown>;
      let parent = config;
      for (const name of path.slice(0, -1)) parent = parent[name] as Record<string, unknown>;
      parent[path[path.length - 1]] = value;
      try {
        const checked = checkRunConfig(config, 'test');
        assert.equal(checked, config);
      } catch (error) {
        assert.instance(error, MemgradError, String(error));
      }
    }),
    { numRuns: process.env.MEMGRAD_LONG ? 50_000 : 2_000, seed: 20_240_601 },
  );
});

/** The paths of all fields of `value`, at every depth. */
function paths(value: object): string[][] {
  return Object.entries(value).flatMap(([name, field]) => [
    [name],
    ...(typeof field === 'object' && field !== null
      ? paths(field).map((rest) => [name, ...rest])
      : []),
  ]);
}

test('a folder keeps files, and nothing beside them', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(join(folder, 'new', 'run'));
    await storage.prepare();
    await storage.write('a', Uint8Array.of(1, 2));
    await storage.write('a', Uint8Array.of(3));
    assert.equal([...(await storage.read('a'))], [3]);
    await storage.append('a', Uint8Array.of(4, 5), 1);
    await storage.append('a', Uint8Array.of(6), 2);
    assert.equal([...(await storage.read('a'))], [3, 4, 6]);
    assert.match(await failure(storage.append('a', Uint8Array.of(6), 4)), /has 3 bytes, but 4/);
    assert.match(await failure(storage.read('a', 2)), /has 3 bytes, but at most 2 are allowed/);
    assert.equal(await readdir(storage.folder), ['a']);
    await storage.write('step-1/b', Uint8Array.of(1));
    await storage.write('step-1/c', Uint8Array.of(1));
    assert.equal(await storage.list(), ['a', 'step-1/b', 'step-1/c']);
    await storage.remove('step-1/b');
    await storage.remove('step-1/c');
    assert.equal(await readdir(storage.folder), ['a'], 'the folder goes with its last file');
  }));

/** A folder on a disk that is full when the checkpoint of step 4 is written. */
class FullDisk extends FolderStorage {
  override async write(name: string, bytes: Uint8Array): Promise<void> {
    if (name.startsWith('step-4/')) {
      await mkdir(join(this.folder, 'step-4'), { recursive: true });
      await symlink('/dev/full', join(this.folder, `${name}.tmp`)); // writing to it says ENOSPC
    }
    await super.write(name, bytes);
  }
}

test('a full disk is one sentence, and what was saved before stays', () =>
  inFolder(async (folder) => {
    const config = configOf('rmt', { steps: 4, saveEvery: 2 });
    const run = await TrainingRun.start(config, { storage: new FullDisk(folder) });
    const message = await failure(train(run));
    assert.match(message, /step-4.model.safetensors': the disk is full; make room on it/);
    run.dispose();
    const resumed = await TrainingRun.resume(new FolderStorage(folder));
    assert.is(resumed.step, 2);
    await train(resumed);
    assert.is(resumed.step, 4);
    resumed.dispose();
  }));

test('each refusal of the system has its own sentence', async () => {
  const refusals: [code: string, message: RegExp][] = [
    [
      'ENOSPC',
      /^Cannot save: the disk is full; make room on it, then start again \(a saved run by --resume\)\.$/,
    ],
    ['EROFS', /^Cannot save: the disk is read-only; choose a folder on another disk\.$/],
    ['EACCES', /^Cannot save: permission was denied; change its permissions, or choose another/],
    ['EDQUOT', /quota is used up/],
    ['EWEIRD', /the system said EWEIRD/],
  ];
  for (const [code, message] of refusals) {
    const error = Object.assign(new Error('no'), { code });
    assert.match(await failure(explained('save', () => Promise.reject(error))), message);
  }
});

test('a folder that holds a run is not prepared for another', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(folder);
    await storage.prepare();
    await storage.write(CONFIG_FILE, Uint8Array.of(1));
    assert.match(await failure(storage.prepare()), 'already holds a run');
  }));

test('what the file system refuses is one sentence, and leaves nothing beside', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(folder);
    await mkdir(join(folder, 'config.json'));
    await writeFile(join(folder, 'file'), '');
    const missing = new FolderStorage(join(folder, 'missing'));
    const below = new FolderStorage(join(folder, 'file', 'run'));
    const cases: [() => Promise<unknown>, RegExp][] = [
      [() => storage.read('model.safetensors'), /there is no such file or folder\.$/],
      [() => missing.read('config.json'), /there is no such file or folder\.$/],
      [() => missing.write('config.json', new Uint8Array()), /there is no such file or folder\.$/],
      [() => storage.read('config.json'), /it is not a file/],
      [() => storage.write('config.json', new Uint8Array()), /it is a folder, not a file\.$/],
      [() => below.read('config.json'), /not a folder\.$/],
      [() => below.prepare(), /Cannot make the folder/],
      [() => new FolderStorage('/dev').read('full'), /it is not a file/],
      [() => storage.read('a\0b'), /no file can have this name\.$/],
    ];
    for (const [action, message] of cases) assert.match(await failure(action()), message);
    assert.equal((await readdir(folder)).sort(), ['config.json', 'file']);
  }));

/** Runs `use` as somebody whom permissions bind, in a folder of his. */
async function unprivileged(use: (folder: string) => Promise<void>): Promise<void> {
  const isRoot = process.getuid?.() === 0; // root may read and write everything
  if (isRoot) process.seteuid?.(65_534);
  try {
    await inFolder(use);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

test('a folder without permission is refused before training', () =>
  unprivileged(async (folder) => {
    await chmod(folder, 0o500);
    const places = [join(folder, 'run')];
    if (process.getuid?.() !== 0) places.push(folder); // access(2) asks for the real user
    for (const place of places) {
      assert.match(await failure(new FolderStorage(place).prepare()), 'permission was denied');
    }
  }));

test('what may not be read or written is named, with a way on where there is one', () =>
  unprivileged(async (folder) => {
    const storage = new FolderStorage(folder);
    const run = await TrainingRun.start(configOf('rmt', { steps: 4, saveEvery: 2 }), { storage });
    await train(run);
    run.dispose();
    const earlier = / The run can go on from step 2 instead/;
    const cases: [name: string, mode: number, message: RegExp][] = [
      ['config.json', 0, /^Cannot read '[^']*config.json': permission was denied; change its/],
      ['metrics.jsonl', 0, /^Cannot read '[^']*metrics.jsonl': .* the losses in it are lost\.$/],
      ['metrics.jsonl', 0o400, /^Cannot write '[^']*metrics.jsonl': .* in it are lost\.$/],
      ['step-4', 0, /^Cannot read the folder '[^']*step-4': permission was denied/],
      ['step-4', 0o400, earlier],
      ['step-4/model.safetensors', 0, earlier],
      ['step-4/optimizer.safetensors', 0, earlier],
      ['step-4/trainer-state.json', 0, earlier],
      ['', 0o500, /^Cannot lock '[^']*': permission was denied/],
    ];
    for (const [name, mode, message] of cases) {
      const path = join(folder, name);
      const before = (await stat(path)).mode;
      await chmod(path, mode);
      assert.match(await failure(TrainingRun.resume(storage)), message, name);
      await chmod(path, before);
      (await TrainingRun.resume(storage)).dispose();
    }
  }));

test.run();
