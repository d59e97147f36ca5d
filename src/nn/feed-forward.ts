/** The feed-forward sub-layer. */
import { dropout, type Key, linear, type Tensor } from '../autograd/index.js';
import { rateKind } from '../autograd/operations/dropout.js';
import { Linear } from './linear.js';
import { Module } from './module.js';
import {
  allOrNothing,
  checkArguments,
  drawnFrom,
  type LayerOptions,
  layerKinds,
} from './parameters.js';

/** Options of `FeedForward`. */
export interface FeedForwardOptions extends LayerOptions {
  /** Probability with which a value between the two products is dropped. Default 0. */
  dropout?: number;
}

/** Linear, ReLU, dropout, linear (Vaswani et al. 2017, eq. 2). */
export class FeedForward extends Module {
  readonly inner: Linear;
  readonly outer: Linear;
  readonly #rate: number;

  /** Throws `MemgradError` unless both widths are whole numbers >= 1. */
  constructor(dModel: number, dInner: number, options: FeedForwardOptions = {}) {
    super();
    const kinds = { ...layerKinds, dropout: rateKind };
    checkArguments('FeedForward', { dModel, dInner }, options, kinds);
    const { key, initial } = drawnFrom(options);
    const made = allOrNothing(() => ({
      inner: new Linear(dModel, dInner, { ...initial, key: key.fold(0) }),
      outer: new Linear(dInner, dModel, { ...initial, key: key.fold(1) }),
    }));
    this.inner = made.inner;
    this.outer = made.outer;
    this.#rate = options.dropout ?? 0;
  }

  /** Maps [..., dModel] to the same shape. `key` turns dropout on. */
  forward(x: Tensor, key?: Key): Tensor {
    const inner = linear(x, this.inner.weight, this.inner.bias, { activation: 'relu' });
    return this.outer.forward(key ? dropout(inner, this.#rate, key) : inner);
  }
}
