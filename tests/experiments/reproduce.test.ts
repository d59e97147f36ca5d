/** `memgrad reproduce`: configurations, run folders, tables and figures. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dotsFigure } from '../../experiments/reproduce/dots-figure.js';
import type { Cell, Experiment } from '../../experiments/reproduce/experiment.js';
import { experimentNames, experiments } from '../../experiments/reproduce/experiments.js';
import { figure } from '../../experiments/reproduce/figure.js';
import type { Measured } from '../../experiments/reproduce/measured.js';
import { measuredIn, trainInto } from '../../experiments/reproduce/run-folder.js';
import { type Scale, scales } from '../../experiments/reproduce/scales.js';
import {
  type Filled,
  rowsOf,
  showScore,
  summaryPage,
} from '../../experiments/reproduce/summary.js';
import type { TextConfig } from '../../experiments/reproduce/text-config.js';
import { runText } from '../../experiments/reproduce/text-run.js';
import { loadBackend } from '../../src/backends/index.js';
import { Interrupt, Interrupted } from '../../src/cli/interrupt.js';
import { Output } from '../../src/cli/output.js';
import { createModel } from '../../src/models/index.js';
import {
  CARRIED_FILE,
  checkpointFile,
  loadRun,
  MODEL_FILE,
  OPTIMIZER_FILE,
  type RunConfig,
  type RunStorage,
  TrainingRun,
} from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node/folder-storage.js';
import { events, inFolder, memgrad, refused } from '../cli/spawn.js';
import { isKilled, MemoryStorage, Mortal } from '../runs/helpers.js';

const cellsOf = (name: keyof typeof experiments, scale: Scale): Cell[] => {
  const experiment: Experiment = experiments[name];
  return experiment.cells(scale);
};
const cellOf = (name: keyof typeof experiments, scale: Scale, model: Cell['model']) =>
  cellsOf(name, scale).find((cell) => cell.model === model) as Cell;

test('every cell at every scale has a configuration of its own, and RMT three seeds', () => {
  for (const name of experimentNames) {
    const { scales: own = scales }: Experiment = experiments[name];
    for (const scale of own) {
      const cells = cellsOf(name, scale);
      const configs = cells.flatMap(({ seeds, config }) => seeds.map((seed) => config(seed)));
      assert.is(new Set(configs.map((config) => JSON.stringify(config))).size, configs.length);
      const memory = cells.filter(({ model }) => ['rmt', 'encoder-rmt'].includes(model));
      assert.ok(memory.length > 0);
      for (const { seeds } of memory) assert.is(seeds.length, 3);
      for (const config of configs) {
        const { norm } = 'corpus' in config ? config.model.preset : config.model.config;
        if (scale === 'paper' && 'training' in config) {
          assert.is(config.training.optimizer.learningRate, 1e-4, name);
        }
        if (!name.startsWith('ablation')) assert.is(norm, scale === 'paper' ? 'post' : 'pre');
      }
    }
  }
});

test('what two experiments share is the same run', () => {
  const shared: string[] = [];
  for (const name of experimentNames) {
    const { scales: own = scales }: Experiment = experiments[name];
    for (const scale of own) {
      for (const cell of cellsOf(name, scale).filter(({ shared }) => shared)) {
        const { experiment, row } = cell.shared as NonNullable<Cell['shared']>;
        const theirs = cellsOf(experiment as typeof name, scale).find(
          (other) => other.row === row && other.model === cell.model,
        ) as Cell;
        assert.equal(theirs.seeds, cell.seeds);
        for (const seed of cell.seeds) assert.equal(theirs.config(seed), cell.config(seed));
        shared.push(`${name} ${scale}`);
      }
    }
  }
  assert.equal(
    shared,
    scales.map((scale) => `bptt-depth ${scale}`),
  );
});

test("the paper's sizes give the paper's counts of parameters", () => {
  for (const [name, model, expected] of [
    ['copy', 'rmt', 926_220],
    ['retrieval', 'transformer', 349_413],
    ['quadratic', 'transformer', 1_877_016],
  ] as const) {
    const config = cellOf(name, 'paper', model).config(0) as RunConfig;
    const made = createModel(config.model.name, config.model.config);
    assert.is(made.parameterCount(), expected, name);
    made.dispose();
  }
});

test("the scale 'paper' has none of our own ways to learn retrieval and long copies", () => {
  for (const [name, options, batchSize] of [
    ['retrieval', { pairs: 4, queries: 'one' }, 32],
    ['copy-long', { length: 120, symbols: 8, copies: 2 }, 128],
  ] as const) {
    const { model, task, training } = cellOf(name, 'paper', 'rmt').config(0) as RunConfig;
    assert.equal(task.options, options);
    assert.is(model.config.init, undefined);
    assert.is(training.curriculum, null);
    assert.is(training.stopAt, null);
    assert.is(training.batchSize, batchSize);
    assert.is(training.optimizer.learningRate, 1e-4);
  }
});

/** A run that takes a second. */
const quick = (): RunConfig => {
  const config = cellOf('retrieval', 'small', 'rmt').config(3) as RunConfig;
  return { ...config, training: { ...config.training, steps: 2, batchSize: 2 } };
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
    const options = { context: await openContext(), label: '' };
    const config = quick();
    const path = join(folder, 'deep', 'run');
    assert.is(await measuredIn(path, config), undefined);
    const measured = await quietly(() => trainInto(path, config, options));
    const names = ['config.json', 'metrics.jsonl', 'result.json', 'step-2'];
    assert.equal((await readdir(path)).sort(), names);
    const cutOff = join(folder, 'cut-off');
    await mkdir(cutOff);
    const run = await TrainingRun.start(config, { storage: new FolderStorage(cutOff) });
    for await (const { step } of run.train()) if (step === 1) break;
    run.dispose();
    const resumed = await quietly(() => trainInto(cutOff, config, options));
    assert.equal(resumed.scores, measured.scores);
    assert.is((await readFile(join(cutOff, 'metrics.jsonl'), 'utf8')).trim().split('\n').length, 2);
    assert.equal([measured.steps, measured.samples], [2, 256]);
    const { accuracy = -1, exact = -1 } = measured.scores;
    assert.ok(exact >= 0 && exact <= accuracy && accuracy <= 1 && measured.seconds > 0);
    const { model, step } = await loadRun(new FolderStorage(path));
    assert.is(step, 2);
    assert.is(model.parameterCount(), measured.parameters);
    model.dispose();

    const before = await readFile(join(path, 'result.json'), 'utf8');
    const again = await trainInto(path, config, options);
    assert.equal(again, JSON.parse(before));
    const other = { ...config, seed: 4 };
    await trainInto(path, other, options).then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /holds a run of another configuration/),
    );
    await writeFile(join(path, 'result.json'), before.slice(0, 40));
    await measuredIn(path, config).then(
      () => assert.unreachable(),
      (error) => assert.match(error.message, /is not valid JSON; delete it/),
    );
  }));

