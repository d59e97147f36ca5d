/** The paper's tables and figures: what each compares, and the numbers that the paper has. */
import type { RunConfig, TaskConfig } from '../../runs/index.js';
import type { ModelSizes, Scale, TrainingBudget } from './scales.js';

/** A model of the paper. */
export type Contender = Exclude<RunConfig['model']['name'], 'transformer-xl-rmt'>;

/** One number of a table: a model on a task, cut in a certain way. */
export interface Cell {
  /** What the row of the table is called. */
  readonly row: string;
  readonly model: Contender;
  readonly task: TaskConfig;
  readonly segmentLength: number;
  readonly memoryTokens: number;
  readonly cache: number;
  /** Steps at most, at the scales of our own. */
  readonly steps: number;
  /** Grow the length of samples by whole segments. */
  readonly curriculum?: { readonly start: number; readonly by: number; readonly at: number };
  /** The paper's number, for this cell: REFERENCE of the metric, mean over its runs. */
  readonly paper?: number;
  /** What `--scale paper` trains. */
  readonly paperTraining: TrainingBudget;
  readonly paperSizes: ModelSizes;
}

/** A table or figure. */
export interface Experiment {
  readonly title: string;
  readonly source: string;
  /** What is told: `tokens`, the share of answer tokens that are right, or `answers`, that of whole answers. */
  readonly metric: 'tokens' | 'answers';
  cells(scale: Scale): Cell[];
}

type Numbers = Partial<Record<Contender, number>>;

/** A row of a table: the task cut into segments, and what the paper's models reached. */
interface Row {
  readonly row: string;
  readonly task: TaskConfig;
  readonly segmentLength: number;
  /** Default: as many as a segment has tokens. */
  readonly memoryTokens?: number;
  readonly steps: number;
  readonly curriculum?: Cell['curriculum'];
  readonly paper: Numbers;
}

function rowsOf(
  rows: readonly Row[],
  models: readonly Contender[],
  paperSizes: ModelSizes,
  paperTraining: TrainingBudget,
): Cell[] {
  return rows.flatMap(({ paper, ...row }) =>
    models.map((model) => ({
      ...row,
      model,
      memoryTokens: row.memoryTokens ?? row.segmentLength,
      cache: row.segmentLength,
      paper: paper[model],
      paperSizes,
      paperTraining,
    })),
  );
}

const ALL: readonly Contender[] = ['transformer', 'mem-transformer', 'transformer-xl', 'rmt'];
const RECURRENT: readonly Contender[] = ['transformer', 'transformer-xl', 'rmt'];

const COPY_SIZES = { layers: 4, heads: 4, dModel: 128, dHead: 64, dInner: 256 };
const RETRIEVAL_SIZES = { layers: 6, heads: 4, dModel: 64, dHead: 32, dInner: 128 };
const QUADRATIC_SIZES = { layers: 6, heads: 6, dModel: 128, dHead: 64, dInner: 256 };

const copyOf = (length: number, symbols: number): TaskConfig => ({
  name: 'copy',
  options: { length, symbols, copies: 2 },
});
const reverse24: TaskConfig = { name: 'reverse', options: { length: 24, symbols: 10 } };
const retrieval: TaskConfig = { name: 'retrieval', options: { pairs: 4 } };

