/** From text to tokens and back. */
import { MemgradError, requireWhole } from '../errors.js';

/** Text, as bytes of UTF-8, to tokens and back. */
export interface Tokenizer {
  readonly name: 'bytes' | 'words' | 'bpe';
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** The tokens of a text in UTF-8. */
  encode(text: Uint8Array): Int32Array;
  /** The text of some tokens, for a person to read. */
  decode(tokens: ArrayLike<number>): string;
}

/** One token to each byte value that occurs in the text it was made from, in the order of the values. */
export class ByteTokenizer implements Tokenizer {
  readonly name = 'bytes';
  readonly vocabulary: number;
  readonly #values: readonly number[];
  readonly #tokens = new Int32Array(256).fill(-1);

  constructor(...texts: readonly Uint8Array[]) {
    const occurs = new Uint8Array(256);
    for (const text of texts) for (const value of text) occurs[value] = 1;
    this.#values = Array.from(occurs.keys()).filter((value) => occurs[value]);
    this.#values.forEach((value, token) => {
      this.#tokens[value] = token;
    });
    this.vocabulary = this.#values.length;
  }

  /** Throws `MemgradError` for a byte that did not occur. */
  encode(text: Uint8Array): Int32Array {
    return Int32Array.from(text, (value, at) => {
      if (this.#tokens[value] >= 0) return this.#tokens[value];
      throw new MemgradError(
        `bytes: byte ${value} at ${at} does not occur in the text that the tokenizer was made from; make it from this text too.`,
      );
    });
  }

  /** Bytes that are no UTF-8 are shown as U+FFFD. */
  decode(tokens: ArrayLike<number>): string {
    return new TextDecoder().decode(Uint8Array.from(tokens, (token) => this.#values[token]));
  }
}

/** Options of a word tokenizer. */
export interface WordOptions {
  /** `spaces`: words stand between spaces already, as in WikiText. `prose`: punctuation is to be split off. */
  split: 'spaces' | 'prose';
  /** How many words to know at most, the most frequent ones; `<eos>` and `<unk>` are among them. Default: all. */
  most?: number;
}

const END = '<eos>';
const UNKNOWN = '<unk>';

/**
 * Words by frequency, the most frequent first, as adaptive softmax needs them; of equally frequent
 * ones the earlier comes first. Case is kept, every line ends in `<eos>`, and a word that the
 * tokenizer doesn't know is `<unk>`.
 */
export class WordTokenizer implements Tokenizer {
  readonly name = 'words';
  readonly vocabulary: number;
  readonly #words: readonly string[];
  readonly #tokens: ReadonlyMap<string, number>;
  readonly #split: WordOptions['split'];

  /** Counts the words of `text`, that for training. Throws `MemgradError` for `most` < 2. */
  constructor(text: Uint8Array, { split, most = Infinity }: WordOptions) {
    if (most !== Infinity) requireWhole('words', 'most', most, 2);
    this.#split = split;
    const counts = new Map([[END, 0]]);
    for (const word of this.#cut(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
    const known = [...counts].sort(([, one], [, other]) => other - one).map(([word]) => word);
    this.#words = withUnknown(known, most);
    this.#tokens = new Map(this.#words.map((word, token) => [word, token]));
    this.vocabulary = this.#words.length;
  }

  /** The number of each word; that of `<unk>` for one that it does not know. */
  encode(text: Uint8Array): Int32Array {
    const unknown = this.#tokens.get(UNKNOWN) as number;
    return Int32Array.from(this.#cut(text), (word) => this.#tokens.get(word) ?? unknown);
  }

  /** Words with spaces between them; a line ends at each `<eos>`. */
  decode(tokens: ArrayLike<number>): string {
    return Array.from(tokens, (token) => this.#words[token])
      .join(' ')
      .replaceAll(` ${END}`, '\n')
      .replaceAll('\n ', '\n');
  }

  *#cut(text: Uint8Array): Iterable<string> {
    const words = this.#split === 'spaces' ? /\S+/gu : /[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*|\S/gu;
    const lines = new TextDecoder().decode(text).split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of lines) {
      yield* line.match(words) ?? [];
      yield END;
    }
  }
}

/** The first `most` of `words`, with `<unk>` among them whether or not it occurs in the text. */
function withUnknown(words: readonly string[], most: number): string[] {
  const kept = words.slice(0, most);
  if (kept.includes(UNKNOWN)) return kept;
  return kept.length < most ? [...kept, UNKNOWN] : [...kept.slice(0, -1), UNKNOWN];
}
