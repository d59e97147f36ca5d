/** A dense layer. */
import {
  type LinearOptions as CallOptions,
  Key,
  linear,
  type Parameter,
  type Tensor,
} from '../../autograd/index.js';
import { check, checkOptions, flag, oneOf, whole } from '../../options.js';
import { choices, type ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { allOrNothing, gaussian, type Placement, zero } from './parameters.js';

/** Options of a dense layer. */
export interface DenseOptions extends Placement, Pick<ModelConfig, 'init'> {
  /**
   * The key that the weight is drawn from. Default: a different key for each layer, in the order of
   * construction.
   */
  key?: Key;
  /** Default true. */
  bias?: boolean;
}

let keyless = 0;

/**
 * Computes x W^T + b with `weight` [out, in] and `bias` [out]. The bias starts at 0, the weight
 * N(0, 1 / √in) (LeCun et al. 1998), or N(0, 0.02) with `init: 'narrow'`, as in the published
 * models.
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  /** Throws `MemgradError` unless both sizes are whole numbers >= 1. */
  constructor(inputs: number, outputs: number, options: DenseOptions = {}) {
    super();
    check('Linear: inputs', inputs, whole());
    check('Linear: outputs', outputs, whole());
    checkOptions('Linear', options, {
      key: 1,
      bias: flag,
      init: oneOf(choices.init),
      dtype: 1,
      backend: 1,
    });
    const { key = Key.of(0).fold(keyless++), bias = true, init = 'wide' } = options;
    const deviation = init === 'wide' ? 1 / Math.sqrt(inputs) : undefined;
    const made = allOrNothing(() => ({
      weight: gaussian(key, [outputs, inputs], { ...options, deviation }),
      bias: bias ? zero([outputs], options) : undefined,
    }));
    this.weight = made.weight;
    this.bias = made.bias;
  }

  /** Maps [..., in] to [..., out]. */
  forward(x: Tensor, options?: CallOptions): Tensor {
    return linear(x, this.weight, this.bias, options);
  }
}
