/** Adam and AdamW. */
import type { Shape, Tensor } from '../../autograd/index.js';
import { adamUpdate } from '../../autograd/operations/adam.js';
import { checkOptions, type Kind, type OptionNames, positive } from '../../options.js';
import {
  type CommonOptions,
  commonKinds,
  DeviceOptimizer,
  type Members,
  type Update,
} from './device-optimizer.js';

/** Options of Adam and AdamW. */
export interface AdamOptions extends CommonOptions {
  /** Default 1e-3. */
  learningRate?: number;
  /** Decay of both moments. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  epsilon?: number;
}

function kinds(): OptionNames<AdamOptions> {
  const [range, isBeta] = positive(1);
  const betas: Kind = [
    `two of ${range}`,
    (betas: readonly never[]) => Array.isArray(betas) && betas.length === 2 && betas.every(isBeta),
  ];
  return { learningRate: positive(), betas, epsilon: positive(), ...commonKinds() };
}

/** Adam (Kingma and Ba 2015, arXiv 1412.6980) as in PyTorch: weight decay is added to the gradient. */
export class Adam extends DeviceOptimizer {
  /** The kinds of `AdamOptions`. */
  static readonly kinds = kinds;
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: AdamOptions = {}) {
    checkOptions('optimizer', options, kinds());
    const { learningRate = 1e-3, betas = [0.9, 0.999], epsilon = 1e-8 } = options;
    super(learningRate, options);
    this.#betas = [betas[0], betas[1]];
    this.#epsilon = epsilon;
  }

  protected moments(_: string, shape: Shape): Record<string, Shape> {
    return { first: shape, second: shape };
  }

  protected numbers(rate: number, step: number, weightDecay: number): readonly number[] {
    const [beta1, beta2] = this.#betas;
    return [
      rate / (1 - beta1 ** step),
      Math.sqrt(1 - beta2 ** step),
      this.isDecoupled ? 1 - rate * weightDecay : 1,
    ];
  }

  protected updates(members: Members, rates: Tensor, scale: Tensor): Update[] {
    const { names, parameters, gradients, weightDecay } = members;
    const [beta1, beta2] = this.#betas;
    const targets = {
      parameters: names.map((name) => parameters[name]),
      first: names.map((name) => this.moment('first', name)),
      second: names.map((name) => this.moment('second', name)),
    };
    const decay = this.isDecoupled ? 0 : weightDecay;
    const spec = { beta1, beta2, epsilon: this.#epsilon, decay };
    const gradientList = names.map((name) => gradients[name]);
    const next = adamUpdate(targets, gradientList, spec, rates, scale);
    const kinds = ['first', 'second', 'parameters'] as const;
    return kinds.flatMap((kind) =>
      targets[kind].map((target, i): Update => [target, next[kind][i]]),
    );
  }

  /** Whether weight decay shrinks the parameter, and the moments don't see it. */
  protected get isDecoupled(): boolean {
    return false;
  }
}

/** AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): weight decay shrinks the parameter itself. */
export class AdamW extends Adam {
  protected override get isDecoupled(): boolean {
    return true;
  }
}
