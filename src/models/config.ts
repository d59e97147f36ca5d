/** What a model is made of, the presets, and the check of both. */
import type { Key } from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import type { Backend } from '../backends/backend.js';
import { OutOfMemory } from '../errors.js';
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

/** What cutoffs must be. */
export const RISING = 'whole numbers that rise from above 0 to below nToken';

const size = whole();
const rate = positive(1);
const choice = (name: keyof typeof choices): Kind => oneOf(choices[name]);

/** The options of all language models. Each model takes those of the others too, since presets are shared. */
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
  rotaryBase: ['a finite number > 1', (base: number) => Number.isFinite(base) && base > 1],
  scaleEmbeddings: needed(flag),
  init: choice('init'),
  dropout: needed(rate),
  dropatt: needed(rate),
  clampLen: size,
  cutoffs: 1,
  dtype: oneOf(['float32', 'float64']),
  backend: 1,
  memLen: size,
  sameLength: flag,
  numMemTokens: size,
  memInit: choice('memInit'),
  memAtEnd: flag,
  writeTokens: choice('writeTokens'),
  readMemFromCache: flag,
};

/** `checkConfig`, and a copy: what the caller changes later, for the next model, doesn't reach this one. */
export function ownConfig<Config extends object>(
  given: Config,
  needs: readonly string[],
  kinds?: OptionNames<object>,
): Config {
  checkConfig(given, needs, kinds);
  return { ...given };
}

/**
 * Throws `MemgradError` for the first option of `given` that a model cannot be made with: one that
 * isn't in `kinds`, is out of range, or is missing. `needs` are the options that a model needs
 * besides those of `ModelConfig`; without the list, there may be options of any name.
 */
export function checkConfig(
  given: object,
  needs?: readonly string[],
  kinds: OptionNames<object> = configKinds,
): void {
  const config = (given ?? {}) as CachedMemoryConfig;
  if (needs) checkNames('model', config, kinds);
  checkValues('model', config, kinds);
  for (const name of needs ?? []) {
    check(`model: ${name}`, config[name as never], kinds[name as never] as Kind);
  }
  for (const [name, expected, fits] of rules) {
    requireThat(fits(config), `model: ${name}`, expected, config[name]);
  }
  // Before the first number is drawn: filling gigabytes takes seconds, of which an app sees nothing.
  const least = leastParameters(config, needs?.includes('numMemTokens'));
  if (least > MOST_PARAMETERS) {
    throw new OutOfMemory(
      `model: this configuration has ${least} parameters or more, but at most ${MOST_PARAMETERS} fit into memory; make it narrower or give it fewer layers.`,
    );
  }
}

/** How many parameters a model may have: those of 4 GiB in float32, which is all that WebAssembly addresses. */
const MOST_PARAMETERS = 2 ** 30;

/** A lower bound of how many numbers a model holds, from its largest matrices alone. */
export function leastParameters(
  { nToken, nLayer, nHead, dModel, dHead, dInner, numMemTokens }: CachedMemoryConfig,
  hasMemory = false,
): number {
  const layer = 4 * dModel * nHead * dHead + 2 * dModel * dInner;
  return nToken * dModel + nLayer * layer + (hasMemory ? numMemTokens * dModel : 0);
}

/** What options ask of others. */
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

/** Whether `values` is a list of one or more whole numbers in order, all different, above 0 and below `end`. */
export function isRising(values: unknown, end: number): boolean {
  if (!Array.isArray(values) || values.length === 0) return false;
  if (!values.every(Number.isSafeInteger)) return false;
  const ends = [...values.slice(1), end];
  return values[0] > 0 && values.every((value, i) => value < ends[i]);
}

/** Throws `MemgradError` unless a layer can be made of `config` with `key`. */
export function checkLayer(config: ModelConfig, key: Key): void {
  checkConfig(config);
  check('layer: key', key, isKey);
}
