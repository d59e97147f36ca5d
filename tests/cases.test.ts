/** Inputs that once failed in silence or with a raw error, as users of other engines reported them. The right values are those of float64, PyTorch, NumPy and the Python package safetensors. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  arange,
  cast,
  crossEntropy,
  dropout,
  Key,
  loadBackend,
  logSoftmax,
  MemgradError,
  mul,
  ones,
  Parameter,
  pow,
  sum,
  type Tensor,
  tensor,
  zeros,
} from '../src/index.js';
import {
  createModel,
  EncoderRMT,
  loadReference,
  presets,
  sampleToken,
  saveReference,
} from '../src/models/index.js';
import { decodeSafetensors, encodeSafetensors } from '../src/runs/index.js';
import { ByteTokenizer, createTask, WordTokenizer } from '../src/tasks/index.js';
import { Adam, AdamW, SGD } from '../src/training/index.js';

const test = suite('cases');

const sizes = {
  nToken: 12,
  nLayer: 1,
  nHead: 2,
  dModel: 16,
  dHead: 8,
  dInner: 16,
  numMemTokens: 2,
};
const utf8 = (text: string) => new TextEncoder().encode(text);
const values = async (x: Tensor) => [...(await x.data())];

/** `f` throws a MemgradError of one line that matches. */
function refused(f: () => unknown, message: RegExp): void {
  try {
    f();
  } catch (error) {
    assert.instance(error, MemgradError);
    assert.match((error as Error).message, message);
    assert.ok((error as Error).message.length < 500 && !(error as Error).message.includes('\n'));
    return;
  }
  assert.unreachable(`expected an error like ${message}`);
}

/** What a caller without types may pass. */
const untyped = (value: unknown) => value as never;

test('an option that does not exist is named, with the nearest one', () => {
  refused(() => new AdamW(untyped({ lr: 0.1 })), /"lr"; did you mean 'learningRate'/);
  refused(() => new Adam(untyped({ weight_decay: 0.1 })), /did you mean 'weightDecay'/);
  refused(() => new Adam(untyped(0.01)), /object of options .*got 0.01/);
  refused(() => new Adam(untyped({ nesterov: true })), /no option "nesterov"/);
  refused(
    () => new SGD({ learningRate: 0.1, nesterov: true }),
    /momentum must be .* with nesterov/,
  );
  const targets = tensor([2], { dtype: 'int32' });
  refused(
    () => crossEntropy(tensor([[0.2, -1, 3]]), targets, untyped({ smoothing: 0.1 })),
    /no option "smoothing"/,
  );
  const config = { ...presets.fast, ...sizes, num_mem_tokens: 10 };
  refused(() => createModel('rmt', untyped(config)), /did you mean 'numMemTokens'/);
  refused(() => createTask('copy', untyped({ len: 5 })), /did you mean 'length'/);
  refused(
    () => createModel('transformer-xl', untyped({ ...presets.fast, ...sizes })),
    /memLen must be/,
  );
});

test('a number is no key, and a list is no axis length', async () => {
  for (const key of [1, 'x', undefined])
    refused(() => dropout(ones([12]), 0.5, untyped(key)), /key/);
  assert.equal(await values(arange(2, 5)), [2, 3, 4]);
  refused(() => tensor([1, 2], untyped([2, 1])), /shape/);
});

test('int32 wraps on every backend, and casts saturate', async () => {
  for (const name of ['wasm', 'cpu'] as const) {
    const backend = await loadBackend(name);
    const whole = (given: number | number[]) => tensor(given, { dtype: 'int32', backend });
    assert.is(await sum(whole([2147483647, 1])).item(), -2147483648, name);
    assert.is(await mul(whole(123456789), whole(987654321)).item(), -67153019, name);
    assert.is(await pow(whole(3), whole(40)).item(), 689956897, name);
    const from = tensor([3e9, -3e9, Number.NaN], { backend });
    assert.equal(await values(cast(from, 'int32')), [2147483647, -2147483648, 0], name);
    assert.ok(Number.isNaN(await pow(tensor(-2, { backend }), 3.0000002).item()), name);
    const [first] = await values(logSoftmax(tensor([1e7, 1e7 - 1, 1e7 - 2], { backend })));
    assert.ok(Math.abs(first + 0.40760596) < 1e-6, `${name}: ${first}`);
  }
});

test('the advice for mixed dtypes loses no values', async () => {
  const whole = tensor([1, 2], { dtype: 'int32' });
  const half = tensor([0.5, 0.5]);
  refused(() => mul(whole, half), /cast\(.*'float32'\)/);
  assert.equal(await values(mul(cast(whole, 'float32'), half)), [0.5, 1]);
});

