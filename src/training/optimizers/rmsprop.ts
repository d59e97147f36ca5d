/** RMSprop. */
import { add, div, mul, type Shape, sqrt, square, sub, type Tensor } from '../../autograd/index.js';
import { checkOptions, type OptionNames, positive } from '../../options.js';
import {
  type CommonOptions,
  commonKinds,
  DeviceOptimizer,
  type Members,
  penalised,
  type Update,
} from './device-optimizer.js';

/** Options of RMSprop. */
export interface RMSpropOptions extends CommonOptions {
  /** Default 1e-2, as in PyTorch. */
  learningRate?: number;
  /** Decay of the mean square of the gradients. Default 0.99. */
  alpha?: number;
  /** Default 1e-8. */
  epsilon?: number;
  /** Default 0. */
  momentum?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
}

function kinds(): OptionNames<RMSpropOptions> {
  return {
    learningRate: positive(),
    alpha: positive(1),
    epsilon: positive(),
    momentum: positive(1),
    ...commonKinds(),
  };
}

/**
 * RMSprop (Tieleman and Hinton 2012, lecture 6.5) as in PyTorch: s' = alpha s + (1 - alpha) g²,
 * d = g / (√s' + epsilon), p' = p - rate d; with momentum, v' = m v + d and p' = p - rate v'.
 */
export class RMSprop extends DeviceOptimizer {
  /** The kinds of `RMSpropOptions`. */
  static readonly kinds = kinds;
  readonly #alpha: number;
  readonly #epsilon: number;
  readonly #momentum: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: RMSpropOptions = {}) {
    checkOptions('optimizer', options, kinds());
    const { learningRate = 1e-2, alpha = 0.99, epsilon = 1e-8, momentum = 0 } = options;
    super(learningRate, options);
    this.#alpha = alpha;
    this.#epsilon = epsilon;
    this.#momentum = momentum;
  }

  protected moments(_: string, shape: Shape): Record<string, Shape> {
    return { square: shape, ...(this.#momentum > 0 && { velocity: shape }) };
  }

  protected numbers(rate: number): readonly number[] {
    return [rate];
  }

  protected updates(members: Members, rates: Tensor, scale: Tensor): Update[] {
    return this.each(members, rates, scale, (name, gradient, [rate]) => {
      const parameter = members.parameters[name];
      const g = penalised(gradient, parameter, members.weightDecay);
      const before = this.moment('square', name);
      const after = add(mul(before, this.#alpha), mul(square(g), 1 - this.#alpha));
      let direction = div(g, add(sqrt(after), this.#epsilon));
      const next: Update[] = [[before, after]];
      if (this.#momentum > 0) {
        const velocity = this.moment('velocity', name);
        direction = add(mul(velocity, this.#momentum), direction);
        next.push([velocity, direction]);
      }
      return [...next, [parameter, sub(parameter, mul(direction, rate))]];
    });
  }
}
