import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport, type Tensor, valueAndGrad, watch } from '../../src/autograd/index.js';
import { Key } from '../../src/autograd/random.js';
import { MemgradError } from '../../src/errors.js';
import {
  createModel,
  type ModelName,
  modelNames,
  presets,
  SegmentModel,
} from '../../src/models/index.js';
import { Embedding, Linear } from '../../src/nn/index.js';
import { Copy } from '../../src/tasks/index.js';
import {
  AdamW,
  Curriculum,
  cosine,
  cutSegments,
  evaluate,
  load,
  SGD,
  save,
  sequenceLoss,
  type TrainOptions,
  type TrainStep,
  train,
  warmUp,
} from '../../src/training/index.js';

const task = new Copy({ length: 3, symbols: 3, copies: 1 });
const tiny = (name: ModelName = 'rmt', extra = {}) =>
  createModel(name, {
    ...presets.fast,
    nToken: task.vocabulary,
    nLayer: 1,
    nHead: 2,
    dModel: 16,
    dHead: 8,
    dInner: 32,
    memLen: 3,
    numMemTokens: 3,
    ...extra,
  });

async function run(options: Partial<TrainOptions> = {}): Promise<TrainStep[]> {
  const steps: TrainStep[] = [];
  for await (const step of train({
    model: tiny(),
    task,
    optimizer: new AdamW({ learningRate: 5e-3 }),
    segmentLength: 3,
    steps: 5,
    batchSize: 8,
    clip: 1,
    seed: 1,
    ...options,
  })) {
    steps.push(step);
  }
  return steps;
}

const withoutSpeed = ({ tokensPerSecond: _, ...step }: TrainStep) => step;

for (const name of modelNames) {
  test(`${name}: the loss falls, the same seed gives the same run, and nothing is left over`, async () => {
    const model = tiny(name, { dropout: 0.1, dropatt: 0.1 });
    const optimizer = new AdamW({ learningRate: 5e-3 });
    const live: number[] = [];
    const steps: TrainStep[] = [];
    for await (const step of train({
      model,
      task,
      optimizer,
      segmentLength: 4,
      steps: 60,
      batchSize: 16,
      seed: 3,
    })) {
      steps.push(step);
      live.push(memoryReport().bytes);
    }
    assert.is(steps.length, 60);
    assert.ok(steps[59].loss < steps[0].loss - 0.1, `${steps[0].loss} to ${steps[59].loss}`);
    assert.is(live[59], live[2], 'from the second recording on, with the constants of its program');
    const again = await run({
      model: tiny(name, { dropout: 0.1, dropatt: 0.1 }),
      segmentLength: 4,
      batchSize: 16,
      seed: 3,
      clip: undefined,
    });
    assert.equal(
      again.map(({ loss }) => loss),
      steps.slice(0, 5).map(({ loss }) => loss),
    );
    model.dispose();
    optimizer.dispose();
  });
}

test('RMT learns to copy what only its memory can tell', async () => {
  const task = new Copy({ length: 4, symbols: 10, copies: 1 });
  const sizes = { nToken: task.vocabulary, nLayer: 2, dModel: 64, dHead: 32, dInner: 128 };
  const model = tiny('rmt', { ...sizes, numMemTokens: 4 });
  const optimizer = new AdamW({ learningRate: 2e-3, betas: [0.9, 0.98] });
  let solved = 0;
  for (const { accuracy } of await run({
    model,
    task,
    optimizer,
    segmentLength: 4,
    steps: 400,
    batchSize: 16,
    schedule: warmUp(20, cosine(400)),
  })) {
    solved = accuracy === 1 ? solved + 1 : 0;
  }
  assert.ok(solved >= 5, `the last ${solved} batches were solved`);
  const { accuracy, exact, samples, example } = await evaluate({
    model,
    task,
    segmentLength: 4,
    samples: 100,
  });
  assert.ok(accuracy > 0.95, `held-out accuracy ${accuracy}`);
  assert.ok(exact > 0.8 && exact <= accuracy && samples === 100, `exact ${exact}`);
  assert.is(example.prompt.length, 5);
});

