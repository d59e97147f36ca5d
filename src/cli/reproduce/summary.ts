/** What an experiment came to: means over seeds beside the paper's numbers, as a table for people and for Markdown. */
import { count } from '../format.js';
import { table } from '../table.js';
import { type Cell, type Contender, type Experiment, experiments } from './experiments.js';
import type { Measured } from './run-folder.js';

/** How the models are called. */
export const titles: Readonly<Record<Contender, string>> = {
  transformer: 'Transformer',
  'mem-transformer': 'MemTransformer',
  'transformer-xl': 'Transformer-XL',
  rmt: 'RMT',
};

/** A cell with the runs that are done. */
export interface Filled {
  readonly cell: Cell;
  readonly runs: readonly Measured[];
}

/** The metric of a run, as its experiment has it. */
export function metricOf({ metric }: Pick<Experiment, 'metric'>, run: Measured): number {
  return metric === 'tokens' ? run.accuracy : run.exact;
}

/** The mean over the runs of a cell; undefined before the first one is done. */
export function meanOf(experiment: Experiment, { runs }: Filled): number | undefined {
  if (runs.length === 0) return undefined;
  return runs.reduce((sum, run) => sum + metricOf(experiment, run), 0) / runs.length;
}

/** What each column shows. */
function columns(experiment: Experiment) {
  const values = ({ runs }: Filled) => runs.map((run) => metricOf(experiment, run));
  const each = (of: (run: Measured) => string) => (filled: Filled) =>
    filled.runs.map(of).join(' / ') || '–';
  return {
    task: ({ cell }: Filled) => cell.row,
    model: ({ cell }: Filled) => titles[cell.model],
    parameters: ({ runs }: Filled) => (runs.length > 0 ? count(runs[0].parameters) : '–'),
    here: (filled: Filled) => meanOf(experiment, filled)?.toFixed(3) ?? '–',
    'lowest to highest': (filled: Filled) =>
      filled.runs.length < 2
        ? '–'
        : `${Math.min(...values(filled)).toFixed(3)} to ${Math.max(...values(filled)).toFixed(3)}`,
    seeds: ({ runs }: Filled) => String(runs.length),
    steps: each(({ steps }) => count(steps)),
    seconds: each(({ seconds }) => seconds.toFixed(0)),
    paper: ({ cell }: Filled) => cell.paper?.toFixed(3) ?? '–',
  };
}

/** The table for a terminal. */
export function summaryTable(experiment: Experiment, cells: readonly Filled[]): string {
  return table<Filled>(columns(experiment), cells);
}

/** The table as a page in Markdown, with what its columns mean. */
export function summaryPage(
  name: keyof typeof experiments,
  scale: string,
  cells: readonly Filled[],
): string {
  const experiment = experiments[name];
  const shown = Object.entries(columns(experiment));
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const metric = experiment.metric === 'tokens' ? 'answer tokens' : 'whole answers';
  return [
    `# ${experiment.title}`,
    '',
    `The paper's ${experiment.source}, run by \`memgrad reproduce ${name} --scale ${scale}\`.`,
    '',
    line(shown.map(([title]) => title)),
    line(shown.map((_, i) => (i < 2 ? '---' : '---:'))),
    ...cells.map((cell) => line(shown.map(([, show]) => show(cell)))),
    '',
    `Here: the share of ${metric} that are right on ${cells.flatMap(({ runs }) => runs)[0]?.samples ?? 0} held-out samples, read freely from the first answer token on; the mean over the seeds. Steps: those taken by each seed, which end when ten batches in a row had no error${scale === 'paper' ? ' (not at this scale)' : ''}. Seconds: of training, on the machine that ran it. Paper: its mean test accuracy after up to a million steps, judged by its own looser scripts.`,
    '',
    `![${experiment.title}](${name}-${scale}.svg)`,
    '',
  ].join('\n');
}
