/** Byte pairs as tokens. */
import { describe, isList, MemgradError } from '../errors.js';
import { check, checkOptions, type OptionNames, requireThat, whole } from '../options.js';
import { learnMerges } from './learn-merges.js';
import { Merges, type MergeTable } from './merges.js';
import {
  bytesOf,
  checkToken,
  decoded,
  isSpace,
  owned,
  pieces,
  type Text,
  TokenList,
} from './text.js';
import { ByteDecoder, type TokenDecoder, type Tokenizer } from './tokenizers.js';

/** Options of byte pairs. */
export interface PairOptions {
  /** Number of tokens: 256 bytes, the merged pairs and `<|endoftext|>`. Default 512. */
  vocabulary?: number;
  /**
   * The meaning of `<|endoftext|>` in a text: `token`, the last token, which separates documents, or
   * `text`, ordinary characters. Default: `token`.
   */
  endOfText?: 'token' | 'text';
}

const KNOWN: OptionNames<PairOptions> = { vocabulary: 1, endOfText: 1 };

const END = '<|endoftext|>';

/** GPT-2's words (Radford et al. 2019, encoder.py); merges don't cross their borders. */
const WORDS = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The number of words whose tokens are cached, and the longest such word. */
const [REMEMBERED, SHORT] = [2 ** 16, 64];

/** The most tokens that can be learnt, and the most different words of a text. */
const [MOST_TOKENS, MOST_WORDS] = [2 ** 20, 2 ** 23];

/** A ready table of tokens, such as GPT-2's or a saved one. */
export class PairTable {
  readonly tokens: MergeTable;

  /** Throws `MemgradError` unless all single bytes are among the tokens. */
  constructor(tokens: MergeTable) {
    const fits = Array.isArray(tokens) && tokens.length < MOST_TOKENS;
    requireThat(fits, 'byte pairs', `a list of at most ${MOST_TOKENS} tokens`, tokens);
    const single = new Set<number>();
    for (const token of tokens) {
      const bytes = typeof token === 'string' ? new TextEncoder().encode(token) : token;
      const fits = isList(bytes) && bytes.length > 0 && Array.from(bytes).every(isByte);
      requireThat(fits, 'byte pairs: each token', 'a text or a list of bytes', token);
      if (bytes.length === 1) single.add(bytes[0]);
    }
    requireThat(single.size === 256, 'byte pairs', 'pairs and all 256 bytes', tokens);
    this.tokens = [...tokens];
  }
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 256;
}

/**
 * Byte pairs as tokens: a frequent sequence of bytes is one token, and every text can be encoded.
 * White space, digits and letters are never in one pair, as in GPT-2. Bytes that aren't UTF-8 become
 * U+FFFD, and a word of more than 4 MB is split.
 */
export class PairTokenizer implements Tokenizer {
  readonly name = 'bpe';
  readonly vocabulary: number;
  readonly #merges: Merges;
  readonly #table: MergeTable;
  readonly #endOfText: 'token' | 'text';
  readonly #remembered = new Map<string, readonly number[]>();
  readonly #end = new TextEncoder().encode(END);

  /**
   * Learns the most frequent pairs of `text`, the training text (Sennrich et al. 2016, arXiv
   * 1508.07909), or takes them from a table, which also has the size of the vocabulary. Throws `MemgradError` for a vocabulary below 257 or above 1,048,576, and for an
   * unknown option.
   */
  constructor(text: Text | PairTable, options: PairOptions = {}) {
    checkOptions('byte pairs', options, KNOWN);
    const { vocabulary = 512, endOfText = 'token' } = options;
    check('byte pairs: vocabulary', vocabulary, whole(257, MOST_TOKENS));
    if (endOfText !== 'token' && endOfText !== 'text') {
      throw new MemgradError(
        `byte pairs: endOfText must be 'token' or 'text', got ${describe(endOfText)}.`,
      );
    }
    this.#endOfText = endOfText;
    this.#table =
      text instanceof PairTable ? text.tokens : learnMerges(this.#count(text), vocabulary - 1);
    this.#merges = new Merges(this.#table);
    this.vocabulary = this.#table.length + 1;
  }

  encode(text: Text): Int32Array {
    const tokens = new TokenList('byte pairs');
    for (const parts of this.#cut(text)) {
      for (const [index, words] of parts.entries()) {
        if (index > 0) tokens.push(this.vocabulary - 1);
        for (const word of words) {
          for (const token of this.#tokensOf(word)) tokens.push(token);
        }
      }
    }
    return tokens.join();
  }

  decode(tokens: ArrayLike<number>): string {
    return decoded('byte pairs', tokens, this.decoder());
  }

  /** The decoder returns whole characters: it holds back their bytes until the last one. */
  decoder(): TokenDecoder {
    return new ByteDecoder((token) => {
      checkToken('byte pairs', token, this.vocabulary);
      return token === this.vocabulary - 1 ? this.#end : this.#merges.bytes[token];
    });
  }

  /** The tokenizer as JSON, which `restoreTokenizer` reads. */
  toJSON(): { name: 'bpe'; endOfText: 'token' | 'text'; tokens: MergeTable } {
    return { name: this.name, endOfText: this.#endOfText, tokens: this.#table };
  }

  /** The words of a text in batches; each is a list of parts with `<|endoftext|>` between them. */
  *#cut(text: Text): Iterable<readonly (readonly string[])[]> {
    const bytes = bytesOf('byte pairs', text);
    for (const piece of pieces(bytes, (at) => this.#isBorder(bytes, at))) {
      const parts = this.#endOfText === 'token' ? piece.split(END) : [piece];
      yield parts.map((part) => part.match(WORDS) ?? []);
    }
  }

  #count(text: Text): Map<string, number> {
    const counts = new Map<string, number>();
    for (const words of this.#cut(text)) {
      for (const word of words.flat()) {
        const count = counts.get(word);
        if (count !== undefined) counts.set(word, count + 1);
        else if (counts.size < MOST_WORDS) counts.set(owned(word), 1);
      }
    }
    return counts;
  }

  /**
   * Whether a text may be split at `at`: before white space that follows another character, since
   * white space is only the start of a word; and before the end of a document.
   */
  #isBorder(text: Uint8Array, at: number): boolean {
    if (this.#endOfText === 'token' && text[at] === this.#end[0]) {
      return this.#end.every((byte, i) => text[at + i] === byte);
    }
    if (!isSpace(text[at]) || isSpace(text[at - 1])) return false;
    // White space outside of ASCII takes two or three bytes.
    return text[at - 1] < 0x80 || !/\s$/.test(decodeEnd(text.subarray(Math.max(0, at - 3), at)));
  }

  #tokensOf(word: string): readonly number[] {
    const known = this.#remembered.get(word);
    if (known !== undefined) return known;
    const tokens = this.#merges.encode(word);
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
