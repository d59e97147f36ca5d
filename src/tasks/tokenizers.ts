/** Tokenizers: from text to tokens and back. */
import { MemgradError } from '../errors.js';
import { bytesOf, checkToken, checkTokens, type Text, tokenArray, within } from './text.js';

export type { Text } from './text.js';

/** Converts text to tokens and back. */
export interface Tokenizer {
  readonly name: 'bytes' | 'words' | 'bpe';
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** Encodes a text. Throws `MemgradError` where the tokens don't fit in memory. */
  encode(text: Text): Int32Array;
  /** Decodes tokens, for people to read. Throws `MemgradError` for a token that does not exist. */
  decode(tokens: ArrayLike<number>): string;
  /** Returns a decoder for one token at a time, as a model generates them. */
  decoder(): TokenDecoder;
}

/** Decodes tokens one at a time. Its results, joined, equal `decode` of the same tokens. */
export interface TokenDecoder {
  /**
   * Returns the characters that `token` completes, often none: a character may span several tokens.
   * Throws `MemgradError` for a token that does not exist, which leaves the decoder unchanged.
   */
  push(token: number): string;
  /**
   * Returns the rest: U+FFFD for an incomplete character. The decoder is then in its initial state.
   */
  end(): string;
}

/** One token for each byte value that occurs in the given texts, in the order of the values. */
export class ByteTokenizer implements Tokenizer {
  readonly name = 'bytes';
  readonly vocabulary: number;
  readonly #values: Uint8Array;
  readonly #tokens = new Int32Array(256).fill(-1);

  /** Throws `MemgradError` where all texts are empty. */
  constructor(...texts: readonly Text[]) {
    const occurs = new Uint8Array(256);
    for (const text of texts) {
      const bytes = bytesOf('bytes', text);
      for (let at = 0; at < bytes.length; at++) occurs[bytes[at]] = 1;
    }
    this.#values = new Uint8Array(256).map((_, value) => value).filter((value) => occurs[value]);
    this.#values.forEach((value, token) => {
      this.#tokens[value] = token;
    });
    this.vocabulary = this.#values.length;
    if (this.vocabulary === 0) {
      throw new MemgradError('bytes: the text is empty; make the tokenizer from a longer one.');
    }
  }

  /** Throws `MemgradError` for a byte that did not occur. */
  encode(text: Text): Int32Array {
    const bytes = bytesOf('bytes', text);
    const known = this.#tokens;
    const tokens = tokenArray('bytes', bytes.length);
    for (let at = 0; at < bytes.length; at++) {
      const token = known[bytes[at]];
      if (token < 0) {
        throw new MemgradError(
          `bytes: byte ${bytes[at]} at ${at} does not occur in the text that the tokenizer was made from; make it from this text too.`,
        );
      }
      tokens[at] = token;
    }
    return tokens;
  }

  /** Bytes that are not UTF-8 become U+FFFD. */
  decode(tokens: ArrayLike<number>): string {
    checkTokens('bytes', tokens);
    return within('bytes', 'decode fewer tokens at a time, with decoder()', () => {
      const bytes = new Uint8Array(tokens.length);
      for (let at = 0; at < bytes.length; at++) bytes[at] = this.#valueOf(tokens[at]);
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    });
  }

  /** The decoder returns whole characters: it holds back their bytes until the last one. */
  decoder(): TokenDecoder {
    return new ByteDecoder((token) => Uint8Array.of(this.#valueOf(token)));
  }

  /** The tokenizer as JSON, which `restoreTokenizer` reads. */
  toJSON(): { name: 'bytes'; values: number[] } {
    return { name: this.name, values: [...this.#values] };
  }

  #valueOf(token: number): number {
    checkToken('bytes', token, this.vocabulary);
    return this.#values[token];
  }
}

/** Decodes tokens that each represent bytes of UTF-8. */
export class ByteDecoder implements TokenDecoder {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** `bytesOf` throws for a token that does not exist. */
  constructor(private readonly bytesOf: (token: number) => Uint8Array) {}

  push(token: number): string {
    return this.#decoder.decode(this.bytesOf(token), { stream: true });
  }

  end(): string {
    return this.#decoder.decode();
  }
}