test('what was trained is evaluated at other lengths too, each a row of its own', () =>
  inFolder(async (folder) => {
    const [cell] = cellsOf('generalisation', 'small');
    const config = cell.config(0) as RunConfig;
    const two: RunConfig = { ...config, training: { ...config.training, steps: 2, batchSize: 2 } };
    const options = { context: await openContext(), label: '', lengths: [80, 120] };
    const measured = await quietly(() => trainInto(join(folder, 'run'), two, options));
    assert.equal(
      measured.further?.map(({ length }) => length),
      [80, 120],
    );
    const further = [10, 11].map((segments) => ({
      row: `${segments} segments`,
      length: 8 * segments - 8,
    }));
    const run = { ...measured, seconds: 100 };
    const filled = { cell: { ...cell, seeds: [0, 1], further }, runs: [run] };
    const page = summaryPage(experiments.generalisation, 'generalisation', 'small', [filled]);
    assert.is(page.match(/^\| 1?\d segments/gm)?.length, 3);
    assert.match(page, /; 100 in all\./, 'counted once');
    assert.match(page, /^Not done yet: 1 run\.$/m);
    const rows = rowsOf(filled);
    assert.equal(
      rows.map(({ cell, runs }) => [cell.row, runs.map(({ scores }) => scores.accuracy)]),
      [
        ['9 segments', [measured.scores.accuracy]],
        ['10 segments', []],
        ['11 segments', [measured.further?.[0].scores.accuracy]],
      ],
    );
  }));

test('an experiment is refused at a scale that it has not, and what is not of the paper has none of the paper', async () => {
  const message = refused(await memgrad(['reproduce', 'generalisation', '--scale', 'paper']));
  assert.match(message, /'generalisation' has no scale 'paper'; choose small or medium/);
  const small = refused(await memgrad(['reproduce', 'ablation', '--scale', 'small']));
  assert.match(small, /'ablation' has no scale 'small'; choose medium/);
  for (const name of experimentNames) {
    const { source, scales: own = scales }: Experiment = experiments[name];
    assert.is(own.includes('paper'), source !== undefined, name);
  }
});

