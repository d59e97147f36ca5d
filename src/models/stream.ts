/** Streaming inference: reads tokens as they arrive, with a state of fixed size. */
import {
  Parameter,
  reshape,
  scope,
  slice,
  type Tensor,
  type Tree,
  tensor,
  treeLeaves,
  treeMap,
} from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { Module } from '../nn/module.js';
import { checkOptions, needed, requireThat, requireTokens, whole } from '../options.js';
import { type HostArray, readArrays } from './arrays.js';
import { isLanguageModel } from './layers/inputs.js';
import { isHostArray, namedState, restoredState } from './saved-state.js';
import type { SegmentModel } from './segment-model.js';

/** A stream as named arrays, which `encodeSafetensors` accepts. */
export type SavedStream = Readonly<Record<string, HostArray>>;

/** Options of `SegmentModel.stream`. */
export interface StreamOptions {
  /** Tokens per segment, as in training. */
  segmentLength: number;
  /** A stream saved by the same model, to continue from. */
  saved?: SavedStream;
}

/** The maximum number of tokens per segment; attention over more would not fit in memory. */
const LONGEST = 2 ** 24;

/**
 * A model that reads one endless sequence. It keeps the state after the last whole segment and the
 * tokens of the current one, so its size doesn't grow. The caller disposes of it.
 */
export class Stream {
  readonly #model: SegmentModel;
  readonly #vocabulary: number | undefined;
  readonly #backend: Backend;
  /** The tokens of the current segment, padded with zeros, which no earlier position sees. */
  readonly #segment: Int32Array;
  #filled = 0;
  #disposed = false;
  /** Parameters, since they outlive the scope in which `push` is called. */
  #state: Tree;

  /**
   * Throws `MemgradError` for a segment length below 1, and for a saved stream that doesn't fit the
   * model.
   */
  constructor(model: SegmentModel, options: StreamOptions) {
    const isModel = model instanceof Module && isLanguageModel(model);
    requireThat(isModel, 'stream: the model', 'one with initialState() and forward()', model);
    checkOptions('stream', options, { segmentLength: needed(whole(1, LONGEST)), saved: 1 });
    const { segmentLength, saved } = options;
    this.#model = model;
    this.#vocabulary = model.config?.nToken;
    this.#backend = Object.values(model.parameters())[0]?.backend;
    this.#segment = new Int32Array(segmentLength);
    this.#state = scope(() => {
      const start = model.initialState(1);
      return kept(saved ? this.#restored(start, saved) : start);
    });
  }

  /**
   * Reads more tokens. They change the state once their segment is complete and another token
   * arrives. Throws `MemgradError` for a token outside the vocabulary, and when memory runs out;
   * the stream is then as it was before the call.
   */
  push(tokens: ArrayLike<number>): void {
    this.#requireOpen();
    requireTokens('stream', tokens, this.#vocabulary);
    const [state, segment, filled] = [this.#state, this.#segment.slice(), this.#filled];
    let unused = state;
    try {
      for (let i = 0; i < tokens.length; i++) {
        if (this.#filled === this.#segment.length) this.#close(state);
        this.#segment[this.#filled++] = tokens[i];
      }
    } catch (error) {
      unused = this.#state;
      this.#state = state;
      this.#segment.set(segment);
      this.#filled = filled;
      throw error;
    } finally {
      if (unused !== this.#state) free(unused);
    }
  }

  /**
   * Returns the logits [vocabulary] of the next token, in one forward pass over the current
   * segment. Throws `MemgradError` before the first token.
   */
  logits(): Tensor {
    this.#requireOpen();
    if (this.#filled === 0) {
      throw new MemgradError(
        'stream: nothing was read yet; push a token before requesting logits.',
      );
    }
    return scope(() => {
      const { logits } = this.#model.forward(this.#tokens(), this.#state);
      return reshape(slice(logits, 1, this.#filled - 1, this.#filled), [-1]);
    });
  }

  /** Returns everything needed to continue from here in another process. */
  async save(): Promise<SavedStream> {
    this.#requireOpen();
    const data = this.#segment.slice(0, this.#filled);
    return {
      tokens: { dtype: 'int32', shape: [data.length], data },
      ...(await readArrays(namedState('state', this.#state))),
    };
  }

  /** Frees the state. */
  dispose(): void {
    this.#disposed = true;
    free(this.#state);
  }

  #requireOpen(): void {
    if (!this.#disposed) return;
    throw new MemgradError('stream: it was disposed of; create another one.');
  }

  /** Ends the current segment. Frees the previous state, unless it is `first`. */
  #close(first: Tree): void {
    const before = this.#state;
    this.#state = scope(() => kept(this.#model.advance(this.#tokens(), before)));
    if (before !== first) free(before);
    this.#segment.fill(0);
    this.#filled = 0;
  }

  #tokens(): Tensor {
    const shape = [1, this.#segment.length];
    return tensor(this.#segment, { shape, backend: this.#backend });
  }

  /** Restores the tokens; returns the tree `start` with the saved values. */
  #restored(start: Tree, saved: SavedStream): Tree {
    const refuse = (what: string): never => {
      throw new MemgradError(
        `stream: the saved stream ${what}; restore it with the model that saved it.`,
      );
    };
    const { tokens } = saved ?? {};
    if (
      !isHostArray(tokens) ||
      tokens.dtype !== 'int32' ||
      tokens.data.length > this.#segment.length
    ) {
      refuse(`has no list of at most ${this.#segment.length} tokens`);
    }
    requireTokens('stream', tokens.data, this.#vocabulary);
    this.#segment.set(tokens.data);
    this.#filled = tokens.data.length;
    return restoredState('state', start, saved, refuse);
  }
}

function kept(state: Tree): Tree {
  return treeMap(state, (part) => new Parameter(part));
}

function free(state: Tree): void {
  for (const part of treeLeaves(state)) part.dispose();
}
