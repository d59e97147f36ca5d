/** What a model is made of, the presets, and the check of both. */
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';

/**
 * How a row knows where it stands.
 * - `rotary`: queries and keys are rotated by their position (Su et al. 2021, arXiv 2104.09864).
 * - `relative`: Transformer-XL's relative positions (Dai et al. 2019, section 3.3), with true
 *   negative distances for keys ahead, which the memory rows of RMT look at.
 * - `relative-wrapped`: the same as the published RMT code computes it. Its `rel_shift` returns for
 *   keys ahead what happens to stand in memory there (layers/positions.ts).
 * - `absolute`: sinusoids added to the embeddings (Vaswani et al. 2017).
 */
export type Positions = 'rotary' | 'relative' | 'relative-wrapped' | 'absolute';

/** The configuration that all models share; names are those of the Transformer-XL code. */
export interface ModelConfig {
  /** Size of the vocabulary. */
  nToken: number;
  nLayer: number;
  nHead: number;
  dModel: number;
  dHead: number;
  /** Width of the feed-forward layer. */
  dInner: number;
  /** Where layer normalisation stands: before each sub-layer, or after its residual sum (the paper). */
  norm: 'pre' | 'post';
  /** One more normalisation before the logits. */
  finalNorm: boolean;
  positions: Positions;
  /**
   * Multiply embeddings by sqrt(dModel), as the paper does. Without it tokens and memory start out
   * equally large, which is what lets RMT find its memory within hundreds of steps.
   */
  scaleEmbeddings: boolean;
  /** Probability of dropping a value, and an attention weight. */
  dropout: number;
  dropatt: number;
  dtype?: 'float32' | 'float64';
  backend?: Backend;
}

/** The configuration of a model with a cache of earlier rows. */
export interface CacheConfig extends ModelConfig {
  /** How many rows of every layer are kept from one segment to the next. */
  memLen: number;
}

/** The configuration of a model with memory tokens. */
export interface MemoryConfig extends ModelConfig {
  numMemTokens: number;
  /** `distinct`: every row N(0, 0.02) by itself; `repeated`: one N(0, 1) vector for all (the paper). */
  memInit: 'distinct' | 'repeated';
}

/** What a preset settles. */
export type Preset = Pick<
  MemoryConfig,
  'norm' | 'finalNorm' | 'positions' | 'scaleEmbeddings' | 'memInit' | 'dropout' | 'dropatt'
>;

/**
 * `fast` learns the algorithmic tasks in hundreds of steps; `paper` has the settings of the RMT
 * paper, which needs hundreds of thousands.
 */
export const presets = {
  fast: {
    norm: 'pre',
    finalNorm: true,
    positions: 'rotary',
    scaleEmbeddings: false,
    memInit: 'distinct',
    dropout: 0,
    dropatt: 0,
  },
  paper: {
    norm: 'post',
    finalNorm: false,
    positions: 'relative-wrapped',
    scaleEmbeddings: true,
    memInit: 'repeated',
    dropout: 0.1,
    dropatt: 0,
  },
} as const satisfies Record<string, Preset>;

/** What may be chosen for each option that is no number. */
export const choices = {
  norm: ['pre', 'post'],
  positions: ['rotary', 'relative', 'relative-wrapped', 'absolute'],
  memInit: ['distinct', 'repeated'],
} as const;

/** Throws `MemgradError` for the first option of `config` that a model cannot be made with. */
export function checkConfig(config: Readonly<Record<string, unknown>>): void {
  const refuse = (name: string, expected: string): never => {
    throw new MemgradError(`${name}: expected ${expected}, got ${config[name]}.`);
  };
  for (const name of [
    'nToken',
    'nLayer',
    'nHead',
    'dModel',
    'dHead',
    'dInner',
    'memLen',
    'numMemTokens',
  ]) {
    const optional = name === 'memLen' || name === 'numMemTokens';
    if (optional && !(name in config)) continue;
    const value = config[name];
    if (!Number.isSafeInteger(value) || (value as number) < 1) refuse(name, 'a whole number >= 1');
  }
  for (const name of ['dropout', 'dropatt']) {
    const value = config[name];
    if (typeof value !== 'number' || !(value >= 0 && value < 1)) refuse(name, 'a number in [0, 1)');
  }
  for (const [name, allowed] of Object.entries(choices)) {
    if (name === 'memInit' && !(name in config)) continue;
    if (!allowed.some((choice) => choice === config[name]))
      refuse(name, `one of ${allowed.join(', ')}`);
  }
  if (config.positions === 'rotary' && (config.dHead as number) % 2 !== 0) {
    refuse('dHead', 'an even number, since rotary positions turn pairs of values');
  }
  if (config.positions !== 'rotary' && (config.dModel as number) % 2 !== 0) {
    refuse('dModel', 'an even number, since positions are pairs of a sine and a cosine');
  }
}
