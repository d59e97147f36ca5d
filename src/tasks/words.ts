/** Words as tokens. */
import { describe, MemgradError } from '../errors.js';
import { check, checkOptions, type OptionNames, requireThat, whole } from '../options.js';
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
import type { TokenDecoder, Tokenizer } from './tokenizers.js';

/** Options of a word tokenizer. */
export interface WordOptions {
  /**
   * `spaces`: words are separated by spaces already, as in WikiText. `prose`: punctuation is split
   * off. A word is then a run of letters and digits with their marks and joiners, and may contain
   * apostrophes and hyphens. Any other character, with its marks, is a token of its own, and so is
   * an emoji of several characters.
   */
  split: 'spaces' | 'prose';
  /**
   * Maximum size of the vocabulary: the most frequent words, including `<eos>` and `<unk>`.
   * Default: all words.
   */
  most?: number;
}

const KNOWN: OptionNames<WordOptions> = { split: 1, most: 1 };

const END = '<eos>';
const UNKNOWN = '<unk>';

/** More different words than this are a text without words, and could abort the process. */
const MOST_WORDS = 2 ** 23;

/**
 * Characters that belong to the one before: combining marks, the joiners of Persian, Hindi and
 * emoji (U+200C, U+200D), soft hyphens, skin tones and the tags of flags.
 */
const JOINED = '\\p{M}\\u00ad\\u200c\\u200d\\p{Emoji_Modifier}\\u{e0020}-\\u{e007f}';

/** A ready vocabulary, such as a saved one: the token of a word is its index. */
export class WordList {
  readonly words: readonly string[];

  /** Throws `MemgradError` unless the words are different strings with `<eos>` and `<unk>`. */
  constructor(words: readonly string[]) {
    const isList = Array.isArray(words) && words.length <= MOST_WORDS;
    requireThat(isList, 'words', `a list of at most ${MOST_WORDS} words`, words);
    for (const word of words) {
      requireThat(typeof word === 'string' && word, 'words: each word', 'a text', word);
    }
    const all = new Set(words);
    const complete = all.size === words.length && all.has(END) && all.has(UNKNOWN);
    requireThat(complete, 'words', `different words with ${END} and ${UNKNOWN}`, words);
    this.words = [...words];
  }
}

/** Patterns of words. Each also matches the end of a line, `\n`. */
const patterns: Readonly<Record<WordOptions['split'], () => string>> = {
  spaces: () => '\\n|\\S+',
  prose() {
    const letters = `[\\p{L}\\p{N}][\\p{L}\\p{N}${JOINED}]*`;
    const flag = '\\p{Regional_Indicator}{2}';
    const symbol = `\\S(?:\\u200d\\p{Extended_Pictographic}|[${JOINED}])*`;
    return `\\n|${letters}(?:['’-]${letters})*|${flag}|${symbol}`;
  },
};

/**
 * Words as tokens, the most frequent first, as adaptive softmax needs them; of equally frequent
 * ones, the earlier in the text first. Case is kept, every line ends in `<eos>`, and an unknown
 * word is `<unk>`. A byte order mark is white space.
 */
export class WordTokenizer implements Tokenizer {
  readonly name = 'words';
  readonly vocabulary: number;
  readonly #words: readonly string[];
  readonly #tokens: ReadonlyMap<string, number>;
  readonly #pattern: RegExp;
  readonly #split: WordOptions['split'];

  /**
   * Counts the words of `text`, the training text, or takes them from a list. Throws `MemgradError` for `most` < 2, and for a
   * text with no words or more than 8 million different ones.
   */
  constructor(text: Text | WordList, options: WordOptions) {
    checkOptions('words', options, KNOWN);
    const { split, most = Infinity } = options ?? {};
    if (split === undefined || !Object.hasOwn(patterns, split)) {
      throw new MemgradError(
        `words: split must be 'spaces' or 'prose', got ${describe(split)}; prose splits punctuation off.`,
      );
    }
    if (most !== Infinity) check('words: most', most, whole(2));
    this.#split = split;
    this.#pattern = new RegExp(patterns[split](), 'gu');
    this.#words =
      text instanceof WordList ? text.words : withUnknown(byFrequency(this.#cut(text)), most);
    const tokens = new Map(this.#words.map((word, token) => [word, token]));
    const end = tokens.get(END);
    if (end !== undefined) tokens.set('\n', end);
    this.#tokens = tokens;
    this.vocabulary = this.#words.length;
  }

  /** The token of each word; for unknown words, the token of `<unk>`. */
  encode(text: Text): Int32Array {
    const known = this.#tokens;
    const unknown = known.get(UNKNOWN) as number;
    const tokens = new TokenList('words');
    for (const words of this.#cut(text)) {
      for (const word of words) tokens.push(known.get(word) ?? unknown);
    }
    return tokens.join();
  }

  /** Words separated by spaces; each `<eos>` ends a line. */
  decode(tokens: ArrayLike<number>): string {
    return decoded('words', tokens, this.decoder());
  }

  /** The decoder returns each word at once, after a space. */
  decoder(): TokenDecoder {
    let space = '';
    return {
      push: (token) => {
        checkToken('words', token, this.vocabulary);
        const word = this.#words[token];
        const before = space;
        space = word === END ? '' : ' ';
        return word === END ? '\n' : before + word;
      },
      end: () => {
        space = '';
        return '';
      },
    };
  }

  /** The first word of a text that is not in the vocabulary; undefined if all are. */
  unknown(text: Text): string | undefined {
    for (const words of this.#cut(text)) {
      const found = words.find((word) => !this.#tokens.has(word));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The tokenizer as JSON, which `restoreTokenizer` reads. */
  toJSON(): { name: 'words'; split: WordOptions['split']; words: readonly string[] } {
    return { name: this.name, split: this.#split, words: this.#words };
  }

  /** The words of a text in order, in batches; the end of each line is `\n`. */
  *#cut(text: Text): Iterable<readonly string[]> {
    const bytes = bytesOf('words', text);
    for (const piece of pieces(bytes, (at) => isSpace(bytes[at]))) {
      yield piece.match(this.#pattern) ?? [];
    }
    if (bytes.length > 0 && bytes[bytes.length - 1] !== 10) yield ['\n'];
  }
}

/** All words, including `<eos>`, from the most to the least frequent. */
function byFrequency(found: Iterable<readonly string[]>): string[] {
  const words = [END];
  const counts = [0];
  const indices = new Map([
    [END, 0],
    ['\n', 0],
  ]);
  for (const some of found) {
    for (const word of some) {
      const index = indices.get(word);
      if (index !== undefined) {
        counts[index]++;
        continue;
      }
      if (words.length === MOST_WORDS) {
        throw new MemgradError(
          `words: the text has more than ${MOST_WORDS} different words; use bytes or byte pairs, or take less of it.`,
        );
      }
      const kept = owned(word);
      indices.set(kept, words.length);
      words.push(kept);
      counts.push(1);
    }
  }
  if (words.length === 1) {
    throw new MemgradError('words: the text has no words; make the tokenizer from a longer one.');
  }
  const order = Int32Array.from(words, (_, index) => index);
  order.sort((one, other) => counts[other] - counts[one] || one - other);
  return Array.from(order, (index) => words[index]);
}

/** The first `most` of `words`, which always include `<unk>`. */
function withUnknown(words: readonly string[], most: number): string[] {
  const kept = words.slice(0, most);
  if (kept.includes(UNKNOWN)) return kept;
  return kept.length < most ? [...kept, UNKNOWN] : [...kept.slice(0, -1), UNKNOWN];
}
