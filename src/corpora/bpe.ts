/**
 * GPT-2's byte pair encoding. The merge table is in an optional library, which is loaded on demand.
 */
import { describe, MemgradError } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';
import type { Text, TokenDecoder, Tokenizer } from '../tasks/index.js';
import { bytesOf, checkToken, decoded, isSpace, owned, pieces, TokenList } from '../tasks/text.js';
import { ByteDecoder } from '../tasks/tokenizers.js';
import { Merges, type MergeTable } from './merges.js';

/** Options of `bytePairs`. */
export interface BytePairOptions {
  /**
   * The meaning of `<|endoftext|>` in a text: `token`, the token 50256, which separates the
   * documents of GPT-2's corpora, or `text`, ordinary characters. Default: `token`.
   */
  endOfText?: 'token' | 'text';
}

const KNOWN: OptionNames<BytePairOptions> = { endOfText: 1 };

/** A variable at the import, so bundlers leave the library out. */
const LIBRARY = 'gpt-tokenizer/bpeRanks/r50k_base';

const END = '<|endoftext|>';
const END_TOKEN = 50256;

/** GPT-2's words (Radford et al. 2019, encoder.py); merges don't cross their borders. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The number of words whose tokens are cached, and the longest such word. */
const [REMEMBERED, SHORT] = [2 ** 16, 64];

/**
 * Returns the byte pair encoding of GPT-2, with 50,257 tokens. A word of more than 4 MB is split.
 * Throws `MemgradError` for an unknown option, and if the library isn't installed.
 */
export async function bytePairs(
  options: BytePairOptions = {},
  library = LIBRARY,
): Promise<Tokenizer> {
  checkOptions('bytePairs', options, KNOWN);
  const { endOfText = 'token' } = options;
  if (endOfText !== 'token' && endOfText !== 'text') {
    throw new MemgradError(
      `bytePairs: endOfText must be 'token' or 'text', got ${describe(endOfText)}.`,
    );
  }
  return new BytePairTokenizer(new Merges(await load(library)), endOfText === 'token');
}

class BytePairTokenizer implements Tokenizer {
  readonly name = 'bpe';
  readonly vocabulary = END_TOKEN + 1;
  readonly #remembered = new Map<string, readonly number[]>();
  readonly #end = new TextEncoder().encode(END);

  constructor(
    private readonly merges: Merges,
    private readonly special: boolean,
  ) {}

  /** Bytes that aren't UTF-8 become U+FFFD. */
  encode(text: Text): Int32Array {
    const bytes = bytesOf('bpe', text);
    const tokens = new TokenList('bpe');
    for (const piece of pieces(bytes, (at) => this.#isBorder(bytes, at))) {
      const parts = this.special ? piece.split(END) : [piece];
      for (const [index, part] of parts.entries()) {
        if (index > 0) tokens.push(END_TOKEN);
        for (const word of part.match(WORDS) ?? []) {
          for (const token of this.#tokensOf(word)) tokens.push(token);
        }
      }
    }
    return tokens.join();
  }

  decode(tokens: ArrayLike<number>): string {
    return decoded('bpe', tokens, this.decoder());
  }

  decoder(): TokenDecoder {
    return new ByteDecoder((token) => {
      checkToken('bpe', token, this.vocabulary);
      return token === END_TOKEN ? this.#end : this.merges.bytes[token];
    });
  }

  /**
   * Whether a text may be split at `at`: before white space that follows another character, since
   * white space is only the start of a word; and before the end of a document.
   */
  #isBorder(text: Uint8Array, at: number): boolean {
    if (this.special && text[at] === this.#end[0]) {
      return this.#end.every((byte, i) => text[at + i] === byte);
    }
    if (!isSpace(text[at]) || isSpace(text[at - 1])) return false;
    // White space outside of ASCII takes two or three bytes.
    return text[at - 1] < 0x80 || !/\s$/.test(decodeEnd(text.subarray(Math.max(0, at - 3), at)));
  }

  #tokensOf(word: string): readonly number[] {
    const known = this.#remembered.get(word);
    if (known !== undefined) return known;
    const tokens = this.merges.encode(word);
    if (word.length <= SHORT) {
      if (this.#remembered.size === REMEMBERED) this.#remembered.clear();
      this.#remembered.set(owned(word), tokens);
    }
    return tokens;
  }
}

function decodeEnd(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

async function load(library: string): Promise<MergeTable> {
  let table: unknown;
  let cause: unknown;
  try {
    ({ default: table } = await import(library));
  } catch (error) {
    cause = error;
  }
  if (Array.isArray(table) && table.length === END_TOKEN) return table;
  throw new MemgradError(
    'Byte pair encoding needs a library that is not installed; install it: npm install gpt-tokenizer@4',
    { cause },
  );
}
