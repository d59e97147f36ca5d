/** Many steps of a saved run: what is live and how long a step takes stay flat. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { memoryReport } from '../../src/autograd/index.js';
import { METRICS_FILE, TrainingRun } from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node/folder-storage.js';
import { configOf, inFolder } from './helpers.js';

const test = suite('soak');
const STEPS = process.env.MEMGRAD_LONG ? 20_000 : 400;

test(`${STEPS} steps with dropout, replayed segments and checkpoints: flat memory, flat time`, () =>
  inFolder(async (folder) => {
    const { model, ...rest } = configOf('rmt', {
      steps: STEPS,
      saveEvery: 100,
      checkpointSegments: true,
      curriculum: null,
      schedule: { name: 'plateau', warmUp: 1 },
    });
    const config = { ...rest, model: { ...model, config: { ...model.config, dropout: 0.1 } } };
    const storage = new FolderStorage(folder);
    const run = await TrainingRun.start(config, { storage });
    const live = new Set<string>(); // few: a list of them all would be the leak
    const times: number[] = [];
    const resident: number[] = [];
    let started = performance.now();
    for await (const { step } of run.train()) {
      times.push(performance.now() - started);
      const { bytes, buffers, byOperation } = memoryReport();
      // The program of the second and third step has constants.
      if (step > 2) live.add(JSON.stringify({ bytes, buffers, byOperation }));
      if (step % (STEPS / 10) === 0) resident.push(process.memoryUsage().rss);
      started = performance.now();
    }
    run.dispose();
    assert.is(times.length, STEPS);
    assert.is(live.size, 1, 'what is live after a step is the same each time');

    const tenth = (index: number) =>
      median(times.slice((index * STEPS) / 10, ((index + 1) * STEPS) / 10));
    const [early, late] = [tenth(2), tenth(9)];
    assert.ok(late < 2 * early, `a step took ${early} ms early and ${late} ms late`);
    // The process settles for a while, as code is compiled and young generations grow.
    const grown = resident[9] - resident[4];
    assert.ok(grown < 32 * 2 ** 20, `the process grew by ${grown} bytes in its second half`);
    const { size } = await stat(join(folder, METRICS_FILE));
    if (process.env.MEMGRAD_LONG) {
      const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
      console.log(
        `soak: live ${[...live][0].slice(0, 27)}}, a step ${early.toFixed(2)} ms early and ${late.toFixed(2)} ms late, ` +
          `resident ${resident.map(mib).join(', ')} MiB, metrics ${size} bytes`,
      );
    }
  }));

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

test.run();
