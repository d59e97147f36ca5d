/**
 * The results of an experiment: means over seeds next to the paper's numbers, as a table for people
 * and for Markdown.
 */
import { count, plural, table } from 'memgrad/cli';
import type { Cell, Contender, Experiment } from './experiment.js';
import type { Measured, Score } from './measured.js';

/** The titles of the models. */
export const titles: Readonly<Record<Contender, string>> = {
  transformer: 'Transformer',
  'mem-transformer': 'MemTransformer',
  'transformer-xl': 'Transformer-XL',
  rmt: 'RMT',
  'transformer-xl-rmt': 'Transformer-XL + RMT',
  'encoder-rmt': 'encoder RMT',
};

/** The kind of items that each score is measured on. */
const measuredOn: Readonly<Record<Score, string>> = {
  accuracy: 'samples',
  exact: 'samples',
  bits: 'bytes',
  perplexity: 'words',
  f1: 'documents',
};

/** When a run on an algorithmic task ends. */
const TASK_END =
  '; at our own scales a run ends when 99.9% of the answer tokens of ten batches in a row are right (of up to fifty, where ten hold fewer than 5,000), unless its configuration says otherwise';

/** A cell with its finished runs. */
export interface Filled {
  readonly cell: Cell;
  readonly runs: readonly Measured[];
}

/** The table rows of a cell: its own, and one for each other length that it was evaluated on. */
export function rowsOf({ cell, runs }: Filled): Filled[] {
  const further = (cell.further ?? []).map(({ row, length }) => ({
    cell: { ...cell, row, paper: undefined },
    runs: runs.flatMap((run) => {
      const found = run.further?.find((other) => other.length === length);
      return found ? [{ ...run, scores: found.scores }] : [];
    }),
  }));
  return [{ cell, runs }, ...further];
}

/** The score that the experiment reports. */
export function scoreOf({ score }: Pick<Experiment, 'score'>, { scores }: Measured): number {
  return scores[score] ?? Number.NaN;
}

/** The mean over the runs of a cell; undefined if none is finished. */
export function meanOf(experiment: Experiment, { runs }: Filled): number | undefined {
  if (runs.length === 0) return undefined;
  return runs.reduce((sum, run) => sum + scoreOf(experiment, run), 0) / runs.length;
}

/** Formats a score with three digits; a share is never rounded up to 1. */
export function showScore({ score }: Pick<Experiment, 'score'>, value: number): string {
  const share = score !== 'bits' && score !== 'perplexity';
  return (share ? Math.floor(value * 1000 + 1e-9) / 1000 : value).toFixed(3);
}

/** The columns: the text of each for a row. */
function columns(experiment: Experiment) {
  const show = (value: number) => showScore(experiment, value);
  const values = ({ runs }: Filled) => runs.map((run) => scoreOf(experiment, run));
  const each = (of: (run: Measured) => string) => (filled: Filled) =>
    filled.runs.map(of).join(' / ') || '–';
  return {
    task: ({ cell }: Filled) => cell.row,
    model: ({ cell }: Filled) => titles[cell.model],
    parameters: ({ runs }: Filled) => (runs.length > 0 ? count(runs[0].parameters) : '–'),
    here: (filled: Filled) => {
      const mean = meanOf(experiment, filled);
      return mean === undefined ? '–' : show(mean);
    },
    'lowest to highest': (filled: Filled) =>
      filled.runs.length < 2
        ? '–'
        : `${show(Math.min(...values(filled)))} to ${show(Math.max(...values(filled)))}`,
    seeds: ({ runs }: Filled) => String(runs.length),
    steps: each(({ steps }) => count(steps)),
    seconds: each(({ seconds }) => count(Math.round(seconds))),
    ...(experiment.source && { paper: ({ cell }: Filled) => cell.paper?.toFixed(3) ?? '–' }),
  };
}

/** The table for a terminal. */
export function summaryTable(experiment: Experiment, cells: readonly Filled[]): string {
  return table<Filled>(columns(experiment), cells);
}

/** The results of `cells` as a page in Markdown, with a legend of its columns. */
export function summaryPage(
  experiment: Experiment,
  name: string,
  scale: string,
  cells: readonly Filled[],
): string {
  const rows = cells.flatMap(rowsOf);
  const shown = Object.entries(columns(experiment));
  const line = (texts: readonly string[]) => `| ${texts.join(' | ')} |`;
  const missing = cells.reduce((sum, { cell, runs }) => sum + cell.seeds.length - runs.length, 0);
  const done = cells.flatMap(({ runs }) => runs);
  const samples = done[0]?.samples ?? 0;
  const seconds = Math.round(done.reduce((sum, run) => sum + run.seconds, 0));
  const end = measuredOn[experiment.score] === 'samples' ? TASK_END : '';
  return [
    `# ${experiment.title}`,
    '',
    `${experiment.source ? `The paper's ${experiment.source}` : 'Not of the paper'}, run by \`memgrad reproduce ${name} --scale ${scale}\`.`,
    '',
    line(shown.map(([title]) => title)),
    line(shown.map((_, i) => (i < 2 ? '---' : '---:'))),
    ...rows.map((row) => line(shown.map(([, show]) => show(row)))),
    '',
    `Here: ${experiment.says}; measured on ${count(samples)} ${measuredOn[experiment.score]}, the mean over the seeds. Steps: those taken by each seed${end}. Seconds: of training, on the machine that ran it; ${count(seconds)} in all.${experiment.source ? ' Paper: its mean on its own data after hundreds of thousands of steps, judged by its own scripts.' : ''}`,
    '',
    ...(missing > 0 ? [`Not done yet: ${plural(missing, 'run')}.`, ''] : []),
    `![${experiment.title}](${name}-${scale}.svg)`,
    '',
  ].join('\n');
}
