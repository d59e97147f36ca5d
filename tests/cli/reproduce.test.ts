/** `memgrad reproduce`: configurations, run folders, tables and figures. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadBackend } from '../../src/backends/index.js';
import { Interrupt } from '../../src/cli/interrupt.js';
import { Output } from '../../src/cli/output.js';
import { type Cell, experimentNames, experiments } from '../../src/cli/reproduce/experiments.js';
import { figure } from '../../src/cli/reproduce/figure.js';
import { type Measured, measuredIn, trainInto } from '../../src/cli/reproduce/run-folder.js';
import { configOf, scales, seedsOf } from '../../src/cli/reproduce/scales.js';
import { type Filled, summaryPage } from '../../src/cli/reproduce/summary.js';
import { loadRun } from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node-storage.js';
import { events, inFolder, memgrad, refused } from './spawn.js';

test('every cell at every scale is a run that can be', () => {
  for (const name of experimentNames) {
    for (const scale of scales) {
      const cells: Cell[] = experiments[name].cells(scale);
      assert.ok(cells.length > 0);
      for (const cell of cells) {
        for (const seed of seedsOf(cell, scale)) {
          const { model, training } = configOf(cell, scale, seed);
          assert.is(model.config.norm, scale === 'paper' ? 'post' : 'pre');
          assert.is(training.stopAt === null, scale === 'paper');
        }
      }
      assert.ok(cells.some(({ model }) => model === 'rmt'));
    }
  }
});

test("the paper's sizes give the paper's count of parameters", async () => {
  const [cell] = experiments.copy
    .cells()
    .filter(({ model, segmentLength }) => model === 'rmt' && segmentLength === 24);
  const { createModel } = await import('../../src/models/index.js');
  const { model } = configOf(cell, 'paper', 0);
  const made = createModel(model.name, model.config);
  assert.is(made.parameterCount(), 926_220);
  made.dispose();
});

/** A run that takes a second. */
const quick = () => {
  const [cell] = experiments.retrieval.cells();
  const config = configOf({ ...cell, model: 'rmt', steps: 2 }, 'small', 3);
  return { ...config, training: { ...config.training, batchSize: 2 } };
};
const openContext = async () => ({
  output: new Output(true),
  backend: await loadBackend('wasm'),
  interrupt: new Interrupt(),
});

/** What a call prints in JSON is not wanted between the lines of the test runner. */
async function quietly<T>(call: () => Promise<T>): Promise<T> {
  const { write } = process.stdout;
  process.stdout.write = () => true;
  try {
    return await call();
  } finally {
    process.stdout.write = write;
  }
}

test('a run is trained once: its folder holds model, configuration and what was measured', () =>
  inFolder(async (folder) => {
    const context = await openContext();
    const config = quick();
    const path = join(folder, 'deep', 'run');
    assert.is(await measuredIn(path, config), undefined);
    const measured = await quietly(() => trainInto(path, config, context, ''));
    assert.equal((await readdir(path)).sort(), ['config.json', 'model.safetensors', 'result.json']);
    assert.equal([measured.steps, measured.samples], [2, 256]);
    assert.ok(measured.accuracy >= 0 && measured.accuracy <= 1 && measured.seconds > 0);
    const { model, step } = await loadRun(new FolderStorage(path));
    assert.is(step, 2);
    assert.is(model.parameterCount(), measured.parameters);
    model.dispose();

    const before = await readFile(join(path, 'result.json'), 'utf8');
    const again = await trainInto(path, config, context, '');
    assert.equal(again, JSON.parse(before));
    const other = { ...config, seed: 4 };
    await trainInto(path, other, context, '').then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /holds a run of another configuration/),
    );
    await writeFile(join(path, 'result.json'), before.slice(0, 40));
    await measuredIn(path, config).then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /is not valid JSON; delete it/),
    );
  }));

/** Numbers that no run gave, to see how they are shown. */
function madeUp(cell: Cell, seed: number, accuracy: number): Measured {
  const config = configOf(cell, 'small', seed);
  const rest = { parameters: 70_000, steps: 100 + seed, seconds: 9.6, samples: 256 };
  return { config, ...rest, accuracy, exact: accuracy / 2 };
}

