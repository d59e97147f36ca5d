/** Training along streams and on documents, saved by `saveCheckpoint`: the same bits as without a stop. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport } from '../../src/autograd/index.js';
import { type Backend, loadBackend } from '../../src/backends/index.js';
import {
  createModel,
  EncoderRMT,
  type ModelName,
  modelNames,
  presets,
} from '../../src/models/index.js';
import {
  CARRIED_FILE,
  checkpointFile,
  decodeSafetensors,
  MODEL_FILE,
  OPTIMIZER_FILE,
  resumeTraining,
  type StoredTensor,
  saveCheckpoint,
} from '../../src/runs/index.js';
import { ByteTokenizer, Classification, type Document, Language } from '../../src/tasks/index.js';
import { AdamW, Carried, onPlateau, type TrainOptions, train } from '../../src/training/index.js';
import { failure, isKilled, MemoryStorage, Mortal } from './helpers.js';

const test = suite('resume on text');
const bytes = (text: string) => new TextEncoder().encode(text);
const verse = bytes('abcabdacb'.repeat(5)); // 44 targets: two streams of 22, in eight segments
const language = new Language(
  { train: verse, validation: verse, test: verse },
  new ByteTokenizer(verse),
);
const documents = (['train', 'validation', 'test'] as const).flatMap((part): Document[] =>
  [3, 6, 8, 11].map((length, i) => ({ text: verse.subarray(i, i + length), class: i % 2, part })),
);
const classification = new Classification(documents, ['a', 'b'], new ByteTokenizer(verse));

const sizes = {
  ...presets.fast,
  nLayer: 1,
  nHead: 2,
  dModel: 8,
  dHead: 4,
  dInner: 8,
  memLen: 5, // full after the second segment
  numMemTokens: 2,
  dropout: 0.1,
};
const STEPS = 12; // the streams begin again after eight

/** A training of which nothing is done. */
type Fresh = () => TrainOptions;

function fresh(task: TrainOptions['task'], model: () => TrainOptions['model'], backend: Backend) {
  return (): TrainOptions => ({
    task,
    model: model(),
    optimizer: new AdamW({ learningRate: 0.01 }),
    schedule: onPlateau({ patience: 2 }),
    carried: 'segment' in task ? new Carried() : undefined,
    ...{ segmentLength: 3, steps: STEPS, batchSize: 2, seed: 3, clip: 1, backend },
    bpttDepth: 'segment' in task ? 2 : undefined,
  });
}

const reader = (name: ModelName, backend: Backend, bpttDepth = 2): Fresh => {
  const config = { ...sizes, nToken: language.vocabulary, backend };
  const make = fresh(language, () => createModel(name, config, 1), backend);
  return () => ({ ...make(), bpttDepth });
};

const classifier = (backend: Backend): Fresh => {
  const { special, vocabulary: nToken } = classification;
  const config = { ...sizes, ...special, nToken, classes: 2, segmentLength: 4, maxSegments: 3 };
  return fresh(classification, () => new EncoderRMT({ ...config, backend }, 1), backend);
};

/** Resumes, takes `count` steps or all that are left, saving after every `saveEvery`-th and the last, and frees all. */
async function part(
  make: Fresh,
  storage: MemoryStorage,
  { count = STEPS, saveEvery = STEPS } = {},
): Promise<void> {
  const training = make();
  try {
    let { step } = await resumeTraining(storage, training);
    const steps = Math.min(STEPS, step + count);
    for await (const taken of train({ ...training, steps, stepsTaken: step })) {
      step = taken.step;
      if (step % saveEvery === 0 || step === steps) {
        await saveCheckpoint(storage, training, { step, seconds: step / 10 });
      }
    }
  } finally {
    training.model.dispose();
    training.optimizer.dispose();
    training.carried?.dispose();
  }
}

