/** SelfAttention and DecoderLayer: masks, positions and cache, and a model of memgrad built of them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  concat,
  grad,
  Key,
  linear,
  mul,
  normal,
  ones,
  type Parameter,
  rotate,
  setDefaultBackend,
  slice,
  sum,
  type Tensor,
  tensor,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { MemgradError } from '../../src/errors.js';
import {
  createModel,
  presets,
  type RMT,
  SegmentModel,
  TransformerXL,
} from '../../src/models/index.js';
import {
  DecoderLayer,
  Embedding,
  extendCache,
  LayerNorm,
  type Module,
  memoryRows,
  perSequence,
  rotations,
  SelfAttention,
  segmentMask,
  splitMemory,
  withMemory,
} from '../../src/nn/index.js';

const test = suite('attention');
setDefaultBackend(createCpuBackend());

const float64 = { dtype: 'float64' } as const;
const rows = (count: number, seed = 1) => normal(Key.of(seed), [2, count, 8], float64);
const make = (more: object = {}) =>
  new SelfAttention(8, 2, { key: Key.of(4), ...float64, ...more });
const kinds = ['none', 'rotary', 'relative', 'relative-wrapped'] as const;

async function same(came: Tensor, expected: Tensor, tolerance = 1e-12): Promise<void> {
  assert.equal([...came.shape], [...expected.shape]);
  const [a, b] = await Promise.all([came.data(), expected.data()]);
  a.forEach((value, i) => {
    assert.ok(Math.abs(value - b[i]) <= tolerance, `${i}: ${value}, expected ${b[i]}`);
  });
}

test('without positions it is the textbook formula, head by head', async () => {
  const layer = make();
  const x = rows(3);
  const [xs, w, out] = (await Promise.all([
    x.array(),
    layer.qkv.weight.array(),
    layer.output.weight.array(),
  ])) as [number[][][], number[][], number[][]];
  const dot = (a: number[], b: number[]) => a.reduce((total, value, i) => total + value * b[i], 0);
  const expected = xs.map((sequence) =>
    sequence.map((row) => {
      const heads = [0, 1].flatMap((head) => {
        const part = (which: number, of: number[]) =>
          w.slice(which * 8 + head * 4, which * 8 + head * 4 + 4).map((line) => dot(line, of));
        const scores = sequence.map((key) => Math.exp(dot(part(0, row), part(1, key)) / 2));
        const total = scores.reduce((a, b) => a + b);
        const values = sequence.map((key) => part(2, key));
        return [0, 1, 2, 3].map(
          (i) =>
            dot(
              scores,
              values.map((value) => value[i]),
            ) / total,
        );
      });
      return out.map((line) => dot(line, heads));
    }),
  );
  await same(layer.forward(x), tensor(expected, float64), 1e-10);
});

for (const positions of kinds) {
  test(`${positions}: causal rows see no later one`, async () => {
    const layer = make({ causal: true, positions });
    const x = rows(5);
    const other = concat([slice(x, 1, 0, 3), rows(2, 2)], 1);
    const [a, b] = [x, other].map((x) => slice(layer.forward(x), 1, 0, 3));
    await same(a, b);
    const mask = segmentMask({ time: 5 });
    await same(layer.forward(x), make({ positions }).forward(x, undefined, { mask }));
    const whole = make({ positions });
    if (positions === 'relative-wrapped') return; // has no distance to keys ahead
    const all = ones([5, 5], { dtype: 'int32' });
    await same(whole.forward(x), layer.forward(x, undefined, { mask: all }), 1e-12);
    const changed = whole.forward(other);
    const [first] = (await sum(mul(changed, changed), [0, 2]).array()) as number[];
    const [before] = (await sum(
      mul(whole.forward(x), whole.forward(x)),
      [0, 2],
    ).array()) as number[];
    assert.not.equal(first, before, 'later rows matter without causal');
  });

  test(`${positions}: rows behind a cache are as in one long sequence`, async () => {
    for (const layer of [
      make({ causal: true, positions }),
      make({ causal: true, positions, separate: true }),
    ]) {
      const x = rows(6);
      const cache = slice(x, 1, 0, 4);
      const late = slice(x, 1, 4);
      await same(layer.forward(late, undefined, { cache }), slice(layer.forward(x), 1, 4), 1e-10);
    }
    for (const norm of ['pre', 'post'] as const) {
      const layer = new DecoderLayer(8, 2, { ...float64, positions, norm });
      const x = rows(6);
      const context = { cache: slice(x, 1, 0, 4) };
      const late = slice(x, 1, 4);
      await same(layer.forward(late, undefined, context), slice(layer.forward(x), 1, 4), 1e-10);
    }
  });

  test(`${positions}: fewer rows of the mask are the last queries`, async () => {
    const layer = make({ positions });
    const mask = segmentMask({ time: 5 });
    const x = rows(5);
    const last = layer.forward(x, undefined, { mask: slice(mask, 0, 3) });
    await same(last, slice(layer.forward(x, undefined, { mask }), 1, 3), 1e-10);
  });

  test(`${positions}: layers share a table`, async () => {
    const layer = make({ causal: true, positions });
    const table = layer.positionTable(5, 5);
    assert.is(table === undefined, positions === 'none');
    await same(layer.forward(rows(5), undefined, { table }), layer.forward(rows(5)), 0);
  });
}

test('rotary positions are rotate on queries and keys, relative ones shift with all rows', async () => {
  const { cos, sin } = rotations(5, 4, { ...float64, rotaryBase: 10 });
  assert.equal([...cos.shape], [5, 2]);
  const turned = rotate(rows(5), cos, sin, 2);
  assert.equal([...turned.shape], [2, 5, 8]);
  for (const positions of ['rotary', 'relative'] as const) {
    const layer = make({ positions, causal: true });
    const window = (x: Tensor) => layer.forward(x, undefined, { mask: windowed(x.shape[1]) });
    const x = rows(8);
    const late = window(slice(x, 1, 2)); // the same rows at earlier positions
    await same(slice(late, 1, 3), slice(window(x), 1, 5), 1e-10);
  }
});

const windowed = (time: number) => segmentMask({ time, window: 3 });

test('u and v are the layer’s own, or shared and then listed by their owner', () => {
  const own = make({ positions: 'relative' });
  assert.equal(Object.keys(own.parameters()), [
    'qkv.weight',
    'output.weight',
    'position.weight',
    'u',
    'v',
  ]);
  const { u, v } = own;
  const sharing = make({ positions: 'relative', biases: { u, v } });
  assert.not.ok(Object.keys(sharing.parameters()).some((name) => name.length === 1));
  assert.equal(Object.keys(make({ positions: 'rotary' }).parameters()), [
    'qkv.weight',
    'output.weight',
  ]);
});

const refused = (call: () => unknown, message: RegExp) =>
  assert.throws(call, (error: Error) => {
    assert.instance(error, MemgradError);
    assert.match(error.message, message);
    return true;
  });

test('what does not fit is refused in a sentence', () => {
  refused(() => new SelfAttention(8, 3), /dModel must be a multiple of nHead, 3, unless dHead/);
  refused(
    () => new SelfAttention(6, 2, { positions: 'rotary' }),
    /SelfAttention: dHead must be even/,
  );
  refused(
    () => new SelfAttention(3, 1, { positions: 'relative' }),
    /SelfAttention: dModel must be even/,
  );
  refused(() => new SelfAttention(8, 2, { heads: 2 } as never), /no option "heads"/);
  refused(() => new DecoderLayer(8, 2, { separate: true } as never), /no option "separate"/);
  refused(() => new SelfAttention(8, 2, { biases: {} as never }), /biases must be \{ u, v \}/);
  const layer = make({ positions: 'rotary' });
  refused(() => layer.forward(rows(3), { mask: 1 } as never), /SelfAttention: key must be a Key/);
  const flat = normal(Key.of(1), [3, 8], float64);
  refused(() => layer.forward(flat), /expected rows \[batch, rows, 8\], got Tensor/);
  refused(
    () => layer.forward(rows(3), undefined, { cache: flat }),
    /expected rows \[batch, rows, 8\]/,
  );
  const mask = segmentMask({ time: 4 });
  refused(() => layer.forward(rows(3), undefined, { mask }), /mask must be int32 \[at most 3/);
  refused(() => layer.forward(rows(3), undefined, { table: {} }), /what positionTable\(\) returns/);
  refused(() => layer.positionTable(4, 3), /keys must be a whole number >= 4/);
});

/** An RMT of the layers, as `models/rmt.ts` computes it. */
class OwnRMT extends SegmentModel<Tensor> {
  readonly embedding: Embedding;
  readonly memory: Parameter;
  readonly layers: DecoderLayer[];
  readonly norm = new LayerNorm(8, float64);
  readonly bias: Parameter;

