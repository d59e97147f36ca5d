/** What a model is made of, the presets, and the check of both. */
import type { Key } from '../autograd/index.js';
import { requireKey } from '../autograd/random.js';
import type { Backend } from '../backends/backend.js';
import { describe, MemgradError } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';

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
  /** How many layers. */
  nLayer: number;
  /** How many heads of attention to a layer. */
  nHead: number;
  /** Width of the rows between layers, [batch, time, dModel]. */
  dModel: number;
  /** Width of one head; even with `rotary` positions. */
  dHead: number;
  /** Width of the feed-forward layer. */
  dInner: number;
  /** Where layer normalisation stands: before each sub-layer, or after its residual sum (the paper). */
  norm: 'pre' | 'post';
  /** One more normalisation before the logits. */
  finalNorm: boolean;
  /** How a row knows where it stands. */
  positions: Positions;
  /**
   * The slowest pair of `rotary` positions turns by nearly 1 / rotaryBase a step. Default 10000, as
   * published, for thousands of positions. Over the some hundred of a segment most pairs then hardly
   * turn; 100 has them tell neighbours apart, and RMT copies exactly in a fraction of the steps.
   */
  rotaryBase?: number;
  /**
   * Multiply embeddings by sqrt(dModel), as the paper does. Without it tokens and memory start out
   * equally large, which is what lets RMT find its memory within hundreds of steps.
   */
  scaleEmbeddings: boolean;
  /**
   * How weights begin. `narrow`, the default: all N(0, 0.02), as published; in a narrow model
   * attention is then all but even at the start. `wide`: N(0, 1 / √inputs) (LeCun et al. 1998), and
   * embeddings and distinct memory rows N(0, 0.1): a layer sees at once what the one before it has
   * looked up, which associative retrieval waits for.
   */
  init?: 'narrow' | 'wide';
  /** Probability of dropping a value. */
  dropout: number;
  /** Probability of dropping an attention weight. */
  dropatt: number;
  /** Distances beyond this one count as this one; for `relative` and `absolute` positions. Default: none. */
  clampLen?: number;
  /**
   * Makes the softmax over the vocabulary adaptive: tokens from each of these numbers on, to the
   * next, form a cluster of their own, the rarer the later (layers/adaptive-softmax.ts).
   */
  cutoffs?: readonly number[];
  /** Of the parameters and all that is computed; float64 on `cpu` alone. Default float32. */
  dtype?: 'float32' | 'float64';
  /** Where the parameters live. Default: `defaultBackend()`. */
  backend?: Backend;
}

/** The configuration of a model with a cache of earlier rows. */
export interface CacheConfig extends ModelConfig {
  /** How many rows of every layer are kept from one segment to the next. */
  memLen: number;
  /** Every row sees exactly the last `memLen` rows, itself among them, wherever it stands. Default false. */
  sameLength?: boolean;
}

/** The configuration of a model with memory tokens. */
export interface MemoryConfig extends ModelConfig {
  /** How many rows of memory there are, [batch, numMemTokens, dModel]. */
  numMemTokens: number;
  /** `distinct`: every row N(0, 0.02) by itself; `repeated`: one N(0, 1) vector for all (the paper). */
  memInit: 'distinct' | 'repeated';
}

/** The configuration of a model whose memory tokens are carried from segment to segment. */
export interface RecurrentMemoryConfig extends MemoryConfig {
  /** Whether memory stands at the end too, where it is written. Without, the memory in front, which sees itself only, is carried. Default true. */
  memAtEnd?: boolean;
  /**
   * What stands where memory is written: the memory that came in (`carried`, the default and the
   * paper), or learned rows that are the same for every segment (`own`), which begin as `memInit` says.
   */
  writeTokens?: 'carried' | 'own';
}

/** The configuration of a model with carried memory tokens and a cache. */
export interface CachedMemoryConfig extends RecurrentMemoryConfig, CacheConfig {
  /** Whether memory rows look at the cache. Default false. With `sameLength` memory has no rules of its own. */
  readMemFromCache?: boolean;
}

/** What a preset settles. */
export type Preset = Pick<
  MemoryConfig,
  | 'norm'
  | 'finalNorm'
  | 'positions'
  | 'rotaryBase'
  | 'scaleEmbeddings'
  | 'memInit'
  | 'dropout'
  | 'dropatt'
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
    rotaryBase: 100,
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

/** What may be chosen for each option that is a name. */
export const choices = {
  norm: ['pre', 'post'],
  positions: ['rotary', 'relative', 'relative-wrapped', 'absolute'],
  memInit: ['distinct', 'repeated'],
  init: ['narrow', 'wide'],
  writeTokens: ['carried', 'own'],
} as const;

