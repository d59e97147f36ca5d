/** Sequences of random symbols, shared by copy, reverse and memorize. */
import type { Key } from '../autograd/index.js';
import { requireTokens } from '../options.js';
import { drawFrom } from './held-out.js';
import type { Split } from './task.js';

/** The token before the answer. 0 is padding; symbols are tokens from 2 on. */
const START = 1;
export const FIRST_SYMBOL = 2;

/** Draws `length` tokens of `symbols` different ones that belong to `split`. */
export function drawSymbols(key: Key, split: Split, length: number, symbols: number): Int32Array {
  return drawFrom(split, symbols ** length, key, (attempt) =>
    attempt.integers(length, symbols).map((symbol) => symbol + FIRST_SYMBOL),
  );
}

/** Appends the start of the answer to `symbols`. */
export function asked(symbols: Int32Array): Int32Array {
  const prompt = new Int32Array(symbols.length + 1).fill(START);
  prompt.set(symbols);
  return prompt;
}

/** Shows symbols as 0-9 and letters, the start as `>`, padding as `_`. */
export function showSymbols(tokens: ArrayLike<number>): string {
  requireTokens('show', tokens);
  const show = (token: number) =>
    token === START ? '>' : token < FIRST_SYMBOL ? '_' : (token - FIRST_SYMBOL).toString(36);
  return Array.from(tokens, show).join('');
}