test('without a scale it is the first that the experiment has', () =>
  inFolder(async (folder) => {
    const where = ['--runs', join(folder, 'runs'), '--out', join(folder, 'out')];
    for (const [name, scale] of [
      ['copy', 'small'],
      ['ablation', 'medium'],
    ]) {
      // A share that has no run of its own.
      const { stdout } = await memgrad([
        'reproduce',
        name,
        '--shard',
        '999/999',
        '--json',
        ...where,
      ]);
      assert.is(events(stdout)[0].scale, scale);
    }
  }));

const sizes = { layers: 1, heads: 2, dModel: 8, dHead: 4, dInner: 8 };
const text = (name: 'lm-bytes' | 'classification', model: Cell['model']): TextConfig => {
  const config = cellOf(name, 'small', model).config(1) as TextConfig;
  return { ...config, model: { ...config.model, sizes }, steps: 2, batchSize: 2, evaluated: 3 };
};

test('a run on text is measured in bits and perplexity', () =>
  inFolder(async (folder) => {
    await writeFile(join(folder, 'enwik8'), 'a few words '.repeat(2000));
    const options = { context: await openContext(), label: '', corpora: folder };
    const config: TextConfig = { ...text('lm-bytes', 'rmt'), corpus: 'enwik8', segmentLength: 9 };
    const path = join(folder, 'run');
    const { scores, steps, samples } = await quietly(() => trainInto(path, config, options));
    assert.equal([steps, samples], [2, 2 * 3 * 9]);
    assert.ok(Math.abs(2 ** (scores.bits ?? 0) - (scores.perplexity ?? 0)) < 1e-6);
    assert.ok((scores.bits ?? 0) > 1 && (scores.bits ?? 9) < 4);
    assert.equal((await readdir(path)).sort(), ['config.json', 'result.json', 'step-2']);
    await trainInto(join(folder, 'other'), config, { ...options, corpora: undefined }).then(
      () => assert.unreachable(),
      (error) =>
        assert.match(error.message, /'enwik8' is read from its published files; .*--corpora/),
    );
  }));

/** Documents as Hyperpartisan has them. */
async function writeDocuments(folder: string): Promise<void> {
  const write = (name: string, lines: string[]) =>
    writeFile(join(folder, `${name}-training-byarticle-20181122.xml`), lines.join('\n'));
  const ids = Array.from({ length: 20 }, (_, i) => i);
  await write(
    'articles',
    ids.map((i) => `<article id="${i}" title="T"><p>word ${i}</p></article>`),
  );
  await write(
    'ground-truth',
    ids.map((i) => `<article id="${i}" hyperpartisan="${i % 2 === 0}"/>`),
  );
}

test('a run on documents is measured in accuracy and F1', () =>
  inFolder(async (folder) => {
    await writeDocuments(folder);
    const options = { context: await openContext(), label: '', corpora: folder };
    const config: TextConfig = {
      ...text('classification', 'encoder-rmt'),
      corpus: 'hyperpartisan',
    };
    const { scores, samples } = await quietly(() =>
      trainInto(join(folder, 'run'), { ...config, segmentLength: 2 }, options),
    );
    assert.is(samples, 2);
    assert.ok([0, 0.5, 1].includes(scores.accuracy ?? -1));
    assert.ok((scores.f1 ?? -1) >= 0 && (scores.f1 ?? 2) <= 1);
  }));

/** A run on text of some hundred steps, in a folder with its corpus. */
async function onText(
  name: 'lm-bytes' | 'classification',
  use: (config: TextConfig, corpora: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (folder) => {
    const rest = { segmentLength: 4, steps: 120 };
    if (name === 'lm-bytes') {
      await writeFile(join(folder, 'enwik8'), 'a few words '.repeat(300));
      await use({ ...text(name, 'rmt'), ...rest, corpus: 'enwik8', bpttDepth: 1 }, folder);
    } else {
      await writeDocuments(folder);
      await use({ ...text(name, 'encoder-rmt'), ...rest, corpus: 'hyperpartisan' }, folder);
    }
  });
}

/** Tells the steps that it is told of, and raises a signal in the course of one, as a terminal does. */
class Watched extends Output {
  readonly steps: number[] = [];

