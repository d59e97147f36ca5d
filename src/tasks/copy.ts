/** The copy task: read symbols, then write them again. */
import type { Key } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import { type Batch, IGNORED, type Split, type Task } from './task.js';

/** Options of the copy task. */
export interface CopyOptions {
  /** How many symbols are to be remembered. Default 24. */
  length?: number;
  /** How many different symbols there are. Default 10. */
  symbols?: number;
  /** How often the answer repeats them. Default 2. */
  copies?: number;
}

const START = 1; // tokens: 0 padding, 1 start of the answer, symbols from 2 on
const FIRST_SYMBOL = 2;

/**
 * Copy (RMT paper, section 4.1; format of its published code): the sequence is [X, 1, X, X]. Inputs
 * are all but its last token, targets all but its first, and only the answer counts.
 */
export class Copy implements Task {
  readonly name = 'copy';
  readonly vocabulary: number;
  readonly chance: number;
  readonly length: number;
  readonly #symbols: number;
  readonly #copies: number;

  /** Throws `MemgradError` unless the options are whole numbers: length and copies >= 1, symbols >= 2. */
  constructor({ length = 24, symbols = 10, copies = 2 }: CopyOptions = {}) {
    for (const [name, value, least] of [
      ['length', length, 1],
      ['symbols', symbols, 2],
      ['copies', copies, 1],
    ] as const) {
      if (!Number.isSafeInteger(value) || value < least) {
        throw new MemgradError(`copy: ${name} must be a whole number >= ${least}, got ${value}.`);
      }
    }
    this.length = length;
    this.#symbols = symbols;
    this.#copies = copies;
    this.vocabulary = FIRST_SYMBOL + symbols;
    this.chance = 1 / symbols;
  }

  batch(key: Key, size: number, split: Split): Batch {
    const answer = this.length * this.#copies;
    const time = this.length + answer;
    const inputs = new Int32Array(size * time);
    const targets = new Int32Array(size * time).fill(IGNORED);
    for (let row = 0; row < size; row++) {
      const source = this.#source(key.fold(row), split);
      const start = row * time;
      inputs.set(source, start);
      inputs[start + this.length] = START;
      for (let i = 0; i < answer; i++) {
        const at = start + this.length + i; // the position that has to predict answer symbol i
        targets[at] = source[i % this.length];
        if (i + 1 < answer) inputs[at + 1] = targets[at];
      }
    }
    return { size, time, inputs, targets, promptLength: this.length + 1 };
  }

  withLength(length: number): Copy {
    return new Copy({ length, symbols: this.#symbols, copies: this.#copies });
  }

  /** Symbols as 0-9 and letters, the start as `>`. */
  show(tokens: ArrayLike<number>): string {
    const show = (token: number) =>
      token === START ? '>' : token < FIRST_SYMBOL ? '_' : (token - FIRST_SYMBOL).toString(36);
    return Array.from(tokens, show).join('');
  }

  /** Symbols to copy: drawn until they belong to the split. Where there are too few sequences to hold some out, there is none. */
  #source(key: Key, split: Split): Int32Array {
    const tooFew = this.length < 4 || this.#symbols ** this.length < 32;
    for (let attempt = 0; ; attempt++) {
      const source = key
        .fold(attempt)
        .integers(this.length, this.#symbols)
        .map((symbol) => symbol + FIRST_SYMBOL);
      if (tooFew || isHeldOut(source) === (split === 'test')) return source;
    }
  }
}

/** Whether a sequence is one of the sixteenth that training never sees, by its hash (FNV-1a). */
export function isHeldOut(tokens: Int32Array): boolean {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193);
  return (hash ^ (hash >>> 15)) % 16 === 0;
}