test('a depth that reaches the start gives the gradients of full BPTT, save for the initial memory', async () => {
  const model = tiny();
  const batch = task.batch(Key.of(1), 4, 'train');
  const segments = cutSegments(batch, 2);
  const gradients = (bpttDepth?: number) =>
    valueAndGrad(
      () => sequenceLoss(model, segments, 4, { bpttDepth }).loss,
      model.parameters(),
    )()[1];
  const norm = async (x: Tensor) => Math.hypot(...(await x.data()));
  const difference = async (a: Tensor, b: Tensor) => {
    const other = await b.data();
    return Math.hypot(...(await a.data()).map((value, i) => value - other[i])) / (await norm(a));
  };
  const full = gradients();
  const deep = gradients(segments.length);
  const shallow = gradients(0);
  const name = 'decoder.layers.0.attention.qkv.weight';
  assert.ok((await difference(full[name], deep[name])) < 1e-5);
  assert.ok((await difference(full[name], shallow[name])) > 1e-3);
  assert.ok((await norm(full.memory)) > 0);
  assert.is(await norm(deep.memory), 0);
});

test('segments: cut at the length, the last one shorter, none after the last target', () => {
  const batch = task.batch(Key.of(1), 2, 'train');
  assert.equal(
    cutSegments(batch, 4).map(({ start, time, counted }) => [start, time, counted]),
    [
      [0, 4, 2],
      [4, 2, 4],
    ],
  );
  const cut = { ...batch, targets: batch.targets.map((target, i) => (i % 6 > 3 ? -100 : target)) };
  assert.is(cutSegments(cut, 2).length, 2);
});

test('a step that is not finite stops and changes nothing', async () => {
  const model = tiny();
  const values = () =>
    Promise.all(Object.values(model.parameters()).map((parameter) => parameter.data()));
  const steps: number[] = [];
  let before = await values();
  try {
    for await (const { step } of train({
      model,
      task,
      optimizer: new SGD({ learningRate: 1e20 }),
      segmentLength: 3,
      steps: 50,
      batchSize: 2,
    })) {
      steps.push(step);
      before = await values();
    }
    assert.unreachable('expected the loss to overflow');
  } catch (error) {
    assert.instance(error, MemgradError);
    assert.match((error as Error).message, /^train: step \d+ has loss .* no parameter was changed/);
  }
  assert.ok(steps.length > 0);
  assert.equal(await values(), before);
});

test('stops on a signal, after the step being taken', async () => {
  const controller = new AbortController();
  const steps: number[] = [];
  for await (const { step } of train({
    model: tiny(),
    task,
    optimizer: new AdamW(),
    segmentLength: 3,
    steps: 100,
    batchSize: 2,
    signal: controller.signal,
  })) {
    steps.push(step);
    if (step === 3) controller.abort();
  }
  assert.equal(steps, [1, 2, 3]);
});

test('within a step its share is told at each segment and back; what is thrown there ends it with nothing changed or left', async () => {
  for (const checkpointSegments of [false, true]) {
    for (const name of modelNames) {
      const shares: number[] = [];
      const onProgress = (share: number) => void shares.push(share);
      const how = { segmentLength: 1, checkpointSegments, steps: 2, batchSize: 2 };
      const told = await run({ ...how, model: tiny(name), onProgress });
      const untold = await run({ ...how, model: tiny(name) });
      assert.equal(told.map(withoutSpeed), untold.map(withoutSpeed), 'the same bits');
      const step = shares.slice(0, shares.indexOf(0, 2));
      assert.equal(
        step,
        [...step].sort((a, b) => a - b),
      );
      for (const part of [1 / 12, 5 / 12, 6 / 12, 8 / 12]) {
        assert.ok(
          step.some((share) => Math.abs(share - part) < 1e-9),
          `${name} ${step}`,
        );
      }

      const [model, optimizer] = [tiny(name), new SGD({ learningRate: 1 })];
      const values = () => Promise.all(Object.values(model.parameters()).map((one) => one.data()));
      const before = await values();
      const live = memoryReport().buffers;
      for (const at of [0, 1 / 12, 7 / 12]) {
        const end = new Error('enough');
        const stopping = (share: number) => {
          if (share >= at) throw end;
        };
        const steps = train({ ...how, task, model, optimizer, onProgress: stopping });
        const failed = await steps.next().catch((error) => error);
        assert.is(failed, end);
        assert.equal(await values(), before);
        assert.is(memoryReport().buffers, live);
      }
    }
  }
});

