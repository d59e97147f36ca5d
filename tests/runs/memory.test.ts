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
  'much memory': { dModel: 16, nHead: 1, dHead: 8, dInner: 8, nLayer: 2, numMemTokens: 24 },
  'a long cache': { dModel: 16, nHead: 1, dHead: 8, dInner: 8, nLayer: 2, memLen: 24 },
};
const ways = [{}, { checkpointSegments: true }, { segmentLength: 1, checkpointSegments: true }];
const moreWays = [{ segmentLength: 64 }, { bpttDepth: 0 }, { batchSize: 1, segmentLength: 1 }];
const tasks: (RunConfig['task'] & { nToken: number })[] = [
  { name: 'copy', options: { length: 10, symbols: 4, copies: 2 }, nToken: 6 },
  { name: 'memorize', options: { length: 30, kept: 1, symbols: 300 }, nToken: 302 },
];

for (const name of modelNames) {
  test(`${name}: a step takes no less than is estimated, so nothing is refused that fits`, async () => {
    const step = async (what: string, config: RunConfig) => {
      resetPeakMemory();
      const run = await TrainingRun.start(config);
      const { tensors } = leastMemory(config, run.task);
      await train(run);
      run.dispose();
      const peak = peakMemory();
      const way = JSON.stringify(config.training);
      assert.ok(peak >= tensors, `${what}, ${way}: ${peak} of ${tensors}`);
    };
    for (const [what, sizes] of Object.entries(shapes)) {
      const plain = what === 'plain';
      for (const preset of [presets.fast, presets.paper]) {
        const carries = what === 'much memory' || what === 'a long cache';
        const all = plain ? [...ways, ...moreWays] : carries ? ways : ways.slice(0, 2);
        for (const way of preset === presets.fast ? all : [{}]) {
          const base = configOf(name, {
            steps: 1,
            batchSize: 8,
            segmentLength: 8,
            curriculum: null,
            ...way,
          });
          const config = { ...base.model.config, ...preset, ...sizes };
          for (const { nToken, ...task } of plain ? tasks : tasks.slice(0, 1)) {
            await step(what, { ...base, task, model: { name, config: { ...config, nToken } } });
          }
        }
      }
    }
  });
}

test('what outgrows the memory beside the rows of tokens is refused at once, and a prompt that is not read is no reason', async () => {
  const reverse = { name: 'reverse', options: { length: 4096, symbols: 10 } } as const;
  const large = { name: 'reverse', options: { length: 4096, symbols: 10_000 } } as const;
  const kept = { name: 'memorize', options: { length: 4096, kept: 1, symbols: 10 } } as const;
  const sized = (
    name: RunConfig['model']['name'],
    task: RunConfig['task'],
    sizes: Partial<RunConfig['model']['config']>,
    training: Partial<RunConfig['training']>,
  ): RunConfig => {
    const base = configOf(name, { curriculum: null, ...training });
    const nToken = 2 + ('symbols' in task.options ? task.options.symbols : 0);
    const plain = { dModel: 64, nHead: 2, dHead: 32, dInner: 128, nLayer: 2 };
    const config = { ...base.model.config, ...plain, nToken, ...sizes };
    return { ...base, task, model: { name, config } };
  };
  const flat = { checkpointSegments: true };
  for (const config of [
    // The states at the borders of segments.
    sized(
      'transformer-xl',
      reverse,
      { memLen: 4096 },
      { ...flat, segmentLength: 1, batchSize: 64 },
    ),
    sized(
      'transformer-xl-rmt',
      reverse,
      { memLen: 4096 },
      { ...flat, segmentLength: 64, batchSize: 32 },
    ),
    sized('rmt', reverse, { numMemTokens: 512 }, { ...flat, segmentLength: 16, batchSize: 256 }),
    // The rows of memory tokens, and the keys and values of the cache.
    sized('mem-transformer', reverse, { numMemTokens: 512 }, { segmentLength: 1, batchSize: 4 }),
    sized(
      'transformer-xl',
      kept,
      { memLen: 4096, nHead: 64, dModel: 2 },
      { segmentLength: 4, batchSize: 1 },
    ),
    // The logits of all answers.
    sized('transformer', large, {}, { segmentLength: 64, batchSize: 32 }),
  ]) {
    const refused = await failure(TrainingRun.start(config));
    assert.match(refused, /^A training step of this configuration takes .* on wasm or more/);
  }
  const short = sized('transformer', kept, {}, { segmentLength: 64, batchSize: 512 });
  (await TrainingRun.start(short)).dispose();
});

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
