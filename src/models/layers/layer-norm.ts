/** Layer normalisation with its parameters. */
import { type Key, layerNorm, type Parameter, type Tensor } from '../../autograd/index.js';
import { check, checkNames, whole } from '../../options.js';
import { configKinds } from '../config.js';
import { Module } from '../module.js';
import { allOrNothing, gaussian, type Placement, zero } from './parameters.js';

/**
 * `layerNorm` over the last axis, with weight N(1, 0.02) and bias 0, as in the Transformer-XL code.
 */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  /**
   * `placement` may be the configuration of a model. Throws `MemgradError` unless `features` is a
   * whole number >= 1.
   */
  constructor(features: number, key: Key, placement: Placement = {}) {
    super();
    check('LayerNorm: features', features, whole());
    checkNames('LayerNorm', placement, configKinds);
    const made = allOrNothing(() => ({
      weight: gaussian(key, [features], { ...placement, mean: 1 }),
      bias: zero([features], placement),
    }));
    this.weight = made.weight;
    this.bias = made.bias;
  }

  /** Maps [..., features] to the same shape. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias);
  }
}