/** The options of all language models. Each model takes those of the others too, since presets are shared. */
export const configNames: OptionNames<CachedMemoryConfig> = {
  nToken: 1,
  nLayer: 1,
  nHead: 1,
  dModel: 1,
  dHead: 1,
  dInner: 1,
  norm: 1,
  finalNorm: 1,
  positions: 1,
  rotaryBase: 1,
  scaleEmbeddings: 1,
  init: 1,
  dropout: 1,
  dropatt: 1,
  clampLen: 1,
  cutoffs: 1,
  dtype: 1,
  backend: 1,
  memLen: 1,
  sameLength: 1,
  numMemTokens: 1,
  memInit: 1,
  memAtEnd: 1,
  writeTokens: 1,
  readMemFromCache: 1,
};

/**
 * Throws `MemgradError` for the first option of `given` that a model cannot be made with: one that
 * is not in `known`, out of range, or missing. `needed` are the options that the model needs besides
 * those of `ModelConfig`; the other models' may be missing.
 */
export function checkConfig<T extends object>(
  given: T,
  needed: readonly string[] = [],
  known?: OptionNames<object>,
): void {
  if (known) checkOptions<object>('model', given ?? {}, known);
  const config = (given ?? {}) as Readonly<Record<string, unknown>>;
  const refuse = (name: string, expected: string): never => {
    throw new MemgradError(`${name}: expected ${expected}, got ${describe(config[name])}.`);
  };
  const present = (name: string) => config[name] !== undefined || needed.includes(name);
  const sizes = ['nToken', 'nLayer', 'nHead', 'dModel', 'dHead', 'dInner'];
  const optional = [
    'memLen',
    'numMemTokens',
    'clampLen',
    'classes',
    'segmentLength',
    'maxSegments',
  ];
  for (const name of [...sizes, ...optional.filter(present)]) {
    const value = config[name];
    if (!Number.isSafeInteger(value) || (value as number) < 1) refuse(name, 'a whole number >= 1');
  }
  for (const name of ['dropout', 'dropatt']) {
    const value = config[name];
    if (typeof value !== 'number' || !(value >= 0 && value < 1)) refuse(name, 'a number in [0, 1)');
  }
  const { rotaryBase } = config;
  if (
    present('rotaryBase') &&
    !(typeof rotaryBase === 'number' && rotaryBase > 1 && rotaryBase < Infinity)
  ) {
    refuse('rotaryBase', 'a finite number > 1');
  }
  const flags = ['sameLength', 'memAtEnd', 'readMemFromCache'].filter(present);
  for (const name of ['finalNorm', 'scaleEmbeddings', ...flags]) {
    if (typeof config[name] !== 'boolean') refuse(name, 'true or false');
  }
  for (const [name, allowed] of Object.entries(choices)) {
    if (['memInit', 'init', 'writeTokens'].includes(name) && !present(name)) continue;
    if (!allowed.some((choice) => choice === config[name]))
      refuse(name, `one of ${allowed.join(', ')}`);
  }
  if (config.writeTokens === 'own' && config.memAtEnd === false) {
    refuse('writeTokens', "'carried' with memAtEnd: false, where nothing stands at the end");
  }
  if (config.positions === 'rotary' && (config.dHead as number) % 2 !== 0) {
    refuse('dHead', 'an even number, since rotary positions turn pairs of values');
  }
  if (config.positions === 'rotary' && present('clampLen')) {
    refuse('clampLen', 'nothing, since rotary positions have no distances to clamp');
  }
  if (config.positions !== 'rotary' && (config.dModel as number) % 2 !== 0) {
    refuse('dModel', 'an even number, since positions are pairs of a sine and a cosine');
  }
  const { cutoffs, nToken, dtype } = config;
  if (present('dtype') && dtype !== 'float32' && dtype !== 'float64') {
    refuse('dtype', 'float32 or float64');
  }
  if (cutoffs !== undefined && !isRising(cutoffs, nToken as number)) {
    refuse('cutoffs', `whole numbers that rise from above 0 to below nToken = ${nToken}`);
  }
}

/** Whether `values` is a list of one or more whole numbers in order, all different, above 0 and below `end`. */
export function isRising(values: unknown, end: number): boolean {
  if (!Array.isArray(values) || values.length === 0) return false;
  const ends = [...values.slice(1), end];
  return (
    values[0] > 0 && values.every((value, i) => Number.isSafeInteger(value) && value < ends[i])
  );
}

/** Throws `MemgradError` unless a layer can be made of `config` with `key`. */
export function checkLayer(config: ModelConfig, key: Key): void {
  checkConfig(config);
  requireKey('layer', key);
}
