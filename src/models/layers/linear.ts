/** A dense layer. */
import {
  type Key,
  type LinearOptions,
  linear,
  type Parameter,
  type Tensor,
} from '../../autograd/index.js';
import type { ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { gaussian, type Placement, zero } from './parameters.js';

/** x W^T + b with `weight` [out, in], N(0, 0.02) or, with `init` wide, N(0, 1 / √in), and, if wanted, `bias` [out], zeros. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(
    inputs: number,
    outputs: number,
    key: Key,
    options: Placement & Pick<ModelConfig, 'init'> & { bias: boolean },
  ) {
    super();
    const deviation = options.init === 'wide' ? 1 / Math.sqrt(inputs) : undefined;
    this.weight = gaussian(key, [outputs, inputs], { ...options, deviation });
    this.bias = options.bias ? zero([outputs], options) : undefined;
  }

  /** [..., in] to [..., out]. */
  forward(x: Tensor, options?: LinearOptions): Tensor {
    return linear(x, this.weight, this.bias, options);
  }
}
