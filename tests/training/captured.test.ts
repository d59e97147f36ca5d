/** Training with captured steps: the same bits as without, and no more memory. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  capture,
  gather,
  type Key,
  mean,
  memoryReport,
  mul,
  normal,
  Parameter,
  peakMemory,
  resetPeakMemory,
  scope,
  square,
  sub,
  sum,
  type Tensor,
  type Tree,
  tensor,
  valueAndGrad,
  watch,
} from '../../src/autograd/index.js';
import type { Backend } from '../../src/backends/backend.js';
import { loadBackend } from '../../src/backends/index.js';
import {
  createModel,
  EncoderRMT,
  modelNames,
  presets,
  type SegmentModel,
} from '../../src/models/index.js';
import {
  ByteTokenizer,
  Classification,
  Copy,
  type Document,
  Language,
} from '../../src/tasks/index.js';
import { IGNORED } from '../../src/tasks/task.js';
import {
  Adam,
  AdamW,
  Curriculum,
  type Optimizer,
  SGD,
  type TrainOptions,
  train,
  warmUp,
} from '../../src/training/index.js';

const test = suite('captured training');

const copy = new Copy({ length: 4, symbols: 5, copies: 2 });
const bytes = new TextEncoder().encode('to be or not to be, that is the question. '.repeat(20));
const language = new Language(
  { train: bytes, validation: bytes, test: bytes },
  new ByteTokenizer(bytes),
);
const sizes = {
  ...presets.fast,
  nLayer: 2,
  nHead: 2,
  dModel: 12,
  dHead: 6,
  dInner: 16,
  memLen: 4,
  numMemTokens: 2,
};

type Options = Pick<TrainOptions, 'model' | 'task'> & Partial<TrainOptions>;

/** Losses, norms and final parameters of ten steps as text; how often the model ran, and the peak of memory. */
async function trained(make: (backend: Backend) => Options, backend: Backend, captures: boolean) {
  const { model, ...options } = make(backend);
  let runs = 0;
  const forward = model.forward.bind(model) as (...args: unknown[]) => unknown;
  Object.assign(model, {
    forward: (...args: unknown[]) => {
      runs++;
      return forward(...args);
    },
  });
  const { optimizer = new AdamW({ learningRate: 3e-3 }) } = options;
  const all = { model, optimizer, segmentLength: 4, steps: 10, batchSize: 3, clip: 0.5, backend };
  const lines: string[] = [];
  resetPeakMemory();
  for await (const { tokensPerSecond, ...step } of train({
    ...all,
    ...options,
    capture: captures,
  })) {
    lines.push(JSON.stringify(step));
  }
  const peak = peakMemory();
  for (const parameter of Object.values({ ...model.parameters(), ...optimizer.state() })) {
    lines.push(`${await parameter.data()}`);
  }
  lines.push(`${optimizer.steps}`);
  for (const used of [model, optimizer]) used.dispose();
  return { lines, runs, peak };
}

const cases: Record<string, (backend: Backend) => Options> = {};
for (const name of modelNames) {
  cases[name] = (backend) => ({
    model: createModel(name, { ...sizes, nToken: copy.vocabulary, backend }, 1),
    task: copy,
  });
}
const rmt =
  (more: object = {}, options: Partial<TrainOptions> = {}) =>
  (backend: Backend) => ({
    model: createModel('rmt', { ...sizes, nToken: copy.vocabulary, backend, ...more }, 1),
    task: copy,
    ...options,
  });
Object.assign(cases, {
  dropout: rmt({ dropout: 0.2, dropatt: 0.1 }),
  'truncated BPTT': rmt({}, { bpttDepth: 1 }),
  'detached states': rmt({}, { bpttDepth: 0 }),
  'checkpointed segments': rmt({ dropout: 0.1 }, { checkpointSegments: true }),
  'a last, shorter segment': rmt({}, { segmentLength: 5 }),
  'SGD with momentum and weight decay': (backend: Backend) =>
    rmt(
      {},
      { optimizer: new SGD({ learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 }) },
    )(backend),
  'Adam with weight decay, at a rate of its own in each step': (backend: Backend) =>
    rmt({}, { optimizer: new Adam({ weightDecay: 0.1 }), schedule: warmUp(5) })(backend),
  'relative positions and the paper': rmt(presets.paper),
  'a curriculum': (backend: Backend) => ({
    ...rmt({})(backend),
    curriculum: new Curriculum(copy, { start: 2, by: 1, at: 0.01, window: 3 }),
  }),
  'a stream with a carried state': (backend: Backend) => ({
    model: createModel('transformer-xl-rmt', { ...sizes, nToken: language.vocabulary, backend }, 1),
    task: language,
    bpttDepth: 2,
  }),
});

