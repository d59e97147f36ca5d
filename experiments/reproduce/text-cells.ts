/** Cells of experiments on real text. */
import { type Preset, presets } from 'memgrad/models';
import type { Cell, Contender } from './experiment.js';
import { type ModelSizes, ownSizes, type Scale, SEEDS } from './scales.js';
import type { TextConfig } from './text-config.js';

/** A model on a text. */
export interface TextRow {
  readonly row: string;
  readonly model: Contender;
  readonly memoryTokens?: number;
  readonly cache?: number;
  readonly bpttDepth?: number;
  readonly maxSegments?: number;
  readonly paper?: number;
  readonly shared?: Cell['shared'];
  /** Default: all, since models differ less on text than the seeds of one model may. */
  readonly seeds?: readonly number[];
  /** Settings of the model that differ from its preset, at our own scales. */
  readonly preset?: Partial<TextConfig['model']['preset']>;
  /** Settings that differ from the rest of the experiment. */
  readonly setting?: Partial<Pick<TextSetting, 'steps' | 'batchSize' | 'learningRate' | 'warmUp'>>;
}

/** The settings that the models of an experiment share at a scale. */
export interface TextSetting
  extends Pick<
    TextConfig,
    'corpus' | 'words' | 'segmentLength' | 'steps' | 'batchSize' | 'evaluated'
  > {
  readonly cutoffs?: readonly number[];
  /** Default: 2e-3; at the paper's scale, the paper's. */
  readonly learningRate?: number;
  /** Number of steps. Default: 100; at the paper's scale, 0. */
  readonly warmUp?: number;
}

// Write tokens that carry the memory copy what they have read; tokens of their own find the end of
// the segment.
const streams: TextConfig['model']['preset'] = { ...presets.fast, writeTokens: 'own' };

/**
 * A cell for each row, all trained in the same `setting`. An experiment without the paper's scale
 * needs no `paperSizes`.
 */
export function textCells(
  rows: readonly TextRow[],
  setting: TextSetting,
  scale: Scale,
  paperSizes?: ModelSizes,
): Cell[] {
  return rows.map(({ row, model, paper, shared, seeds = SEEDS, ...how }) => ({
    row,
    model,
    paper,
    shared,
    seeds,
    config: (seed: number) => configOf({ row, model, ...how }, setting, scale, paperSizes, seed),
  }));
}

function configOf(
  { model, memoryTokens = 1, cache = 1, bpttDepth = 0, maxSegments, preset, ...row }: TextRow,
  common: TextSetting,
  scale: Scale,
  paperSizes: ModelSizes | undefined,
  seed: number,
): TextConfig {
  const own = scale !== 'paper';
  const { cutoffs, learningRate, warmUp, ...setting } = { ...common, ...row.setting };
  return {
    seed,
    ...setting,
    model: {
      name: model,
      preset: own ? { ...ownPreset(model), ...preset } : paperPreset(model),
      sizes: own ? ownSizes[scale] : (paperSizes as ModelSizes),
      memoryTokens,
      cache,
      ...(cutoffs && { cutoffs }),
    },
    ...(maxSegments !== undefined && { maxSegments }),
    learningRate: learningRate ?? (own ? 2e-3 : 2.5e-4),
    warmUp: warmUp ?? (own ? 100 : 1),
    clip: own ? 1 : 0.25,
    bpttDepth,
  };
}

function ownPreset(model: Contender): TextConfig['model']['preset'] {
  return model === 'rmt' || model === 'transformer-xl-rmt' ? streams : presets.fast;
}

function paperPreset(model: Contender): Preset {
  if (model !== 'encoder-rmt') return presets.paper;
  return { ...presets.paper, positions: 'absolute' }; // wrapped positions can't look ahead
}
