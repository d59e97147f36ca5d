/** The one contract of all language models: they read a sequence segment by segment and carry a state along. */
import {
  isObserved,
  type Key,
  stopGradient,
  type Tensor,
  type Tree,
  treeMap,
} from '../autograd/index.js';
import { requireThat } from '../options.js';
import type { ModelConfig } from './config.js';
import { isLanguageModel, Module } from './module.js';
import { Stream, type StreamOptions } from './stream.js';

/** What a segment gives. */
export interface SegmentOutput<State> {
  /** [batch, time, vocabulary]; log-probabilities, which are logits too, under an adaptive softmax. */
  readonly logits: Tensor;
  /** For the next segment. */
  state: State;
  /**
   * Cross-entropy [batch, time] of `targets` (row-major; 0 for a negative one), where a model gets
   * it without computing all logits.
   */
  losses?(targets: Int32Array): Tensor;
}

/**
 * A language model over segments. What `State` holds is the model's own: nothing (Transformer), a
 * detached cache (Transformer-XL), memory vectors with their gradient (RMT).
 */
export abstract class SegmentModel<State extends Tree = Tree> extends Module {
  /** The configuration, of which streams and training use the size of the vocabulary; a model around another may do without. */
  declare readonly config?: Readonly<Pick<ModelConfig, 'nToken'>>;

  /** The state before the first segment of `batch` sequences. */
  abstract initialState(batch: number): State;

  /**
   * Reads one segment of `tokens`, int32 [batch, time] of any time. Logits at a position depend on
   * tokens up to it and on `state` only. `key` turns dropout on.
   */
  abstract forward(tokens: Tensor, state: State, key?: Key): SegmentOutput<State>;

  /** Reads a segment as `forward` does, for the state alone: what only its logits need is not computed unless somebody observes. */
  advance(tokens: Tensor, state: State, key?: Key): State {
    requireThat(isLanguageModel(this), 'advance: the model', 'one with forward()', this);
    return isObserved()
      ? this.forward(tokens, state, key).state
      : this.stateAfter(tokens, state, key);
  }

  /** For models that get their state with less than all of `forward`. */
  protected stateAfter(tokens: Tensor, state: State, key?: Key): State {
    return this.forward(tokens, state, key).state;
  }

  /** Streaming inference: reads one sequence of any length, token by token. */
  stream(options: StreamOptions): Stream {
    return new Stream(this, options);
  }
}

/** The state as constants: where truncated BPTT cuts. */
export function detach<State>(state: State): State {
  return treeMap(state, stopGradient);
}
