/** Rows that nobody reads are not computed, and nothing else changes by that. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  observe,
  scope,
  type Tensor,
  tensor,
  treeLeaves,
  valueAndGrad,
} from '../../src/autograd/index.js';
import type { Kernels } from '../../src/backends/backend.js';
import { loadBackend } from '../../src/index.js';
import { createModel, presets } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { cutSegments, sequenceLoss } from '../../src/training/index.js';
import { LONG } from '../backends/arrays.js';

const BATCH = 3;
const task = new Copy({ length: 40, symbols: 10, copies: 1 });
const bits = async (x: Tensor) => Buffer.from((await x.data()).buffer).toString('hex');

const setups = fc.record({
  name: fc.constantFrom('rmt', 'transformer', 'mem-transformer', 'transformer-xl-rmt'),
  norm: fc.constantFrom('pre' as const, 'post' as const),
  positions: fc.constantFrom(...(['rotary', 'relative', 'relative-wrapped', 'absolute'] as const)),
  nLayer: fc.integer({ min: 1, max: 3 }),
  numMemTokens: fc.integer({ min: 1, max: 30 }), // heads are read in blocks of 24 queries
  memAtEnd: fc.boolean(),
  segmentLength: fc.integer({ min: 3, max: 40 }),
  bpttDepth: fc.constantFrom(0, 1, Infinity),
  dropout: fc.constantFrom(0, 0.2),
  seed: fc.nat(1000),
});

for (const backendName of ['cpu', 'wasm'] as const) {
  test(`${backendName}: loss and gradients have the bits that they have while somebody observes`, async () => {
    const backend = await loadBackend(backendName);
    await fc.assert(
      fc.asyncProperty(setups, async ({ name, seed, segmentLength, bpttDepth, ...chosen }) => {
        const config = { ...presets.fast, ...chosen, finalNorm: chosen.norm === 'pre' };
        const sizes = { nToken: 12, nHead: 2, dModel: 12, dHead: 6, dInner: 8, memLen: 7 };
        const model = createModel(name, { ...config, ...sizes, backend }, seed);
        const segments = cutSegments(task.batch(Key.of(seed), BATCH, 'train'), segmentLength);
        const key = Key.of(seed).fold(1);
        const step = valueAndGrad(
          () => sequenceLoss(model, segments, BATCH, { key, bpttDepth, backend }).loss,
          model.parameters(),
        );
        const [loss, gradients] = scope(() => step());
        const [seenLoss, seenGradients] = scope(() => observe(() => step()).result);
        assert.is(await bits(loss), await bits(seenLoss));
        for (const parameter of Object.keys(gradients)) {
          const [found, expected] = [gradients, seenGradients].map((all) => all[parameter]);
          assert.is(await bits(found), await bits(expected), parameter);
        }
        for (const x of [loss, seenLoss, ...treeLeaves([gradients, seenGradients])]) x.dispose();
        model.dispose();
      }),
      // Setups on cpu take six times as long; both draw new ones in each run.
      { numRuns: LONG ? 40 : backendName === 'wasm' ? 20 : 6 },
    );
  });
}

test('the last layer has queries for what is read only', async () => {
  const backend = await loadBackend('wasm');
  const queries: number[] = [];
  const watching = new Proxy(backend, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (name !== 'kernels') return typeof value === 'function' ? value.bind(target) : value;
      return {
        ...value,
        attention: (...[inputs, numbers, results]: Parameters<Kernels['attention']>) => {
          const [, , rows] = numbers;
          queries.push(rows);
          return value.attention(inputs, numbers, results);
        },
      };
    },
  });
  const sizes = { nToken: 12, nLayer: 2, nHead: 2, dModel: 8, dHead: 4, dInner: 16 };
  const model = createModel('rmt', {
    ...presets.fast,
    ...sizes,
    memLen: 5,
    numMemTokens: 3,
    backend: watching,
  });
  const tokens = tensor(Key.of(1).integers(8, 12), { shape: [2, 4], backend: watching });
  const memory = model.initialState(2);
  model.forward(tokens, memory);
  model.advance(tokens, memory);
  assert.equal(queries, [10, 7, 10, 3]);
});

test('a segment read for its state alone leaves the state that it leaves otherwise', async () => {
  for (const name of ['rmt', 'transformer-xl', 'transformer-xl-rmt', 'mem-transformer'] as const) {
    for (const memAtEnd of [true, false]) {
      const sizes = { nToken: 12, nLayer: 2, nHead: 2, dModel: 8, dHead: 4, dInner: 16 };
      const config = { ...presets.fast, ...sizes, memLen: 5, numMemTokens: 3, memAtEnd };
      const model = createModel(name, config);
      const tokens = tensor(Key.of(1).integers(8, 12), { shape: [2, 4] });
      const start = model.initialState(2);
      const [found, expected] = [
        model.advance(tokens, start),
        model.forward(tokens, start).state,
      ].map((state) => treeLeaves(state));
      assert.is(found.length, expected.length);
      for (const [i, part] of found.entries()) {
        assert.equal([...part.shape], [...expected[i].shape]);
        assert.is(await bits(part), await bits(expected[i]), `${name}, part ${i}`);
      }
    }
  }
});

test.run();
