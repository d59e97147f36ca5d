/**
 * RMT as an encoder: reads a long document in segments, bidirectionally within each, and classifies
 * it.
 */
import {
  add,
  concat,
  crossEntropy,
  dropout,
  Key,
  mul,
  type Parameter,
  report,
  reshape,
  slice,
  type Tensor,
  tanh,
  tensor,
  within,
} from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import { MemgradError } from '../errors.js';
import { Linear } from '../nn/linear.js';
import { perSequence } from '../nn/memory.js';
import { Module } from '../nn/module.js';
import { allOrNothing } from '../nn/parameters.js';
import { check, checkOptions, needed, requireThat, requireTokens, whole } from '../options.js';
import { configKinds, type MemoryConfig, ownConfig } from './config.js';
import { Stack } from './layers/decoder.js';
import { initialMemory, layerOptions } from './layers/initial.js';

/** The configuration of an `EncoderRMT`. */
export interface EncoderConfig extends MemoryConfig {
  classes: number;
  /** Document tokens per segment; [CLS], the memory and two [SEP] are added to them. */
  segmentLength: number;
  /** Longer documents are truncated at the end. */
  maxSegments: number;
  /** Ids of the special tokens. */
  cls: number;
  sep: number;
  pad: number;
}

/** Tokens of one document, without the special tokens. */
export type DocumentTokens = ArrayLike<number>;

/** One step of reading: the segments of the documents that have started by then, as tensors. */
export type DocumentSegments = {
  /** Indices of the documents, in order. */
  documents: number[];
  /** [SEP] tokens [SEP], padded: int32 [documents, segmentLength + 2]. */
  tokens: Tensor;
  /** Which rows of its own segment each row sees: int32 [documents, 1, rows, rows]. */
  mask: Tensor;
};

/** The encoder's output after one step, for the documents that have started by then. */
export interface SegmentClasses {
  /** Indices of the documents, in order; after the last segment, all of them. */
  documents: number[];
  /** [documents, classes]. */
  logits: Tensor;
}

/**
 * Encoder RMT (Bulatov, Kuratov, Burtsev 2022, arXiv 2207.06881, section 3, and its code for
 * classification). A segment is [CLS] memory [SEP] tokens [SEP], padded to one length. The output
 * at the memory rows is the memory of the next segment. Segments are aligned to the right: the
 * first segment of a document is the short one, and all documents end in the same last step. The
 * class is read from [CLS] through a tanh layer, as in BERT (Devlin et al. 2019).
 */
export class EncoderRMT extends Module {
  static readonly isCapturable = true;
  readonly stack: Stack;
  /** The memory before the first segment, [numMemTokens, dModel]; learned. */
  readonly memory: Parameter;
  readonly pooler: Linear;
  readonly classifier: Linear;

  /** Throws `MemgradError` for an invalid configuration. */
  constructor(
    readonly config: Readonly<EncoderConfig>,
    seed = 0,
  ) {
    super();
    const size = needed(whole());
    const own = { classes: size, segmentLength: size, maxSegments: size, cls: 1, sep: 1, pad: 1 };
    config = this.config = ownConfig(config, ['numMemTokens', 'memInit'], {
      ...configKinds,
      ...own,
    });
    const { positions, nToken, dModel, classes } = config;
    if (positions === 'relative-wrapped') {
      throw new MemgradError(
        `positions: an encoder sees keys ahead everywhere, where '${positions}' has no distances; choose another kind.`,
      );
    }
    for (const name of ['cls', 'sep', 'pad'] as const) {
      check(`model: ${name}`, config[name], whole(0, nToken - 1));
    }
    const key = Key.of(seed);
    const made = allOrNothing(() => ({
      stack: new Stack(config, key),
      memory: initialMemory(config, key.fold(4)),
      pooler: new Linear(dModel, dModel, layerOptions(config, key.fold(6))),
      classifier: new Linear(dModel, classes, layerOptions(config, key.fold(7))),
    }));
    this.stack = made.stack;
    this.memory = made.memory;
    this.pooler = made.pooler;
    this.classifier = made.classifier;
  }

