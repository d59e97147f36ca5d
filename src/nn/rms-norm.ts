/** RMS normalisation with its parameter. */
import { type Parameter, rmsNorm, type Tensor } from '../autograd/index.js';
import { positive } from '../options.js';
import { Module } from './module.js';
import { checkArguments, one, type Placement, placementKinds } from './parameters.js';

/** Options of `RMSNorm`. */
export interface RMSNormOptions extends Placement {
  /** Added to the mean square. Default 1e-5. */
  epsilon?: number;
}

/** `rmsNorm` over the last axis (Zhang and Sennrich 2019), with a weight of 1 at the start. */
export class RMSNorm extends Module {
  readonly weight: Parameter;
  readonly #epsilon: number | undefined;

  /** Throws `MemgradError` unless `features` is a whole number >= 1. */
  constructor(features: number, options: RMSNormOptions = {}) {
    super();
    checkArguments('RMSNorm', { features }, options, { ...placementKinds, epsilon: positive() });
    this.weight = one([features], options);
    this.#epsilon = options.epsilon;
  }

  /** Maps [..., features] to the same shape. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight, this.#epsilon);
  }
}
