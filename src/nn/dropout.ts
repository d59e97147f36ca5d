/** Dropout as a layer. */
import { dropout, type Key, type Tensor } from '../autograd/index.js';
import { rateKind } from '../autograd/operations/dropout.js';
import { check } from '../options.js';
import { Module } from './module.js';

/**
 * Drops values while a key is passed, and does nothing without one. There is no mode to switch:
 * pass a key in training only, a new one at every step.
 */
export class Dropout extends Module {
  readonly #rate: number;

  /** Throws `MemgradError` unless `rate` is in [0, 1). */
  constructor(rate = 0.5) {
    super();
    check('Dropout: rate', rate, rateKind);
    this.#rate = rate;
  }

  /** Returns `dropout(x, rate, key)`, or `x` itself without a key. */
  forward(x: Tensor, key?: Key): Tensor {
    return key === undefined ? x : dropout(x, this.#rate, key);
  }
}
