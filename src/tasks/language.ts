/** Language modelling over one text. */
import { describe, MemgradError } from '../errors.js';
import { check, refuseName, whole } from '../options.js';
import type { Part, StreamTask } from './stream.js';
import type { Batch } from './task.js';
import { bytesOf, characterStart, checkToken, type Text } from './text.js';
import type { Tokenizer } from './tokenizers.js';

/** The parts of a text, as bytes of UTF-8. */
export type TextParts = Readonly<Record<Part, Uint8Array>>;

const PARTS: readonly Part[] = ['train', 'validation', 'test'];

/**
 * Predicts every token of a text. For `size` parallel streams a part is cut into `size` equal rows,
 * each contiguous. The few tokens that don't fill a row are left out, as in the published code of
 * Transformer-XL.
 */
export class Language implements StreamTask {
  readonly name: string = 'language';
  readonly vocabulary: number;
  readonly unit: StreamTask['unit'];
  readonly tokenizer: Tokenizer;
  /** The tokens of each part. */
  protected readonly tokens: Readonly<Record<Part, Int32Array>>;

  /**
   * Encodes all parts. Throws `MemgradError` for a part that is missing or has fewer than two
   * tokens, and for a tokenizer that returns tokens outside its vocabulary.
   */
  constructor(text: Readonly<Record<Part, Text>>, tokenizer: Tokenizer) {
    checkTokenizer('language', tokenizer);
    this.tokenizer = tokenizer;
    this.vocabulary = tokenizer.vocabulary;
    this.unit = tokenizer.name === 'bytes' ? 'bits per character' : 'perplexity';
    for (const part of PARTS) {
      if (text?.[part] !== undefined) continue;
      throw new MemgradError(
        `language: the ${part} part is missing; cut one text into its parts with cutText.`,
      );
    }
    const tokensOf = (part: Part) => {
      const tokens = encodeWith('language', tokenizer, text[part]);
      if (tokens.length >= 2) return tokens;
      throw new MemgradError(
        `language: the ${part} part has ${tokens.length} tokens, expected at least 2; take a longer text.`,
      );
    };
    this.tokens = {
      train: tokensOf('train'),
      validation: tokensOf('validation'),
      test: tokensOf('test'),
    };
  }

  segments(part: Part, size: number, length: number): number {
    check('language: length', length, whole());
    return Math.ceil(this.#rowLength(part, size) / length);
  }

  segment(part: Part, size: number, length: number, index: number): Batch {
    check('language: index', index, whole(0, this.segments(part, size, length) - 1));
    const row = this.#rowLength(part, size);
    const start = index * length;
    const time = Math.min(length, row - start);
    const inputs = new Int32Array(size * time);
    const targets = new Int32Array(size * time);
    for (let stream = 0; stream < size; stream++) {
      const at = stream * row + start;
      inputs.set(this.tokens[part].subarray(at, at + time), stream * time);
      targets.set(this.tokens[part].subarray(at + 1, at + 1 + time), stream * time);
    }
    return { size, time, inputs, targets, promptLength: time };
  }

  show(tokens: ArrayLike<number>): string {
    return this.tokenizer.decode(tokens);
  }

  /** Tokens in each of `size` rows. The last token of a row also needs a next one as its target. */
  #rowLength(part: Part, size: number): number {
    checkPart('language', part);
    check('language: size', size, whole());
    const { length } = this.tokens[part];
    if (length > size) return Math.floor((length - 1) / size);
    throw new MemgradError(
      `language: the ${part} part has ${length} tokens, too few for ${size} parallel streams; take a smaller batch.`,
    );
  }
}

/**
 * Cuts a text into contiguous parts of 90, 5 and 5 percent, at character boundaries. Throws
 * `MemgradError` unless it is a text.
 */
export function cutText(text: Text): TextParts {
  const bytes = bytesOf('cutText', text);
  const [first, second] = [0.9, 0.95].map((share) =>
    characterStart(bytes, Math.round(share * bytes.length)),
  );
  return {
    train: bytes.subarray(0, first),
    validation: bytes.subarray(first, second),
    test: bytes.subarray(second),
  };
}

/** Throws `MemgradError` unless `part` is the name of a part. */
export function checkPart(where: string, part: Part): void {
  if (!PARTS.includes(part)) refuseName(where, 'part', part, PARTS);
}

/** Throws `MemgradError` unless `tokenizer` has the members of a tokenizer. */
export function checkTokenizer(where: string, tokenizer: Tokenizer): void {
  if (typeof tokenizer?.encode !== 'function' || typeof tokenizer.decode !== 'function') {
    throw new MemgradError(
      `${where}: expected a tokenizer, such as new ByteTokenizer(text), got ${describe(tokenizer)}.`,
    );
  }
  check(`${where}: vocabulary`, tokenizer.vocabulary, whole());
}

/**
 * Encodes a text. Throws `MemgradError` where the tokenizer returns anything but an array of its
 * tokens.
 */
export function encodeWith(where: string, tokenizer: Tokenizer, text: Text): Int32Array {
  const tokens: unknown = tokenizer.encode(text);
  if (!(tokens instanceof Int32Array)) {
    throw new MemgradError(
      `${where}: expected the tokenizer to return an Int32Array, got ${describe(tokens)}.`,
    );
  }
  const { vocabulary } = tokenizer;
  for (let at = 0; at < tokens.length; at++) {
    if (tokens[at] < 0 || tokens[at] >= vocabulary) checkToken(where, tokens[at], vocabulary);
  }
  return tokens;
}
