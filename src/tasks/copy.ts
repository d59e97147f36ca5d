/** The copy task: read symbols, then write them again. */
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

/** Options of the copy task. */
export interface CopyOptions {
  /** Number of symbols to remember. Default 24. */
  length?: number;
  /** Number of different symbols. Default 10. */
  symbols?: number;
  /** How many times the answer repeats them. Default 2. */
  copies?: number;
}

function options(): TaskOptions<CopyOptions> {
  return {
    length: symbolCount(24, 'symbols to remember'),
    symbols: differentSymbols(),
    copies: {
      kind: whole(1, LONGEST),
      inRuns: whole(1, 64),
      default: 2,
      help: 'how often the answer repeats them',
    },
  };
}

/**
 * Copy (RMT paper, section 4.1; format of its published code): the sequence is [X, 1, X, X]. The
 * paper has 10 symbols where X is 24 long, and 8 where it is 120 or more.
 */
export class Copy implements Task {
  static readonly summary = 'read symbols, then write them again (twice, as in the paper)';
  /** The options with their defaults. */
  static readonly options = options;
  readonly name = 'copy';
  readonly metric = 'tokens';
  readonly vocabulary: number;
  readonly chance: number;
  readonly length: number;
  readonly #symbols: number;
  readonly #copies: number;

  /**
   * Throws `MemgradError` unless the options are whole numbers with length and copies >= 1, symbols
   * >= 2.
   */
  constructor(given: CopyOptions = {}) {
    const { length, symbols, copies } = withDefaults('copy', given, options());
    check('copy: copies', copies, whole(1, Math.floor(LONGEST / length)));
    this.length = length;
    this.#symbols = symbols;
    this.#copies = copies;
    this.vocabulary = FIRST_SYMBOL + symbols;
    this.chance = 1 / symbols;
  }

  batch(key: Key, size: number, split: Split): Batch {
    checkDraw(this.name, key, split);
    return answerBatch(size, (row) => {
      const source = drawSymbols(key.fold(row), split, this.length, this.#symbols);
      const answer = new Int32Array(this.length * this.#copies);
      for (let at = 0; at < answer.length; at += this.length) answer.set(source, at);
      return { prompt: asked(source), answer };
    });
  }

  withLength(length: number): Copy {
    return new Copy({ length, symbols: this.#symbols, copies: this.#copies });
  }

  show(tokens: ArrayLike<number>): string {
    return showSymbols(tokens);
  }
}
