/** Layer normalisation with its parameters. */
import { type Key, layerNorm, type Parameter, type Tensor } from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import { positive } from '../options.js';
import { Module } from './module.js';
import {
  allOrNothing,
  checkArguments,
  gaussian,
  one,
  type Placement,
  placementKinds,
  zero,
} from './parameters.js';

/** Options of `LayerNorm`. */
export interface LayerNormOptions extends Placement {
  /** Makes the weight start N(1, 0.02), as in the Transformer-XL code. Default: it starts at 1. */
  key?: Key;
  /** Added to the variance. Default 1e-5. */
  epsilon?: number;
}

/** `layerNorm` over the last axis, with a weight of 1 and a bias of 0 at the start. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #epsilon: number | undefined;

  /** Throws `MemgradError` unless `features` is a whole number >= 1. */
  constructor(features: number, options: LayerNormOptions = {}) {
    super();
    const kinds = { ...placementKinds, key: isKey, epsilon: positive() };
    checkArguments('LayerNorm', { features }, options, kinds);
    const { key, epsilon, dtype, backend } = options;
    const made = allOrNothing(() => ({
      weight: key
        ? gaussian(key, [features], { dtype, backend, mean: 1 })
        : one([features], options),
      bias: zero([features], options),
    }));
    this.weight = made.weight;
    this.bias = made.bias;
    this.#epsilon = epsilon;
  }

  /** Maps [..., features] to the same shape. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.#epsilon);
  }
}
