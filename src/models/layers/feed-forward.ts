/** The feed-forward sub-layer. */
import { dropout, type Key, relu, type Tensor } from '../../autograd/index.js';
import type { ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { Linear } from './linear.js';

/** Linear, ReLU, linear (Vaswani et al. 2017, eq. 2), with dropout after each. */
export class FeedForward extends Module {
  readonly inner: Linear;
  readonly outer: Linear;
  readonly #rate: number;

  constructor(config: ModelConfig, key: Key) {
    super();
    const { dModel, dInner, dropout: rate } = config;
    this.inner = new Linear(dModel, dInner, key.fold(0), { ...config, bias: true });
    this.outer = new Linear(dInner, dModel, key.fold(1), { ...config, bias: true });
    this.#rate = rate;
  }

  /** [batch, time, dModel] to the same. */
  forward(x: Tensor, key?: Key): Tensor {
    const drop = (y: Tensor, index: number) => (key ? dropout(y, this.#rate, key.fold(index)) : y);
    return drop(this.outer.forward(drop(relu(this.inner.forward(x)), 0)), 1);
  }
}