/** The files that must be the same to the bit. */
function bits({ files }: MemoryStorage): Record<string, string> {
  const names = [MODEL_FILE, OPTIMIZER_FILE, CARRIED_FILE].map((file) =>
    checkpointFile(STEPS, file),
  );
  const there = names.filter((name) => files.has(name));
  assert.ok(there.length >= 2);
  return Object.fromEntries(
    there.map((name) => [name, Buffer.from(files.get(name) as Uint8Array).toString('hex')]),
  );
}

/** The bits of a training that was not stopped. */
async function whole(make: Fresh): Promise<Record<string, string>> {
  const storage = new MemoryStorage();
  await part(make, storage);
  return bits(storage);
}

for (const backendName of ['cpu', 'wasm'] as const) {
  for (const name of modelNames) {
    for (const depth of [0, 2]) {
      test(`${name} along a stream on ${backendName}, depth ${depth}: stopped twice, the same bits`, async () => {
        const make = reader(name, await loadBackend(backendName), depth);
        const before = memoryReport().buffers;
        const expected = await whole(make);
        assert.ok(checkpointFile(STEPS, CARRIED_FILE) in expected);
        for (const counts of [
          [1, 4],
          [8, 1],
        ]) {
          const storage = new MemoryStorage();
          for (const count of counts) await part(make, storage, { count });
          await part(make, storage);
          assert.equal(bits(storage), expected, String(counts));
        }
        assert.is(memoryReport().buffers, before, 'nothing is left over');
      });
    }
  }

  test(`documents on ${backendName}: stopped twice, the same bits`, async () => {
    const make = classifier(await loadBackend(backendName));
    const expected = await whole(make);
    assert.not.ok(checkpointFile(STEPS, CARRIED_FILE) in expected);
    const storage = new MemoryStorage();
    for (const count of [5, 3]) await part(make, storage, { count });
    await part(make, storage);
    assert.equal(bits(storage), expected);
  });
}

test('what is carried makes a difference, and can be handed on without a file', async () => {
  const make = reader('rmt', await loadBackend('wasm'));
  const losses = async (between: (carried?: Carried) => void) => {
    const training = make();
    const all: number[] = [];
    for (const [stepsTaken, steps] of [
      [0, 4],
      [4, 6],
    ]) {
      for await (const { loss } of train({ ...training, stepsTaken, steps })) all.push(loss);
      between(training.carried);
    }
    training.carried?.dispose();
    return all;
  };
  const expected: number[] = [];
  for await (const { loss } of train({ ...make(), steps: 6 })) expected.push(loss);
  assert.equal(await losses(() => {}), expected);
  const dropped = await losses((carried) => carried?.dispose());
  assert.equal(dropped.slice(0, 4), expected.slice(0, 4));
  assert.is.not(dropped[4], expected[4]);
});

test('killed before or within any write, a stream resumes and ends with the same bits', async () => {
  const make = reader('transformer-xl-rmt', await loadBackend('wasm'));
  const expected = await whole(make);
  let kills = 0;
  for (; ; kills++) {
    const storage = new Mortal(new Map(), kills);
    const died = await part(make, storage, { saveEvery: 5 }).then(() => false, isKilled);
    const left = new MemoryStorage(storage.files);
    await part(make, left, { saveEvery: 5 });
    assert.equal(bits(left), expected, `killed at ${kills}`);
    const steps = [...left.files.keys()].map((name) => name.split('/')[0]);
    assert.is(new Set(steps).size, 2, 'the last checkpoint and the one before');
    assert.is(left.files.size, 8, 'nothing else is left');
    if (!died) break;
  }
  assert.ok(kills > 25, `${kills} moments`);
});

