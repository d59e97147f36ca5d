/** The one contract of all models: they read a sequence segment by segment and carry a state along. */
import { type Key, stopGradient, type Tensor, type Tree, treeMap } from '../autograd/index.js';
import type { Module } from './module.js';

/** What a segment gives: logits [batch, time, vocabulary], and the state for the next segment. */
export interface SegmentOutput<State> {
  logits: Tensor;
  state: State;
}

/**
 * A language model over segments. What `State` holds is the model's own: nothing (Transformer), a
 * detached cache (Transformer-XL), memory vectors with their gradient (RMT).
 */
export interface SegmentModel<State extends Tree = Tree> extends Module {
  /** The state before the first segment of `batch` sequences. */
  initialState(batch: number): State;
  /**
   * Reads one segment of `tokens`, int32 [batch, time] of any time. Logits at a position depend on
   * tokens up to it and on `state` only. `key` turns dropout on.
   */
  forward(tokens: Tensor, state: State, key?: Key): SegmentOutput<State>;
}

/** The state as constants: where truncated BPTT cuts. */
export function detach<State>(state: State): State {
  return treeMap(state, stopGradient);
}
