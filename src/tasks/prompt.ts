/** The beginning of a text that a model continues. */
import { describe, MemgradError } from '../errors.js';
import { requireThat } from '../options.js';
import type { Tokenizer } from './tokenizers.js';
import { WordTokenizer } from './words.js';

/**
 * Returns the tokens of a prompt: `encode` without the end of the last line, which words add. Throws
 * `MemgradError` for an empty prompt, and for one with characters or words that the vocabulary
 * lacks.
 */
export function promptTokens(tokenizer: Tokenizer, prompt: string): Int32Array {
  const encodes = typeof (tokenizer as Tokenizer | null)?.encode === 'function';
  requireThat(encodes, 'promptTokens: the tokenizer', 'one with encode()', tokenizer);
  requireThat(typeof prompt === 'string' && prompt, 'The prompt', 'a text', prompt);
  const words = tokenizer instanceof WordTokenizer;
  const lacked = words
    ? tokenizer.unknown(prompt)
    : [...prompt].find((character) => !canEncode(tokenizer, character));
  if (lacked !== undefined) {
    throw new MemgradError(
      `The prompt has the ${words ? 'word' : 'character'} ${describe(lacked)}, which the vocabulary lacks; use those of the text that the tokenizer was made from.`,
    );
  }
  const tokens = tokenizer.encode(prompt);
  const kept = words && !prompt.endsWith('\n') ? tokens.subarray(0, -1) : tokens;
  requireThat(kept.length, 'The prompt', 'a text with a word', prompt);
  return kept;
}

function canEncode(tokenizer: Tokenizer, character: string): boolean {
  try {
    tokenizer.encode(character);
    return true;
  } catch (error) {
    if (error instanceof MemgradError) return false;
    throw error;
  }
}
