/** Sequences of random symbols and their options, shared by copy, reverse and memorize. */
import type { Key } from '../autograd/index.js';
import { requireTokens, whole } from '../options.js';
import { drawFrom } from './held-out.js';
import { LONGEST_IN_RUNS, type TaskOption } from './options.js';
import { LONGEST, type Split } from './task.js';

/** The token before the answer. 0 is padding; symbols are tokens from 2 on. */
const START = 1;
export const FIRST_SYMBOL = 2;

/** A number of symbols, as an option. */
export const symbolCount = (usual: number, help: string): TaskOption<number> => ({
  kind: whole(1, LONGEST),
  inRuns: whole(1, LONGEST_IN_RUNS),
  default: usual,
  help,
});

/** The number of different symbols, as an option. */
export const differentSymbols = (): TaskOption<number> => ({
  kind: whole(2),
  inRuns: whole(2, 10_000),
  default: 10,
  help: 'different symbols',
});

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