  constructor(
    readonly at: number | 'evaluation',
    readonly raise: () => void,
  ) {
    super(true);
  }

  override event(_: string, { step }: { step: number }): void {
    this.steps.push(step);
    if (step === this.at) this.raise();
  }

  override live(line: () => string): void {
    if (this.at === 'evaluation' && line() === 'evaluating') this.raise();
  }
}

/** Does a run on text, until a signal comes where it is asked for; gives the steps that it took. */
async function runWatched(
  config: TextConfig,
  storage: RunStorage,
  corpora: string,
  [signal, at]: ['SIGINT' | 'SIGTERM', number | 'evaluation'] = ['SIGINT', Infinity],
) {
  const context = await openContext();
  const output = new Watched(at, () => context.interrupt.stop(new Interrupted(signal)));
  const options = { context: { ...context, output }, label: '', corpora };
  const ended = runText(config, storage, options);
  const { measured, error } = await ended.then(
    (measured) => ({ measured, error: undefined }),
    (error: unknown) => ({ measured: undefined, error }),
  );
  return { measured, error, steps: output.steps };
}

const bitsAfter = (step: number, { files }: MemoryStorage) =>
  [MODEL_FILE, OPTIMIZER_FILE, CARRIED_FILE].map((file) =>
    Buffer.from(files.get(checkpointFile(step, file)) ?? []).toString('hex'),
  );

for (const name of ['lm-bytes', 'classification'] as const) {
  test(`${name}: stopped by signals, in training and in evaluation, a run goes on to the same bits`, () =>
    onText(name, async (config, corpora) => {
      const whole = new MemoryStorage();
      const { measured: expected } = await runWatched(config, whole, corpora);
      const storage = new MemoryStorage();
      const steps: number[] = [];
      for (const [signal, at, code] of [
        ['SIGINT', 7, 130],
        ['SIGTERM', 110, 143],
        ['SIGINT', 'evaluation', 130],
      ] as const) {
        const part = await runWatched(config, storage, corpora, [signal, at]);
        assert.instance(part.error, Interrupted, String(part.error));
        assert.is((part.error as Interrupted).exitCode, code);
        steps.push(...part.steps);
      }
      const state = () => storage.files.get(checkpointFile(120, 'trainer-state.json'));
      const { seconds } = JSON.parse(new TextDecoder().decode(state()));
      const last = await runWatched(config, storage, corpora);
      assert.equal(last.steps, [], 'nothing was left to train');
      assert.equal(
        steps,
        Array.from({ length: 120 }, (_, i) => i + 1),
      );
      assert.equal(bitsAfter(120, storage), bitsAfter(120, whole));
      assert.equal(last.measured?.scores, expected?.scores);
      assert.is(last.measured?.seconds, seconds, 'those of all parts');
      assert.ok(seconds > 0);
    }));

  test(`${name}: killed while it is saved, a run goes on after the checkpoint before`, () =>
    onText(name, async (config, corpora) => {
      const whole = new MemoryStorage();
      await runWatched(config, whole, corpora);
      const files = name === 'lm-bytes' ? 4 : 3;
      const storage = new Mortal(new Map(), 2 + 2 * files + 3); // config.json, step 100, half of step 120
      isKilled((await runWatched(config, storage, corpora)).error);
      const left = new MemoryStorage(storage.files);
      const { steps } = await runWatched(config, left, corpora);
      assert.equal([steps.length, steps[0]], [20, 101]);
      assert.equal(bitsAfter(120, left), bitsAfter(120, whole));
      assert.is(
        left.files.size,
        1 + 2 * files,
        'the last checkpoint, the one before, and nothing else',
      );
      const { error } = await runWatched({ ...config, seed: 9 }, left, corpora);
      assert.match((error as Error).message, /holds a run of another configuration/);
    }));
}

/** Numbers that no run gave, to see how they are shown. */
function madeUp(cell: Cell, seed: number, accuracy: number): Measured {
  const rest = { parameters: 70_000, steps: 100 + seed, seconds: 9.6, samples: 256 };
  return { config: cell.config(seed), ...rest, scores: { accuracy, exact: accuracy / 2 } };
}

