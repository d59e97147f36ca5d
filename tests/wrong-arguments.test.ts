/**
 * Every function, class and method of every sub-path of the package, with right arguments of which
 * one, or one field of one, is wrong: nothing but a `MemgradError` comes out. tests/autograd has the
 * same for the engine itself.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as cpu from '../src/backends/cpu/index.js';
import * as wasm from '../src/backends/wasm/index.js';
import * as webgl from '../src/backends/webgl/index.js';
import * as webgpu from '../src/backends/webgpu/index.js';
import * as explained from '../src/explain/index.js';
import { Key, mul, Parameter, sum, type Tensor, tensor, zeros } from '../src/index.js';
import * as methods from '../src/methods/index.js';
import * as models from '../src/models/index.js';
import * as nn from '../src/nn/index.js';
import * as runs from '../src/runs/index.js';
import * as node from '../src/runs/node/index.js';
import * as tasks from '../src/tasks/index.js';
import * as testing from '../src/testing/index.js';
import * as training from '../src/training/index.js';
import { type Call, fault, junk } from './junk.js';

const test = suite('wrong arguments of every sub-path');

const subPaths: Record<string, Record<string, unknown>> = {
  './methods': methods,
  './nn': nn,
  './models': models,
  './tasks': tasks,
  './training': training,
  './runs': runs,
  './runs/node': node,
  './explain': explained,
  './testing': testing,
  './backends/wasm': wasm,
  './backends/webgl': webgl,
  './backends/webgpu': webgpu,
  './backends/cpu': cpu,
};

const folder = await mkdtemp(join(tmpdir(), 'memgrad-wrong-'));
process.chdir(folder); // some of what is wrong is a path

const key = Key.of(1);
const backend = cpu.createCpuBackend();
const sizes = { nToken: 14, nLayer: 1, nHead: 1, dModel: 4, dHead: 4, dInner: 4 };
const config = {
  ...models.presets.fast,
  ...sizes,
  numMemTokens: 1,
  memLen: 1,
  dtype: 'float32',
} as const;
const encoder = { classes: 2, segmentLength: 6, maxSegments: 2, cls: 9, sep: 10, pad: 11 };
const task = new tasks.Copy({ length: 2, symbols: 10, copies: 1 });
const batch = task.batch(key, 1, 'train');
const tokens = tensor([[1, 2]], { dtype: 'int32' });
const rows = zeros([1, 2, 4]);
const mask = tensor([[1, 1]], { dtype: 'int32' });
const attending = { key, causal: true, dHead: 4, clampLen: 2, dropout: 0.1, separate: true };
const model = models.createModel('rmt', { ...config, nToken: task.vocabulary });
const streamed = models.createModel('transformer-xl', { ...config, nToken: 256 });
const parameters = { w: new Parameter(tensor([1, 2])) };
const gradients = { w: tensor([1, 2]) };
const language = new tasks.Language(
  { train: new Uint8Array(99), validation: new Uint8Array(99), test: new Uint8Array(99) },
  new tasks.ByteTokenizer(new Uint8Array([0, 1])),
);
const explanation = await explained.explain('tanh(w * x)', { at: { w: 0.5, x: 2 } });
const operation = explanation.nodes[explanation.result];
const run = () =>
  runs.checkRunConfig(
    {
      version: runs.RUN_VERSION,
      memgrad: '0',
      backend: 'cpu',
      seed: 0,
      model: { name: 'rmt', config: { ...config, nToken: task.vocabulary } },
      task: { name: 'copy', options: { length: 2, symbols: 10, copies: 1 } },
      training: {
        segmentLength: 3,
        steps: 1,
        batchSize: 1,
        optimizer: { name: 'adam', learningRate: 0.01, betas: [0.9, 0.99], weightDecay: 0 },
        schedule: { name: 'constant', warmUp: 0 },
        clip: null,
        bpttDepth: null,
        curriculum: null,
        stopAt: null,
        checkpointSegments: false,
        nonFinite: 'stop',
        saveEvery: 1,
      },
    },
    'config',
  );

const optimizer = { learningRate: 0.1 };
const stack = { positions: { cached: 0 }, key };
const segment = () => training.cutSegments(batch, 3)[0];
const streamSegment = () => training.cutSegments(language.segment('train', 1, 8, 0), 8)[0];
const reading = () => ({ model, task, segmentLength: 3 });
const streaming = () => ({ model: streamed, task: language, segmentLength: 8, batchSize: 1 });
const learning = () => ({ ...reading(), optimizer: new training.SGD(), steps: 1, batchSize: 1 });
const fitting = () => ({
  parameters,
  loss: ({ x }: { x: Tensor }) => sum(mul(parameters.w, x)),
  batches: [{ x: [1, 2] }],
  evaluate: [{ x: [1, 2] }],
  evaluateEvery: 1,
  optimizer: new training.SGD(),
  steps: 1,
  accumulate: 1,
  clip: 1,
  capture: false,
});
const averaged = () => {
  const averaging = new training.SGD({ ema: 0.5 });
  averaging.step(parameters, gradients);
  return averaging;
};
const texts = ['train', 'validation', 'test'].map((part) => ({ text: 'ab', class: 0, part }));
const ownText = new tasks.TextTask('ab'.repeat(99), new tasks.ByteTokenizer('ab'));
const pairTokens = Array.from({ length: 256 }, (_, byte) => [byte]);
const documents = new tasks.Classification(
  texts as never,
  ['a', 'b'],
  new tasks.ByteTokenizer('ab'),
);
const storage = () => new runs.MemoryStorage();
const bytes = new Uint8Array([123, 125]);
const stored = new Map([['w', { dtype: 'float32', shape: [1], data: new Float32Array(1) }]]);
const savedModel = await training.save(parameters);
const modelFile = join(folder, 'w.safetensors');
await node.saveFile(parameters, modelFile);

/** Right arguments for each function and class, and for the methods of what the class then makes. */
const right: Record<string, (() => unknown[]) | 'nothing'> = {
  AdaptiveSoftmax: () => [config, [4], key],
  Decoder: () => [config, key],
  'Decoder.embed': () => [tokens],
  'Decoder.forward': () => [rows, stack],
  'Decoder.predict': () => [rows],
  DecoderLayer: () => [4, 1, { dInner: 4, norm: 'pre', dropatt: 0.1 }],
  'DecoderLayer.forward': () => [rows, key, {}],
  Dropout: () => [0.5],
  'Dropout.forward': () => [rows, key],
  Embedding: () => [4, 4, { key, init: 'wide', dtype: 'float32', backend }],
  'Embedding.forward': () => [tokens],
  EncoderRMT: () => [{ ...config, ...encoder }],
  'EncoderRMT.forward': () => [[Int32Array.of(1)], key],
  'EncoderRMT.loss': () => [[Int32Array.of(1)], [0], { key }],
  FeedForward: () => [4, 4, { key, dropout: 0.1 }],
  'FeedForward.forward': () => [rows, key],
  LayerNorm: () => [4, { key, epsilon: 1e-5, dtype: 'float32', backend }],
  'LayerNorm.forward': () => [rows],
  Linear: () => [4, 4, { key, bias: true }],
  'Linear.forward': () => [rows],
  MemTransformer: () => [config, 0],
  'MemTransformer.initialState': () => [1],
  'MemTransformer.forward': () => [tokens, null, key],
  RMT: () => [config, 0],
  'RMT.initialState': () => [1],
  'RMT.forward': () => [tokens, new models.RMT(config as never).initialState(1), key],
  'RMT.advance': () => [tokens, new models.RMT(config as never).initialState(1), key],
  'RMT.stream': () => [{ segmentLength: 4 }],
  RMSNorm: () => [4, { epsilon: 1e-5, dtype: 'float32', backend }],
  'RMSNorm.forward': () => [rows],
  SelfAttention: () => [4, 1, { ...attending, positions: 'rotary', rotaryBase: 10 }],
  'SelfAttention.forward': () => [rows, key, { mask, cache: rows, table: {} }],
  'SelfAttention.positionTable': () => [1, 2],
  Sequential: () => [new nn.Linear(4, 4), new nn.Dropout()],
  'Sequential.forward': () => [rows, key],
  Stack: () => [config, key],
  Stream: () => [model, { segmentLength: 4, saved: undefined }],
  'Stream.push': () => [[1, 2]],
  Transformer: () => [config, 0],
  'Transformer.forward': () => [tokens, null, key],
  TransformerXL: () => [config, 0],
  'TransformerXL.initialState': () => [1],
  TransformerXLRMT: () => [config, 0],
  'TransformerXLRMT.initialState': () => [1],
  createModel: () => ['rmt', config, 0],
  detach: () => [[tokens]],
  generate: () => [model.stream({ segmentLength: 4 }), { count: 1, temperature: 1, key }],
  loadReference: () => [model, bytes],
  readArrays: () => [parameters],
  emptyCache: () => [1, 1, 4, { dtype: 'float32', backend }],
  extendCache: () => [nn.emptyCache(1, 1, 4), [rows, rows], 3],
  memoryRows: () => [2, 4, { memInit: 'repeated', key }],
  perSequence: () => [zeros([2, 4]), 2],
  rotations: () => [2, 4, { rotaryBase: 100, dtype: 'float32', backend }],
  sampleToken: () => [zeros([4]), key, { temperature: 1, topK: 1 }],
  saveReference: () => [model],
  splitMemory: () => [rows, 1, { numMemTokens: 1, memAtEnd: false }],
  summary: () => [model],
  withMemory: () => [rows, rows, { memAtEnd: true, writeTokens: zeros([1, 4]) }],
  writtenMemory: () => [rows, { numMemTokens: 1, memAtEnd: true }],
  segmentMask: () => [{ time: 2, cached: 1, numMemTokens: 1 }, backend],
  sinusoids: () => [[0, 1], 4, { backend }],
  toReference: () => [{ 'decoder.embedding': { shape: [1], data: new Float32Array(1) } }],

  ByteTokenizer: () => ['ab'],
  'ByteTokenizer.encode': () => ['ab'],
  'ByteTokenizer.decode': () => [[0, 1]],
  Classification: () => [texts, ['a'], new tasks.ByteTokenizer('ab')],
  'Classification.all': () => ['train'],
  'Classification.documents': () => [key, 1],
  Copy: () => [{ length: 2, symbols: 10, copies: 1 }],
  'Copy.batch': () => [key, 1, 'train'],
  'Copy.withLength': () => [1],
  'Copy.show': () => [[1, 2]],
  Language: () => [{ train: 'ab', validation: 'ab', test: 'ab' }, new tasks.ByteTokenizer('ab')],
  'Language.segments': () => ['train', 1, 1],
  'Language.segment': () => ['train', 1, 1, 0],
  'Language.show': () => [[1]],
  Memorize: () => [{ length: 4, kept: 2, symbols: 10 }],
  'Memorize.batch': () => [key, 1, 'train'],
  Quadratic: () => [{ range: 10 }],
  'Quadratic.batch': () => [key, 1, 'train'],
  PairTable: () => [pairTokens],
  PairTokenizer: () => ['ab ab', { vocabulary: 257, endOfText: 'text' }],
  'PairTokenizer.encode': () => ['ab'],
  'PairTokenizer.decode': () => [[97]],
  Retrieval: () => [{ pairs: 2, queries: 'one' }],
  'Retrieval.batch': () => [key, 1, 'train'],
  'Retrieval.withLength': () => [1],
  'Retrieval.show': () => [[1, 2]],
  Reverse: () => [{ length: 2, symbols: 10 }],
  'Reverse.withLength': () => [1],
  'Reverse.show': () => [[1, 2]],
  TextTask: () => ['ab'.repeat(50), new tasks.ByteTokenizer('ab'), 2],
  'TextTask.batch': () => [key, 1, 'train'],
  'TextTask.withLength': () => [1],
  WordList: () => [['<eos>', '<unk>']],
  'WordTokenizer.unknown': () => ['a b'],
  WordTokenizer: () => ['a b', { vocabulary: 10 }],
  'WordTokenizer.encode': () => ['a b'],
  'WordTokenizer.decode': () => [[0, 1]],
  answerBatch: () => [1, () => ({ prompt: [1], answer: [1] }), 1],
  createTask: () => ['copy', { length: 2 }],
  cutText: () => ['abcdef'],
  promptTokens: () => [new tasks.ByteTokenizer('ab'), 'ab'],
  restoreTokenizer: () => [{ name: 'bpe', tokens: pairTokens, endOfText: 'text' }, 'x'],

  Adafactor: () => [{ ...optimizer, beta2Decay: -0.8, epsilon: 1e-3, threshold: 1 }],
  'Adafactor.step': () => [parameters, gradients, { rate: 0.1, gradientScale: 1 }],
  'Adafactor.resume': () => [parameters, 1],
  Adam: () => [{ ...optimizer, betas: [0.9, 0.99], groups: [{ names: /w/ }], ema: 0.9 }],
  'Adam.step': () => [parameters, gradients, { rate: 0.1, gradientScale: 1 }],
  'Adam.resume': () => [parameters, 1],
  AdamW: () => [optimizer],
  Carried: 'nothing',
  'Carried.keep': () => [undefined],
  Curriculum: () => [task, { start: 1, by: 1, cuts: [3], at: 0.9, window: 2 }],
  'Curriculum.observe': () => [0.5],
  'Curriculum.restore': () => [{ length: 1, cutsLeft: 0, recent: [0.5] }],
  Muon: () => [{ ...optimizer, momentum: 0.9, nesterov: true, iterations: 5, adamw: /w/ }],
  'Muon.step': () => [parameters, gradients, { rate: 0.1, gradientScale: 1 }],
  'Muon.resume': () => [parameters, 1],
  RMSprop: () => [{ ...optimizer, alpha: 0.9, epsilon: 1e-8, momentum: 0.9 }],
  'RMSprop.step': () => [parameters, gradients, { rate: 0.1, gradientScale: 1 }],
  'RMSprop.resume': () => [parameters, 1],
  SGD: () => [{ ...optimizer, momentum: 0.9, nesterov: true }],
  'SGD.step': () => [parameters, gradients, { rate: 0.1, gradientScale: 1 }],
  'SGD.resume': () => [parameters, 1],
  answer: () => [model, batch, 3, { likeReference: false }],
  clipScale: () => [1, 1],
  columns: () => [batch.inputs, batch, 0, 2],
  constant: 'nothing',
  cosine: () => [10, 0.1],
  createOptimizer: () => ['adam', optimizer],
  cutSegments: () => [batch, 3],
  evaluate: () => [{ ...reading(), samples: 1, batchSize: 1, seed: 0 }],
  evaluateDocuments: () => [
    {
      model: new models.EncoderRMT({ ...config, ...encoder } as never),
      task: documents,
      part: 'train',
    },
  ],
  evaluateStream: () => [{ ...streaming(), segments: 1 }],
  evaluateFit: () => {
    const { loss, batches } = fitting();
    return [{ parameters, loss, batches }];
  },
  fit: () => [fitting()],
  judge: () => [[0, 1], [0, 1], 2],
  namedCarry: () => [{ states: [], inputs: [] }],
  onPlateau: () => [{ factor: 0.5, patience: 2 }],
  restoredCarry: () => [{}, { ...streaming(), bpttDepth: 0 }],
  shuffled: () => [
    { x: [[1], [2]], y: Int32Array.of(1, 2) },
    { batchSize: 1, seed: 1 },
  ],
  sequenceLoss: () => [model, [segment()], 1, { key, bpttDepth: 0 }],
  streamLoss: () => [streamed, streamSegment(), 1, undefined, { bpttDepth: 0 }],
  train: () => [learning()],
  withAverages: () => [averaged(), parameters, () => 1],
  warmUp: () => [2, training.constant()],

  MemoryStorage: () => [[['x', bytes]]],
  'MemoryStorage.read': () => ['x', 10],
  'MemoryStorage.write': () => ['x', bytes],
  'MemoryStorage.append': () => ['x', bytes, 0],
  'MemoryStorage.remove': () => ['x'],
  OriginStorage: () => ['x'],
  'OriginStorage.read': () => ['x', 10],
  'OriginStorage.write': () => ['x', bytes],
  'TrainingRun.start': () => [run(), { storage: storage(), backend }],
  'TrainingRun.resume': () => [storage(), { steps: 2 }],
  buildModel: () => [run(), backend],
  buildTask: () => [run()],
  buildTraining: () => [run(), { model, task, backend }],
  checkRunConfig: () => [run(), 'config'],
  checkTaskConfig: () => [run().task, 'task'],
  checkpointFile: () => [1, 'x'],
  decodeSafetensors: () => [runs.encodeSafetensors(stored as never)],
  encodeSafetensors: () => [stored, { a: 'b' }, { dtype: 'F16' }],
  load: () => [parameters, savedModel, {}],
  loadModel: () => [storage(), { best: true, backend }],
  loadRun: () => [storage(), { best: true, backend }],
  packRun: () => [storage()],
  parseJson: () => [bytes, 'x'],
  parseState: () => [{ version: runs.RUN_VERSION }, 'x'],
  readConfig: () => [storage()],
  readMetrics: () => [bytes, 1, 1],
  resumeTraining: () => [storage(), learning()],
  save: () => [parameters, { optimizer: new training.SGD(), step: 1, data: 'x' }],
  saveCheckpoint: () => [storage(), learning(), { step: 1, seconds: 0, best: null }],
  textConfig: () => [ownText, { model: 'rmt', sizes, seed: 0, backend: 'cpu' }],
  unpackRun: () => [storage(), bytes],
  writeJson: () => [storage(), 'x', {}],

  FolderStorage: () => [join(folder, 'run')],
  'FolderStorage.read': () => ['x', 10],
  'FolderStorage.write': () => ['x', bytes],
  'FolderStorage.append': () => ['x', bytes, 0],
  'FolderStorage.size': () => ['x'],
  'FolderStorage.readPart': () => ['x', 0, 1],
  'FolderStorage.remove': () => ['x'],

  loadFile: () => [parameters, modelFile, {}],
  saveFile: () => [parameters, modelFile, { step: 1, data: 'x' }],

  explain: () => ['w * x', { at: { w: 1 }, backend }],
  isLost: () => [[1]],
  knownAt: () => [explanation, 1],
  parseValue: () => ['w', '1'],
  parseValues: () => ['w=1'],
  remarksOn: () => [explanation],
  ruleOf: () => [explanation, operation, 0],
  showCall: () => [explanation, operation],
  showNode: () => [explanation, operation],
  showNumber: () => [1],
  showSum: () => [explanation, explanation.backward[0].contributions[0]],
  showValue: () => [[1, 2], [2]],
  shownNodes: () => [explanation],
  stepsOf: () => [explanation],
  variablesOf: () => ['w * x'],
  writeValue: () => [[1, 2]],
  writeValues: () => [[['w', 1]]],

  checkAllGradients: () => [{ operations: ['neg'], backend, seed: 1 }],
  checkEdges: () => [backend, { flushesDenormals: false }],
  checkPrograms: () => [backend, { count: 1, seed: 1 }],
  checkSizes: () => [backend, { operations: ['neg'], seesIndices: true }],
  runConformance: () => [backend, { operations: ['neg'], slack: 1 }],

  createWasmBackend: () => [{ threads: 1, maximumBytes: 2 ** 20 }],
  createCpuBackend: 'nothing',
  loadWebGL: () => [{}],
  loadWebGPU: 'nothing',
};

