/** Whatever the exports of models, tasks and training are called with, no error comes out but MemgradError. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, mul, Parameter, sum, type Tensor, tensor } from '../../src/autograd/index.js';
import { MemgradError } from '../../src/errors.js';
import * as models from '../../src/models/index.js';
import * as nn from '../../src/nn/index.js';
import * as tasks from '../../src/tasks/index.js';
import * as training from '../../src/training/index.js';

const test = suite('bad input');

type Call = (...args: never[]) => unknown;
interface Subject {
  readonly name: string;
  readonly call: Call;
  /** The export that is called, where it is one. */
  readonly target?: unknown;
  /** Arguments that it takes. */
  readonly good: readonly unknown[];
}

const junk: readonly unknown[] = [
  undefined,
  null,
  -1,
  0,
  2,
  1.5,
  Number.NaN,
  Infinity,
  true,
  '',
  'x',
  10n,
  [],
  [1],
  [['x']],
  {},
  { junk: 1 },
  { key: 5, model: 5, task: 'copy', size: 2, dtype: 'x', backend: 'x', length: 1 },
  Object.create(null),
  () => 1,
  new Map([['x', 1]]),
  new Float32Array([0.5, 2]),
  new Int32Array([1, 99]),
  new Date(0),
  Key.of(1),
];

