/** What makes a run on real text. */
import type { ModelName, Preset, RecurrentMemoryConfig } from '../../models/index.js';
import type { ModelSizes } from './scales.js';

/** Texts to be predicted. */
export type TextCorpus = 'gcide' | 'moby-dick' | 'treasury' | 'wikitext-103' | 'enwik8';
/** Documents to be classified. */
export type DocumentCorpus = 'speeches' | 'hyperpartisan';

/** What a run's folder says of it. */
export interface TextConfig {
  readonly seed: number;
  readonly corpus: TextCorpus | DocumentCorpus;
  /** Bytes, or so many of the most frequent words; all of them when null. */
  readonly words: number | 'bytes' | null;
  readonly model: {
    readonly name: ModelName | 'encoder-rmt';
    readonly preset: Preset & Pick<RecurrentMemoryConfig, 'writeTokens' | 'init'>;
    readonly sizes: ModelSizes;
    readonly memoryTokens: number;
    readonly cache: number;
    /** Of the adaptive softmax. */
    readonly cutoffs?: readonly number[];
  };
  readonly segmentLength: number;
  /** Segments of a document at most, the rest of which is not read. */
  readonly maxSegments?: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmUp: number;
  readonly clip: number;
  readonly bpttDepth: number;
  /** How many segments of each stream are evaluated; all when null. */
  readonly evaluated: number | null;
}
