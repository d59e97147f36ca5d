/** Tokenizers from JSON. */
import { describe, MemgradError } from '../errors.js';
import { requireThat } from '../options.js';
import type { MergeTable } from './merges.js';
import { PairTable, PairTokenizer } from './pairs.js';
import { ByteTokenizer } from './tokenizers.js';
import { WordList, WordTokenizer } from './words.js';

/** A tokenizer of memgrad, which `JSON.stringify` saves. */
export type SavableTokenizer = ByteTokenizer | WordTokenizer | PairTokenizer;

/**
 * Creates a tokenizer from `saved`, the object that `JSON.parse` returns for a tokenizer written
 * with `JSON.stringify`. `where` starts each message. Throws `MemgradError` for anything else.
 *
 * @example
 * ```js
 * import { ByteTokenizer, restoreTokenizer } from 'memgrad/tasks';
 *
 * const saved = JSON.stringify(new ByteTokenizer('abc'));
 * console.log(restoreTokenizer(JSON.parse(saved)).decode([2, 0])); // => ca
 * ```
 */
export function restoreTokenizer(saved: unknown, where = 'restoreTokenizer'): SavableTokenizer {
  requireThat(typeof where === 'string', 'restoreTokenizer: where', 'a string', where);
  const isObject = typeof saved === 'object' && saved !== null;
  requireThat(isObject, `${where}: the tokenizer`, 'an object with a name', saved);
  const { name, ...rest } = saved as { readonly [field: string]: unknown };
  switch (name) {
    case 'bytes':
      return bytesFrom(where, rest.values);
    case 'words':
      return new WordTokenizer(new WordList(rest.words as string[]), {
        split: rest.split as 'prose',
      });
    case 'bpe':
      return new PairTokenizer(new PairTable(rest.tokens as MergeTable), {
        endOfText: rest.endOfText as 'token',
      });
    default:
      throw new MemgradError(
        `${where}: the tokenizer's name must be bytes, words or bpe, got ${describe(name)}.`,
      );
  }
}

function bytesFrom(where: string, values: unknown): ByteTokenizer {
  const list: readonly unknown[] = Array.isArray(values) ? values : [];
  const bytes = Uint8Array.from(list as number[]);
  const rises = list.every((value, i) => value === bytes[i] && (i === 0 || value > bytes[i - 1]));
  requireThat(rises && list.length, `${where}: values`, 'different bytes in order', values);
  return new ByteTokenizer(bytes);
}