test('a table has means, spreads and steps of every seed beside the paper', () => {
  const cells = cellsOf('retrieval', 'small').slice(0, 3);
  const filled: Filled[] = [
    { cell: cells[0], runs: [] },
    { cell: cells[1], runs: [madeUp(cells[1], 0, 0.25)] },
    { cell: cells[2], runs: [0.5, 0.9, 1].map((value, seed) => madeUp(cells[2], seed, value)) },
  ];
  const page = summaryPage(experiments.retrieval, 'retrieval', 'small', filled);
  assert.match(page, /; 38 in all\. /, 'four times 9.6 s');
  assert.match(page, /^Not done yet: 1 run\.$/m);
  const lines = page.split('\n');
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

test('a figure of steps has a dot to each run, hollow where it did not learn', () => {
  const cells = cellsOf('ablation', 'medium').slice(0, 2);
  const filled: Filled[] = [
    { cell: cells[0], runs: [0, 1].map((seed) => madeUp(cells[0], seed, 0.995)) },
    { cell: cells[1], runs: [madeUp(cells[1], 2, 0.4)] },
  ];
  const svg = dotsFigure(experiments.ablation, filled);
  const dots = [...svg.matchAll(/<circle cx="([\d.]+)" .* fill="([^"]+)"/g)].map((dot) =>
    dot.slice(1),
  );
  assert.equal(
    dots.map(([, fill]) => fill),
    ['#009e73', '#009e73', 'none'],
  );
  assert.ok(Number(dots[0][0]) < Number(dots[1][0]) && Number(dots[1][0]) < Number(dots[2][0]));
  for (const { row } of cells) assert.match(svg, row);
});

test('a figure of scores to each row has its dots where the scores are', () => {
  const cells = cellsOf('ablation-bytes', 'medium').slice(0, 2);
  const filled: Filled[] = cells.map((cell, i) => ({
    cell,
    runs: [{ ...madeUp(cell, 0, 0), scores: { bits: 2 + i } }],
  }));
  const svg = dotsFigure(experiments['ablation-bytes'], filled);
  const dots = [...svg.matchAll(/<circle cx="([\d.]+)" .* fill="#009e73"/g)];
  assert.is(dots.length, 2);
  const [low, high] = dots.map(([, x]) => Number(x));
  // A margin of a tenth on both sides of an axis that is 426 wide.
  assert.ok(Math.abs(high - low - 426 / 1.2) < 0.2, `${low} ${high}`);
  assert.match(svg, 'bits per character');
  assert.match(svg, 'RMT as it is');
});

test('a share is never rounded up to 1', () => {
  assert.is(showScore(experiments.copy, 0.9999), '0.999');
  assert.is(showScore(experiments.copy, 0.29), '0.290');
  assert.is(showScore(experiments.copy, 1), '1.000');
  assert.is(showScore(experiments['lm-bytes'], 1.2396), '1.240');
});

test('a figure of scores that are no shares shows them all, and none where nothing is done', () => {
  const cells = cellsOf('lm-bytes', 'small').map((cell): Filled => ({ cell, runs: [] }));
  const tick = (svg: string) =>
    [...svg.matchAll(/text-anchor="end">([^<]*)</g)].map(([, label]) => Number(label));
  const axis = tick(figure(experiments['lm-bytes'], cells)); // the paper's 1.228 to 1.402 are shown
  assert.ok(Math.min(...axis) < 1.228 && Math.max(...axis) > 1.402, String(axis));
  const empty = cellsOf('bptt-depth', 'small').map((cell): Filled => ({ cell, runs: [] }));
  assert.equal(tick(figure(experiments['bptt-depth'], empty)), [0, 0.25, 0.5, 0.75, 1]);
});

test('the command does nothing that is done, and writes table, figure and numbers', () =>
  inFolder(async (folder) => {
    const [runs, out] = [join(folder, 'runs'), join(folder, 'results')];
    const cells = cellsOf('retrieval', 'small');
    const all = cells.flatMap((cell) => cell.seeds.map((seed) => ({ cell, seed })));
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
    const [start, run, missing, written] = events(share.stdout);
    assert.equal([start.runs, start.of], [1, all.length]);
    assert.equal([run.model, run.seed], ['rmt', 2]);
    assert.equal(run.scores, { accuracy: 0.75, exact: 0.375 });
    assert.equal(missing, { event: 'missing', runs: all.length - 2 });
    assert.is(written.event, 'written');
    const partial = await readFile(join(out, 'retrieval-small.md'), 'utf8');
    assert.match(partial, `Not done yet: ${all.length - 2} runs.`);
    assert.match(partial, '| 2 segments | Transformer | – | – | – | 0 |');

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
    assert.not.match(page, 'Not done');
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
