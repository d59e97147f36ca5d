/** checkpointSegments: the same bits as full BPTT, in the memory of one segment. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  memoryReport,
  observe,
  peakMemory,
  resetPeakMemory,
  scope,
  treeLeaves,
  valueAndGrad,
} from '../../src/autograd/index.js';
import { type Backend, loadBackend } from '../../src/backends/index.js';
import {
  createModel,
  type ModelName,
  modelNames,
  presets,
  type SegmentModel,
} from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { cutSegments, type ReadOptions, sequenceLoss } from '../../src/training/index.js';

const test = suite('checkpointSegments');
const SEGMENT = 4;

function small(name: ModelName, backend: Backend): SegmentModel {
  return createModel(name, {
    ...presets.fast,
    nToken: 12,
    nLayer: 2,
    nHead: 2,
    dModel: 16,
    dHead: 8,
    dInner: 32,
    memLen: 5,
    numMemTokens: 3,
    dropout: 0.2,
    dropatt: 0.2,
    backend,
  });
}

function segmentsOf(count: number) {
  const task = new Copy({ length: (count * SEGMENT) / 2, copies: 1 });
  return cutSegments(task.batch(Key.of(1), 3, 'train'), SEGMENT);
}

/** Loss, gradients by name, and norms of gradients by segment; the most bytes live at once. */
async function compute(model: SegmentModel, count: number, options: ReadOptions) {
  const segments = segmentsOf(count);
  const seen: number[] = [];
  const before = memoryReport().bytes;
  resetPeakMemory();
  const result = scope(() =>
    valueAndGrad(
      () =>
        sequenceLoss(model, segments, 3, {
          key: Key.of(9),
          seeStateGradient: (segment) => seen.push(segment),
          ...options,
        }).loss,
      model.parameters(),
    )(),
  );
  const peak = peakMemory() - before;
  const [loss, gradients] = result;
  const values = { loss: await loss.item(), gradients: {} as Record<string, number[]> };
  for (const [name, gradient] of Object.entries(gradients)) {
    values.gradients[name] = [...(await gradient.data())];
  }
  for (const tensor of treeLeaves(result)) tensor.dispose();
  assert.is(memoryReport().bytes, before, 'nothing is left');
  return { values, peak, seen };
}

for (const backendName of ['cpu', 'wasm'] as const) {
  for (const name of modelNames) {
    test(`${name} on ${backendName}: loss and gradients have the bits of full BPTT, dropout included`, async () => {
      const backend = await loadBackend(backendName);
      const model = small(name, backend);
      for (const bpttDepth of [undefined, 0, 2]) {
        const options = { backend, bpttDepth };
        const kept = await compute(model, 4, options);
        const again = await compute(model, 4, { ...options, checkpointSegments: true });
        assert.equal(again.values, kept.values);
        assert.equal(again.seen, kept.seen);
        const flat = Object.values(kept.values.gradients).flat();
        assert.ok(flat.some((value) => value !== 0));
      }
      model.dispose();
    });
  }
}

test('each segment is read at most once more', async () => {
  const backend = await loadBackend('wasm');
  const model = small('rmt', backend);
  const [forward, advance] = [model.forward.bind(model), model.advance.bind(model)];
  let reads = 0;
  model.forward = (...args) => {
    reads++;
    return forward(...args);
  };
  model.advance = (...args) => {
    reads++;
    return advance(...args);
  };
  await compute(model, 6, { backend });
  const kept = reads;
  await compute(model, 6, { backend, checkpointSegments: true });
  assert.is(kept, segmentsOf(6).length);
  assert.is(reads, 3 * kept);
  model.dispose();
});

test('the peak is one segment and the states, however many segments there are', async () => {
  const backend = await loadBackend('wasm');
  const model = small('rmt', backend);
  const peak = async (count: number, checkpointSegments: boolean) =>
    (await compute(model, count, { backend, checkpointSegments })).peak;
  const [one, four, thirtyTwo] = [await peak(2, true), await peak(4, true), await peak(32, true)];
  const all = await peak(32, false);
  // What a segment adds: its memory (batch 3, 3 rows of 16), tokens, targets, predictions and a loss.
  const border = 4 * (3 * 3 * 16 + 3 * 3 * SEGMENT + 2);
  assert.ok(thirtyTwo - four <= 28 * 2 * border, `${four} bytes with 4, ${thirtyTwo} with 32`);
  assert.ok(four < 1.2 * one, `${one} bytes with 2, ${four} with 4`);
  assert.ok(thirtyTwo < all / 8, `${thirtyTwo} bytes, ${all} without`);
  model.dispose();
});

test('whoever observes sees the same names', async () => {
  const backend = await loadBackend('wasm');
  const model = small('rmt', backend);
  const names = (checkpointSegments: boolean) =>
    scope(() => {
      const options = { backend, checkpointSegments, key: Key.of(2) };
      const lossOf = () => sequenceLoss(model, segmentsOf(2), 3, options).loss;
      return [...observe(() => valueAndGrad(lossOf, model.parameters())()).seen.keys()];
    });
  assert.equal(names(true), names(false));
  model.dispose();
});

test.run();
