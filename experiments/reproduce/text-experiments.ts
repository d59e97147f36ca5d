/** The experiments on real text, and the paper's numbers. */
import { byteAblationRows } from './ablation.js';
import type { Experiment } from './experiment.js';
import type { Scale } from './scales.js';
import { type TextSetting, textCells } from './text-cells.js';

const BITS =
  'bits per character on held-out text, the state carried along the streams; lower is better';
const BYTE_ROW = 'segments of 128';
const BYTE_RMT = { model: 'rmt', memoryTokens: 10, bpttDepth: 2 } as const;

const ENWIK8_SIZES = { layers: 12, heads: 8, dModel: 512, dHead: 64, dInner: 2048 };
const WIKITEXT_SIZES = { layers: 16, heads: 10, dModel: 410, dHead: 41, dInner: 2100 };
const ROBERTA_SIZES = { layers: 12, heads: 12, dModel: 768, dHead: 64, dInner: 3072 };

const bytes = { words: 'bytes', segmentLength: 128 } as const;
const byteSettings: Record<Scale, TextSetting> = {
  small: {
    ...bytes,
    corpus: 'gcide',
    steps: 1500,
    batchSize: 16,
    evaluated: 100,
    learningRate: 4e-3,
  },
  medium: { ...bytes, corpus: 'gcide', steps: 8000, batchSize: 16, evaluated: 400 },
  paper: { ...bytes, corpus: 'enwik8', steps: 400_000, batchSize: 64, evaluated: null },
};

const words = { segmentLength: 150, evaluated: null } as const;
const wordSettings: Record<Scale, TextSetting> = {
  small: { ...words, corpus: 'moby-dick', words: 4000, steps: 500, batchSize: 8 },
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
  small: speechesOf({ words: 3000, segmentLength: 128, steps: 150 }),
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
export const textExperiments = {
  'lm-words': {
    title: 'Words of a book, in place of WikiText-103',
    source: 'table 2',
    score: 'perplexity',
    says: 'perplexity of each word on held-out text, with `<unk>` for words that are not known; lower is better',
    cells: (scale) => {
      const row = 'segments of 150';
      const memory = { memoryTokens: 10, bpttDepth: 3 };
      const common = { row, seeds: scale === 'small' ? [0] : undefined };
      return textCells(
        [
          { ...common, model: 'transformer', paper: 29.95 },
          { ...common, model: 'mem-transformer', memoryTokens: 10, paper: 29.63 },
          { ...common, model: 'transformer-xl', cache: 150, paper: 24.12 },
          { row, model: 'rmt', ...memory, paper: 25.04 },
          {
            ...common,
            model: 'transformer-xl-rmt',
            ...memory,
            cache: 150 + 2 * memory.memoryTokens, // memory rows are cached, too
            paper: 23.99,
          },
        ],
        wordSettings[scale],
        scale,
        WIKITEXT_SIZES,
      );
    },
  },
  'bptt-depth': {
    title: 'How far gradients reach back, on bytes of a dictionary',
    source: 'table 2 (there in perplexity on WikiText-103: 26.85, 25.92, 25.32 at depths 0, 1, 2)',
    score: 'bits',
    says: BITS,
    cells: (scale) =>
      textCells(
        [0, 1, 2].map((bpttDepth) => ({
          ...BYTE_RMT,
          row: `depth ${bpttDepth}`,
          bpttDepth,
          ...(bpttDepth === BYTE_RMT.bpttDepth && {
            shared: { experiment: 'lm-bytes', row: BYTE_ROW },
          }),
        })),
        byteSettings[scale],
        scale,
        ENWIK8_SIZES,
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
        scale,
        ROBERTA_SIZES,
      ),
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
          { ...BYTE_RMT, row: BYTE_ROW, paper: 1.228 },
        ],
        byteSettings[scale],
        scale,
        ENWIK8_SIZES,
      ),
  },
  'ablation-bytes': {
    title: 'Which settings matter on bytes of a dictionary',
    score: 'bits',
    scales: ['medium'],
    shows: 'scores',
    says: BITS,
    cells: () =>
      textCells(
        byteAblationRows(BYTE_RMT),
        { ...byteSettings.small, steps: 500, batchSize: 8 },
        'small', // larger models would take hours
      ),
  },
} satisfies Record<string, Experiment>;

function speechesOf(size: Pick<TextSetting, 'words' | 'segmentLength' | 'steps'>): TextSetting {
  return { corpus: 'speeches', batchSize: 8, evaluated: null, ...size };
}