test('rows may be typed arrays; text is refused in a few words', async () => {
  const rows = [new Float32Array([1, 2]), new Float32Array([3, 4])];
  assert.equal(await tensor(untyped(rows)).array(), [
    [1, 2],
    [3, 4],
  ]);
  assert.equal(tensor(untyped([new Float32Array(300_000)])).shape, [1, 300_000]);
  refused(() => tensor(untyped(['1', '2'])), /"1"/);
});

test('a stream refuses a token outside the vocabulary, and goes on', () => {
  const stream = createModel('rmt', { ...presets.fast, ...sizes }).stream({ segmentLength: 4 });
  stream.push([1]);
  refused(() => stream.push([99]), /from 0 to 11.*99/);
  for (const next of [[], [1], [1, 2, 3, 4]]) {
    stream.push(next);
    stream.logits();
  }
});

test('a reference checkpoint is read in each of its forms', async () => {
  const make = (seed: number) =>
    createModel('rmt', { ...presets.paper, ...sizes, dropout: 0 }, seed);
  const state = await saveReference(make(1));
  const bytes = encodeSafetensors(new Map(Object.entries(state)));
  const prefixed = Object.entries(state).map(([name, array]) => [`module.${name}`, array]);
  const forms = [bytes, decodeSafetensors(bytes), decodeSafetensors(bytes).tensors, state];
  const wanted = await make(1).memory.array();
  for (const form of [...forms, Object.fromEntries(prefixed)]) {
    const model = make(2);
    loadReference(model, form);
    assert.equal(await model.memory.array(), wanted);
  }
});

test('words keep their combining marks', () => {
  for (const word of ['हिन्दी', 'தமிழ்', 'cafe\u0301', 'العَرَبِيَّة', 'שָׁלוֹם', 'ที่']) {
    const bytes = utf8(word);
    const words = new WordTokenizer(bytes, { split: 'prose' });
    assert.is(words.encode(bytes).length, 2, `${word} and the end of its line`);
  }
});

test('texts decode token by token, with their byte order mark, and unknown tokens are refused', () => {
  const text = utf8('naïve 😀');
  const tokenizer = new ByteTokenizer(text);
  const decoder = tokenizer.decoder();
  const shown = Array.from(tokenizer.encode(text), (token) => decoder.push(token)).join('');
  assert.is(shown + decoder.end(), 'naïve 😀');
  const marked = new ByteTokenizer(utf8('\uFEFFab'));
  assert.is(marked.decode(marked.encode(utf8('\uFEFFab'))).length, 3);
  refused(() => new ByteTokenizer(utf8('ab')).decode([0, 7]), /7/);
});

test('a string is a text; a split that does not exist is refused', () => {
  assert.is(new ByteTokenizer('abc').vocabulary, 3);
  refused(() => new WordTokenizer('a, b', untyped({ split: 'word' })), /"word"/);
});

test('the optimiser has a rate of its own, and what is wrong changes nothing', async () => {
  const named = () => ({ w: new Parameter(tensor([1, 2])) });
  const gradients = { w: tensor([1, 1]) };
  for (const options of [undefined, {}]) {
    const parameters = named();
    new SGD({ learningRate: 0.5 }).step(parameters, gradients, options);
    assert.equal(await values(parameters.w), [0.5, 1.5]);
  }
  const parameters = named();
  refused(() => new Adam().step(parameters, {}, { rate: 0.1 }), /'w'|"w"|w /);
  assert.equal(await values(parameters.w), [1, 2]);
});

test('raw errors are sentences', async () => {
  refused(() => sampleToken(untyped([1, 2]), untyped(undefined)), /key/);
  refused(() => sampleToken(untyped([1, 2]), untyped(5)), /key/);
  const special = { classes: 2, segmentLength: 8, maxSegments: 2, cls: 0, sep: 1, pad: 2 };
  const encoder = new EncoderRMT({ ...presets.fast, ...sizes, ...special });
  refused(() => encoder.loss(untyped([[5]]), untyped([0]), untyped(undefined)), /over/);
  const model = createModel('rmt', { ...presets.fast, ...sizes });
  const flat = tensor([1, 2], { dtype: 'int32' });
  refused(() => model.forward(flat, model.initialState(1)), /\[batch, time\]/);
  const cpu = await loadBackend('cpu');
  refused(() => zeros([2 ** 40], { backend: cpu }), /./);
  refused(() => Key.of(untyped('x')), /seed/);
});

test.run();
