/** `memgrad reproduce`: runs the paper's tables and figures here. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import { MemgradError } from 'memgrad';
import {
  type CommonOptions,
  type Context,
  commonOptions,
  explained,
  openContext,
  plural,
  wrap,
} from 'memgrad/cli';
import { FolderStorage } from 'memgrad/runs/node';
import { dotsFigure } from './dots-figure.js';
import type { Cell, Experiment } from './experiment.js';
import { type ExperimentName, experimentNames, experiments } from './experiments.js';
import { figure } from './figure.js';
import { measuredIn, trainInto } from './run-folder.js';
import { type Scale, scales } from './scales.js';
import {
  type Filled,
  rowsOf,
  scoreOf,
  showScore,
  summaryPage,
  summaryTable,
  titles,
} from './summary.js';

interface ReproduceOptions extends Omit<CommonOptions, 'seed'> {
  scale?: Scale;
  shard: Shard;
  corpora?: string;
  runs: string;
  out: string;
}

/** The `index`-th of `count` shares of the runs, counted from 1. */
interface Shard {
  readonly index: number;
  readonly count: number;
}

/** A run of an experiment: a cell and a seed. */
interface Planned {
  readonly cell: Cell;
  readonly seed: number;
  readonly folder: string;
}

/** Adds the command to `program`. */
export function addReproduce(program: Command): void {
  const command = program
    .command('reproduce')
    .summary("run one of the paper's tables or figures")
    .description(
      "Trains the models that one of the paper's tables or figures compares, and ends with a table and a plot next to the paper's own numbers. Finished runs are not repeated.",
    )
    .addArgument(new Argument('<name>', 'which').choices(experimentNames))
    .addOption(
      new Option(
        '--scale <name>',
        "minutes, an hour, or the paper's sizes (default: the first one of the experiment)",
      ).choices(scales),
    )
    .addOption(
      new Option('--shard <i/n>', 'do only the i-th of n shares of the runs')
        .argParser(shard)
        .default({ index: 1, count: 1 }, 'all of them'),
    )
    .option(
      '--corpora <folder>',
      'folder of the published files of enwik8, WikiText-103 or Hyperpartisan',
    )
    .option('--runs <folder>', 'where run folders are', join('runs', 'reproduce'))
    .option('--out <folder>', 'where tables and plots are written', 'results');
  commonOptions(command)
    .addHelpText(
      'after',
      `
Shares never have a run in common, so any queue can spread them over machines with one folder for
runs. Start a share again after it was cut off: it goes on with what is not done. The table is made
of all that is done, whichever share did it.

Examples:
  $ memgrad reproduce copy
  $ memgrad reproduce reverse --scale medium --shard 2/4
  $ parallel memgrad reproduce copy --shard {}/3 ::: 1 2 3
`,
    )
    .action(runReproduce);
}

/** Parses a share, such as 2/4. */
function shard(text: string): Shard {
  const [, index, count] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new InvalidArgumentError(
    'Expected I/N with two whole numbers, I from 1 to N, such as 2/4.',
  );
}

async function runReproduce(name: ExperimentName, options: ReproduceOptions): Promise<void> {
  const context = await openContext(options);
  const { output } = context;
  const experiment: Experiment = experiments[name];
  const { scales: own = scales } = experiment;
  const { scale = own[0], shard } = options;
  if (!own.includes(scale)) {
    throw new MemgradError(
      `reproduce: '${name}' has no scale '${scale}'; choose ${own.join(' or ')}.`,
    );
  }
  const cells = experiment.cells(scale);
  const planned = cells.flatMap((cell) =>
    cell.seeds.map((seed): Planned => {
      const { experiment, row } = cell.shared ?? { experiment: name, row: cell.row };
      const run = `${slug(row)}-${cell.model}-seed${seed}`;
      return { cell, seed, folder: join(options.runs, experiment, scale, run) };
    }),
  );
  const share = planned.filter((_, i) => i % shard.count === shard.index - 1);
  output.event('start', { name, scale, shard, runs: share.length, of: planned.length });
  output.print(
    wrap(
      `${experiment.title} (${experiment.source ? `the paper's ${experiment.source}` : 'not of the paper'}) at the scale '${scale}': ${plural(share.length, 'run')} of ${planned.length}, each in a folder below ${options.runs}.`,
      output.columns,
    ),
  );
  await new FolderStorage(options.out).make(); // fails now rather than after hours of training
  for (const run of share) await takeUp(run, experiment, options, context);

  const filled = await Promise.all(
    cells.map(async (cell): Promise<Filled> => {
      const own = planned.filter((run) => run.cell === cell);
      const runs = await Promise.all(
        own.map(({ folder, seed }) => measuredIn(folder, cell.config(seed))),
      );
      return { cell, runs: runs.filter((run) => run !== undefined) };
    }),
  );
  const missing = planned.length - filled.reduce((sum, { runs }) => sum + runs.length, 0);
  const rows = filled.flatMap(rowsOf);
  output.print(`\n${summaryTable(experiment, rows)}`);
  if (missing > 0) {
    output.event('missing', { runs: missing });
    output.print(`Not done yet: ${plural(missing, 'run')} of other shares.`);
  }
  const files = {
    [`${name}-${scale}.md`]: summaryPage(experiment, name, scale, filled),
    [`${name}-${scale}.svg`]: (experiment.shows ? dotsFigure : figure)(experiment, rows),
    [`${name}-${scale}.json`]: `${JSON.stringify(filled, null, 2)}\n`,
  };
  await writeAll(options.out, files);
  output.event('written', { folder: options.out, files: Object.keys(files) });
  output.print(
    `Written: ${Object.keys(files)
      .map((file) => join(options.out, file))
      .join(', ')}`,
  );
}

/** Trains a run unless it is done, and prints its score. */
async function takeUp(
  { cell, seed, folder }: Planned,
  experiment: Experiment,
  { corpora }: ReproduceOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  const label = `${`${cell.row}, ${titles[cell.model]}, seed ${seed}`.padEnd(36)} `;
  const lengths = cell.further?.map(({ length }) => length);
  const options = { context, label, lengths, corpora };
  const measured = await trainInto(folder, cell.config(seed), options);
  const { steps, seconds, scores } = measured;
  output.event('run', { folder, row: cell.row, model: cell.model, seed, steps, seconds, scores });
  const score = scoreOf(experiment, measured);
  output.print(`${label}${showScore(experiment, score)} after ${plural(steps, 'step')}`);
}

async function writeAll(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  await explained(`write into '${folder}'`, async () => {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  });
}

/** Turns a name such as `roots to ±10, 6 segments` into `roots-to-10-6-segments`. */
function slug(text: string): string {
  return (
    text
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.join('-') ?? ''
  );
}
