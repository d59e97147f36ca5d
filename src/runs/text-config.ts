/** The configuration of a run on a text. */
import { type AnyConfig, type ModelName, presets } from '../models/index.js';
import { checkOptions, type OptionNames } from '../options.js';
import type { TextTask } from '../tasks/index.js';
import { checkRunConfig, RUN_VERSION, type RunConfig, type TrainingConfig } from './config.js';
import { describeText } from './text.js';
import { MEMGRAD_VERSION } from './version.js';

/** Sizes and settings that learn from a text in minutes; `memgrad train --text` has the same. */
export const textDefaults = {
  model: {
    nLayer: 2,
    nHead: 4,
    dModel: 128,
    dHead: 32,
    dInner: 512,
    numMemTokens: 8,
    memLen: 64,
    // Write tokens that carry the memory copy what they have read (results/README.md).
    writeTokens: 'own',
  },
  training: {
    segmentLength: 64,
    steps: 1000,
    batchSize: 16,
    optimizer: { name: 'adamw', learningRate: 2e-3, betas: [0.9, 0.98], weightDecay: 0 },
    schedule: { name: 'constant', warmUp: 100 },
    clip: 1,
    bpttDepth: 0,
    curriculum: null,
    stopAt: null,
    checkpointSegments: false,
    nonFinite: 'stop',
    saveEvery: 100,
  },
} as const satisfies { model: Partial<AnyConfig>; training: TrainingConfig };

/** Options of `textConfig`. */
export interface TextConfigOptions {
  /** Default `rmt`. */
  model?: ModelName;
  /** Settings of the model that differ from `textDefaults` and the preset `fast`. */
  sizes?: Partial<Omit<AnyConfig, 'nToken' | 'backend'>>;
  /** Settings of the training that differ from `textDefaults`. */
  training?: Partial<TrainingConfig>;
  /** Default 0. */
  seed?: number;
  /** The backend that the configuration names. Default `wasm`. */
  backend?: RunConfig['backend'];
}

const KNOWN: OptionNames<TextConfigOptions> = {
  model: 1,
  sizes: 1,
  training: 1,
  seed: 1,
  backend: 1,
};

/**
 * The configuration of a run on `text`, for `TrainingRun.start`. Throws `MemgradError` for an
 * invalid setting, for a text of more than 2 GiB, and for a tokenizer that can't be saved.
 */
export async function textConfig(
  text: TextTask,
  options: TextConfigOptions = {},
): Promise<RunConfig> {
  checkOptions('textConfig', options, KNOWN);
  const { model = 'rmt', sizes, training, seed = 0, backend = 'wasm' } = options;
  const task = await describeText(text);
  return checkRunConfig(
    {
      version: RUN_VERSION,
      memgrad: MEMGRAD_VERSION,
      backend,
      seed,
      model: {
        name: model,
        config: {
          nToken: text.vocabulary,
          ...presets.fast,
          ...textDefaults.model,
          dtype: 'float32',
          ...sizes,
        },
      },
      task,
      training: { ...textDefaults.training, ...training },
    },
    'textConfig',
  );
}
