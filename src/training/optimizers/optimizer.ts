/** The contract of optimisers, the only code that assigns new values to parameters in training. */
import { Parameter, type Tensor } from '../../autograd/index.js';
import { isLike } from '../../autograd/tensor.js';
import { describe, MemgradError } from '../../errors.js';
import { requireThat } from '../../options.js';

/** Parameters, or their gradients, by name. */
export type Named<T extends Tensor> = Readonly<Record<string, T>>;

/** Options of one step. */
export interface StepOptions {
  /** The learning rate of this step. Default: the optimiser's own. */
  rate?: number;
  /** Factor of the gradients, less than 1 when they are clipped. Default 1. */
  gradientScale?: number;
}

/** Updates parameters from their gradients. */
export interface Optimizer {
  readonly learningRate: number;
  /**
   * Takes one step. All new values are computed before the first is assigned: if it throws, every
   * parameter and every moment is as it was. Throws `MemgradError` for a parameter without a
   * gradient of its shape, dtype and backend, and for a gradient without a parameter.
   */
  step(parameters: Named<Parameter>, gradients: Named<Tensor>, options?: StepOptions): void;
  /** Number of steps taken. */
  readonly steps: number;
  /**
   * The moments by name, for saving, such as `first.NAME` and `second.NAME`; none before the first
   * step.
   */
  state(): Named<Parameter>;
  /**
   * Prepares to continue after `steps` steps. Returns the moments, to assign the saved values to;
   * new ones are zeros. For 0 steps it frees them and returns none.
   */
  resume(parameters: Named<Parameter>, steps: number): Named<Parameter>;
  /** Frees the moments. */
  dispose(): void;
}

/**
 * Throws `MemgradError` unless every parameter has a gradient that fits it, and every gradient a
 * parameter.
 */
export function checkGradients(parameters: Named<Parameter>, gradients: Named<Tensor>): void {
  for (const name in { ...requireNamed(parameters), ...requireNamed(gradients) }) {
    const [parameter, gradient] = [parameters[name], gradients[name]];
    if (parameter !== undefined && !(parameter instanceof Parameter)) {
      throw new MemgradError(
        `optimizer: ${describe(name)} is ${describe(parameter)}, expected a Parameter, which can take new values; make one with new Parameter(tensor).`,
      );
    }
    if (parameter && isLike(gradient, parameter)) continue;
    throw new MemgradError(
      `optimizer: the gradient is ${describe(gradient)} for ${describe(name)}, expected the shape and dtype of ${describe(parameter)}.`,
    );
  }
}

function requireNamed<T extends Tensor>(named: Named<T>): Named<T> {
  const isRecord = typeof named === 'object' && named;
  requireThat(isRecord, 'optimizer: parameters and gradients', 'records of tensors', named);
  return named;
}
