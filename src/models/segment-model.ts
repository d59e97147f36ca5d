/**
 * The contract of all language models: they read a sequence segment by segment and carry a state.
 */
import {
  isObserved,
  type Key,
  stopGradient,
  type Tensor,
  type Tree,
  treeMap,
} from '../autograd/index.js';
import { Module } from '../nn/module.js';
import { requireThat } from '../options.js';
import type { ModelConfig } from './config.js';
import { isLanguageModel } from './layers/inputs.js';
import { Stream, type StreamOptions } from './stream.js';

/** The output of one segment. */
export interface SegmentOutput<State> {
  /** [batch, time, vocabulary]; log-probabilities, which are logits too, under an adaptive softmax. */
  readonly logits: Tensor;
  /** The state for the next segment. */
  state: State;
  /**
   * Returns the cross-entropy [batch, time] of `targets` (row-major; 0 for a negative target). Only
   * models that compute it without all logits have this method.
   */
  losses?(targets: Int32Array): Tensor;
}

/**
 * Whether steps of `model` depend on nothing but tokens, state, key and parameters, so that they can
 * be captured without asking: true for the models here (`static isCapturable`), and false for
 * subclasses and for models with a method of their own, which may keep a state.
 */
export function isCapturable(model: object): boolean {
  return (
    Object.hasOwn(model.constructor, 'isCapturable') &&
    Object.values(model).every((field) => typeof field !== 'function')
  );
}

/**
 * A language model over segments. `State` depends on the model: nothing (Transformer), a detached
 * cache (Transformer-XL), memory vectors with their gradient (RMT).
 */
export abstract class SegmentModel<State extends Tree = Tree> extends Module {
  /**
   * The configuration. Streams and training read the vocabulary size from it; a wrapper around
   * another model may omit it.
   */
  declare readonly config?: Readonly<Pick<ModelConfig, 'nToken'>>;

  /** Returns the state before the first segment of `batch` sequences. */
  abstract initialState(batch: number): State;

  /**
   * Reads one segment of `tokens`, int32 [batch, time] with any time. Logits at a position depend
   * only on `state` and on tokens up to that position. `key` turns dropout on.
   */
  abstract forward(tokens: Tensor, state: State, key?: Key): SegmentOutput<State>;

  /**
   * Reads a segment like `forward` and returns only the state. Unless an observer is active, it
   * skips work that only the logits need.
   */
  advance(tokens: Tensor, state: State, key?: Key): State {
    requireThat(isLanguageModel(this), 'advance: the model', 'one with forward()', this);
    return isObserved()
      ? outputOf(this, tokens, state, key).state
      : this.stateAfter(tokens, state, key);
  }

  /** Override it in models that can compute the state without all of `forward`. */
  protected stateAfter(tokens: Tensor, state: State, key?: Key): State {
    return outputOf(this, tokens, state, key).state;
  }

  /** Returns a stream for inference, which reads one sequence of any length token by token. */
  stream(options: StreamOptions): Stream {
    return new Stream(this, options);
  }
}

/**
 * The state after a segment: by `advance`, or by `forward` of a model that has only the two methods
 * that every model needs.
 */
export function stateAfter<State extends Tree>(
  model: SegmentModel<State>,
  tokens: Tensor,
  state: State,
  key?: Key,
): State {
  const { advance }: Partial<SegmentModel<State>> = model;
  return advance
    ? advance.call(model, tokens, state, key)
    : outputOf(model, tokens, state, key).state;
}

/** Calls `forward`. Throws `MemgradError` unless it returns an output. */
export function outputOf<State extends Tree>(
  model: SegmentModel<State>,
  tokens: Tensor,
  state: State,
  key?: Key,
): SegmentOutput<State> {
  const output: unknown = model.forward(tokens, state, key);
  const isOutput = 'logits' in Object(output) && 'state' in Object(output);
  requireThat(isOutput, 'forward: the result', '{ logits, state }', output);
  return output as SegmentOutput<State>;
}

/** Returns the state as constants, which truncates backpropagation there. */
export function detach<State>(state: State): State {
  return treeMap(state, stopGradient);
}
