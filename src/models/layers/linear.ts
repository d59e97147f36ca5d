/** A dense layer. */
import { type Key, linear, Parameter, type Tensor, zeros } from '../../autograd/index.js';
import { Module } from '../module.js';
import { gaussian, type Placement } from './gaussian.js';

/** x W^T + b with `weight` [out, in], N(0, 0.02), and, if wanted, `bias` [out], zeros. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(inputs: number, outputs: number, key: Key, options: Placement & { bias: boolean }) {
    super();
    this.weight = gaussian(key, [outputs, inputs], options);
    this.bias = options.bias ? new Parameter(zeros([outputs], options)) : undefined;
  }

  /** [..., in] to [..., out]. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
