/** A dense layer. */
import {
  type Key,
  type LinearOptions,
  linear,
  type Parameter,
  type Tensor,
} from '../../autograd/index.js';
import { Module } from '../module.js';
import { gaussian, type Placement, zero } from './parameters.js';

/** x W^T + b with `weight` [out, in], N(0, initStd), and, if wanted, `bias` [out], zeros. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inputs: number, outputs: number, key: Key, options: Placement & { bias: boolean }) {
    super();
    this.weight = gaussian(key, [outputs, inputs], options);
    this.bias = options.bias ? zero([outputs], options) : undefined;
  }

  /** [..., in] to [..., out]. */
  forward(x: Tensor, options?: LinearOptions): Tensor {
    return linear(x, this.weight, this.bias, options);
  }
}
