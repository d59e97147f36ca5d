/** The configuration of a run on real text. */
import type { ModelName, Preset, RecurrentMemoryConfig } from 'memgrad/models';
import type { ModelSizes } from './scales.js';

/** Texts for language modelling. */
export type TextCorpus = 'gcide' | 'moby-dick' | 'treasury' | 'wikitext-103' | 'enwik8';
/** Documents for classification. */
export type DocumentCorpus = 'speeches' | 'hyperpartisan';

/** The configuration in the run's folder. */
export interface TextConfig {
  readonly seed: number;
  readonly corpus: TextCorpus | DocumentCorpus;
  /** Bytes, or this many of the most frequent words; all words when null. */
  readonly words: number | 'bytes' | null;
  readonly model: {
    readonly name: ModelName | 'encoder-rmt';
    readonly preset: Preset & Pick<RecurrentMemoryConfig, 'writeTokens' | 'init'>;
    readonly sizes: ModelSizes;
    readonly memoryTokens: number;
    readonly cache: number;
    /** Cutoffs of the adaptive softmax. */
    readonly cutoffs?: readonly number[];
  };
  readonly segmentLength: number;
  /** The maximum of segments per document; the rest of it is not read. */
  readonly maxSegments?: number;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmUp: number;
  readonly clip: number;
  readonly bpttDepth: number;
  /** Number of segments of each stream to evaluate; all when null. */
  readonly evaluated: number | null;
}
