/** The feed-forward sub-layer. */
import { dropout, type Key, type Tensor } from '../../autograd/index.js';
import { checkLayer, type ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { Linear } from './linear.js';
import { dense } from './parameters.js';

/** Linear, ReLU, dropout, linear (Vaswani et al. 2017, eq. 2). */
export class FeedForward extends Module {
  readonly inner: Linear;
  readonly outer: Linear;
  readonly #rate: number;

  constructor(config: ModelConfig, key: Key) {
    super();
    checkLayer(config, key);
    const { dModel, dInner, dropout: rate } = config;
    this.inner = new Linear(dModel, dInner, dense(config, key.fold(0)));
    this.outer = new Linear(dInner, dModel, dense(config, key.fold(1)));
    this.#rate = rate;
  }

  /** Maps [batch, time, dModel] to the same shape. */
  forward(x: Tensor, key?: Key): Tensor {
    const inner = this.inner.forward(x, { activation: 'relu' });
    return this.outer.forward(key ? dropout(inner, this.#rate, key) : inner);
  }
}
