import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport } from '../../src/autograd/index.js';
import { MemgradError } from '../../src/errors.js';
import { modelNames, presets } from '../../src/models/index.js';
import {
  buildModel,
  buildTask,
  buildTraining,
  CONFIG_FILE,
  checkRunConfig,
  decodeSafetensors,
  encodeSafetensors,
  loadRun,
  MODEL_FILE,
  RUN_VERSION,
  type RunConfig,
  type RunStorage,
  type StoredTensor,
  saveRun,
} from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node-storage.js';
import { train } from '../../src/training/index.js';

const test = suite('runs');

/** A run that is quickly made. */
function configOf(name: RunConfig['model']['name'] = 'rmt'): RunConfig {
  return {
    version: RUN_VERSION,
    seed: 5,
    model: {
      name,
      config: {
        nToken: 6,
        nLayer: 1,
        nHead: 2,
        dModel: 8,
        dHead: 4,
        dInner: 8,
        ...presets.fast,
        dtype: 'float32',
        memLen: 4,
        numMemTokens: 2,
      },
    },
    task: { name: 'copy', options: { length: 4, symbols: 4, copies: 2 } },
    training: {
      segmentLength: 4,
      steps: 2,
      batchSize: 2,
      optimizer: { name: 'adamw', learningRate: 0.01, betas: [0.9, 0.98], weightDecay: 0 },
      schedule: { name: 'cosine', warmUp: 1 },
      clip: 1,
      bpttDepth: null,
      curriculum: { start: 2, by: 1, at: 0.5 },
      stopAt: null,
    },
  };
}

/** A storage in memory, as a browser's would be. */
class MemoryStorage implements RunStorage {
  readonly files = new Map<string, Uint8Array>();

  async read(name: string): Promise<Uint8Array> {
    const bytes = this.files.get(name);
    if (!bytes) throw new MemgradError(`no file '${name}'`);
    return bytes;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.files.set(name, bytes);
  }

  /** Replaces the configuration by what `change` makes of it. */
  changeConfig(change: (text: string) => string): void {
    const text = new TextDecoder().decode(this.files.get(CONFIG_FILE));
    this.files.set(CONFIG_FILE, new TextEncoder().encode(change(text)));
  }

  /** Replaces the parameters by what `change` makes of them. */
  changeModel(
    change: (tensors: Map<string, StoredTensor>, metadata: Record<string, string>) => void,
  ): void {
    const { tensors, metadata } = decodeSafetensors(this.files.get(MODEL_FILE) as Uint8Array);
    change(tensors, metadata);
    this.files.set(MODEL_FILE, encodeSafetensors(tensors, metadata));
  }
}

async function savedRun(config = configOf()): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  const model = buildModel(config);
  await saveRun(storage, { config, model, step: 0 });
  model.dispose();
  return storage;
}

/** The message with which loading must fail, leaving no tensor behind. */
async function refusal(storage: RunStorage): Promise<string> {
  const before = memoryReport().buffers;
  const error = await loadRun(storage).then(
    () => assert.unreachable('loaded'),
    (error: unknown) => error,
  );
  assert.instance(error, MemgradError, String(error));
  assert.is(memoryReport().buffers, before, 'something is left behind');
  const { message } = error as MemgradError;
  assert.not.match(message, '\n');
  assert.ok(message.length < 700, message);
  return message;
}

for (const name of modelNames) {
  test(`${name}: what is loaded is what was saved, after training too`, async () => {
    const config = configOf(name);
    const model = buildModel(config);
    const options = buildTraining(config, { model, task: buildTask(config) });
    let step = 0;
    for await (const taken of train(options)) step = taken.step;
    options.optimizer.dispose();
    const storage = new MemoryStorage();
    await saveRun(storage, { config, model, step });

    const loaded = await loadRun(storage);
    assert.equal(loaded.config, config);
    assert.is(loaded.step, 2);
    assert.is(loaded.task.length, 4);
    const before = model.parameters();
    const after = loaded.model.parameters();
    assert.equal(Object.keys(after), Object.keys(before));
    for (const [key, parameter] of Object.entries(after)) {
      assert.equal(await parameter.data(), await before[key].data(), key);
    }
    assert.ok(Object.keys(JSON.parse(new TextDecoder().decode(storage.files.get(CONFIG_FILE)))));
    model.dispose();
    loaded.model.dispose();
  });
}

test('saving twice gives the same bytes', async () => {
  assert.equal((await savedRun()).files, (await savedRun()).files);
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
  ['another version', (_, metadata) => setVersion(metadata), /version 1/],
  ['no step', (_, metadata) => delete metadata.step, /after which step/],
  ['too few numbers', (t) => t.clear(), /holds 0/],
];
for (const [what, change, message] of mismatches) {
  test(`parameters with ${what} are refused`, async () => {
    const storage = await savedRun();
    storage.changeModel(change);
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
  metadata.version = '2';
}

const hostile: [what: string, change: (text: string) => string, message: RegExp][] = [
  ['no JSON', () => '{', /not valid JSON/],
  ['a list', () => '[]', /a list of 0/],
  ['null', () => 'null', /config.json is null/],
  ['too long', (text) => text + ' '.repeat(1_000_000), /bytes, but at most/],
  ['deep', () => '['.repeat(100_000) + ']'.repeat(100_000), /a list of 1/],
  ['another version', (text) => text.replace('"version": 1', '"version": 2'), /version is 2/],
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
    storage.changeConfig(change);
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

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'memgrad-test-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The message of the MemgradError that `action` must end with. */
async function failure(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => assert.unreachable('no error'),
    (error: unknown) => error,
  );
  assert.instance(error, MemgradError, String(error));
  return (error as MemgradError).message;
}

test('a folder keeps files, and nothing beside them', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(join(folder, 'new', 'run'));
    await storage.prepare();
    await storage.write('a', Uint8Array.of(1, 2));
    await storage.write('a', Uint8Array.of(3));
    assert.equal([...(await storage.read('a'))], [3]);
    assert.equal(await readdir(storage.folder), ['a']);
  }));

test('a folder that holds a run is not prepared for another', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(folder);
    await storage.prepare();
    await storage.write(MODEL_FILE, Uint8Array.of(1));
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
      [() => storage.read('a\0b'), /not one that a file can have\.$/],
    ];
    for (const [action, message] of cases) assert.match(await failure(action()), message);
    assert.equal((await readdir(folder)).sort(), ['config.json', 'file']);
  }));

test('a folder without permission is refused before training', () =>
  inFolder(async (folder) => {
    if (process.getuid?.() === 0) return; // root may write everywhere
    await chmod(folder, 0o500);
    assert.match(await failure(new FolderStorage(folder).prepare()), 'permission was denied');
    assert.match(
      await failure(new FolderStorage(join(folder, 'run')).prepare()),
      'permission was denied',
    );
  }));

test.run();
