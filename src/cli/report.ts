/** `memgrad report`: writes one HTML file about saved runs. */
import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { lastCheckpoint, listRun } from '../runs/files.js';
import { loadModel, loadRun, MEMGRAD_VERSION, type RunConfig, readConfig } from '../runs/index.js';
import { eachMetrics } from '../runs/metrics.js';
import { makeFolder } from '../runs/node/folder-storage.js';
import { type CommonOptions, type Context, commonOptions, openContext } from './context.js';
import { plural } from './format.js';
import { whole } from './parsers.js';
import { CurveCollector, type Curves } from './report/curves.js';
import { pageOf } from './report/page.js';
import { runIn } from './run-in.js';
import { type Sample, sampleOf } from './samples.js';

interface ReportOptions extends CommonOptions {
  out: string;
  samples: number;
}

/** What the page shows of a run. */
export interface ReportedRun {
  readonly name: string;
  readonly config: RunConfig;
  /** The steps of the newest checkpoint, and its parameters; null if nothing is saved yet. */
  readonly saved: { readonly step: number; readonly parameters: number } | null;
  readonly curves: Curves;
  readonly samples: readonly Sample[];
}

/** Adds the command to `program`. */
export function addReport(program: Command): void {
  const command = program
    .command('report')
    .summary('write a page about saved runs')
    .description(
      'Writes one self-contained HTML file about saved runs: loss, accuracy, learning rate, gradient norms by layer and by segment, samples and configurations; several runs in one picture.',
    )
    .argument('<folders...>', 'what `memgrad train --out` wrote')
    .option('--out <file>', 'the file to write', 'report.html')
    .option('--samples <n>', 'how many answers of each run to show', whole(0, 100), 3);
  commonOptions(command, 'decides the prompts (default: 0)')
    .addHelpText(
      'after',
      `
Examples:
  $ memgrad report runs/copy
  $ memgrad report runs/copy runs/again --out compared.html --samples 5
`,
    )
    .action(runReport);
}

async function runReport(folders: readonly string[], options: ReportOptions): Promise<void> {
  const context = await openContext(options, { saves: false });
  const { output } = context;
  const runs: ReportedRun[] = [];
  for (const folder of folders) runs.push(await readRun(folder, options, context));
  await makeFolder(dirname(resolve(options.out)));
  await writeFile(options.out, pageOf({ version: MEMGRAD_VERSION, runs }));
  output.settle();
  output.event('written', { file: options.out, runs: folders });
  output.print(`Wrote ${options.out}: ${plural(runs.length, 'run')}. Open it in a browser.`);
}

async function readRun(
  folder: string,
  { samples, seed = 0 }: ReportOptions,
  { output, backend, interrupt }: Context,
): Promise<ReportedRun> {
  const storage = await runIn(folder);
  const config = await readConfig(storage);
  const collector = new CurveCollector();
  output.live(() => `${folder}: reading its log`);
  await eachMetrics(storage, (line) => collector.take(line));
  const report = { name: folder, config, curves: collector.curves };
  if (lastCheckpoint(await listRun(storage)) === undefined) {
    return { ...report, saved: null, samples: [] };
  }
  // Only samples need the text of a run on one, which may be missing.
  const run = samples > 0 ? await loadRun(storage, { backend }) : undefined;
  const { model, step } = run ?? (await loadModel(storage, { backend }));
  const drawn: Sample[] = [];
  for (let index = 0; run && index < samples; index++) {
    output.live(() => `${folder}: sample ${index + 1} of ${samples}`);
    drawn.push(
      await sampleOf(run, index, { seed, temperature: 0, check: () => interrupt.check() }),
    );
  }
  const parameters = model.parameterCount();
  model.dispose();
  return { ...report, saved: { step, parameters }, samples: drawn };
}