const encode = (text: string) => new TextEncoder().encode(text);
const letters = ['train', 'validation', 'test'].flatMap((part) =>
  ['axxx', 'bxxxxxx'].map((text, kind) => ({ text: encode(text), class: kind, part })),
) as Document[];
const documents = new Classification(letters, ['a', 'b'], new ByteTokenizer(encode('abx')));
/** Documents of one segment, or of one and two: which of them are long differs from step to step. */
const encoder = (maxSegments: number, dropout: number) => (backend: Backend) => ({
  model: new EncoderRMT({
    ...sizes,
    ...documents.special,
    nToken: documents.vocabulary,
    classes: 2,
    segmentLength: 4,
    maxSegments,
    dropout,
    dropatt: dropout,
    backend,
  }),
  task: documents,
});
Object.assign(cases, {
  documents: encoder(1, 0),
  'documents of several lengths, dropout': (backend: Backend) => ({
    ...encoder(2, 0.1)(backend),
    steps: 30,
    batchSize: 2,
  }),
});

for (const backendName of ['cpu', 'wasm'] as const) {
  for (const [name, make] of Object.entries(cases)) {
    // cpu is slow, and replays know nothing of backends.
    if (backendName === 'cpu' && !['rmt', 'dropout', 'a curriculum'].includes(name)) continue;
    test(`${name} on ${backendName}: the same bits`, async () => {
      const backend = await loadBackend(backendName);
      const live = memoryReport().buffers;
      const plain = await trained(make, backend, false);
      const captured = await trained(make, backend, true);
      assert.equal(captured.lines, plain.lines);
      assert.ok(captured.runs < plain.runs, `${captured.runs} of ${plain.runs} runs`);
      assert.ok(captured.peak < 1.1 * plain.peak, `${captured.peak} bytes, ${plain.peak} before`);
      assert.is(memoryReport().buffers, live);
    });
  }
}

const onTheHost: Record<string, (backend: Backend) => Options> = {
  'an adaptive softmax': (backend) => ({
    model: createModel(
      'transformer-xl',
      { ...sizes, nToken: language.vocabulary, cutoffs: [5], backend },
      1,
    ),
    task: language,
  }),
};

test('the models of memgrad are captured without asking, and models of your own are not', async () => {
  const runs = async (change: (model: ReturnType<typeof createModel>) => void) => {
    const model = createModel('rmt', { ...sizes, nToken: copy.vocabulary }, 1);
    let count = 0;
    const { decoder } = model as unknown as { decoder: { forward(...args: unknown[]): unknown } };
    const forward = decoder.forward.bind(decoder);
    decoder.forward = (...args) => {
      count++;
      return forward(...args);
    };
    change(model);
    const optimizer = new AdamW();
    const options = { model, task: copy, optimizer, segmentLength: 4, steps: 6, batchSize: 2 };
    for await (const _ of train(options));
    for (const used of [model, optimizer]) used.dispose();
    return count;
  };
  const ours = await runs(() => {});
  const wrapped = await runs((model) => {
    const forward = model.forward.bind(model);
    Object.assign(model, { forward: (...args: Parameters<typeof forward>) => forward(...args) });
  });
  assert.is(wrapped, 2 * ours, 'of six steps one ran, two were recorded, and three replayed');
});

for (const make of [
  () => new Adam({ learningRate: 0.1 }),
  () => new AdamW({ learningRate: 0.1, weightDecay: 0.1 }),
  () => new SGD({ learningRate: 0.1, momentum: 0.9 }),
]) {
  test(`a captured function may take steps of ${make().constructor.name}`, async () => {
    type Step = (x: Tensor) => Tensor;
    let runs = 0;
    const train = async (wrap: (step: Step) => Step) => {
      const w = new Parameter(tensor([1, 2]));
      const optimizer = make();
      runs = 0;
      const step = wrap((x: Tensor) => {
        runs++;
        const [loss, gradients] = valueAndGrad(() => sum(square(sub(w, x))), { w })();
        optimizer.step({ w }, gradients);
        return loss;
      });
      for (let i = 0; i < 10; i++) scope(() => step(tensor([3, 4])));
      return [...(await w.data()), optimizer.steps];
    };
    const captured = await train(capture);
    assert.ok(runs < 4, `ran ${runs} times`);
    assert.equal(captured, await train((f) => f));
  });
}

