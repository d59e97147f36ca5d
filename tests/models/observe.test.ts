/** Reading attention, memory, hidden rows and caches without touching a model. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  memoryReport,
  observe,
  scope,
  sum,
  type Tensor,
  tensor,
  treeLeaves,
  valueAndGrad,
} from '../../src/autograd/index.js';
import {
  createModel,
  EncoderRMT,
  type ModelName,
  modelNames,
  presets,
} from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { cutSegments, sequenceLoss } from '../../src/training/index.js';

const test = suite('observe');

const sizes = { nToken: 12, nLayer: 2, nHead: 2, dModel: 8, dHead: 4, dInner: 16 };
const tiny = (name: ModelName) =>
  createModel(name, { ...presets.fast, ...sizes, memLen: 5, numMemTokens: 3 });
const tokens = (time: number) => tensor(Key.of(1).integers(2 * time, 12), { shape: [2, time] });

const rows = { transformer: 4, 'transformer-xl': 4, rmt: 10, 'mem-transformer': 7 };
const queriesOf: Record<ModelName, number> = { ...rows, 'transformer-xl-rmt': 10 };
for (const name of modelNames) {
  const queries = queriesOf[name];
  test(`${name}: attention of every layer, [batch, heads, queries, keys], rows that sum to 1`, async () => {
    const model = tiny(name);
    const { result, seen } = observe(() => model.forward(tokens(4), model.initialState(2)));
    for (const layer of [0, 1]) {
      const weights = seen.get(`layers.${layer}.attention`) as Tensor;
      assert.equal([...weights.shape], [2, 2, queries, queries]);
      for (const total of await sum(weights, -1).data()) assert.ok(Math.abs(total - 1) < 1e-5);
      assert.equal([...(seen.get(`layers.${layer}.input`) as Tensor).shape], [2, queries, 8]);
    }
    assert.equal(
      [...(await (seen.get('logits') as Tensor).data())],
      [...(await result.logits.data())],
    );
  });
}

test('segments by number, in training too, and memory as one wrote it and the next read it', async () => {
  const model = tiny('rmt');
  const task = new Copy({ length: 4, symbols: 10, copies: 1 });
  const batch = task.batch(Key.of(2), 2, 'train');
  const segments = cutSegments(batch, 3);
  const lossOf = () => sequenceLoss(model, segments, 2, { bpttDepth: 1 }).loss;
  const plain = valueAndGrad(lossOf, model.parameters())();
  const { result, seen } = observe(() => valueAndGrad(lossOf, model.parameters())());
  assert.equal(await result[0].data(), await plain[0].data());
  const data = (name: string) => (seen.get(name) as Tensor).data();
  for (let t = 1; t < segments.length; t++) {
    assert.equal(
      await data(`segments.${t}.memory.read`),
      await data(`segments.${t}.replays.${t - 1}.memory.written`),
    );
  }
  assert.ok(seen.has(`segments.${segments.length - 1}.layers.1.attention`));
});

test('an encoder reports the segments of documents', () => {
  const model = new EncoderRMT({
    ...presets.fast,
    ...sizes,
    numMemTokens: 3,
    classes: 2,
    segmentLength: 4,
    maxSegments: 3,
    cls: 0,
    sep: 1,
    pad: 2,
  });
  const { seen } = observe(() => model.forward([[3, 4, 5, 6, 7, 8]]));
  assert.equal([...(seen.get('segments.1.layers.0.attention') as Tensor).shape], [1, 2, 10, 10]);
  assert.equal([...(seen.get('segments.0.memory.written') as Tensor).shape], [1, 3, 8]);
});

test('only what is wanted is kept, as constants that belong to the caller', () => {
  const model = tiny('transformer-xl');
  const before = memoryReport().bytes;
  const kept = scope(() => {
    const { seen } = observe(
      () => scope(() => treeLeaves(model.forward(tokens(4), model.initialState(2)).state)),
      (name) => name === 'layers.1.attention',
    );
    assert.equal([...seen.keys()], ['layers.1.attention']);
    return [...seen.values()];
  });
  assert.is(memoryReport().bytes, before + 2 * 2 * 4 * 4 * 4);
  for (const weights of kept) weights.dispose();
  assert.is(memoryReport().bytes, before);
});

test('what was seen is freed when the function throws, and nobody observes afterwards', () => {
  const model = tiny('rmt');
  const before = memoryReport().bytes;
  assert.throws(
    () =>
      observe(() => {
        scope(() => {
          model.forward(tokens(4), model.initialState(2));
          throw new Error('mine');
        });
      }),
    'mine',
  );
  assert.is(memoryReport().bytes, before);
  scope(() => {
    model.forward(tokens(4), model.initialState(2));
  });
  assert.is(memoryReport().bytes, before);
  assert.throws(() => observe(async () => {}), /promise/);
});

test.run();
