/** RMT as an encoder: reads a long document in segments, both ways within each, and says its class. */
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
import { check, checkOptions, needed, requireThat, requireTokens, whole } from '../options.js';
import { configKinds, type MemoryConfig, ownConfig } from './config.js';
import { Stack } from './layers/decoder.js';
import { Linear } from './layers/linear.js';
import { memoryRows, perSequence } from './layers/memory.js';
import { allOrNothing, dense } from './layers/parameters.js';
import { Module } from './module.js';

/** The configuration of an encoder that classifies. */
export interface EncoderConfig extends MemoryConfig {
  classes: number;
  /** Tokens of the document to a segment; [CLS], memory and two [SEP] come on top. */
  segmentLength: number;
  /** Longer documents lose their end. */
  maxSegments: number;
  /** Ids of the special tokens. */
  cls: number;
  sep: number;
  pad: number;
}

/** Tokens of one document, without special ones. */
export type Document = ArrayLike<number>;

/** What the encoder says after a segment, of the documents that have got so far. */
export interface SegmentClasses {
  /** Which documents, in order; all of them after the last segment. */
  documents: number[];
  /** [documents, classes]. */
  logits: Tensor;
}

/**
 * Encoder RMT (Bulatov, Kuratov, Burtsev 2022, arXiv 2207.06881, section 3, and its code for
 * classification). A segment is [CLS] memory [SEP] tokens [SEP], padded to one length; what comes
 * out at the memory is the memory of the next one. Segments are aligned to the right: the first of
 * a document is the short one, and all documents end in the same last step. The class is read
 * from [CLS] through a tanh layer, as in BERT (Devlin et al. 2019).
 */
export class EncoderRMT extends Module {
  readonly stack: Stack;
  /** The memory before the first segment, [numMemTokens, dModel]; learned. */
  readonly memory: Parameter;
  readonly pooler: Linear;
  readonly classifier: Linear;

  /** Throws `MemgradError` for a configuration that cannot be. */
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
      memory: memoryRows(config, key.fold(4)),
      pooler: new Linear(dModel, dModel, dense(config, key.fold(6))),
      classifier: new Linear(dModel, classes, dense(config, key.fold(7))),
    }));
    this.stack = made.stack;
    this.memory = made.memory;
    this.pooler = made.pooler;
    this.classifier = made.classifier;
  }

  /** What it says after each step; the last one is the answer. `key` turns dropout on. Throws without a document. */
  forward(documents: readonly Document[], key?: Key): SegmentClasses[] {
    requireThat(Array.isArray(documents), 'EncoderRMT: documents', 'a list', documents);
    if (documents.length === 0) {
      throw new MemgradError('EncoderRMT: got no documents, expected at least one.');
    }
    for (const document of documents) {
      requireTokens('EncoderRMT', document, this.config.nToken);
    }
    if (key !== undefined) check('EncoderRMT: key', key, isKey);
    const segments = documents.map((document) => this.#cut(document));
    const steps = Math.max(...segments.map(({ length }) => length));
    // [1, numMemTokens, dModel] for each document, at first the learned one
    const memories = documents.map(() => perSequence(this.memory, 1));
    return Array.from({ length: steps }, (_, step) => {
      const active = documents.map((_, i) => i).filter((i) => segments[i].length >= steps - step);
      const present = active.map((i) => segments[i].at(step - steps) as Int32Array);
      const before = concat(
        active.map((i) => memories[i]),
        0,
      );
      const { logits, memory } = within(`segments.${step}`, () =>
        this.#read(present, before, key?.fold(step)),
      );
      active.forEach((i, row) => {
        memories[i] = slice(memory, 0, row, row + 1);
      });
      return { documents: active, logits };
    });
  }

  /**
   * Cross-entropy with the class of each document: after the last segment, or the mean over the
   * steps of the mean over the documents in each. Throws unless there is one class to a document.
   */
  loss(
    documents: readonly Document[],
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

  /** The segments of a document, the first one the short one; one without tokens for an empty document. */
  #cut(document: Document): Int32Array[] {
    const { segmentLength, maxSegments } = this.config;
    const tokens = Int32Array.from(document).subarray(0, segmentLength * maxSegments);
    const count = Math.max(1, Math.ceil(tokens.length / segmentLength));
    return Array.from({ length: count }, (_, i) => {
      const end = tokens.length - (count - 1 - i) * segmentLength;
      return tokens.subarray(Math.max(0, end - segmentLength), end);
    });
  }

  /** One step: segments of tokens and `memory` [batch, numMemTokens, dModel] to logits and the new memory. */
  #read(segments: readonly Int32Array[], memory: Tensor, key?: Key) {
    const { numMemTokens, segmentLength, cls, sep, pad, dropout: rate } = this.config;
    const { stack } = this;
    const { backend } = memory;
    const after = segmentLength + 2; // [SEP] tokens [SEP]
    const batch = segments.length;
    const tokens = new Int32Array(batch * after).fill(pad);
    segments.forEach((segment, row) => {
      tokens.set([sep, ...segment, sep], row * after);
    });
    const first = stack.embed(
      tensor(new Int32Array(batch).fill(cls), { shape: [batch, 1], backend }),
    );
    const rest = stack.embed(tensor(tokens, { shape: [batch, after], backend }));
    report('memory.read', memory);
    const rows = concat([first, memory, rest], 1);
    const used = segments.map(({ length }) => 1 + numMemTokens + length + 2);
    const mask = paddingMask(used, rows.shape[1], backend);

    const { output } = stack.forward(rows, { mask, key });
    const written = slice(output, 1, 1, 1 + numMemTokens);
    report('memory.written', written);
    const pooled = tanh(this.pooler.forward(slice(output, 1, 0, 1))); // [batch, 1, dModel]
    const dropped = key ? dropout(pooled, rate, key.fold(stack.layers.length + 1)) : pooled;
    const logits = this.classifier.forward(dropped);
    return { memory: written, logits: reshape(logits, [batch, this.config.classes]) };
  }
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
