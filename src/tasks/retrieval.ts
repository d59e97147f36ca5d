/** Associative retrieval: read pairs of key and value, then answer the value of one key. */
import type { Key } from '../autograd/index.js';
import { requireTokens, whole } from '../options.js';
import { drawFrom } from './held-out.js';
import { type TaskOptions, withDefaults } from './options.js';
import { answerBatch, type Batch, checkDraw, type Split, type Task } from './task.js';

/** Options of associative retrieval. */
export interface RetrievalOptions {
  /** Number of pairs. Default 4, at most 26, the number of keys. */
  pairs?: number;
  /**
   * Whether a training batch queries `all` pairs of a list, one sample after the other, or `one`
   * pair of each list, as the paper does. With `all`, terms that do not depend on the query cancel
   * in the gradient, and the query, which decides the answer, is learnt sooner. Default `all`.
   */
  queries?: 'all' | 'one';
}

// Tokens: values 0 to 9, then the separator, then keys.
const VALUES = 10;
const SEPARATOR = 10;
const FIRST_KEY = 11;
const KEYS = 26;

function options() {
  return {
    pairs: { kind: whole(1, KEYS), default: 4, help: 'pairs to remember' },
    queries: {
      choices: ['all', 'one'],
      default: 'all',
      help: 'training queries all pairs of a list in turn, or one',
      optional: true,
    },
  } satisfies TaskOptions<RetrievalOptions>;
}

/**
 * Associative retrieval (Ba et al. 2016, arXiv 1610.06258; RMT paper, section 4.1; format of its
 * published code): the sequence is [key, value, ..., key, value, query, 10, value of the query].
 * Keys differ. Values differ too, up to ten pairs; with more pairs, they may repeat. Lists of pairs
 * are held out, whatever the query.
 */
export class Retrieval implements Task {
  static readonly summary = 'read pairs of key and value, then say the value of one key';
  /** The options with their defaults. */
  static readonly options = options;
  readonly name = 'retrieval';
  readonly metric = 'tokens';
  readonly vocabulary = FIRST_KEY + KEYS;
  readonly chance = 1 / VALUES;
  readonly length: number;
  readonly #queries: RetrievalOptions['queries'];

  /**
   * Throws `MemgradError` unless `pairs` is a whole number from 1 to 26 and `queries` is `all` or
   * `one`.
   */
  constructor(given: RetrievalOptions = {}) {
    const { pairs, queries } = withDefaults('retrieval', given, options());
    this.length = pairs;
    this.#queries = queries;
  }

  batch(key: Key, size: number, split: Split): Batch {
    checkDraw(this.name, key, split);
    const pairs = this.length;
    return answerBatch(size, (row) => {
      const inTurn = split === 'train' && this.#queries === 'all';
      const own = key.fold(inTurn ? Math.floor(row / pairs) : row);
      const list = drawFrom(split, this.#variety(), own, (attempt) => this.#list(attempt));
      const [asked] = inTurn ? [row % pairs] : own.integers(1, pairs);
      const [query, value] = list.subarray(2 * asked);
      return { prompt: [...list, query, SEPARATOR], answer: [value] };
    });
  }

  withLength(pairs: number): Retrieval {
    return new Retrieval({ pairs, queries: this.#queries });
  }

  /** Keys as letters, values as digits, the separator as `>`. */
  show(tokens: ArrayLike<number>): string {
    const show = (token: number) =>
      token < VALUES
        ? String(token)
        : token === SEPARATOR
          ? '>'
          : String.fromCharCode('a'.charCodeAt(0) + token - FIRST_KEY);
    requireTokens(this.name, tokens);
    return Array.from(tokens, show).join('');
  }

  /** Draws [key, value, ..., key, value]. */
  #list(key: Key): Int32Array {
    const pairs = this.length;
    const keys = shuffled(key.fold(0), KEYS).slice(0, pairs);
    const values =
      pairs <= VALUES ? shuffled(key.fold(1), VALUES) : key.fold(1).integers(pairs, VALUES);
    return Int32Array.from([...keys].flatMap((symbol, i) => [FIRST_KEY + symbol, values[i]]));
  }

  /** A lower bound of the number of different lists. */
  #variety(): number {
    return (KEYS * VALUES) ** Math.min(2, this.length);
  }
}

/** The numbers from 0 to `count` - 1 in random order (Fisher and Yates). */
function shuffled(key: Key, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let last = count - 1; last > 0; last--) {
    const [chosen] = key.fold(last).integers(1, last + 1);
    [order[last], order[chosen]] = [order[chosen], order[last]];
  }
  return order;
}
