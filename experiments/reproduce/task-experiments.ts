/** The experiments on the algorithmic tasks, and the paper's numbers. */
import type { TaskConfig } from 'memgrad/runs';
import { ablationCells, quadraticAblationRows } from './ablation.js';
import type { Experiment } from './experiment.js';
import { type Row, type TaskModel, taskCells } from './task-cells.js';

const TOKENS =
  'the share of answer tokens that are right on held-out samples, answered freely from the first answer token on';
const ANSWERS =
  'the share of whole answers that are right on held-out samples, answered freely from the first step on';

const MODELS: readonly TaskModel[] = ['transformer', 'transformer-xl', 'rmt'];

const COPY_SIZES = { layers: 4, heads: 4, dModel: 128, dHead: 64, dInner: 256 };
const RETRIEVAL_SIZES = { layers: 6, heads: 4, dModel: 64, dHead: 32, dInner: 128 };
const QUADRATIC_SIZES = { layers: 6, heads: 6, dModel: 128, dHead: 64, dInner: 256 };

// With narrow weights, memory that had learnt to hold one segment did not learn to hold a second
// one in 1,000 steps.
const LONG = { model: { init: 'wide' }, training: { batchSize: 16, learningRate: 1e-3 } } as const;

const copyOf = (length: number, symbols: number): TaskConfig => ({
  name: 'copy',
  options: { length, symbols, copies: 2 },
});
const reverse24: TaskConfig = { name: 'reverse', options: { length: 24, symbols: 10 } };
const quadraticOf = (range: number): TaskConfig => ({ name: 'quadratic', options: { range } });
// Products and roots are memorised: learning them takes a high rate, and getting all of them right
// a low one. Most tokens are padding, so 99.9% right tokens still leave wrong whole answers.
const SMALL_QUADRATIC = {
  task: quadraticOf(5),
  training: { learningRate: 4e-3, schedule: 'cosine', stopAt: null },
} as const;
// Each step is hardly longer than the one before, and a step fills half of its segment.
const SMALL_QUADRATIC_RMT = {
  ...SMALL_QUADRATIC,
  memoryTokens: 15,
  model: { writeTokens: 'own' },
} as const;

