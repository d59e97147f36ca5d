/** The paper's tables and figures: what each compares, and the numbers that the paper has. */
import type { TaskConfig } from '../../runs/index.js';
import { ablationCells } from './ablation.js';
import type { Experiment } from './experiment.js';
import type { Scale } from './scales.js';
import { type Row, type TaskModel, taskCells } from './task-cells.js';
import { type TextSetting, textCells } from './text-cells.js';

const TOKENS =
  'the share of answer tokens that are right on held-out samples, answered freely from the first answer token on';
const ANSWERS =
  'the share of whole answers that are right on held-out samples, answered freely from the first step on';
const BITS =
  'bits per character on held-out text, the state carried along the streams; lower is better';
const BYTE_ROW = 'segments of 128';

const MODELS: readonly TaskModel[] = ['transformer', 'transformer-xl', 'rmt'];

const COPY_SIZES = { layers: 4, heads: 4, dModel: 128, dHead: 64, dInner: 256 };
const RETRIEVAL_SIZES = { layers: 6, heads: 4, dModel: 64, dHead: 32, dInner: 128 };
const QUADRATIC_SIZES = { layers: 6, heads: 6, dModel: 128, dHead: 64, dInner: 256 };

const copyOf = (length: number, symbols: number): TaskConfig => ({
  name: 'copy',
  options: { length, symbols, copies: 2 },
});
const reverse24: TaskConfig = { name: 'reverse', options: { length: 24, symbols: 10 } };
const retrieval: TaskConfig = { name: 'retrieval', options: { pairs: 4 } };

const ENWIK8_SIZES = { layers: 12, heads: 8, dModel: 512, dHead: 64, dInner: 2048 };
const WIKITEXT_SIZES = { layers: 16, heads: 10, dModel: 410, dHead: 41, dInner: 2100 };
const ROBERTA_SIZES = { layers: 12, heads: 12, dModel: 768, dHead: 64, dInner: 3072 };

const bytes = { words: 'bytes', segmentLength: 128 } as const;
const byteSettings: Record<Scale, TextSetting> = {
  small: { ...bytes, corpus: 'gcide', steps: 1500, batchSize: 16, evaluated: 100 },
  medium: { ...bytes, corpus: 'gcide', steps: 8000, batchSize: 16, evaluated: 400 },
  paper: { ...bytes, corpus: 'enwik8', steps: 400_000, batchSize: 64, evaluated: null },
};

const words = { segmentLength: 150, evaluated: null } as const;
const wordSettings: Record<Scale, TextSetting> = {
  small: { ...words, corpus: 'moby-dick', words: 4000, steps: 800, batchSize: 8 },
  medium: { ...words, corpus: 'treasury', words: 20_000, steps: 6000, batchSize: 16 },
  paper: {
    ...words,
    corpus: 'wikitext-103',
    words: null,
    steps: 200_000,
    batchSize: 60,
    cutoffs: [20_000, 40_000, 200_000],
  },
};

const documentSettings: Record<Scale, TextSetting> = {
  small: speechesOf({ words: 3000, segmentLength: 128, steps: 300 }),
  medium: speechesOf({ words: 10_000, segmentLength: 512, steps: 1000 }),
  paper: {
    corpus: 'hyperpartisan',
    words: 30_000,
    segmentLength: 512,
    steps: 2000,
    batchSize: 32,
    evaluated: null,
  },
};

