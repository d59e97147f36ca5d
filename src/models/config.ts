/** Model configurations, the presets, and the validation of both. */
import type { Key } from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import type { Backend } from '../backends/backend.js';
import { OutOfMemory } from '../errors.js';
import { norms } from '../nn/decoder-layer.js';
import { memoryInits } from '../nn/memory.js';
import { inits } from '../nn/parameters.js';
import { rotaryBaseKind } from '../nn/positions.js';
import {
  check,
  checkNames,
  checkValues,
  flag,
  type Kind,
  needed,
  type OptionNames,
  oneOf,
  positive,
  requireThat,
  whole,
} from '../options.js';

/**
 * How a model encodes the position of a row.
 * - `rotary`: queries and keys are rotated by their position (Su et al. 2021, arXiv 2104.09864).
 * - `relative`: Transformer-XL's relative positions (Dai et al. 2019, section 3.3), with true
 *   negative distances for keys ahead, which RMT's memory rows attend to.
 * - `relative-wrapped`: the same, as the published RMT code computes it. For keys ahead, its
 *   `rel_shift` returns values that belong to other rows (layers/positions.ts).
 * - `absolute`: sinusoids added to the embeddings (Vaswani et al. 2017).
 */
export type Positions = 'rotary' | 'relative' | 'relative-wrapped' | 'absolute';

/** The configuration that all models share; names are those of the Transformer-XL code. */
export interface ModelConfig {
  /** Size of the vocabulary. */
  nToken: number;
  /** Number of layers. */
  nLayer: number;
  /** Attention heads per layer. */
  nHead: number;
  /** Width of the rows between layers, [batch, time, dModel]. */
  dModel: number;
  /** Width of one head; must be even with `rotary` positions. */
  dHead: number;
  /** Width of the feed-forward layer. */
  dInner: number;
  /** Layer normalisation before each sub-layer, or after its residual sum (the paper). */
  norm: 'pre' | 'post';
  /** Whether to normalise once more before the logits. */
  finalNorm: boolean;
  /** How the position of a row is encoded. */
  positions: Positions;
  /**
   * The slowest pair of `rotary` positions turns by nearly 1 / rotaryBase per step. The default,
   * 10000, is the published value, meant for thousands of positions: within a segment of some
   * hundred, most pairs hardly turn. With 100 they distinguish neighbours, and RMT learns to copy
   * exactly in a fraction of the steps.
   */
  rotaryBase?: number;
  /**
   * Multiplies embeddings by sqrt(dModel), as the paper does. Without it tokens and memory start at
   * the same scale, which lets RMT find its memory within hundreds of steps.
   */
  scaleEmbeddings: boolean;
  /**
   * How weights are initialised. `narrow`, the default: all N(0, 0.02), as published; attention in
   * a narrow model is then almost uniform at the start. `wide`: N(0, 1 / √inputs) (LeCun et al.
   * 1998), and embeddings and distinct memory rows N(0, 0.1). A layer then sees from the start what
   * the previous layer retrieved, which associative retrieval depends on.
   */
  init?: 'narrow' | 'wide';
  /** Dropout probability of a value. */
  dropout: number;
  /** Dropout probability of an attention weight. */
  dropatt: number;
  /**
   * Clamps longer distances to this one; for `relative` and `absolute` positions. Default: no
   * clamping.
   */
  clampLen?: number;
  /**
   * Makes the softmax over the vocabulary adaptive. Each cutoff starts a cluster of tokens, which
   * ends before the next cutoff; later clusters hold rarer tokens (layers/adaptive-softmax.ts).
   */
  cutoffs?: readonly number[];
  /** Dtype of the parameters and of all results; float64 runs on `cpu` only. Default float32. */
  dtype?: 'float32' | 'float64';
  /** Backend of the parameters. Default: `defaultBackend()`. */
  backend?: Backend;
}

/** The configuration of a model with a cache of earlier rows. */
export interface CacheConfig extends ModelConfig {
  /** Number of rows that each layer keeps from one segment to the next. */
  memLen: number;
  /**
   * Every row sees exactly the last `memLen` rows, including itself, at any position. Default
   * false.
   */
  sameLength?: boolean;
}

/** The configuration of a model with memory tokens. */
export interface MemoryConfig extends ModelConfig {
  /** Number of memory rows, [batch, numMemTokens, dModel]. */
  numMemTokens: number;
  /**
   * `distinct`: every row drawn from N(0, 0.02); `repeated`: one N(0, 1) vector for all rows (the
   * paper).
   */
  memInit: 'distinct' | 'repeated';
}

/** The configuration of a model whose memory tokens are carried from segment to segment. */
export interface RecurrentMemoryConfig extends MemoryConfig {
  /**
   * Whether memory is also appended at the end of the segment, where it is written. If false, the
   * front memory, which sees only itself, is carried on. Default true.
   */
  memAtEnd?: boolean;
  /**
   * The rows that are appended for writing: the incoming memory (`carried`, the default and the
   * paper), or learned rows that are the same for every segment (`own`), initialised as `memInit`
   * says.
   */
  writeTokens?: 'carried' | 'own';
}

/** The configuration of a model with carried memory tokens and a cache. */
export interface CachedMemoryConfig extends RecurrentMemoryConfig, CacheConfig {
  /**
   * Whether memory rows attend to the cache. Default false. With `sameLength`, memory rows follow
   * the same window as all others.
   */
  readMemFromCache?: boolean;
}

/** The names of options of `Config` besides those of `ModelConfig`. */
export type OwnOptions<Config> = readonly Exclude<keyof Config, keyof ModelConfig>[];

