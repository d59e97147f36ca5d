/**
 * GPT-2's byte pair encoding. The merge table is in an optional library, which is loaded on demand.
 */
import { MemgradError } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';
import { type PairOptions, PairTokenizer, type Tokenizer } from '../tasks/index.js';
import type { MergeTable } from '../tasks/merges.js';
import { PairTable } from '../tasks/pairs.js';

/** Options of `bytePairs`. */
export interface BytePairOptions extends Pick<PairOptions, 'endOfText'> {}

const KNOWN: OptionNames<BytePairOptions> = { endOfText: 1 };

/** A variable at the import, so bundlers leave the library out. */
const LIBRARY = 'gpt-tokenizer/bpeRanks/r50k_base';

/** The number of tokens before `<|endoftext|>`. */
const TOKENS = 50256;

/**
 * Returns the byte pair encoding of GPT-2, with 50,257 tokens. A word of more than 4 MB is split.
 * Throws `MemgradError` for an unknown option, and if the library isn't installed.
 */
export async function bytePairs(
  options: BytePairOptions = {},
  library = LIBRARY,
): Promise<Tokenizer> {
  checkOptions('bytePairs', options, KNOWN);
  const { endOfText } = options;
  return new PairTokenizer(new PairTable(await load(library)), { endOfText });
}

async function load(library: string): Promise<MergeTable> {
  let table: unknown;
  let cause: unknown;
  try {
    ({ default: table } = await import(library));
  } catch (error) {
    cause = error;
  }
  if (Array.isArray(table) && table.length === TOKENS) return table;
  throw new MemgradError(
    'Byte pair encoding needs a library that is not installed; install it: npm install gpt-tokenizer@4',
    { cause },
  );
}