/** A few of the junk, for fields. */
const few = [undefined, null, 'x', 1.5, NaN, 2 ** 31, Symbol('s'), [], {}, () => 1];

const isPlain = (value: unknown): value is Record<string, unknown> =>
  Object.prototype.toString.call(value) === '[object Object]' &&
  Object.getPrototypeOf(value) === Object.prototype;

/** `value` with one field of it, or of what it holds, as each of a few, and without it. */
function* withWrongField(value: unknown, depth = 3): Generator<unknown> {
  if (!isPlain(value) || depth === 0) return;
  for (const [name, field] of Object.entries(value)) {
    for (const other of few) yield { ...value, [name]: other };
    const { [name]: _, ...without } = value;
    yield without;
    for (const inner of withWrongField(field, depth - 1)) yield { ...value, [name]: inner };
  }
  yield { ...value, unheardOf: 1 };
}

/** What bounds the work of a call that may be right: the field of its last argument that does so. */
const bounds: Record<string, string> = {
  evaluate: 'samples',
  checkPrograms: 'count',
  checkSizes: 'operations',
  runConformance: 'operations',
  checkAllGradients: 'operations',
};

/** Whether a call is right, but takes long. */
function isLong(name: string, args: readonly unknown[]): boolean {
  if (!(name in bounds)) return false;
  const options = args[rightFor(name)().length - 1] ?? {};
  const bound =
    Object.prototype.toString.call(options) === '[object Object]' &&
    (options as never)[bounds[name]];
  return bound === undefined || (typeof bound === 'number' && bound > 1e6);
}

