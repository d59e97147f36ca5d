/** Layer normalisation with its parameters. */
import { type Key, layerNorm, type Parameter, type Tensor } from '../../autograd/index.js';
import { Module } from '../module.js';
import { gaussian, type Placement, zero } from './parameters.js';

/** `layerNorm` over the last axis; weight N(1, 0.02) and bias 0, as in the Transformer-XL code. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(features: number, key: Key, placement: Placement) {
    super();
    this.weight = gaussian(key, [features], { ...placement, mean: 1 });
    this.bias = zero([features], placement);
  }

  /** [..., features] to the same. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias);
  }
}
