/** Stochastic gradient descent. */
import { add, mul, type Shape, sub, type Tensor } from '../../autograd/index.js';
import { checkOptions, flag, type OptionNames, positive, requireThat } from '../../options.js';
import {
  type CommonOptions,
  commonKinds,
  DeviceOptimizer,
  type Members,
  penalised,
  type Update,
} from './device-optimizer.js';

/** Options of SGD. */
export interface SGDOptions extends CommonOptions {
  /** Default 1e-3, as in PyTorch. */
  learningRate?: number;
  /** Default 0. */
  momentum?: number;
  /** Looks ahead along the velocity; needs a momentum. Default false. */
  nesterov?: boolean;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
}

function kinds(): OptionNames<SGDOptions> {
  return {
    learningRate: positive(),
    momentum: positive(1),
    nesterov: flag,
    ...commonKinds(),
  };
}

/**
 * Stochastic gradient descent with momentum, as in PyTorch's SGD: v' = m v + g, p' = p - rate v'.
 * With `nesterov`, p' = p - rate (g + m v') (Nesterov 1983; Sutskever et al. 2013, equations 3 and 4).
 */
export class SGD extends DeviceOptimizer {
  /** The kinds of `SGDOptions`. */
  static readonly kinds = kinds;
  readonly #momentum: number;
  readonly #nesterov: boolean;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: SGDOptions = {}) {
    checkOptions('optimizer', options, kinds());
    const { learningRate = 1e-3, momentum = 0, nesterov = false } = options;
    const moves = !nesterov || momentum > 0;
    requireThat(moves, 'optimizer: momentum', 'a number > 0 with nesterov', momentum);
    super(learningRate, options);
    this.#momentum = momentum;
    this.#nesterov = nesterov;
  }

  protected moments(_: string, shape: Shape): Record<string, Shape> {
    return this.#momentum === 0 ? {} : { velocity: shape };
  }

  protected numbers(rate: number): readonly number[] {
    return [rate];
  }

  protected updates(members: Members, rates: Tensor, scale: Tensor): Update[] {
    return this.each(members, rates, scale, (name, gradient, [rate]) => {
      const parameter = members.parameters[name];
      const g = penalised(gradient, parameter, members.weightDecay);
      if (this.#momentum === 0) return [[parameter, sub(parameter, mul(g, rate))]];
      const velocity = this.moment('velocity', name);
      const next = add(mul(velocity, this.#momentum), g);
      const direction = this.#nesterov ? add(g, mul(next, this.#momentum)) : next;
      return [
        [velocity, next],
        [parameter, sub(parameter, mul(direction, rate))],
      ];
    });
  }
}
