/** A dense layer. */
import { linear, type Parameter, type Tensor } from '../autograd/index.js';
import { flag } from '../options.js';
import { Module } from './module.js';
import {
  allOrNothing,
  checkArguments,
  drawnFrom,
  gaussianWeight,
  type LayerOptions,
  layerKinds,
  zero,
} from './parameters.js';

/** Options of a dense layer. */
export interface DenseOptions extends LayerOptions {
  /** Default true. */
  bias?: boolean;
}

/**
 * Computes x W^T + b with `weight` [outputs, inputs] and `bias` [outputs]. The bias starts at 0, the
 * weight N(0, 1 / √inputs), or N(0, 0.02) with `init: 'narrow'`.
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  /** Throws `MemgradError` unless both sizes are whole numbers >= 1. */
  constructor(inputs: number, outputs: number, options: DenseOptions = {}) {
    super();
    checkArguments('Linear', { inputs, outputs }, options, { ...layerKinds, bias: flag });
    const { key, initial } = drawnFrom(options);
    const made = allOrNothing(() => ({
      weight: gaussianWeight(key, [outputs, inputs], initial),
      bias: (options.bias ?? true) ? zero([outputs], initial) : undefined,
    }));
    this.weight = made.weight;
    this.bias = made.bias;
  }

  /** Maps [..., inputs] to [..., outputs]. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}
