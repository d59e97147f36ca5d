/** The reverse task: read symbols, then write them from the last to the first. */
import type { Key } from '../autograd/index.js';
import { type TaskOptions, withDefaults } from './options.js';
import {
  asked,
  differentSymbols,
  drawSymbols,
  FIRST_SYMBOL,
  showSymbols,
  symbolCount,
} from './symbols.js';
import { answerBatch, type Batch, checkDraw, type Split, type Task } from './task.js';

/** Options of the reverse task. */
export interface ReverseOptions {
  /** Number of symbols to remember. Default 24. */
  length?: number;
  /** Number of different symbols. Default 10. */
  symbols?: number;
}

function options(): TaskOptions<ReverseOptions> {
  return { length: symbolCount(24, 'symbols to remember'), symbols: differentSymbols() };
}

/**
 * Reverse (RMT paper, section 4.1; format of its published code): the sequence is [X, 1, X
 * reversed].
 */
export class Reverse implements Task {
  static readonly summary = 'read symbols, then write them from the last to the first';
  /** The options with their defaults. */
  static readonly options = options;
  readonly name = 'reverse';
  readonly metric = 'tokens';
  readonly vocabulary: number;
  readonly chance: number;
  readonly length: number;
  readonly #symbols: number;

  /** Throws `MemgradError` unless the options are whole numbers with length >= 1, symbols >= 2. */
  constructor(given: ReverseOptions = {}) {
    const { length, symbols } = withDefaults('reverse', given, options());
    this.length = length;
    this.#symbols = symbols;
    this.vocabulary = FIRST_SYMBOL + symbols;
    this.chance = 1 / symbols;
  }

  batch(key: Key, size: number, split: Split): Batch {
    checkDraw(this.name, key, split);
    return answerBatch(size, (row) => {
      const source = drawSymbols(key.fold(row), split, this.length, this.#symbols);
      return { prompt: asked(source), answer: source.slice().reverse() };
    });
  }

  withLength(length: number): Reverse {
    return new Reverse({ length, symbols: this.#symbols });
  }

  show(tokens: ArrayLike<number>): string {
    return showSymbols(tokens);
  }
}
