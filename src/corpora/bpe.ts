/** Byte pair encoding as GPT-2 has it, with the table of a library that is loaded when it is asked for. */
import { describe, MemgradError } from '../errors.js';
import { checkOptions, type OptionNames } from '../options.js';
import type { Text, TokenDecoder, Tokenizer } from '../tasks/index.js';
import { bytesOf, checkToken, decoded, isSpace, owned, pieces, TokenList } from '../tasks/text.js';
import { ByteDecoder } from '../tasks/tokenizers.js';
import { Merges, type MergeTable } from './merges.js';

/** Options of `bytePairs`. */
export interface BytePairOptions {
  /**
   * What `<|endoftext|>` is in a text: `token`, the token 50256, which stands between the documents
   * of GPT-2's corpora, or `text`, characters like any others. Default: `token`.
   */
  endOfText?: 'token' | 'text';
}

const KNOWN: OptionNames<BytePairOptions> = { endOfText: 1 };

/** Not a literal where it is imported, so that no bundler takes the library in. */
const LIBRARY = 'gpt-tokenizer/bpeRanks/r50k_base';

const END = '<|endoftext|>';
const END_TOKEN = 50256;

/** GPT-2's words (Radford et al. 2019, encoder.py): no merge crosses their ends. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** How many words to remember with their tokens, and how long they may be. */
const [REMEMBERED, SHORT] = [2 ** 16, 64];

/**
 * The byte pair encoding of GPT-2: 50,257 tokens. A word of more than 4 MB is cut. Throws
 * `MemgradError` where the library is not installed.
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

  /** Bytes that are not UTF-8 become U+FFFD. */
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
   * White space after another character: all of it may be one word. Or the end of a document, which
   * is found anywhere.
   */
  #isBorder(text: Uint8Array, at: number): boolean {
    if (this.special && text[at] === this.#end[0]) {
      return this.#end.every((byte, i) => text[at + i] === byte);
    }
    if (!isSpace(text[at]) || isSpace(text[at - 1])) return false;
    // White space beyond ASCII takes two or three bytes.
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
