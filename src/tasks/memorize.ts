/** The memorize task: remember the first symbols through everything that follows. */
import type { Key } from '../autograd/index.js';
import { check, whole } from '../options.js';
import { type TaskOptions, withDefaults } from './options.js';
import {
  asked,
  differentSymbols,
  drawSymbols,
  FIRST_SYMBOL,
  showSymbols,
  symbolCount,
} from './symbols.js';
import { answerBatch, type Batch, checkDraw, LONGEST, type Split, type Task } from './task.js';

/** Options of the memorize task. */
export interface MemorizeOptions {
  /** Number of symbols that are read. Default 64. */
  length?: number;
  /** How many of them, from the first, to answer at the end. Default 8. */
  kept?: number;
  /** Number of different symbols. Default 10. */
  symbols?: number;
}

function options(): TaskOptions<MemorizeOptions> {
  return {
    length: symbolCount(64, 'symbols to read'),
    kept: symbolCount(8, 'symbols to remember'),
    symbols: differentSymbols(),
  };
}

/**
 * Memorize (after Bulatov et al. 2023, "Scaling Transformer to 1M tokens and beyond with RMT",
 * arXiv 2304.11062, section 4.1, which uses sentences): the sequence is [X, noise, 1, X]. X and the
 * noise have the same symbols, so only the position says which to remember. Their number does not
 * grow with the length: the task measures how far memory carries them.
 */
export class Memorize implements Task {
  static readonly summary = 'read symbols, then say the first ones, however much came after them';
  /** The options with their defaults. */
  static readonly options = options;
  readonly name = 'memorize';
  readonly metric = 'tokens';
  readonly vocabulary: number;
  readonly chance: number;
  readonly length: number;
  readonly #kept: number;
  readonly #symbols: number;

  /**
   * Throws `MemgradError` unless the options are whole numbers with length >= kept >= 1, symbols >=
   * 2.
   */
  constructor(given: MemorizeOptions = {}) {
    const { length, kept, symbols } = withDefaults('memorize', given, options());
    check('memorize: length', length, whole(kept, LONGEST));
    this.length = length;
    this.#kept = kept;
    this.#symbols = symbols;
    this.vocabulary = FIRST_SYMBOL + symbols;
    this.chance = 1 / symbols;
  }

  batch(key: Key, size: number, split: Split): Batch {
    checkDraw(this.name, key, split);
    return answerBatch(size, (row) => {
      const source = drawSymbols(key.fold(row), split, this.length, this.#symbols);
      return { prompt: asked(source), answer: source.slice(0, this.#kept) };
    });
  }

  withLength(length: number): Memorize {
    return new Memorize({ length, kept: this.#kept, symbols: this.#symbols });
  }

  show(tokens: ArrayLike<number>): string {
    return showSymbols(tokens);
  }
}
