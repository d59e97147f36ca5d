/** What a run takes of memory: told before it begins, given back when it fails. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport, peakMemory, resetPeakMemory } from '../../src/autograd/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { modelNames, presets } from '../../src/models/index.js';
import { type RunConfig, TrainingRun } from '../../src/runs/index.js';
import { leastMemory } from '../../src/runs/memory.js';
import { configOf, failure, MemoryStorage, train } from './helpers.js';

const test = suite('memory of runs');

/** Sizes at the edges, where one part of the estimate is nearly all of it. */
const shapes = {
  plain: { dModel: 32, nHead: 2, dHead: 16, dInner: 64, nLayer: 2 },
  'wide rows': { dModel: 256, nHead: 1, dHead: 2, dInner: 1, nLayer: 2 },
  'many heads': { dModel: 4, nHead: 32, dHead: 8, dInner: 1, nLayer: 2 },
  'wide inside': { dModel: 4, nHead: 1, dHead: 2, dInner: 512, nLayer: 2 },
  deep: { dModel: 8, nHead: 1, dHead: 8, dInner: 8, nLayer: 12 },
};
const ways = [
  {},
  { segmentLength: 64 },
  { checkpointSegments: true },
  { bpttDepth: 0 },
  { batchSize: 1, segmentLength: 1 },
];

for (const name of modelNames) {
  test(`${name}: a step takes no less than is estimated, so nothing is refused that fits`, async () => {
    for (const [what, sizes] of Object.entries(shapes)) {
      for (const preset of [presets.fast, presets.paper]) {
        for (const way of preset === presets.fast ? ways : ways.slice(0, 1)) {
          const base = configOf(name, {
            steps: 1,
            batchSize: 8,
            segmentLength: 8,
            curriculum: null,
            ...way,
          });
          const task = { name: 'copy', options: { length: 10, symbols: 4, copies: 2 } } as const;
          const model = { name, config: { ...base.model.config, ...preset, ...sizes } };
          const config: RunConfig = { ...base, model, task };
          resetPeakMemory();
          const run = await TrainingRun.start(config);
          const { tensors } = leastMemory(config, run.task);
          await train(run);
          run.dispose();
          const peak = peakMemory();
          assert.ok(peak >= tensors, `${what}, ${JSON.stringify(way)}: ${peak} of ${tensors}`);
        }
      }
    }
  });
}

test('a run that does not fit frees what it had made, and one that fits still fits', async () => {
  const backend = createWasmBackend({ maximumBytes: 16 * 2 ** 20 });
  const sized = (dInner: number): RunConfig => {
    const base = configOf('rmt', { steps: 2, curriculum: null });
    return { ...base, model: { name: 'rmt', config: { ...base.model.config, dInner } } };
  };
  const fitting = sized(16_000); // 1 MB of parameters, and as much for gradients and each moment
  const once = async (config: RunConfig) => {
    const storage = new MemoryStorage();
    const run = await TrainingRun.start(config, { storage, backend });
    try {
      await train(run);
    } finally {
      run.dispose();
    }
    return storage;
  };
  /** The model fits; gradients and moments don't. */
  const tooLarge = (dModel: number): RunConfig => ({
    ...fitting,
    model: { name: 'rmt', config: { ...fitting.model.config, dModel } },
  });
  await once(fitting);
  const live = memoryReport().buffers;
  for (const dModel of [32, 40, 48]) {
    assert.match(await failure(once(tooLarge(dModel))), /out of memory/);
    assert.is(memoryReport().buffers, live);
  }
  const storage = await once(fitting);
  // Resuming, the parameters of the file fit, and then the moments do.
  for (let i = 0; i < 3; i++) (await TrainingRun.resume(storage, { backend })).dispose();
  assert.is(memoryReport().buffers, live);
});

test.run();