/** The experiments by name. */
export const taskExperiments = {
  copy: {
    title: 'Copy of 24 symbols, twice',
    source: 'figure 3',
    score: 'accuracy',
    says: TOKENS,
    cells: (scale) =>
      taskCells(
        [
          {
            ...row(3, 24, 1000, { transformer: 0.118, 'transformer-xl': 1, rmt: 1 }),
            models: [...MODELS, 'mem-transformer'] as const,
          },
          row(6, 12, 1500, { transformer: 0.102, 'transformer-xl': 0.967, rmt: 1 }),
          row(9, 8, 2000, { transformer: 0.102, 'transformer-xl': 0.278, rmt: 1 }),
        ].map((cut) => ({ ...cut, task: copyOf(24, 10) })),
        MODELS,
        scale,
        { sizes: COPY_SIZES, steps: 900_000, batchSize: 32 },
      ),
  },
  reverse: {
    title: 'Reverse of 24 symbols',
    source: 'figure 3',
    score: 'accuracy',
    says: TOKENS,
    cells: (scale) =>
      taskCells(
        [
          {
            ...row(2, 24, 1000, { transformer: 0.102, 'transformer-xl': 0.783, rmt: 1 }),
            models: [...MODELS, 'mem-transformer'] as const,
          },
          row(4, 12, 2000, { transformer: 0.101, 'transformer-xl': 0.861, rmt: 1 }),
          {
            ...row(6, 8, 6000, { transformer: 0.102, 'transformer-xl': 0.666, rmt: 0.9 }),
            // With the preset's 2e-3, one of three seeds remained at 0.58 after 6,000 steps.
            training: { learningRate: 1e-3 },
          },
        ].map((cut) => ({ ...cut, task: reverse24 })),
        MODELS,
        scale,
        { sizes: COPY_SIZES, steps: 1_000_000, batchSize: 32 },
      ),
  },
  retrieval: {
    title: 'Associative retrieval with four pairs',
    source: 'figure 3 (its "3 segments" are really 2, its "4" are 3; it has no 4)',
    score: 'accuracy',
    says: TOKENS,
    cells: (scale) =>
      taskCells(
        [
          row(2, 5, 7000, { transformer: 0.496, 'transformer-xl': 1, rmt: 0.99 }),
          row(3, 4, 7000, { transformer: 0.099, 'transformer-xl': 0.849, rmt: 0.992 }),
          { ...row(4, 3, 7000, {}), models: ['rmt'] as const }, // the paper has no number to compare
          row(5, 2, 7000, { transformer: 0.099, 'transformer-xl': 0.988, rmt: 0.965 }),
        ].map((cut, index) => ({
          ...cut,
          task: {
            name: 'retrieval' as const,
            options: { pairs: 4, queries: scale === 'paper' ? ('one' as const) : undefined },
          },
          memoryTokens: 4,
          // Each value follows its key: two layers have to learn to work together before memory is
          // of use.
          curriculum: {
            start: 2,
            by: 1,
            cuts: [10, 5, 4, 3].slice(0, index + 1),
            at: 0.85, // the last cut gets the remaining steps
          },
          model: { init: 'wide' as const, nHead: 8, dHead: 16 },
          training: { batchSize: 128, schedule: 'cosine' as const },
        })),
        MODELS,
        scale,
        { sizes: RETRIEVAL_SIZES, steps: 1_000_000, batchSize: 32 },
      ),
  },
  'copy-long': {
    title: 'Copy of 120 to 360 symbols, twice',
    source: 'figure 4',
    score: 'accuracy',
    says: TOKENS,
    cells: (scale) => [
      ...taskCells(
        [
          row(3, 120, 3000, { transformer: 0.125, 'transformer-xl': 0.778, rmt: 1 }),
          row(6, 60, 3000, { transformer: 0.123, 'transformer-xl': 0.125, rmt: 1 }),
          row(9, 40, scale === 'small' ? 2000 : 4000, {
            transformer: 0.126,
            'transformer-xl': 0.136,
            rmt: 1,
          }),
        ]
          .filter(({ segmentLength }) => scale !== 'small' || segmentLength === 40)
          .map((cut) => ({
            ...cut,
            row: `120 symbols, ${cut.row}`,
            task: copyOf(120, 8),
            curriculum: { start: cut.segmentLength, by: cut.segmentLength, at: 0.99 },
            ...LONG,
          })),
        MODELS,
        scale,
        { sizes: COPY_SIZES, steps: 600_000, batchSize: 128 },
      ),
      ...taskCells(
        (scale === 'small' ? [] : [240, 360]).map((length) => ({
          ...row(length / 40, 120, 2000, {
            'transformer-xl': 0.125,
            rmt: length === 240 ? 0.882 : 0.579,
          }),
          row: `${length} symbols, ${length / 40} segments`,
          task: copyOf(length, 8),
          memoryTokens: 60,
          // Grows by the number of memory tokens, which keeps the learnt offsets.
          curriculum: { start: 60, by: 60, at: 0.99 },
          ...LONG,
          // A larger model takes hours, and the last errors of this one as long as all before them.
          sizes: 'small' as const,
          training: { ...LONG.training, stopAt: 0.9985 },
        })),
        ['transformer-xl', 'rmt'],
        scale,
        { sizes: COPY_SIZES, steps: 600_000, batchSize: 128 },
      ),
    ],
  },
  quadratic: {
    title: 'Quadratic equations, 180 tokens',
    source: 'table 1',
    score: 'exact',
    says: ANSWERS,
    cells: (scale) => {
      const small = scale === 'small';
      const roots = `roots to ±${small ? 5 : 100}`;
      const common = small ? SMALL_QUADRATIC : { task: quadraticOf(100) };
      const steps = small ? 2000 : 20_000;
      const whole = {
        ...row(1, 180, steps, { transformer: 0.996 }),
        ...common,
        row: `${roots}, 1 segment`,
        models: ['transformer'] as const,
      };
      const cut = {
        ...row(6, 30, steps, { 'transformer-xl': 0.934, rmt: 0.992 }),
        ...common,
        row: `${roots}, 6 segments`,
        models: ['transformer-xl'] as const,
      };
      const withMemory = {
        ...cut,
        ...(small && SMALL_QUADRATIC_RMT),
        models: ['rmt'] as const,
      };
      return taskCells([whole, cut, withMemory], MODELS, scale, {
        sizes: QUADRATIC_SIZES,
        steps: 600_000,
        batchSize: 32,
      });
    },
  },
  generalisation: {
    title: 'Eight symbols kept through more and more segments of 8',
    scales: ['small', 'medium'],
    score: 'accuracy',
    says: TOKENS,
    cells: (scale) =>
      taskCells(
        [
          {
            ...row(9, 8, scale === 'small' ? 1500 : 5000, {}),
            task: { name: 'memorize', options: { length: 64, kept: 8, symbols: 10 } },
            curriculum: { start: 8, by: 8, at: 0.99 },
            further: [10, 12, 15, 20, 30, 50, 100, 200, 500, 1000].map((segments) => ({
              row: String(segments),
              length: 8 * segments - 8,
            })),
          },
        ],
        ['rmt'],
        scale,
      ),
  },
  ablation: {
    title: 'Which settings matter: RMT on tasks of a minute',
    scales: ['medium'],
    score: 'accuracy',
    shows: 'steps',
    says: TOKENS,
    cells: ablationCells,
  },
  'ablation-quadratic': {
    title: 'Which settings matter on quadratic equations, roots to ±5, 6 segments',
    scales: ['medium'],
    score: 'exact',
    shows: 'scores',
    says: ANSWERS,
    cells: () =>
      taskCells(
        quadraticAblationRows({ ...row(6, 30, 600, {}), ...SMALL_QUADRATIC_RMT }),
        ['rmt'],
        'small', // larger models would take hours
      ),
  },
} satisfies Record<string, Experiment>;

function row(segments: number, segmentLength: number, steps: number, paper: Row['paper']) {
  const name = `${segments} segment${segments === 1 ? '' : 's'}`;
  return { row: name, segmentLength, steps, paper };
}
