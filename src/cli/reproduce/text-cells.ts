/** Cells of experiments on real text. */
import { type Preset, presets } from '../../models/index.js';
import type { Cell, Contender } from './experiment.js';
import { type ModelSizes, ownSizes, type Scale, seedsOf } from './scales.js';
import type { TextConfig } from './text-run.js';

/** A model on a text. */
export interface TextRow {
  readonly row: string;
  readonly model: Contender;
  readonly memoryTokens?: number;
  readonly cache?: number;
  readonly bpttDepth?: number;
  readonly maxSegments?: number;
  readonly paper?: number;
}

/** What the models of an experiment have in common at a scale. */
export interface TextSetting
  extends Pick<
    TextConfig,
    'corpus' | 'words' | 'segmentLength' | 'steps' | 'batchSize' | 'evaluated'
  > {
  readonly cutoffs?: readonly number[];
}

/** A cell for each row, all trained in the same `setting`; at the paper's scale with its `sizes`. */
export function textCells(
  rows: readonly TextRow[],
  setting: TextSetting,
  sizes: ModelSizes,
  scale: Scale,
): Cell[] {
  return rows.map(({ row, model, paper, ...how }) => ({
    row,
    model,
    paper,
    seeds: seedsOf(model === 'rmt' || model === 'encoder-rmt', scale),
    config: (seed: number) => configOf({ row, model, ...how }, setting, sizes, scale, seed),
  }));
}

function configOf(
  { model, memoryTokens = 1, cache = 1, bpttDepth = 0, maxSegments }: TextRow,
  { cutoffs, ...setting }: TextSetting,
  sizes: ModelSizes,
  scale: Scale,
  seed: number,
): TextConfig {
  const own = scale !== 'paper';
  const preset: Preset =
    own || model !== 'encoder-rmt'
      ? presets[own ? 'fast' : 'paper']
      : { ...presets.paper, positions: 'absolute' }; // wrapped ones can't look ahead
  return {
    seed,
    ...setting,
    model: {
      name: model,
      preset,
      sizes: own ? ownSizes[scale] : sizes,
      memoryTokens,
      cache,
      ...(cutoffs && { cutoffs }),
    },
    ...(maxSegments !== undefined && { maxSegments }),
    learningRate: own ? 2e-3 : 2.5e-4,
    warmUp: own ? 100 : 1,
    clip: own ? 1 : 0.25,
    bpttDepth,
  };
}