test('a curriculum lengthens the samples', async () => {
  const curriculum = new Curriculum(task, { start: 1, by: 1, at: 0.01, window: 1 });
  const lengths = (await run({ steps: 10, curriculum, batchSize: 64 })).map(({ length }) => length);
  assert.is(lengths[0], 1);
  assert.is(lengths[9], 3);
  assert.equal(lengths, [...lengths].sort());
});

test('views and sums of gradients run no operations: a step of four layers takes at most 750', async () => {
  const copy = new Copy({ length: 24, symbols: 10, copies: 2 });
  const sizes = { nToken: copy.vocabulary, nLayer: 4, dModel: 8, dHead: 2, dInner: 8 };
  const model = tiny('rmt', { ...sizes, nHead: 4, numMemTokens: 5 });
  const optimizer = new AdamW();
  const options = { segmentLength: 24, steps: 1, batchSize: 1, clip: 0.25 };
  const seen: string[] = [];
  let step: Promise<unknown> | undefined;
  watch(
    () => {
      // The gradients are computed before the first wait.
      step = train({ model, task: copy, optimizer, ...options }).next();
    },
    ({ operation }) => seen.push(operation),
  );
  await step;
  assert.ok(seen.length > 500 && seen.length <= 750, `${seen.length} operations`);
  assert.equal(
    seen.filter((name) => ['identity', 'reshape'].includes(name)),
    [],
  );
});

test('a layer in two fields learns as one, and its state is saved and loaded once', async () => {
  class Twice extends SegmentModel<null> {
    override readonly config = { nToken: task.vocabulary };
    readonly embedding = new Embedding(task.vocabulary, 4, { key: Key.of(1) });
    readonly first = new Linear(4, 4, { key: Key.of(2) });
    readonly output = new Linear(4, task.vocabulary, { key: Key.of(3) });
    second?: Linear;
    initialState(): null {
      return null;
    }
    forward(tokens: Tensor, state: null) {
      const x = this.first.forward(this.embedding.forward(tokens));
      return { logits: this.output.forward((this.second ?? this.first).forward(x)), state };
    }
  }
  const learns = async (isTied: boolean) => {
    const model = new Twice();
    if (isTied) model.second = model.first;
    const optimizer = new AdamW({ learningRate: 0.1 });
    const losses: number[] = [];
    const options = { segmentLength: 8, steps: 5, batchSize: 2, clip: 0.1 };
    for await (const { loss } of train({ model, task: task, optimizer, ...options })) {
      losses.push(loss);
    }
    const bytes = await save(model, { optimizer });
    load(model, bytes, { optimizer: new AdamW() });
    return { losses, bytes: bytes.length };
  };
  assert.equal(await learns(true), await learns(false));
});

test('a model of two methods, of no class of memgrad, trains to the same bits, also where segments are only read', async () => {
  const own = (model: SegmentModel) => ({
    config: model.config,
    parameters: () => model.parameters(),
    initialState: (batch: number) => model.initialState(batch),
    forward: (tokens: Tensor, state: never, key?: Key) => model.forward(tokens, state, key),
  });
  // The first segment has no target, and a depth reads segments again.
  for (const bpttDepth of [undefined, 1]) {
    const options = { segmentLength: 2, bpttDepth, steps: 3 };
    const [model, inner] = [tiny(), tiny()];
    const expected = await run({ ...options, model });
    const steps = await run({ ...options, model: own(inner) as never });
    const losses = (taken: TrainStep[]) => taken.map(({ loss }) => loss);
    assert.equal(losses(steps), losses(expected));
    const how = { task, segmentLength: 2, samples: 4 };
    const { accuracy } = await evaluate({ ...how, model: own(inner) as never });
    assert.is(accuracy, (await evaluate({ ...how, model })).accuracy);
  }
});

test('options out of range are refused before the first step', async () => {
  const refused = async (options: Partial<TrainOptions>, message: string) => {
    const error = await run(options).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.instance(error, MemgradError);
    assert.is((error as Error).message, message);
  };
  await refused({ steps: Number.NaN }, 'train: steps must be a whole number >= 1, got NaN.');
  await refused({ segmentLength: 0 }, 'train: segmentLength must be a whole number >= 1, got 0.');
  await refused({ batchSize: 1.5 }, 'train: batchSize must be a whole number >= 1, got 1.5.');
  await refused({ bpttDepth: -1 }, 'train: bpttDepth must be a whole number >= 0, got -1.');
  await refused({ clip: 0 }, 'train: clip must be a finite number > 0, got 0.');
});

test.run();
