/** The feed-forward sub-layer. */
import { dropout, type Key, type Tensor } from '../../autograd/index.js';
import type { ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { Linear } from './linear.js';

/** Linear, ReLU, dropout, linear (Vaswani et al. 2017, eq. 2). */
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
    const inner = this.inner.forward(x, { activation: 'relu' });
    return this.outer.forward(key ? dropout(inner, this.#rate, key) : inner);
  }
}
