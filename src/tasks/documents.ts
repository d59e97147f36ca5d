/** Classification of long documents. */
import type { Key } from '../autograd/index.js';
import { MemgradError, requireWhole } from '../errors.js';
import type { Part } from './stream.js';
import type { Tokenizer } from './tokenizers.js';

/** A document of a class, in the part that it belongs to. */
export interface Document {
  /** UTF-8. */
  readonly text: Uint8Array;
  /** Index into the names of the classes. */
  readonly class: number;
  readonly part: Part;
}

/** Tokens of documents, and the class of each. */
export interface DocumentBatch {
  readonly documents: readonly Int32Array[];
  readonly classes: readonly number[];
}

/** Documents to be classified. */
export interface DocumentTask {
  readonly name: string;
  /** Number of different tokens, the special ones among them. */
  readonly vocabulary: number;
  /** The special tokens of `EncoderRMT`. */
  readonly special: { readonly cls: number; readonly sep: number; readonly pad: number };
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** Accuracy of always naming the class that is most frequent in the test part. */
  readonly chance: number;
  /** All documents of a part. */
  all(part: Part): DocumentBatch;
  /** `size` documents for training, drawn by `key`: equal keys give equal batches. */
  documents(key: Key, size: number): DocumentBatch;
}

/** Tells the class of a document from its text. */
export class Classification implements DocumentTask {
  readonly name = 'classification';
  readonly vocabulary: number;
  readonly special: DocumentTask['special'];
  readonly chance: number;
  readonly #parts: Readonly<Record<Part, DocumentBatch>>;

  /** Throws `MemgradError` for a part without documents, or a class without a name. */
  constructor(
    documents: readonly Document[],
    readonly classes: readonly string[],
    tokenizer: Tokenizer,
  ) {
    const words = tokenizer.vocabulary;
    this.special = { cls: words, sep: words + 1, pad: words + 2 };
    this.vocabulary = words + 3;
    const part = (name: Part): DocumentBatch => {
      const found = documents.filter((document) => document.part === name);
      if (found.length === 0) {
        throw new MemgradError(`classification: no document is in the ${name} part; add some.`);
      }
      return {
        documents: found.map(({ text }) => tokenizer.encode(text)),
        classes: found.map((document) => document.class),
      };
    };
    for (const document of documents) {
      requireWhole('classification', 'class', document.class, 0, classes.length - 1);
    }
    this.#parts = { train: part('train'), validation: part('validation'), test: part('test') };
    const { classes: asked } = this.#parts.test;
    const count = (wanted: number) => asked.filter((found) => found === wanted).length;
    this.chance = Math.max(...classes.map((_, index) => count(index))) / asked.length;
  }

  all(part: Part): DocumentBatch {
    return this.#parts[part];
  }

  documents(key: Key, size: number): DocumentBatch {
    requireWhole('classification', 'size', size);
    const { documents, classes } = this.#parts.train;
    const drawn = [...key.integers(size, documents.length)];
    return { documents: drawn.map((i) => documents[i]), classes: drawn.map((i) => classes[i]) };
  }
}