/** Lists of arguments of which something is wrong. */
function* wrongLists(make: () => unknown[]): Generator<unknown[]> {
  const { length } = make();
  for (let count = 0; count < length; count++) yield make().slice(0, count);
  for (const value of junk) yield [value];
  for (let at = 0; at < length; at++) {
    for (const value of [...junk, ...withWrongField(make()[at])])
      yield Object.assign(make(), { [at]: value });
  }
}

/** How to call `name` of what is exported: a function, a class, a static method or a method. */
function callOf(exported: Record<string, unknown>, name: string): Call {
  const [first, method] = name.split('.');
  const it = exported[first] as Call & Record<string, Call>;
  if (!/^class\b/.test(Function.prototype.toString.call(it))) return it;
  const construct: Call = (...args) => Reflect.construct(it, args);
  if (!method) return construct;
  if (Object.hasOwn(it, method)) return (...args) => it[method](...args);
  return (...args) => (construct(...rightFor(first)()) as Record<string, Call>)[method](...args);
}

function rightFor(name: string): () => unknown[] {
  const make = right[name];
  return make === 'nothing' || make === undefined ? () => [] : make;
}

test('all sub-paths of the package are tried', () => {
  const { exports } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  const code = Object.keys(exports).filter((path) => exports[path].default?.endsWith('.js'));
  assert.equal(['.', ...Object.keys(subPaths)].sort(), code.sort());
});

/** Bases of classes that users write, and classes that are made by a static method alone. */
const notMade = ['Module', 'SegmentModel', 'TrainingRun'];

for (const [path, exported] of Object.entries(subPaths)) {
  test(`${path}: everything that can be called is tried`, () => {
    const names = Object.keys(exported).filter((name) => typeof exported[name] === 'function');
    const missing = names.filter((name) => !(name in right) && !notMade.includes(name));
    assert.equal(missing, []);
  });

  for (const name of Object.keys(right).filter((name) => name.split('.')[0] in exported)) {
    test(`${path}: ${name}`, async () => {
      const call = callOf(exported, name);
      const faults: string[] = [];
      let tries = 0;
      const make = rightFor(name);
      for (const args of wrongLists(make)) {
        if (isLong(name, args)) continue;
        tries++;
        const found = await fault(name, call, args);
        if (found) faults.push(found);
      }
      assert.is(faults.slice(0, 8).join('\n'), '', `${faults.length} of ${tries}`);
    });
  }
}

test.after(() => rm(folder, { recursive: true, force: true }));
test.run();