/** What came out besides a value or a MemgradError. Of generators the first value is taken. */
async function escaped(call: () => unknown): Promise<unknown> {
  try {
    const result = await call();
    if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result) {
      const iterator = (result as AsyncIterable<unknown>)[Symbol.asyncIterator]();
      await iterator.next();
      await iterator.return?.();
    }
  } catch (error) {
    if (!(error instanceof MemgradError)) return error;
    // A sentence is short, and shows no `[object Object]`.
    if (error.message.length > 700 || /\[object/.test(error.message)) return error;
  }
  return undefined;
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function' || typeof value === 'number') return String(value);
  try {
    return JSON.stringify(value)?.slice(0, 60) ?? 'undefined';
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** Calls with nothing, with junk, and with good arguments of which one, or one of its options, is junk. */
function* calls({ good }: Subject): Generator<readonly unknown[]> {
  yield [];
  for (const one of junk) {
    yield [one];
    yield [one, one, one];
    for (const [i, given] of good.entries()) {
      yield good.with(i, one);
      const isOptions = given && Object.getPrototypeOf(given) === Object.prototype;
      if (!isOptions) continue;
      for (const name of Object.keys(given)) yield good.with(i, { ...given, [name]: one });
      yield good.with(i, { ...given, junk: one });
    }
    if (good.length > 0) yield [...good, one];
  }
  for (const i of good.keys()) yield good.slice(0, i);
}

async function attack(subject: Subject): Promise<void> {
  const failures: string[] = [];
  for (const args of calls(subject)) {
    const error = await escaped(() => subject.call(...(args as never[])));
    if (error !== undefined) failures.push(`(${args.map(show).join(', ')}) => ${error}`);
  }
  assert.is(
    failures.length,
    0,
    `${subject.name}: ${failures.length}, ${failures.slice(0, 5).join('\n')}`,
  );
}

const key = Key.of(1);
const sizes = { nToken: 12, nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8 };
const memory = { memLen: 2, numMemTokens: 2 };
const config = { ...models.presets.fast, ...sizes, ...memory };
const special = { classes: 2, segmentLength: 4, maxSegments: 2, cls: 9, sep: 10, pad: 11 };
const encoderConfig = { ...config, ...special };
const tokens = () => tensor([[1, 2, 3]], { dtype: 'int32' });
const rows = () => tensor([[[1, 2, 3, 4, 5, 6, 7, 8]]]);

const copy = new tasks.Copy({ length: 2, symbols: 10, copies: 1 });
const batch = copy.batch(key, 2, 'train');
const segments = training.cutSegments(batch, 2);
const rmt = models.createModel('rmt', config);
const encoder = new models.EncoderRMT(encoderConfig);
const streamTask: tasks.StreamTask = {
  name: 'own',
  vocabulary: 12,
  unit: 'perplexity',
  segments: () => 2,
  segment: (_, size, time) => {
    const inputs = new Int32Array(size * time).fill(1);
    return { size, time, inputs, targets: inputs, promptLength: time };
  },
  show: String,
};
const documentTask: tasks.DocumentTask = {
  name: 'own',
  vocabulary: 12,
  special: { cls: 9, sep: 10, pad: 11 },
  classes: ['a', 'b'],
  chance: 0.5,
  all: () => ({ documents: [Int32Array.of(1, 2)], classes: [1] }),
  documents: (_, size) => ({
    documents: Array.from({ length: size }, () => Int32Array.of(1, 2)),
    classes: Array.from({ length: size }, () => 1),
  }),
};
const adam = () => new training.Adam();
const trainOptions = { model: rmt, task: copy, segmentLength: 3, steps: 1, batchSize: 2 };
const averagedParameters = { w: new Parameter(tensor([1, 2])) };
const averaged = () => {
  const optimizer = new training.SGD({ ema: 0.5 });
  optimizer.step(averagedParameters, { w: tensor([1, 1]) });
  return optimizer;
};
const parameters = () => ({ w: new Parameter(tensor([1, 2])) });

const construct = (Class: unknown, ...good: unknown[]): Subject => ({
  name: (Class as { name: string }).name,
  target: Class,
  call: (...args) => new (Class as new (...args: never[]) => unknown)(...args),
  good,
});
const run = (f: unknown, ...good: unknown[]): Subject => ({
  name: (f as { name: string }).name,
  target: f,
  call: f as Call,
  good,
});
/** A method of a new object each time. */
const method = <T>(make: () => T, name: keyof T & string, ...good: unknown[]): Subject => ({
  name,
  call: (...args) => (make()[name] as Call)(...args),
  good,
});
const on = <T>(object: T, name: keyof T & string, ...good: unknown[]): Subject => ({
  name,
  call: (...args) => (object[name] as Call)(...args),
  good,
});

const classes = [
  models.Transformer,
  models.TransformerXL,
  models.RMT,
  models.MemTransformer,
  models.TransformerXLRMT,
];
const attending = { key, causal: true, positions: 'relative', clampLen: 3, dHead: 2 } as const;
const mask = tensor([[1]], { dtype: 'int32' });
const subjects: Subject[] = [
  ...classes.map((Class) => construct(Class, config, 1)),
  construct(models.EncoderRMT, encoderConfig, 1),
  construct(nn.Linear, 3, 4, { key, bias: false }),
  construct(nn.Embedding, 3, 4, { key }),
  construct(nn.LayerNorm, 3, { key, epsilon: 1e-6 }),
  construct(nn.RMSNorm, 3, { epsilon: 1e-6 }),
  construct(nn.Dropout, 0.5),
  construct(nn.Sequential, new nn.Dropout(), (x: Tensor) => x),
  construct(nn.FeedForward, 4, 8, { key, dropout: 0.1 }),
  construct(nn.SelfAttention, 8, 2, attending),
  construct(nn.DecoderLayer, 8, 2, { dInner: 8, norm: 'post', key }),
  construct(models.Stack, config, key),
  construct(models.Decoder, config, key),
  construct(models.AdaptiveSoftmax, { nToken: 12, dModel: 8 }, [4], key),
  construct(models.Stream, rmt, { segmentLength: 4 }),
  run(models.createModel, 'rmt', config, 1),
  run(models.modelReads, 'rmt', 'memLen'),
  run(models.sampleToken, [1, 2, 3], key, { temperature: 1, topK: 2, topP: 0.9 }),
  run(models.readArrays, { a: tensor([1]) }),
  run(models.toReference, {}),
  run(models.saveReference, rmt),
  run(models.loadReference, models.createModel('rmt', { ...config, ...models.presets.paper }), {}),
  run(models.detach, { a: tensor([1]) }),
  run(nn.segmentMask, { time: 3, cached: 1, numMemTokens: 1 }),
  run(nn.sinusoids, [1, 2], 8, {}),
  run(nn.rotations, 4, 4, { rotaryBase: 100 }),
  run(nn.memoryRows, 2, 4, { memInit: 'repeated', key }),
  run(nn.perSequence, tensor([[1, 2]]), 2),
  run(nn.withMemory, rows(), rows(), { memAtEnd: false }),
  run(nn.writtenMemory, rows(), { numMemTokens: 1 }),
  run(nn.splitMemory, rows(), 1, { numMemTokens: 1, memAtEnd: false }),
  run(nn.emptyCache, 1, 2, 4, {}),
  run(nn.extendCache, nn.emptyCache(1, 1, 8), [rows(), rows()], 3),
  run(nn.summary, rmt),
  ...models.modelNames.flatMap((name) => {
    const model = models.createModel(name, config);
    return [
      on(model, 'initialState', 1),
      on(model, 'forward', tokens(), model.initialState(1), key),
      on(model, 'advance', tokens(), model.initialState(1), key),
      on(model, 'stream', { segmentLength: 4 }),
    ];
  }),
  on(encoder, 'forward', [[1, 2]], key),
  on(encoder, 'loss', [[1, 2]], [1], { over: 'last', key }),
  on(new nn.Linear(8, 4), 'forward', rows()),
  on(new nn.Embedding(12, 4), 'forward', tokens()),
  on(new nn.RMSNorm(8), 'forward', rows()),
  on(new nn.Dropout(), 'forward', rows(), key),
  on(new nn.Sequential(new nn.Linear(8, 4), new nn.Dropout()), 'forward', rows(), key),
  on(new nn.LayerNorm(8), 'forward', rows()),
  on(new nn.FeedForward(8, 4), 'forward', rows(), key),
  on(new nn.SelfAttention(8, 2, attending), 'forward', rows(), key, { mask, cache: rows() }),
  on(new nn.SelfAttention(8, 2, attending), 'positionTable', 1, 2),
  on(new nn.DecoderLayer(8, 2), 'forward', rows(), key, { mask }),
  on(new models.Decoder(config, key), 'embed', tokens()),
  on(new models.Decoder(config, key), 'forward', rows(), {
    mask: tensor([[1]], { dtype: 'int32' }),
  }),
  on(new models.Decoder(config, key), 'predict', rows(), null),
  ...(['logProbabilities', 'losses'] as const).map((name) =>
    on(
      new models.AdaptiveSoftmax({ nToken: 12, dModel: 8 }, [4], key),
      name,
      rows(),
      {
        weight: new Parameter(tensor(new Float32Array(96), { shape: [12, 8] })),
        bias: new Parameter(tensor(new Float32Array(12))),
      },
      Int32Array.of(5),
    ),
  ),
  method(() => rmt.stream({ segmentLength: 4 }), 'push', [1, 2, 3, 4, 5]),
  run(
    (...args: [number[], models.GenerateOptions]) => {
      const stream = rmt.stream({ segmentLength: 4 });
      stream.push(args[0]);
      return models.generate(stream, args[1]);
    },
    [1],
    { count: 1, seed: 1, temperature: 1, topK: 2, topP: 1 },
  ),
  run(models.generate, rmt.stream({ segmentLength: 4 }), { count: 1 }),

  construct(training.SGD, { learningRate: 0.1, momentum: 0.9, weightDecay: 0 }),
  construct(training.Adam, { learningRate: 0.1, betas: [0.9, 0.9], epsilon: 1e-8, weightDecay: 0 }),
  construct(training.AdamW, {
    learningRate: 0.1,
    betas: [0.9, 0.9],
    epsilon: 1e-8,
    weightDecay: 0,
  }),
  construct(training.RMSprop, { learningRate: 0.1, alpha: 0.9, epsilon: 1e-8, momentum: 0.9 }),
  construct(training.Adafactor, {
    learningRate: 0.1,
    beta2Decay: -0.8,
    epsilon: 1e-3,
    threshold: 1,
  }),
  construct(training.Muon, { momentum: 0.9, nesterov: true, iterations: 5, adamw: /x/, ema: 0.9 }),
  construct(training.SGD, { momentum: 0.9, nesterov: true, groups: [{ names: /x/ }] }),
  run(training.withAverages, averaged(), averagedParameters, () => 1),
  run(training.save, averagedParameters, { optimizer: adam(), step: 1, data: 'x' }),
  run(training.load, averagedParameters, await training.save(averagedParameters), {}),
  run(training.shuffled, { x: [1, 2], y: new Float32Array(2) }, { batchSize: 1, seed: 1 }),
  run(training.evaluateFit, {
    parameters: averagedParameters,
    loss: ({ x }: { x: Tensor }) => sum(mul(averagedParameters.w, x)),
    batches: [{ x: [1, 2] }],
  }),
  run(training.fit, {
    parameters: averagedParameters,
    loss: ({ x }: { x: Tensor }) => sum(mul(averagedParameters.w, x)),
    batches: [{ x: [1, 2] }],
    evaluate: [{ x: [1, 2] }],
    evaluateEvery: 1,
    optimizer: adam(),
    steps: 1,
    accumulate: 1,
    stepsTaken: 0,
    seed: 1,
    schedule: training.constant(),
    clip: 1,
    nonFinite: 'stop',
    checkFinite: false,
    capture: true,
    signal: new AbortController().signal,
    onProgress: () => {},
  }),
  run(
    (batches: unknown, other: object) =>
      training.fit({
        parameters: averagedParameters,
        loss: () => sum(averagedParameters.w),
        batches: [batches],
        optimizer: adam(),
        steps: 1,
        ...other,
      }),
    { x: [1], y: { data: new Float32Array(1), shape: [1] } },
    {},
  ),
  run(
    (result: never) =>
      training.fit({
        parameters: averagedParameters,
        loss: () => result,
        batches: [1],
        optimizer: adam(),
        steps: 1,
      }),
    { loss: tensor(1), metrics: { x: tensor(1) } },
  ),
  construct(training.Curriculum, copy, { start: 1, by: 1, cuts: [3, 2], at: 0.9, window: 2 }),
  construct(training.Carried),
  run(training.createOptimizer, 'adam', { learningRate: 0.1 }),
  run(training.optimizerHas, 'adam', 'betas'),
  method(adam, 'step', parameters(), { w: tensor([1, 1]) }, { rate: 0.1, gradientScale: 1 }),
  method(adam, 'resume', parameters(), 2),
  run(training.constant),
  run(training.warmUp, 3, training.constant()),
  run(training.cosine, 3, 0.1),
  run(training.onPlateau, { factor: 0.5, patience: 3 }),
  method(training.onPlateau, 'restore', { factor: 0.5, average: 1, best: null, waited: 2 }),
  method(training.onPlateau, 'observe', 1),
  method(() => training.warmUp(2), 'factor', 1),
  method(() => new training.Curriculum(copy, { start: 1, by: 1 }), 'observe', 0.5),
  method(() => new training.Curriculum(copy, { start: 1, by: 1 }), 'restore', {
    length: 1,
    cutsLeft: 0,
    recent: [0.5],
  }),
  method(() => new training.Carried(), 'keep', undefined),
  run(training.namedCarry, { states: [null], inputs: [] }),
  run(training.restoredCarry, {}, trainOptions),
  run(
    training.restoredCarry,
    { 'states.0.0': { dtype: 'float32', shape: [2, 2, 8], data: new Float32Array(32) } },
    trainOptions,
  ),
  run(training.clipScale, 1, 1),
  run(training.cutSegments, batch, 2),
  run(training.columns, batch.inputs, batch, 0, 1),
  run(training.judge, [1], [1], 2),
  run(training.sequenceLoss, rmt, segments, 2, {
    key,
    bpttDepth: 1,
    checkpointSegments: false,
    seeStateGradient: () => 1,
    onProgress: () => {},
  }),
  run(training.streamLoss, rmt, segments[0], 2, undefined, { key, bpttDepth: 1 }),
  run(training.answer, rmt, batch, 2, { likeReference: true, onProgress: () => {} }),
  run(training.evaluate, {
    model: rmt,
    task: copy,
    segmentLength: 2,
    samples: 2,
    batchSize: 2,
    seed: 1,
    likeReference: false,
    onProgress: () => {},
  }),
  run(training.evaluateStream, {
    model: rmt,
    task: streamTask,
    segmentLength: 2,
    part: 'test',
    batchSize: 2,
    segments: 1,
    onProgress: () => {},
  }),
  run(training.evaluateDocuments, {
    model: encoder,
    task: documentTask,
    part: 'test',
    batchSize: 2,
    onProgress: () => {},
  }),
  ...[{}, { task: streamTask }, { task: documentTask, model: encoder }].map((other) =>
    run((options: training.TrainOptions) => training.train(options), {
      ...trainOptions,
      ...other,
      optimizer: adam(),
      stepsTaken: 0,
      carried: new training.Carried(),
      seed: 1,
      schedule: training.constant(),
      clip: 1,
      bpttDepth: 1,
      checkpointSegments: false,
      nonFinite: 'stop',
      checkFinite: false,
      signal: new AbortController().signal,
      onProgress: () => {},
    }),
  ),

  construct(tasks.Copy, { length: 2, symbols: 3, copies: 1 }),
  construct(tasks.Reverse, { length: 2, symbols: 3 }),
  construct(tasks.Memorize, { length: 2, kept: 1, symbols: 3 }),
  construct(tasks.Quadratic, { range: 5 }),
  construct(tasks.Retrieval, { pairs: 2, queries: 'all' }),
  run(tasks.createTask, 'copy', { length: 2 }),
  run(tasks.describeTask, 'copy'),
  run(tasks.answerBatch, 2, () => ({ prompt: [1], answer: [2] }), 1),
  ...[
    {},
    { prompt: 1 },
    { prompt: [], answer: [1] },
    { prompt: [1], answer: [] },
    { prompt: [1.5], answer: ['x'] },
    { prompt: 'ab', answer: 'c' },
  ].map((sample) => run((size: number) => tasks.answerBatch(size, () => sample as never), 2)),
  ...tasks.taskNames.flatMap((name) => {
    const task = tasks.createTask(name);
    return [
      on(task, 'batch', key, 2, 'train'),
      on(task, 'withLength', 4),
      on(task, 'show', [1, 2]),
    ];
  }),
];

subjects.forEach((subject, i) => {
  test(`${i}: ${subject.name}`, () => attack(subject));
});

test('every function and class is attacked', () => {
  const attacked = new Set(subjects.map(({ target }) => target));
  // Abstract classes; train, which is attacked with each kind of task; texts, which have tests of their own.
  const elsewhere = [
    'Module',
    'SegmentModel',
    'train',
    'ByteTokenizer',
    'WordTokenizer',
    'WordList',
    'PairTokenizer',
    'PairTable',
    'promptTokens',
    'restoreTokenizer',
    'TextTask',
    'Language',
    'Classification',
    'cutText',
  ];
  const missing = Object.entries({ ...models, ...training, ...tasks }).filter(
    ([name, value]) =>
      typeof value === 'function' && !attacked.has(value) && !elsewhere.includes(name),
  );
  assert.equal(
    missing.map(([name]) => name),
    [],
  );
});

test.run();