  /**
   * Cuts documents into segments and uploads them: for each step, the input of `forward`. Throws
   * `MemgradError` for an empty list and for tokens outside the vocabulary.
   */
  segments(documents: readonly DocumentTokens[]): DocumentSegments[] {
    requireThat(Array.isArray(documents), 'EncoderRMT: documents', 'a list', documents);
    if (documents.length === 0) {
      throw new MemgradError('EncoderRMT: got no documents, expected at least one.');
    }
    for (const document of documents) {
      requireTokens('EncoderRMT', document, this.config.nToken);
    }
    const segments = documents.map((document) => this.#cut(document));
    const steps = Math.max(...segments.map(({ length }) => length));
    return Array.from({ length: steps }, (_, step) => {
      const active = documents.map((_, i) => i).filter((i) => segments[i].length >= steps - step);
      const present = active.map((i) => segments[i].at(step - steps) as Int32Array);
      return { documents: active, ...this.#upload(present) };
    });
  }

  /**
   * Returns the logits after each step; the last step holds the answer. `documents` are lists of
   * tokens, or what `segments` returned for them; then the result depends on tensors alone, so that
   * it can be captured. `key` turns dropout on. Throws like `segments`.
   */
  forward(
    documents: readonly DocumentTokens[] | readonly DocumentSegments[],
    key?: Key,
  ): SegmentClasses[] {
    if (key !== undefined) check('EncoderRMT: key', key, isKey);
    const segments = isUploaded(documents) ? documents : this.segments(documents);
    // [1, numMemTokens, dModel] for each document, initially the learned memory
    const memories = segments[segments.length - 1].documents.map(() => perSequence(this.memory, 1));
    return segments.map(({ documents: active, tokens, mask }, step) => {
      const before = concat(
        active.map((i) => memories[i]),
        0,
      );
      const { logits, memory } = within(`segments.${step}`, () =>
        this.#read(tokens, mask, before, key?.fold(step)),
      );
      active.forEach((i, row) => {
        memories[i] = slice(memory, 0, row, row + 1);
      });
      return { documents: active, logits };
    });
  }

  /**
   * Cross-entropy with the class of each document: after the last segment (`last`), or the mean
   * over the steps of each step's mean over its documents (`mean`). Throws `MemgradError` unless
   * there is one class per document.
   */
  loss(
    documents: readonly DocumentTokens[],
    classes: ArrayLike<number>,
    options: { over: 'last' | 'mean'; key?: Key },
  ): Tensor {
    checkOptions('loss', options, { over: 1, key: 1 });
    const { over, key } = options ?? {};
    requireThat(over === 'last' || over === 'mean', 'loss: over', "'last' or 'mean'", over);
    requireTokens('loss: classes', classes, this.config.classes);
    requireThat(Array.isArray(documents), 'loss: documents', 'a list', documents);
    if (classes.length !== documents.length) {
      throw new MemgradError(
        `EncoderRMT: got ${classes.length} classes for ${documents.length} documents, expected one each.`,
      );
    }
    const steps = this.forward(documents, key);
    const losses = (over === 'last' ? steps.slice(-1) : steps).map(({ documents, logits }) => {
      const wanted = Int32Array.from(documents, (i) => classes[i]);
      return crossEntropy(logits, tensor(wanted, { backend: logits.backend }));
    });
    return mul(
      losses.reduce((a, b) => add(a, b)),
      1 / losses.length,
    );
  }

  /**
   * Cuts a document into segments, of which the first may be shorter. An empty document has one
   * empty segment.
   */
  #cut(document: DocumentTokens): Int32Array[] {
    const { segmentLength, maxSegments } = this.config;
    const tokens = Int32Array.from(document).subarray(0, segmentLength * maxSegments);
    const count = Math.max(1, Math.ceil(tokens.length / segmentLength));
    return Array.from({ length: count }, (_, i) => {
      const end = tokens.length - (count - 1 - i) * segmentLength;
      return tokens.subarray(Math.max(0, end - segmentLength), end);
    });
  }

  /** The tokens and the mask of one segment of each document. */
  #upload(segments: readonly Int32Array[]): Pick<DocumentSegments, 'tokens' | 'mask'> {
    const { numMemTokens, segmentLength, sep, pad } = this.config;
    const { backend } = this.memory;
    const after = segmentLength + 2; // [SEP] tokens [SEP]
    const shape = [segments.length, after];
    const tokens = new Int32Array(segments.length * after).fill(pad);
    segments.forEach((segment, row) => {
      tokens.set([sep, ...segment, sep], row * after);
    });
    const used = segments.map(({ length }) => 1 + numMemTokens + length + 2);
    return {
      tokens: tensor(tokens, { shape, backend }),
      mask: paddingMask(used, 1 + numMemTokens + after, backend),
    };
  }

  /**
   * Reads one segment of each document with `memory` [batch, numMemTokens, dModel]; returns the
   * logits [batch, classes] and the new memory.
   */
  #read(tokens: Tensor, mask: Tensor, memory: Tensor, key?: Key) {
    const { numMemTokens, cls, dropout: rate } = this.config;
    const { stack } = this;
    const { backend } = memory;
    const [batch] = tokens.shape;
    const first = stack.embed(
      tensor(new Int32Array(batch).fill(cls), { shape: [batch, 1], backend }),
    );
    const rest = stack.embed(tokens);
    report('memory.read', memory);
    const rows = concat([first, memory, rest], 1);

    const { output } = stack.forward(rows, { mask, key });
    const written = slice(output, 1, 1, 1 + numMemTokens);
    report('memory.written', written);
    const pooled = tanh(this.pooler.forward(slice(output, 1, 0, 1))); // [batch, 1, dModel]
    const dropped = key ? dropout(pooled, rate, key.fold(stack.layers.length + 1)) : pooled;
    const logits = this.classifier.forward(dropped);
    return { memory: written, logits: reshape(logits, [batch, this.config.classes]) };
  }
}

function isUploaded(
  documents: readonly DocumentTokens[] | readonly DocumentSegments[],
): documents is readonly DocumentSegments[] {
  return Array.isArray(documents) && 'mask' in Object(documents[0]);
}

/** int32 [batch, 1, rows, rows]: every row sees the first `used` rows of its own document. */
function paddingMask(used: readonly number[], rows: number, backend: Tensor['backend']): Tensor {
  const mask = new Int32Array(used.length * rows * rows);
  used.forEach((count, document) => {
    for (let row = 0; row < rows; row++) {
      const start = (document * rows + row) * rows;
      mask.fill(1, start, start + count);
    }
  });
  return tensor(mask, { shape: [used.length, 1, rows, rows], backend });
}