test('a table has means, spreads and steps of every seed beside the paper', () => {
  const cells = experiments.retrieval.cells().slice(0, 3);
  const filled: Filled[] = [
    { cell: cells[0], runs: [] },
    { cell: cells[1], runs: [madeUp(cells[1], 0, 0.25)] },
    { cell: cells[2], runs: [0.5, 0.9, 1].map((value, seed) => madeUp(cells[2], seed, value)) },
  ];
  const lines = summaryPage('retrieval', 'small', filled).split('\n');
  assert.is(lines[4].split('|').length, lines[5].split('|').length);
  assert.equal(
    lines.filter((line) => line.startsWith('| 2 segments')),
    [
      '| 2 segments | Transformer | – | – | – | 0 | – | – | 0.496 |',
      '| 2 segments | Transformer-XL | 70,000 | 0.250 | – | 1 | 100 | 10 | 1.000 |',
      '| 2 segments | RMT | 70,000 | 0.800 | 0.500 to 1.000 | 3 | 100 / 101 / 102 | 10 / 10 / 10 | 0.990 |',
    ],
  );
  const svg = figure(experiments.retrieval, filled);
  assert.is(svg.match(/<circle/g)?.length, 4 + 3, 'a dot to each seed, one to each name');
  const heights = [...svg.matchAll(/<circle cx="[\d.]+" cy="([\d.]+)" r="3.5" fill="#009e73"/g)];
  const [half, , all] = heights.map(([, cy]) => Number(cy));
  assert.is(all, 40);
  assert.is(half, 40 + (360 - 40 - 48) / 2);
});

test('the command does nothing that is done, and writes table, figure and numbers', () =>
  inFolder(async (folder) => {
    const [runs, out] = [join(folder, 'runs'), join(folder, 'results')];
    const cells = experiments.retrieval.cells();
    const all = cells.flatMap((cell) => seedsOf(cell, 'small').map((seed) => ({ cell, seed })));
    const fill = async ({ cell, seed }: (typeof all)[number]) => {
      const run = `${cell.row.replace(' ', '-')}-${cell.model}-seed${seed}`;
      const path = join(runs, 'retrieval', 'small', run);
      await mkdir(path, { recursive: true });
      await writeFile(join(path, 'result.json'), JSON.stringify(madeUp(cell, seed, 0.75)));
    };
    const call = (...more: string[]) =>
      memgrad(['reproduce', 'retrieval', '--runs', runs, '--out', out, ...more]);
    await fill(all[1]);
    await fill(all[all.length - 1]);
    const last = `${all.length}/${all.length}`;
    const share = await call('--shard', last, '--json');
    assert.is(share.code, 0, share.stderr);
    const [start, run, missing] = events(share.stdout);
    assert.equal([start.runs, start.of], [1, all.length]);
    assert.equal([run.model, run.seed, run.accuracy], ['rmt', 2, 0.75]);
    assert.equal(missing, { event: 'missing', runs: all.length - 2 });

    for (const run of all) await fill(run);
    const { code, stdout, stderr } = await call();
    assert.is(code, 0, stderr);
    assert.match(stdout, /RMT │ +70,000/);
    assert.equal((await readdir(out)).sort(), [
      'retrieval-small.json',
      'retrieval-small.md',
      'retrieval-small.svg',
    ]);
    const page = await readFile(join(out, 'retrieval-small.md'), 'utf8');
    assert.match(page, '| 5 segments | RMT | 70,000 | 0.750 |');
    const numbers = JSON.parse(await readFile(join(out, 'retrieval-small.json'), 'utf8'));
    assert.is(numbers.length, cells.length);
    assert.is(numbers[2].runs[2].config.seed, 2);
  }));

const badCalls: [args: string, message: RegExp][] = [
  ['reproduce', /missing required argument 'name'/],
  ['reproduce everything', /'everything' is invalid.*copy, reverse/],
  ['reproduce copy --scale huge', /--scale.*'huge'.*small, medium, paper/],
  ['reproduce copy --shard 3/2', /--shard.*'3\/2'.*I from 1 to N/],
  ['reproduce copy --shard 0/2', /--shard.*'0\/2'/],
  ['reproduce copy --shard half', /--shard.*'half'/],
];
for (const [args, message] of badCalls) {
  test(`memgrad ${args}`, async () => {
    assert.match(refused(await memgrad(args.split(' '))), message);
  });
}

test.run();
