/** What optimisers, training and evaluation refuse before anything is changed. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key, Parameter, tensor } from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { MemgradError } from '../../src/errors.js';
import { createModel, EncoderRMT, presets, RMT, SegmentModel } from '../../src/models/index.js';
import {
  answerBatch,
  ByteTokenizer,
  Copy,
  createTask,
  Language,
  type Task,
  taskNames,
} from '../../src/tasks/index.js';
import {
  Adam,
  AdamW,
  Curriculum,
  createOptimizer,
  evaluate,
  evaluateStream,
  onPlateau,
  SGD,
  type TrainOptions,
  train,
} from '../../src/training/index.js';

const test = suite('refusals');

function refused(make: () => unknown, message: RegExp): void {
  assert.throws(make, (error: Error) => {
    assert.instance(error, MemgradError);
    assert.match(error.message, message);
    return true;
  });
}

test('a task without show(), and a stream that cannot count its segments, are named', async () => {
  const sizes = { nToken: 12, nLayer: 1, nHead: 1, dModel: 8, dHead: 8, dInner: 8 };
  const model = createModel('transformer', { ...presets.fast, ...sizes });
  const batch = (key: Key, size: number, split: 'test') => new Copy().batch(key, size, split);
  const mute = { name: 'mute', vocabulary: 12, metric: 'tokens', chance: 0.1, batch };
  const judged = evaluate({ model, task: mute as never, segmentLength: 8, samples: 2 });
  await rejected(judged, /evaluate: show\(\) of the task must be a function, got nothing/);
  const text = { name: 'text', vocabulary: 12, unit: 'perplexity', segment: () => 1, show: String };
  for (const count of [NaN, 0, '3', undefined]) {
    const task = { ...text, segments: () => count } as never;
    const read = evaluateStream({ model, task, segmentLength: 8 });
    await rejected(read, /the task 'text': segments\(\) must be a whole number >= 1/);
  }
});

test('an evaluation of the wrong kind names the right one', async () => {
  const text = 'a text to read '.repeat(9);
  const language = new Language(
    { train: text, validation: text, test: text },
    new ByteTokenizer(text),
  );
  const wrong = { model, segmentLength: 3 } as const;
  await rejected(
    evaluate({ ...wrong, task: language as never }),
    /^evaluate: task must be a task with batch\(\), got a Language, which has segment\(\); call evaluateStream\.$/,
  );
  await rejected(
    evaluateStream({ ...wrong, task: task as never }),
    /has batch\(\); call evaluate\.$/,
  );
});

test('a model that lacks a method or returns something else is told', async () => {
  // As in JavaScript, where nothing says that methods are missing.
  const Model = SegmentModel as unknown as new () => Record<never, never>;
  class Half extends Model {
    weight = new Parameter(tensor([1]));
    forward(): unknown {
      return tensor([1]);
    }
  }
  class Bare extends Half {
    initialState = () => null;
  }
  class Later extends Bare {
    override forward = async () => ({ logits: tensor([1]), state: null });
  }
  class Mute extends Model {
    initialState = () => null;
  }
  for (const [made, message] of [
    [new Half(), /takes a language model, .*, with initialState\(batch\); got a Half\.$/],
    [new Mute(), /, with forward\(tokens, state\); got a Mute\.$/],
    [new Bare(), /^forward: the result must be { logits, state }, got Tensor/],
    [new Later(), /^forward: the result must be { logits, state }, got Promise\.$/],
  ] as const) {
    const wrong = { model: made as never };
    assert.match((await trains(wrong))?.message ?? '', message);
    await rejected(evaluate({ ...wrong, task, segmentLength: 3, samples: 2 }), message);
  }
});

async function rejected(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error) => error,
  );
  assert.instance(error, MemgradError);
  assert.match(error.message, message);
}

test('samples and batches that no memory holds are refused at once', () => {
  for (const name of ['copy', 'reverse', 'memorize'] as const) {
    refused(
      () => createTask(name, { length: 1e9 }),
      /: length must be a whole number .* to 1048576/,
    );
  }
  refused(() => createTask('copy', { length: 1e5, copies: 1e5 }), /copies must be .* from 1 to 10/);
  const task = createTask('copy', { length: 1e4 });
  refused(
    () => task.batch(Key.of(1), 1e9, 'train'),
    /size × time must be at most 268435456 tokens/,
  );
});

test('an optimiser takes its own rate where a step names none', async () => {
  for (const make of [
    () => new Adam({ learningRate: 0.1 }),
    () => new SGD({ learningRate: 0.1 }),
  ]) {
    const after = [];
    for (const options of [undefined, {}, { rate: 0.1 }, { gradientScale: 1 }]) {
      const w = new Parameter(tensor([1, 2]));
      const optimizer = make();
      optimizer.step({ w }, { w: tensor([1, -1]) }, options);
      after.push(await w.array());
    }
    assert.equal(after, Array(4).fill(after[2]));
    assert.not.equal(after[0], [1, 2]);
  }
});

test('a step that cannot be is refused, and changes nothing', async () => {
  const cpu = createCpuBackend();
  const w = new Parameter(tensor([1, 2]));
  const adam = new Adam({ learningRate: 0.1 });
  const good = { w: tensor([1, 1]) };
  for (const [gradients, options, message] of [
    [{}, undefined, /the gradient is nothing for "w"/],
    [{ w: tensor([1]) }, undefined, /the gradient is Tensor\(float32 \[1\]/],
    [{ w: tensor([1, 1], { dtype: 'int32' }) }, undefined, /Tensor\(int32 \[2\]/],
    [{ w: tensor([1, 1], { backend: cpu }) }, undefined, /on cpu/],
    [{ ...good, v: tensor([1]) }, undefined, /for "v", expected the shape and dtype of nothing/],
    [undefined, undefined, /must be records of tensors, got nothing/],
    [good, { rate: Number.NaN }, /rate must be a finite number >= 0, got NaN/],
    [good, { rate: '0.1' }, /rate must be .*got "0.1"/],
    [good, { lr: 0.1 }, /no option "lr"/],
    [good, { gradientScale: -1 }, /gradientScale must be/],
    [good, 0.1, /expected an object of options/],
  ] as const) {
    refused(() => adam.step({ w }, gradients as never, options as never), message);
    assert.equal([await w.array(), adam.steps, Object.keys(adam.state())], [[1, 2], 0, []]);
  }
});

test('options of optimisers: unknown, out of range, of the wrong kind', () => {
  for (const [make, message] of [
    [() => new AdamW({ lr: 0.1 } as never), /no option "lr"; did you mean 'learningRate'/],
    [() => new AdamW({ weight_decay: 0.1 } as never), /did you mean 'weightDecay'/],
    [() => new Adam(0.01 as never), /expected an object of options .*got 0.01/],
    [() => new SGD({ dampening: 0 } as never), /no option "dampening"/],
    [() => new SGD({ nesterov: true }), /momentum must be a number > 0 with nesterov, got 0/],
    [() => new Adam({ betas: [0.9] as never }), /betas must be two of .*a list of 1/],
    [() => new Adam({ betas: [0.9, 1] }), /betas must be two of/],
    [() => new Adam({ betas: ['0.9', '0.99'] as never }), /betas must be two of/],
    [() => new Adam({ learningRate: '0.1' as never }), /learningRate must be .*got "0.1"/],
    [() => new Adam({ learningRate: Infinity }), /learningRate must be a finite number/],
    [() => new Adam({ epsilon: -1 }), /epsilon must be/],
    [() => createOptimizer('adamw2' as 'adam'), /no optimiser "adamw2"; did you mean 'adamw'/],
    [() => createOptimizer('sgd', { betas: [0.9, 0.9] } as never), /no option "betas"/],
    [() => onPlateau({ patiense: 5 } as never), /did you mean 'patience'/],
    [() => new Curriculum(new Copy(), { begin: 5 } as never), /no option "begin"/],
    [() => new Curriculum(new Copy(), {} as never), /start must be .*got nothing/],
  ] as const) {
    refused(make, message);
  }
  assert.is(new SGD().learningRate, 1e-3);
});

test('options of tasks', () => {
  for (const name of taskNames)
    refused(() => createTask(name, { len: 5 } as never), /no option "len"/);
  refused(() => createTask('copy', { len: 5 } as never), /did you mean 'length'/);
  refused(() => createTask('cpoy' as 'copy'), /no task "cpoy"; choose from copy/);
  refused(() => createTask('copy', 5 as never), /expected an object of options/);
});

const task = new Copy({ length: 2, symbols: 4, copies: 1 });
const sizes = { nToken: task.vocabulary, nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8 };
const config = { ...presets.fast, ...sizes, numMemTokens: 2 };
const model = createModel('rmt', config);
const special = { classes: 2, segmentLength: 4, maxSegments: 2, cls: 0, sep: 1, pad: 2 };
const good = { model, task, segmentLength: 3, steps: 1, batchSize: 2 };

async function trains(options: Partial<TrainOptions>): Promise<Error | undefined> {
  const optimizer = new AdamW();
  try {
    await train({ ...good, optimizer, ...options }).next();
  } catch (error) {
    assert.is(optimizer.steps, 0);
    return error as Error;
  }
  return undefined;
}

test('options of train', async () => {
  assert.is(await trains({}), undefined);
  for (const [options, message] of [
    [{ learningRate: 0.1 }, /train: there is no option "learningRate"/],
    [{ model: undefined }, /'copy' takes a language model.*got nothing/],
    [{ model: RMT }, /takes a language model.*got a function/],
    [{ model: new EncoderRMT({ ...config, ...special }) }, /'copy' takes a language model/],
    [{ task: 'copy' }, /train: task must be a task, as createTask makes, got "copy"/],
    [{ task: undefined }, /train: task must be/],
    [{ optimizer: 'adam' }, /train: optimizer must be an optimiser.*got "adam"/],
    [{ optimizer: AdamW }, /optimizer must be/],
    [{ segmentLength: undefined }, /segmentLength must be a whole number >= 1, got nothing/],
    [{ steps: '10' }, /steps must be .*got "10"/],
    [{ seed: -1 }, /seed/],
    [{ clip: -1 }, /clip must be a finite number > 0/],
    [{ clip: null }, /clip must be/],
    [{ schedule: 'cosine' }, /schedule must be/],
    [{ nonFinite: 'ignore' }, /nonFinite must be one of stop, skip/],
    [{ checkFinite: 'yes' }, /checkFinite must be true or false/],
    [{ carried: {} }, /carried must be/],
    [
      { curriculum: new Curriculum(new Copy(), { start: 1, by: 1 }) },
      /Curriculum of the same task/,
    ],
    [{ signal: true }, /signal must be/],
    [{ task: new Copy({ symbols: 9 }) }, /the vocabulary of 'copy', within the model's nToken/],
  ] as const) {
    const error = await trains(options as never);
    assert.instance(error, MemgradError, JSON.stringify(Object.keys(options)));
    assert.match((error as Error).message, message);
  }
  for (const options of [undefined, null, 5, 'x', {}]) {
    const error = await train(options as never)
      .next()
      .catch((error: Error) => error);
    assert.instance(error, MemgradError);
  }
});

test('batches that cannot be learnt from are refused before a step, with the name of the task', async () => {
  const { inputs, targets, ...rest } = task.batch(Key.of(1), 2, 'train');
  const of = (change: object): Task => ({
    name: 'mine',
    vocabulary: task.vocabulary,
    metric: 'tokens',
    chance: 0,
    length: 2,
    batch: () => ({ ...rest, inputs, targets, ...change }),
    withLength: () => of(change),
    show: String,
  });
  const at = (values: Int32Array, token: number) => values.with(0, token);
  assert.is(await trains({ task: of({}) }), undefined);
  for (const [change, message] of [
    [{ size: 0 }, /size/],
    [{ size: 1 }, /size/],
    [{ time: 0 }, /time must be/],
    [{ time: undefined }, /time must be .*got nothing/],
    [{ inputs: inputs.slice(1) }, /Int32Arrays of size × time = \d+, got Int32Array of/],
    [{ inputs: Float32Array.from(inputs) }, /Int32Arrays .*got Float32Array/],
    [{ inputs: [...inputs] }, /Int32Arrays .*got a list/],
    [{ inputs: undefined }, /Int32Arrays .*got nothing/],
    [{ targets: targets.slice(1) }, /Int32Arrays/],
    [{ inputs: at(inputs, 99) }, /a token must be a whole number from 0 to 5, got 99/],
    [{ inputs: at(inputs, -1) }, /a token must be .*got -1/],
    [{ targets: at(targets, 6) }, /a token must be .*got 6/],
    [{ targets: at(targets, -1) }, /a token must be .*got -1/],
    [{ targets: targets.map(() => -100) }, /targets must be some that count/],
  ] as const) {
    const error = (await trains({ task: of(change) })) as Error;
    assert.instance(error, MemgradError, String(message));
    assert.match(error.message, message);
    assert.match(error.message, /^train: the task 'mine'/);
    const evaluated = evaluate({
      ...good,
      steps: undefined,
      task: of(change),
      samples: 2,
    } as never);
    assert.instance(await evaluated.catch((error) => error), MemgradError);
  }
});

test('answerBatch refuses samples of different lengths, empty ones and what is no token', () => {
  const sample = (prompt: unknown, answer: unknown) => ({ prompt, answer }) as never;
  const samples = [
    [sample([1, 2], [3]), sample([1], [3]), /each prompt must be 2 tokens long, got 1/],
    [sample([1], [3]), sample([1], [3, 4]), /each answer must be 1 tokens long, got 2/],
    [sample([], [3]), sample([], [3]), /each prompt must be 1 tokens long, got 0/],
    [sample([1], []), sample([1], []), /each answer must be/],
    [sample([1.5], [3]), sample([1], [3]), /a token must be .*got 1.5/],
    [sample('a', 'b'), sample('a', 'b'), /tokens must be a list or typed array, got "a"/],
    [undefined, undefined, /tokens must be a list/],
  ] as const;
  for (const [first, second, message] of samples) {
    refused(() => answerBatch(2, (row) => (row === 0 ? first : second) as never), message);
  }
});

test.run();