for (const [name, make] of Object.entries<() => Optimizer>({
  adam: () => new Adam({ learningRate: 0.01 }),
  sgd: () => new SGD({ learningRate: 0.01, momentum: 0.5 }),
})) {
  test(`a step that is not finite changes nothing, captured or not: ${name}`, async () => {
    const backend = await loadBackend('wasm');
    const results = [];
    for (const more of [{ capture: true }, { capture: false }, { checkFinite: true }]) {
      const { model } = rmt()(backend) as { model: SegmentModel };
      const forward = model.forward.bind(model);
      const factors = Array.from({ length: copy.vocabulary }, (_, token) =>
        token === 2 ? NaN : 1,
      );
      const factor = new Parameter(tensor(factors, { shape: [copy.vocabulary, 1], backend }));
      Object.assign(model, {
        forward(tokens: Tensor, ...rest: [Tree, Key]) {
          const output = forward(tokens, ...rest); // the factor of a segment with token 2 is NaN
          return { ...output, logits: mul(output.logits, mean(gather(factor, tokens))) };
        },
      });
      const optimizer = make();
      const options = { model, task: copy, optimizer, segmentLength: 4, batchSize: 1, clip: 0.5 };
      const seen: string[] = [];
      for await (const step of train({
        ...options,
        ...more,
        steps: 20,
        nonFinite: 'skip',
        backend,
      })) {
        const after = await Promise.all(Object.values(model.parameters()).map((p) => p.data()));
        seen.push(`${step.loss} ${step.skipped} ${optimizer.steps} ${after}`);
      }
      const moments = await Promise.all(Object.values(optimizer.state()).map((p) => p.data()));
      results.push([...seen, `${moments}`]);
      for (const used of [model, optimizer, factor]) used.dispose();
    }
    const skipped = results[0].filter((line) => line.includes('train: step')).length;
    assert.ok(skipped > 1 && skipped < 19, `${skipped} skipped`);
    assert.equal(results[0], results[1]);
    assert.equal(results[0], results[2]);
  });
}

for (const [name, make] of Object.entries(onTheHost)) {
  test(`${name}: sorted on the host, so that steps are not captured, and train as they are`, async () => {
    const backend = await loadBackend('wasm');
    const plain = await trained(make, backend, false);
    const captured = await trained(make, backend, true);
    assert.equal(captured.lines, plain.lines);
    assert.is(captured.runs, plain.runs);
  });
}

/** Models that compute with something of their own, and a task whose batches change their structure. */
const unusual: Record<string, (backend: Backend) => Options> = {
  'noise drawn on the host': (backend) =>
    changed(backend, (logits, key) => add(logits, normal(key as Key, logits.shape, { backend }))),
  'a count of its own': (backend) => {
    let count = 0;
    return changed(backend, (logits) => mul(logits, 1 + count++ / 100));
  },
  'a watcher': (backend) =>
    changed(backend, (logits) =>
      watch(
        () => mul(logits, 2),
        () => {},
      ),
    ),
  'an array in the state of a stream': (backend) => {
    const { model } = cases['a stream with a carried state'](backend) as { model: SegmentModel };
    const [start, forward] = [model.initialState.bind(model), model.forward.bind(model)];
    type State = { inner: Tree; seen: Float32Array };
    Object.assign(model, {
      initialState: (size: number) => ({ inner: start(size), seen: new Float32Array(1) }),
      forward(tokens: Tensor, { inner, seen }: State, key?: Key) {
        const { logits, state } = forward(tokens, inner, key);
        const after = { inner: state, seen: seen.map((count) => count + 1) };
        return { logits: mul(logits, 1 + seen[0] / 10), state: after };
      },
    });
    return { model, task: language };
  },
  'targets that count in some steps only': (backend) => {
    let calls = 0;
    const task = new Copy({ length: 4, symbols: 5, copies: 2 });
    const batch = task.batch.bind(task);
    task.batch = (...args) => {
      const made = batch(...args);
      const isShort = calls++ % 3 === 2;
      const targets = made.targets.map((t, i) => (isShort && i % made.time < 9 ? IGNORED : t));
      return { ...made, targets };
    };
    return { ...rmt({})(backend), task };
  },
};

function changed(backend: Backend, change: (logits: Tensor, key?: Key) => Tensor): Options {
  const { model } = rmt({ dropout: 0.1 })(backend) as { model: SegmentModel };
  const forward = model.forward.bind(model);
  Object.assign(model, {
    forward(tokens: Tensor, state: Tree, key?: Key) {
      const output = forward(tokens, state, key);
      return { ...output, logits: change(output.logits, key) };
    },
  });
  return { model, task: copy };
}

for (const [name, make] of Object.entries(unusual)) {
  test(`${name}: the same bits, and nothing is refused`, async () => {
    const backend = await loadBackend('wasm');
    const { lines } = await trained(make, backend, false);
    assert.equal((await trained(make, backend, true)).lines, lines);
  });
}

test.run();