/** The experiments by name. */
export const experiments = {
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
            also: ['mem-transformer'] as const,
          },
          row(6, 12, 1500, { transformer: 0.102, 'transformer-xl': 0.967, rmt: 1 }),
          row(9, 8, 2000, { transformer: 0.102, 'transformer-xl': 0.278, rmt: 1 }),
        ].map((cut) => ({ ...cut, task: copyOf(24, 10) })),
        MODELS,
        { sizes: COPY_SIZES, steps: 900_000, batchSize: 32 },
        scale,
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
            also: ['mem-transformer'] as const,
          },
          row(4, 12, 2000, { transformer: 0.101, 'transformer-xl': 0.861, rmt: 1 }),
          row(6, 8, 3000, { transformer: 0.102, 'transformer-xl': 0.666, rmt: 0.9 }),
        ].map((cut) => ({ ...cut, task: reverse24 })),
        MODELS,
        { sizes: COPY_SIZES, steps: 1_000_000, batchSize: 32 },
        scale,
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
          row(2, 5, 4000, { transformer: 0.496, 'transformer-xl': 1, rmt: 0.99 }),
          row(3, 4, 6000, { transformer: 0.099, 'transformer-xl': 0.849, rmt: 0.992 }),
          row(4, 3, 8000, {}),
          row(5, 2, 8000, { transformer: 0.099, 'transformer-xl': 0.988, rmt: 0.965 }),
        ].map((cut) => ({ ...cut, task: retrieval })),
        MODELS,
        { sizes: RETRIEVAL_SIZES, steps: 1_000_000, batchSize: 32 },
        scale,
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
          row(9, 40, 4000, { transformer: 0.126, 'transformer-xl': 0.136, rmt: 1 }),
        ]
          .filter(({ segmentLength }) => scale !== 'small' || segmentLength === 40)
          .map((cut) => ({
            ...cut,
            row: `120 symbols, ${cut.row}`,
            task: copyOf(120, 8),
            curriculum: { start: cut.segmentLength, by: cut.segmentLength, at: 0.99 },
          })),
        MODELS,
        { sizes: COPY_SIZES, steps: 600_000, batchSize: 128 },
        scale,
      ),
      ...taskCells(
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
        { sizes: COPY_SIZES, steps: 600_000, batchSize: 128 },
        scale,
      ),
    ],
  },
  quadratic: {
    title: 'Quadratic equations, 180 tokens',
    source: 'table 1',
    score: 'exact',
    says: ANSWERS,
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
      const train = { sizes: QUADRATIC_SIZES, steps: 600_000, batchSize: 32 };
      return [
        ...taskCells([whole], ['transformer'], train, scale),
        ...taskCells([cut], ['transformer-xl', 'rmt'], train, scale),
      ];
    },
  },
  'lm-bytes': {
    title: 'Bytes of a dictionary, in place of enwik8',
    source: 'table 4',
    score: 'bits',
    says: BITS,
    cells: (scale) =>
      textCells(
        [
          { row: BYTE_ROW, model: 'transformer', paper: 1.402 },
          { row: BYTE_ROW, model: 'transformer-xl', cache: 10, paper: 1.283 },
          { row: BYTE_ROW, model: 'rmt', memoryTokens: 10, bpttDepth: 2, paper: 1.228 },
        ],
        byteSettings[scale],
        ENWIK8_SIZES,
        scale,
      ),
  },
  'bptt-depth': {
    title: 'How far gradients reach back, on bytes of a dictionary',
    source: 'table 2 (there in perplexity on WikiText-103: 26.85, 25.92, 25.32 at depths 0, 1, 2)',
    score: 'bits',
    says: BITS,
    cells: (scale) =>
      textCells(
        [0, 1, 2].map((bpttDepth) => ({
          row: `depth ${bpttDepth}`,
          model: 'rmt' as const,
          memoryTokens: 10,
          bpttDepth,
        })),
        byteSettings[scale],
        ENWIK8_SIZES,
        scale,
      ),
  },
  'lm-words': {
    title: 'Words of a book, in place of WikiText-103',
    source: 'table 2',
    score: 'perplexity',
    says: 'perplexity of each word on held-out text, with `<unk>` for words that are not known; lower is better',
    cells: (scale) =>
      textCells(
        [
          { row: 'segments of 150', model: 'transformer', paper: 29.95 },
          { row: 'segments of 150', model: 'mem-transformer', memoryTokens: 10, paper: 29.63 },
          { row: 'segments of 150', model: 'transformer-xl', cache: 150, paper: 24.12 },
          {
            row: 'segments of 150',
            model: 'rmt',
            memoryTokens: 10,
            bpttDepth: 3,
            paper: 25.04,
          },
          {
            row: 'segments of 150',
            model: 'transformer-xl-rmt',
            memoryTokens: 10,
            cache: 150 + 2 * 10, // it holds memory rows as well
            bpttDepth: 3,
            paper: 23.99,
          },
        ],
        wordSettings[scale],
        WIKITEXT_SIZES,
        scale,
      ),
  },
  classification: {
    title: 'Speeches by party, in place of Hyperpartisan news',
    source: 'table 3 (there from pretrained weights: RoBERTa + RMT)',
    score: 'f1',
    says: 'F1, the mean over both classes, on documents of whole presidents that were held out; a seed draws them too',
    cells: (scale) =>
      textCells(
        [0.9487, 0.972, 0.9672, 0.9811].map((paper, i) => ({
          row: i === 0 ? '1 segment' : `${i + 1} segments`,
          model: 'encoder-rmt' as const,
          memoryTokens: 10,
          maxSegments: i + 1,
          paper,
        })),
        documentSettings[scale],
        ROBERTA_SIZES,
        scale,
      ),
  },
  generalisation: {
    title: 'Eight symbols kept through more and more segments of 8',
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
        { sizes: COPY_SIZES, steps: 600_000, batchSize: 32 },
        scale,
      ),
  },
  ablation: {
    title: 'Which settings matter: RMT in segments of 12',
    score: 'accuracy',
    says: TOKENS,
    cells: (scale) => ablationCells({ sizes: COPY_SIZES, steps: 900_000, batchSize: 32 }, scale),
  },
} satisfies Record<string, Experiment>;

/** The name of an experiment. */
export type ExperimentName = keyof typeof experiments;
/** The names that `memgrad reproduce` takes. */
export const experimentNames = Object.keys(experiments) as ExperimentName[];

function speechesOf(size: Pick<TextSetting, 'words' | 'segmentLength' | 'steps'>): TextSetting {
  return { corpus: 'speeches', batchSize: 8, evaluated: null, ...size };
}

function row(segments: number, segmentLength: number, steps: number, paper: Row['paper']) {
  const name = `${segments} segment${segments === 1 ? '' : 's'}`;
  return { row: name, segmentLength, steps, paper };
}
