import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  memoryReport,
  reshape,
  scope,
  slice,
  type Tree,
  tensor,
} from '../../src/autograd/index.js';
import { MemgradError } from '../../src/errors.js';
import {
  createModel,
  generate,
  type ModelName,
  modelNames,
  presets,
  SegmentModel,
} from '../../src/models/index.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/runs/index.js';

const test = suite('stream');

const tiny = (name: ModelName, extra = {}) =>
  createModel(name, {
    ...presets.fast,
    nToken: 7,
    nLayer: 2,
    nHead: 2,
    dModel: 8,
    dHead: 4,
    dInner: 16,
    memLen: 5,
    numMemTokens: 3,
    ...extra,
  });
const tokens = Array.from(Key.of(1).integers(23, 7));

/** Logits after all of `given`, read segment by segment by hand. */
async function byHand(model: ReturnType<typeof tiny>, given: number[], length: number) {
  let state: Tree = model.initialState(1);
  for (let start = 0; ; start += length) {
    const part = given.slice(start, start + length);
    const output = model.forward(tensor([part], { dtype: 'int32' }), state);
    state = output.state;
    if (start + length >= given.length) {
      return reshape(slice(output.logits, 1, part.length - 1, part.length), [-1]).data();
    }
  }
}

for (const name of modelNames) {
  for (const positions of ['rotary', 'relative'] as const) {
    test(`${name}, ${positions}: a stream gives what whole segments give, however tokens come`, async () => {
      const model = tiny(name, { positions });
      for (const count of [1, 3, 4, 5, 12, 23]) {
        const expected = await byHand(model, tokens.slice(0, count), 4);
        for (const at of [1, 7, 23]) {
          const stream = model.stream({ segmentLength: 4 });
          for (let i = 0; i < count; i += at) stream.push(tokens.slice(i, Math.min(count, i + at)));
          const ours = await stream.logits().data();
          ours.forEach((value, i) => {
            assert.ok(Math.abs(value - expected[i]) < 1e-5, `${value}, expected ${expected[i]}`);
          });
          stream.dispose();
        }
      }
    });
  }

  test(`${name}: goes on after being saved to a file and restored`, async () => {
    const model = tiny(name, { positions: 'relative-wrapped' });
    const whole = model.stream({ segmentLength: 4 });
    whole.push(tokens);
    for (const cut of [0, 3, 4, 10]) {
      const first = model.stream({ segmentLength: 4 });
      first.push(tokens.slice(0, cut));
      const file = encodeSafetensors(new Map(Object.entries(await first.save())));
      first.dispose();
      const saved = Object.fromEntries(decodeSafetensors(file).tensors);
      const second = model.stream({ segmentLength: 4, saved });
      second.push(tokens.slice(cut));
      assert.equal(await second.logits().data(), await whole.logits().data());
      second.dispose();
    }
    whole.dispose();
  });
}

test('holds no more after many tokens than after a few, and outlives scopes', async () => {
  const count = process.env.MEMGRAD_LONG ? 1_000_000 : 50_000;
  const model = createModel('rmt', {
    ...presets.fast,
    nToken: 32,
    nLayer: 1,
    nHead: 1,
    dModel: 16,
    dHead: 16,
    dInner: 32,
    memLen: 1,
    numMemTokens: 4,
  });
  const random = Key.of(5);
  const stream = scope(() => model.stream({ segmentLength: 64 }));
  const heap: number[] = [];
  let settled = 0;
  for (let read = 0, part = 0; read < count; part++) {
    const chunk = random.fold(part).integers(Math.min(1000, count - read), 32);
    scope(() => stream.push(chunk));
    read += chunk.length;
    if (part === 2) settled = memoryReport().bytes;
    if (part >= 2) assert.is(memoryReport().bytes, settled, `after ${read} tokens`);
    if (part % 10 === 9) heap.push(process.memoryUsage().rss);
  }
  const growth = (heap[heap.length - 1] - heap[0]) / 2 ** 20;
  assert.ok(growth < 64, `the process grew by ${growth} MiB`);
  const { tokens: pending, ...state } = await stream.save();
  assert.ok(pending.data.length <= 64);
  assert.equal(
    Object.values(state).map(({ shape }) => shape),
    [[1, 4, 16]],
  );
  assert.is((await stream.logits().data()).length, 32);
  stream.dispose();
});

test('generates tokens, the same for the same seed, and gives back what it used', async () => {
  const model = tiny('rmt');
  const before = memoryReport().buffers;
  const draw = async (options: object) => {
    const stream = model.stream({ segmentLength: 4 });
    stream.push([1, 2]);
    const drawn: number[] = [];
    for await (const token of generate(stream, { count: 20, ...options })) drawn.push(token);
    stream.dispose();
    return drawn;
  };
  const one = await draw({ seed: 1 });
  assert.is(one.length, 20);
  assert.equal(await draw({ seed: 1 }), one);
  assert.not.equal(await draw({ seed: 2 }), one);
  assert.equal(await draw({ seed: 1, temperature: 0 }), await draw({ seed: 2, topK: 1 }));
  assert.is(memoryReport().buffers, before);
});

test('says what is wrong with a stream', async () => {
  const model = tiny('transformer-xl-rmt');
  const refused = (make: () => unknown, message: RegExp) =>
    assert.throws(
      make,
      (error: Error) => error instanceof MemgradError && message.test(error.message),
    );
  refused(() => model.stream({ segmentLength: 0 }), /^stream: segmentLength must be/);
  const stream = model.stream({ segmentLength: 4 });
  refused(() => stream.logits(), /^stream: nothing was read yet/);
  refused(
    () => stream.push([1, 1.5]),
    /^stream: a token must be a whole number from 0 to \d+, got 1.5/,
  );
  stream.push(tokens);
  const saved = await stream.save();
  refused(() => model.stream({ segmentLength: 2, saved }), /list of at most 2 tokens/);
  refused(() => model.stream({ segmentLength: 4, saved: {} }), /list of at most 4 tokens/);
  const { 'state.1': _, ...rest } = saved;
  refused(() => model.stream({ segmentLength: 4, saved: rest }), /has nothing as 'state.1'/);
  const other = tiny('transformer-xl-rmt', { numMemTokens: 2 });
  refused(() => other.stream({ segmentLength: 4, saved }), /\[1, 3, 8\] as 'state.0', expected/);
});

test('a stream that was disposed of, and a model that cannot be read, say so', async () => {
  const model = tiny('rmt');
  const stream = model.stream({ segmentLength: 4 });
  stream.push([1]);
  stream.dispose();
  stream.dispose();
  for (const use of [() => stream.push([1]), () => stream.logits()]) {
    assert.throws(use, /^stream: it was disposed of/);
  }
  assert.match(String(await stream.save().catch(String)), 'stream: it was disposed of');
  const empty = Object.create(SegmentModel.prototype) as SegmentModel;
  assert.throws(() => empty.stream({ segmentLength: 4 }), /with initialState\(\) and forward\(\)/);
  assert.throws(() => JSON.stringify({ model }), /^RMT: a model cannot be written as JSON/);
});

test.run();
