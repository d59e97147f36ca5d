/** Language modelling over one text. */
import { MemgradError, requireWhole } from '../errors.js';
import type { Part, StreamTask } from './stream.js';
import type { Batch } from './task.js';
import type { Tokenizer } from './tokenizers.js';

/** A text as bytes of UTF-8, in its parts. */
export type TextParts = Readonly<Record<Part, Uint8Array>>;

/**
 * Predicts every token of a text. For `size` parallel streams a part is cut into as many equal
 * rows, each contiguous; the few tokens that don't fill a row are left out, as in the published
 * code of Transformer-XL.
 */
export class Language implements StreamTask {
  readonly name = 'language';
  readonly vocabulary: number;
  readonly unit: StreamTask['unit'];
  readonly #tokens: Readonly<Record<Part, Int32Array>>;
  readonly #tokenizer: Tokenizer;

  /** Throws `MemgradError` for a part without two tokens. */
  constructor(text: TextParts, tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.vocabulary = tokenizer.vocabulary;
    this.unit = tokenizer.name === 'bytes' ? 'bits per character' : 'perplexity';
    this.#tokens = {
      train: tokenizer.encode(text.train),
      validation: tokenizer.encode(text.validation),
      test: tokenizer.encode(text.test),
    };
    for (const [part, { length }] of Object.entries(this.#tokens)) {
      if (length >= 2) continue;
      throw new MemgradError(
        `language: the ${part} part has ${length} tokens, expected at least 2; take a longer text.`,
      );
    }
  }

  segments(part: Part, size: number, length: number): number {
    requireWhole('language', 'length', length);
    return Math.ceil(this.#rowLength(part, size) / length);
  }

  segment(part: Part, size: number, length: number, index: number): Batch {
    requireWhole('language', 'index', index, 0, this.segments(part, size, length) - 1);
    const row = this.#rowLength(part, size);
    const start = index * length;
    const time = Math.min(length, row - start);
    const inputs = new Int32Array(size * time);
    const targets = new Int32Array(size * time);
    for (let stream = 0; stream < size; stream++) {
      const at = stream * row + start;
      inputs.set(this.#tokens[part].subarray(at, at + time), stream * time);
      targets.set(this.#tokens[part].subarray(at + 1, at + 1 + time), stream * time);
    }
    return { size, time, inputs, targets, promptLength: time };
  }

  show(tokens: ArrayLike<number>): string {
    return this.#tokenizer.decode(tokens);
  }

  /** Tokens of each of `size` rows; the last one has a next token too. */
  #rowLength(part: Part, size: number): number {
    requireWhole('language', 'size', size);
    const { length } = this.#tokens[part];
    if (length > size) return Math.floor((length - 1) / size);
    throw new MemgradError(
      `language: the ${part} part has ${length} tokens, too few for ${size} parallel streams; take a smaller batch.`,
    );
  }
}

/** Cuts a text into contiguous parts of 90, 5 and 5 percent. */
export function cutText(text: Uint8Array): TextParts {
  const [first, second] = [0.9, 0.95].map((share) => Math.round(share * text.length));
  return {
    train: text.subarray(0, first),
    validation: text.subarray(first, second),
    test: text.subarray(second),
  };
}