  constructor(readonly like: RMT) {
    super();
    const { dInner, rotaryBase } = like.config;
    this.embedding = new Embedding(12, 8, float64);
    this.memory = memoryRows(3, 8, float64);
    const options = { ...float64, positions: 'rotary', rotaryBase, dInner } as const;
    this.layers = [0, 1].map(() => new DecoderLayer(8, 2, options));
    this.bias = like.decoder.outputBias;
    const own = (part: Module, theirs: Module) => {
      const values = theirs.parameters();
      for (const [name, parameter] of Object.entries(part.parameters())) {
        parameter.assign(values[name]);
      }
    };
    this.layers.forEach((layer, i) => {
      own(layer, like.decoder.layers[i]);
    });
    own(this.norm, like.decoder.finalNorm as LayerNorm);
    this.embedding.weight.assign(like.decoder.embedding);
    this.memory.assign(like.memory);
  }

  initialState(batch: number): Tensor {
    return perSequence(this.memory, batch);
  }

  forward(tokens: Tensor, memory: Tensor) {
    const time = tokens.shape[1];
    let rows = withMemory(memory, this.embedding.forward(tokens));
    const mask = segmentMask({ time, numMemTokens: 3 });
    for (const layer of this.layers) rows = layer.forward(rows, undefined, { mask });
    const { read, memory: state } = splitMemory(this.norm.forward(rows), time, { numMemTokens: 3 });
    return { logits: linear(read, this.embedding.weight, this.bias), state };
  }
}