/** The options that a preset sets. */
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
 * `fast` learns the algorithmic tasks in hundreds of steps. `paper` has the settings of the RMT
 * paper, which need hundreds of thousands.
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

/** The accepted values of each option that takes a name. */
export const choices = {
  norm: norms,
  positions: ['rotary', 'relative', 'relative-wrapped', 'absolute'],
  memInit: memoryInits,
  init: inits,
  writeTokens: ['carried', 'own'],
  dtype: ['float32', 'float64'],
} as const;

/** What `cutoffs` must be, as error messages say it. */
export const RISING = 'whole numbers that rise from above 0 to below nToken';

const size = whole();
const rate = positive(1);
const choice = (name: keyof typeof choices): Kind => oneOf(choices[name]);

/**
 * The options of all language models. Each model accepts the options of the others too, since
 * presets are shared.
 */
export const configKinds: OptionNames<CachedMemoryConfig> = {
  nToken: needed(size),
  nLayer: needed(whole(1, 10_000)),
  nHead: needed(size),
  dModel: needed(size),
  dHead: needed(size),
  dInner: needed(size),
  norm: needed(choice('norm')),
  finalNorm: needed(flag),
  positions: needed(choice('positions')),
  rotaryBase: rotaryBaseKind,
  scaleEmbeddings: needed(flag),
  init: choice('init'),
  dropout: needed(rate),
  dropatt: needed(rate),
  clampLen: size,
  cutoffs: 1,
  dtype: choice('dtype'),
  backend: 1,
  memLen: size,
  sameLength: flag,
  numMemTokens: size,
  memInit: choice('memInit'),
  memAtEnd: flag,
  writeTokens: choice('writeTokens'),
  readMemFromCache: flag,
};

/** The options that a model requires if it reads them. */
const required: readonly string[] = ['memLen', 'numMemTokens', 'memInit'];

/**
 * Checks `given` with `checkConfig` and returns a copy, so later changes by the caller don't reach
 * the model.
 */
export function ownConfig<Config extends object>(
  given: Config,
  reads: readonly string[],
  kinds?: OptionNames<object>,
): Config {
  checkConfig(given, reads, kinds);
  return Object.freeze({ ...given }); // a change would reach no layer that is built already
}

/**
 * Throws `MemgradError` for the first option of `given` that no model can be built with: one that
 * isn't in `kinds`, is out of range, or is missing. `reads` lists the options that this model reads
 * in addition to those of `ModelConfig`. Without it, unknown options are ignored.
 * Throws `OutOfMemory` for more parameters than fit into memory.
 */
export function checkConfig(
  given: object,
  reads?: readonly string[],
  kinds: OptionNames<object> = configKinds,
): void {
  const config = (given ?? {}) as CachedMemoryConfig;
  if (reads) checkNames('model', config, kinds);
  checkValues('model', config, kinds);
  for (const name of reads ?? []) {
    if (!required.includes(name)) continue;
    check(`model: ${name}`, config[name as never], kinds[name as never] as Kind);
  }
  for (const [name, expected, fits] of rules) {
    requireThat(fits(config), `model: ${name}`, expected, config[name]);
  }
  // Checked before the first number is drawn, since filling gigabytes would block an app for
  // seconds.
  const least = leastParameters(config, reads?.includes('numMemTokens'));
  if (least > MOST_PARAMETERS) {
    throw new OutOfMemory(
      `model: this configuration has ${least} parameters or more, but at most ${MOST_PARAMETERS} fit into memory; make it narrower or give it fewer layers.`,
    );
  }
}

/** The maximum number of parameters: 4 GiB in float32, all that WebAssembly can address. */
const MOST_PARAMETERS = 2 ** 30;

/** A lower bound of a model's parameter count, from its largest matrices alone. */
export function leastParameters(
  { nToken, nLayer, nHead, dModel, dHead, dInner, numMemTokens }: CachedMemoryConfig,
  hasMemory = false,
): number {
  const layer = 4 * dModel * nHead * dHead + 2 * dModel * dInner;
  return nToken * dModel + nLayer * layer + (hasMemory ? numMemTokens * dModel : 0);
}

/** Rules that involve several options. */
const rules: readonly [
  name: keyof CachedMemoryConfig,
  expected: string,
  fits: (config: CachedMemoryConfig) => boolean,
][] = [
  [
    'writeTokens',
    "'carried' with memAtEnd: false, where nothing stands at the end",
    (config) => config.writeTokens !== 'own' || config.memAtEnd !== false,
  ],
  [
    'dHead',
    'even, since rotary positions turn pairs of values',
    (config) => config.positions !== 'rotary' || config.dHead % 2 === 0,
  ],
  [
    'clampLen',
    'left out, since rotary positions have no distances to clamp',
    (config) => config.positions !== 'rotary' || config.clampLen === undefined,
  ],
  [
    'dModel',
    'even, since positions are pairs of a sine and a cosine',
    (config) => config.positions === 'rotary' || config.dModel % 2 === 0,
  ],
  ['cutoffs', RISING, ({ cutoffs, nToken }) => cutoffs === undefined || isRising(cutoffs, nToken)],
];

/**
 * Whether `values` is a non-empty list of strictly rising whole numbers above 0 and below `end`.
 */
export function isRising(values: unknown, end: number): boolean {
  if (!Array.isArray(values) || values.length === 0) return false;
  if (!values.every(Number.isSafeInteger)) return false;
  const ends = [...values.slice(1), end];
  return values[0] > 0 && values.every((value, i) => value < ends[i]);
}

/** Throws `MemgradError` unless `config` is valid and `key` is a key. */
export function checkLayer(config: ModelConfig, key: Key): void {
  checkConfig(config);
  check('layer: key', key, isKey);
}