type Damage = (tensors: Map<string, StoredTensor>) => void;
const ints = (values: number[], shape: number[]): StoredTensor => ({
  dtype: 'int32',
  shape,
  data: Int32Array.from(values),
});
const zeros = (...shape: number[]): StoredTensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b)),
});
const CARRIED = checkpointFile(STEPS, CARRIED_FILE);
const damaged: [what: string, damage: Damage, message: RegExp][] = [
  ['a state missing', (t) => t.delete('states.1.0'), /has nothing as 'states.1.0', expected float/],
  [
    'a state of another batch',
    (t) => t.set('states.0.0', zeros(3, 2, 8)),
    /float32 \[3, 2, 8\] as 'states.0.0', expected float32 \[2, 2, 8\]/,
  ],
  [
    'caches of two lengths',
    (t) => t.set('states.2.2', zeros(2, 4, 8)),
    /\[2, 4, 8\] as 'states.2.2', expected float32 \[2, 5, 8\]/,
  ],
  ['a cache of two axes', (t) => t.set('states.2.1', zeros(2, 8)), /\[2, 8\] as 'states.2.1'/],
  [
    'a tensor too many',
    (t) => t.set('states.3.0', zeros(2, 2, 8)),
    /"states.3.0" that is not known/,
  ],
  ['tokens missing', (t) => t.delete('inputs.0'), /has no int32 \[2, 3\] as 'inputs.0'/],
  [
    'too many segments',
    (t) => t.set('inputs.2', ints([0, 0, 0, 0, 0, 0], [2, 3])),
    /has 3 segments to be read again, expected at most 2/,
  ],
  [
    'segments of another length',
    (t) => t.set('inputs.1', ints(Array(8).fill(0), [2, 4])),
    /has no int32 \[2, 3\] as 'inputs.1'/,
  ],
  [
    'a token that is none',
    (t) => t.set('inputs.1', ints([0, 0, 0, 0, 0, 99], [2, 3])),
    /has a token in 'inputs.1' that is none of the 4 of the task/,
  ],
];
for (const [what, damage, message] of damaged) {
  test(`what was carried with ${what} is refused, and nothing is changed or left behind`, async () => {
    const make = reader('transformer-xl-rmt', await loadBackend('wasm'));
    const storage = new MemoryStorage();
    await part(make, storage);
    storage.changeTensors(CARRIED, (tensors) => damage(tensors));
    const before = new Map(storage.files);
    const live = memoryReport().buffers;
    assert.match(await failure(part(make, storage)), message);
    assert.is(memoryReport().buffers, live);
    assert.equal(storage.files, before);
  });
}

test('a checkpoint without what was carried, or of another step, is refused', async () => {
  const make = reader('rmt', await loadBackend('wasm'));
  const storage = new MemoryStorage();
  await part(make, storage);
  storage.changeTensors(CARRIED, (_, metadata) => {
    metadata.step = '7';
  });
  assert.match(await failure(part(make, storage)), /has no metadata of/);
  storage.files.delete(CARRIED);
  assert.match(
    await failure(part(make, storage)),
    /Cannot read 'step-12\/carried.safetensors': there is no such file/,
  );
});

test('along a stream nothing is saved or resumed where nobody holds what is carried', async () => {
  const training = { ...reader('rmt', await loadBackend('wasm'))(), carried: undefined };
  const storage = new MemoryStorage();
  const message = /'language' is a stream, .*pass it 'carried: new Carried\(\)'\.$/;
  assert.match(await failure(saveCheckpoint(storage, training, { step: 1 })), message);
  assert.match(await failure(resumeTraining(storage, training)), message);
  assert.is(storage.files.size, 0);
});

test('the file of what is carried has the states before the last segments, and these', async () => {
  const storage = new MemoryStorage();
  await part(reader('rmt', await loadBackend('wasm')), storage);
  const { tensors } = decodeSafetensors(storage.files.get(CARRIED) as Uint8Array);
  const names = ['inputs.0', 'inputs.1', 'states.0.0', 'states.1.0', 'states.2.0'];
  assert.equal([...tensors.keys()].sort(), names);
  const { seconds } = await resumeTraining(storage, reader('rmt', await loadBackend('wasm'))());
  assert.is(seconds, STEPS / 10);
});

test.run();