const sizes = { nToken: 12, nLayer: 2, nHead: 2, dModel: 8, dHead: 4, dInner: 16 };
const tokens = (seed: number) =>
  tensor(Key.of(seed).integers(10, 12), { shape: [2, 5], dtype: 'int32' });

test('an RMT written of the layers has the logits, memory and gradients of RMT', async () => {
  const config = { ...presets.fast, ...sizes, ...float64, numMemTokens: 3 };
  const like = createModel('rmt', config, 5);
  const own = new OwnRMT(like);
  const read = (model: SegmentModel<Tensor>) => {
    const first = model.forward(tokens(1), model.initialState(2));
    return { first, second: model.forward(tokens(2), first.state) };
  };
  const [a, b] = [read(own), read(like)];
  await same(a.first.logits, b.first.logits, 1e-12);
  await same(a.second.logits, b.second.logits, 1e-12);
  await same(a.second.state, b.second.state, 1e-12);
  const loss = (model: SegmentModel<Tensor>) => {
    const { logits } = read(model).second;
    return sum(mul(logits, normal(Key.of(3), logits.shape, float64)));
  };
  const gradients = grad(() => loss(own), own)();
  const theirs = grad(() => loss(like), like)();
  await same(gradients.memory, theirs.memory, 1e-10);
  const inner = 'layers.0.attention.qkv.weight';
  await same(gradients[inner], theirs[`decoder.${inner}`], 1e-10);
  await same(gradients['embedding.weight'], theirs['decoder.embedding'], 1e-10);
});

test('DecoderLayers with a cache compute what Transformer-XL computes', async () => {
  const config = { ...presets.paper, ...sizes, ...float64, dropout: 0, memLen: 4 };
  const model = new TransformerXL({ ...config, positions: 'relative', scaleEmbeddings: false }, 2);
  const { decoder } = model;
  const biases = { u: decoder.u as Parameter, v: decoder.v as Parameter };
  const layers = decoder.layers.map((theirs) => {
    const layer = new DecoderLayer(8, 2, {
      ...float64,
      ...{ dInner: 16, norm: 'post', positions: 'relative', biases },
    });
    const values = theirs.parameters();
    for (const [name, one] of Object.entries(layer.parameters())) one.assign(values[name]);
    return layer;
  });
  let [cache, state] = [model.initialState(2), model.initialState(2)];
  for (const seed of [1, 2, 3]) {
    let h = decoder.embed(tokens(seed));
    const hidden = [h];
    layers.forEach((layer, i) => {
      h = layer.forward(h, undefined, { cache: cache[i] });
      hidden.push(h);
    });
    cache = extendCache(cache, hidden, 4);
    const { logits, state: next } = model.forward(tokens(seed), state);
    state = next;
    await same(linear(h, decoder.embedding, decoder.outputBias), logits, 1e-10);
    for (const [i, part] of cache.entries()) await same(part, state[i], 1e-10);
  }
});

test.run();
