/** The memorize task: keep what came first through everything that follows. */
import type { Key } from '../autograd/index.js';
import { check, checkOptions, whole } from '../options.js';
import { asked, drawSymbols, FIRST_SYMBOL, showSymbols } from './symbols.js';
import { answerBatch, type Batch, checkDraw, LONGEST, type Split, type Task } from './task.js';

/** Options of the memorize task. */
export interface MemorizeOptions {
  /** How many symbols are read. Default 64. */
  length?: number;
  /** How many of them, the first ones, are to be said at the end. Default 8. */
  kept?: number;
  /** How many different symbols there are. Default 10. */
  symbols?: number;
}

/**
 * Memorize (after Bulatov et al. 2023, "Scaling Transformer to 1M tokens and beyond with RMT", arXiv
 * 2304.11062, section 4.1; there with sentences): the sequence is [X, noise, 1, X]. X and the noise
 * are of the same symbols, so that only its place says what is to be kept. What has to be kept does
 * not grow with the length: how far does memory carry it?
 */
export class Memorize implements Task {
  readonly name = 'memorize';
  readonly metric = 'tokens';
  readonly vocabulary: number;
  readonly chance: number;
  readonly length: number;
  readonly #kept: number;
  readonly #symbols: number;

  /** Throws `MemgradError` unless the options are whole numbers: length >= kept >= 1, symbols >= 2. */
  constructor(options: MemorizeOptions = {}) {
    checkOptions('memorize', options, { length: 1, kept: whole(), symbols: whole(2) });
    const { length = 64, kept = 8, symbols = 10 } = options;
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