/** The experiments by name. */
export const experiments = {
  copy: {
    title: 'Copy of 24 symbols, twice',
    source: 'figure 3',
    metric: 'tokens',
    cells: () =>
      rowsOf(
        [
          row(3, 24, 1000, { transformer: 0.118, 'transformer-xl': 1, rmt: 1 }),
          row(6, 12, 3000, { transformer: 0.102, 'transformer-xl': 0.967, rmt: 1 }),
          row(9, 8, 5000, { transformer: 0.102, 'transformer-xl': 0.278, rmt: 1 }),
        ].map((cut) => ({ ...cut, task: copyOf(24, 10) })),
        ALL,
        COPY_SIZES,
        { steps: 900_000, batchSize: 32 },
      ),
  },
  reverse: {
    title: 'Reverse of 24 symbols',
    source: 'figure 3',
    metric: 'tokens',
    cells: () =>
      rowsOf(
        [
          row(2, 24, 2000, { transformer: 0.102, 'transformer-xl': 0.783, rmt: 1 }),
          row(4, 12, 6000, { transformer: 0.101, 'transformer-xl': 0.861, rmt: 1 }),
          row(6, 8, 10_000, { transformer: 0.102, 'transformer-xl': 0.666, rmt: 0.9 }),
        ].map((cut) => ({ ...cut, task: reverse24 })),
        ALL,
        COPY_SIZES,
        { steps: 1_000_000, batchSize: 32 },
      ),
  },
  retrieval: {
    title: 'Associative retrieval with four pairs',
    source: 'figure 3 (its "3 segments" are really 2, its "4" are 3; it has no 4)',
    metric: 'tokens',
    cells: () =>
      rowsOf(
        [
          row(2, 5, 4000, { transformer: 0.496, 'transformer-xl': 1, rmt: 0.99 }),
          row(3, 4, 6000, { transformer: 0.099, 'transformer-xl': 0.849, rmt: 0.992 }),
          row(4, 3, 8000, {}),
          row(5, 2, 8000, { transformer: 0.099, 'transformer-xl': 0.988, rmt: 0.965 }),
        ].map((cut) => ({ ...cut, task: retrieval })),
        RECURRENT,
        RETRIEVAL_SIZES,
        { steps: 1_000_000, batchSize: 32 },
      ),
  },
  'copy-long': {
    title: 'Copy of 120 to 360 symbols, twice',
    source: 'figure 4',
    metric: 'tokens',
    cells: (scale) => [
      ...rowsOf(
        [
          row(3, 120, 3000, { transformer: 0.125, 'transformer-xl': 0.778, rmt: 1 }),
          row(6, 60, 3000, { transformer: 0.123, 'transformer-xl': 0.125, rmt: 1 }),
          row(9, 40, 4000, { transformer: 0.126, 'transformer-xl': 0.136, rmt: 1 }),
        ]
          .filter(({ segmentLength }) => scale !== 'small' || segmentLength === 40)
          .map((cut) => ({
            ...cut,
            row: `120 symbols, ${cut.row}`,
            task: copyOf(120, 8),
            curriculum: { start: cut.segmentLength, by: cut.segmentLength, at: 0.99 },
          })),
        RECURRENT,
        COPY_SIZES,
        { steps: 600_000, batchSize: 128 },
      ),
      ...rowsOf(
        (scale === 'small' ? [] : [240, 360]).map((length) => ({
          ...row(length / 40, 120, 8000, {
            'transformer-xl': 0.125,
            rmt: length === 240 ? 0.882 : 0.579,
          }),
          row: `${length} symbols, ${length / 40} segments`,
          task: copyOf(length, 8),
          memoryTokens: 60,
          curriculum: { start: 60, by: 60, at: 0.99 },
        })),
        ['transformer-xl', 'rmt'],
        COPY_SIZES,
        { steps: 600_000, batchSize: 128 },
      ),
    ],
  },
  quadratic: {
    title: 'Quadratic equations, 180 tokens',
    source: 'table 1',
    metric: 'answers',
    cells: (scale) => {
      const range = scale === 'small' ? 10 : 100;
      const steps = scale === 'small' ? 4000 : 20_000;
      const task: TaskConfig = { name: 'quadratic', options: { range } };
      const whole = {
        ...row(1, 180, steps, { transformer: 0.996 }),
        row: `roots to ±${range}, 1 segment`,
        task,
      };
      const cut = {
        ...row(6, 30, steps, { 'transformer-xl': 0.934, rmt: 0.992 }),
        row: `roots to ±${range}, 6 segments`,
        task,
      };
      const train = { steps: 600_000, batchSize: 32 };
      return [
        ...rowsOf([whole], ['transformer'], QUADRATIC_SIZES, train),
        ...rowsOf([cut], ['transformer-xl', 'rmt'], QUADRATIC_SIZES, train),
      ];
    },
  },
} satisfies Record<string, Experiment>;

/** The name of an experiment. */
export type ExperimentName = keyof typeof experiments;
/** The names that `memgrad reproduce` takes. */
export const experimentNames = Object.keys(experiments) as ExperimentName[];

function row(segments: number, segmentLength: number, steps: number, paper: Numbers) {
  const name = `${segments} segment${segments === 1 ? '' : 's'}`;
  return { row: name, segmentLength, steps, paper };
}
