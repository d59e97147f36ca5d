/** Classification of long documents. */
import type { Key } from '../autograd/index.js';
import { describe, MemgradError } from '../errors.js';
import { check, whole } from '../options.js';
import { checkPart, checkTokenizer, encodeWith } from './language.js';
import type { Part } from './stream.js';
import type { Text } from './text.js';
import type { Tokenizer } from './tokenizers.js';

/** A document, its class and the part of the data that it belongs to. */
export interface Document {
  readonly text: Text;
  /** Index into the names of the classes. */
  readonly class: number;
  readonly part: Part;
}

/** Tokens of documents, and the class of each. */
export interface DocumentBatch {
  readonly documents: readonly Int32Array[];
  readonly classes: readonly number[];
}

/** A task of classifying documents. */
export interface DocumentTask {
  readonly name: string;
  /** Number of different tokens, including the special ones. */
  readonly vocabulary: number;
  /** The special tokens of `EncoderRMT`. */
  readonly special: { readonly cls: number; readonly sep: number; readonly pad: number };
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** Accuracy of always answering the most frequent class of the test part. */
  readonly chance: number;
  /** All documents of a part. */
  all(part: Part): DocumentBatch;
  /** Draws `size` documents for training by `key`: equal keys give equal batches. */
  documents(key: Key, size: number): DocumentBatch;
}

/** Predicts the class of a document from its text. */
export class Classification implements DocumentTask {
  readonly name = 'classification';
  readonly vocabulary: number;
  readonly special: DocumentTask['special'];
  readonly chance: number;
  readonly #parts: Readonly<Record<Part, ReturnType<typeof emptyPart>>>;

  /**
   * Throws `MemgradError` for a part without documents, and for a document with an invalid class or
   * part.
   */
  constructor(
    documents: readonly Document[],
    readonly classes: readonly string[],
    tokenizer: Tokenizer,
  ) {
    for (const [name, list] of Object.entries({ documents, classes })) {
      if (Array.isArray(list) && list.length > 0) continue;
      throw new MemgradError(`classification: expected a list of ${name}, got ${describe(list)}.`);
    }
    checkTokenizer('classification', tokenizer);
    const words = tokenizer.vocabulary;
    this.special = { cls: words, sep: words + 1, pad: words + 2 };
    this.vocabulary = words + 3;
    this.#parts = { train: emptyPart(), validation: emptyPart(), test: emptyPart() };
    const tested = new Array<number>(classes.length).fill(0);
    for (const [index, document] of documents.entries()) {
      const where = `classification: document ${index}`;
      checkPart(where, document?.part);
      check(`${where}: class`, document.class, whole(0, classes.length - 1));
      const { documents, classes: labels } = this.#parts[document.part];
      documents.push(encodeWith(where, tokenizer, document.text));
      labels.push(document.class);
      if (document.part === 'test') tested[document.class]++;
    }
    for (const [name, { documents }] of Object.entries(this.#parts)) {
      if (documents.length > 0) continue;
      throw new MemgradError(`classification: no document is in the ${name} part; add some.`);
    }
    this.chance = tested.reduce((a, b) => Math.max(a, b)) / this.#parts.test.documents.length;
  }

  all(part: Part): DocumentBatch {
    checkPart('classification', part);
    return this.#parts[part];
  }

  documents(key: Key, size: number): DocumentBatch {
    check('classification: size', size, whole());
    if (typeof key?.integers !== 'function') {
      throw new MemgradError(
        `classification: expected a key, such as Key.of(1), got ${describe(key)}.`,
      );
    }
    const { documents, classes } = this.#parts.train;
    const drawn = [...key.integers(size, documents.length)];
    return { documents: drawn.map((i) => documents[i]), classes: drawn.map((i) => classes[i]) };
  }
}

function emptyPart(): { documents: Int32Array[]; classes: number[] } {
  return { documents: [], classes: [] };
}
