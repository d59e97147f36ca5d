/** Optimisers: they alone give parameters new values. */
import {
  adamStep,
  add,
  mul,
  Parameter,
  scope,
  sub,
  type Tensor,
  zeros,
} from '../autograd/index.js';
import { MemgradError } from '../errors.js';

/** Parameters, or their gradients, by name. */
export type Named<T extends Tensor> = Readonly<Record<string, T>>;

/** What a step is told besides the gradients. */
export interface StepOptions {
  /** The learning rate. */
  rate: number;
  /** What the gradients are multiplied with first: less than 1 where they are clipped. Default 1. */
  gradientScale?: number;
}

/** Takes gradients, gives parameters new values. */
export interface Optimizer {
  readonly learningRate: number;
  /** One step. All new values are computed before the first is assigned: when it throws, every parameter and every moment is as it was. */
  step(parameters: Named<Parameter>, gradients: Named<Tensor>, options: StepOptions): void;
  /** How many steps it has taken. */
  readonly steps: number;
  /** Moments by name, for saving: `first.NAME`, `second.NAME`; none before the first step. */
  state(): Named<Parameter>;
  /** Makes ready to go on after `steps` steps: gives the moments, of zeros, to assign the saved ones to. */
  resume(parameters: Named<Parameter>, steps: number): Named<Parameter>;
  /** Frees the moments. */
  dispose(): void;
}

/** What an optimiser wants to assign, and to which parameter. */
type Update = [target: Parameter, value: Tensor];

/** The bookkeeping that all optimisers share; a rule gives the updates. */
abstract class Base implements Optimizer {
  /** Steps taken. */
  protected count = 0;
  /** Which moments each parameter has. */
  protected abstract readonly kinds: readonly string[];
  readonly #moments = new Map<string, Parameter>();

  constructor(readonly learningRate: number) {
    checkNumber('learningRate', learningRate, 0, Infinity);
  }

  /** The new value of each parameter, and of what the rule keeps for it. */
  protected abstract updates(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    options: Required<StepOptions>,
  ): Update[];

  step(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    { rate, gradientScale = 1 }: StepOptions,
  ): void {
    scope(() => {
      this.count++;
      let updates: Update[];
      try {
        updates = this.updates(parameters, gradients, { rate, gradientScale });
      } catch (error) {
        this.count--;
        throw error;
      }
      for (const [target, value] of updates) target.assign(value);
    });
  }

  /** The moment `kind` of a parameter; zeros when it is first asked for. */
  protected moment(kind: string, name: string, like: Tensor): Parameter {
    const id = `${kind}.${name}`;
    let moment = this.#moments.get(id);
    if (!moment) {
      moment = scope(
        () => new Parameter(zeros(like.shape, { dtype: like.dtype, backend: like.backend })),
      );
      this.#moments.set(id, moment);
    }
    return moment;
  }

  get steps(): number {
    return this.count;
  }

  state(): Named<Parameter> {
    return Object.fromEntries(this.#moments);
  }

  resume(parameters: Named<Parameter>, steps: number): Named<Parameter> {
    this.count = steps;
    for (const kind of steps > 0 ? this.kinds : []) {
      for (const [name, parameter] of Object.entries(parameters))
        this.moment(kind, name, parameter);
    }
    return this.state();
  }

  dispose(): void {
    for (const moment of this.#moments.values()) moment.dispose();
    this.#moments.clear();
  }
}

/** Options of SGD. */
export interface SGDOptions {
  learningRate: number;
  /** Default 0. */
  momentum?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
}

/** Stochastic gradient descent with momentum, as PyTorch's SGD: v = m v + g, p = p - rate v. */
export class SGD extends Base {
  protected readonly kinds: readonly string[];
  readonly #momentum: number;
  readonly #weightDecay: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor({ learningRate, momentum = 0, weightDecay = 0 }: SGDOptions) {
    super(learningRate);
    checkNumber('momentum', momentum, 0, 1);
    checkNumber('weightDecay', weightDecay, 0, Infinity);
    this.kinds = momentum === 0 ? [] : ['velocity'];
    this.#momentum = momentum;
    this.#weightDecay = weightDecay;
  }

  protected updates(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    { rate, gradientScale }: Required<StepOptions>,
  ): Update[] {
    return Object.entries(parameters).flatMap(([name, parameter]): Update[] => {
      const scaled = gradientScale === 1 ? gradients[name] : mul(gradients[name], gradientScale);
      const g = this.#weightDecay ? add(scaled, mul(parameter, this.#weightDecay)) : scaled;
      if (this.#momentum === 0) return [[parameter, sub(parameter, mul(g, rate))]];
      const velocity = this.moment('velocity', name, parameter);
      const next = add(mul(velocity, this.#momentum), g);
      return [
        [velocity, next],
        [parameter, sub(parameter, mul(next, rate))],
      ];
    });
  }
}

/** Options of Adam and AdamW. */
export interface AdamOptions {
  /** Default 1e-3. */
  learningRate?: number;
  /** Decay of both moments. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Default 1e-8. */
  epsilon?: number;
  /** Default 0. */
  weightDecay?: number;
}

/** Adam (Kingma and Ba 2015, arXiv 1412.6980) as in PyTorch: weight decay is added to the gradient. */
export class Adam extends Base {
  protected readonly kinds = ['first', 'second'] as const;
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;
  protected readonly weightDecay: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: AdamOptions = {}) {
    const { learningRate = 1e-3, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0 } = options;
    super(learningRate);
    for (const beta of betas) checkNumber('betas', beta, 0, 1);
    checkNumber('epsilon', epsilon, 0, Infinity);
    checkNumber('weightDecay', weightDecay, 0, Infinity);
    this.#betas = betas;
    this.#epsilon = epsilon;
    this.weightDecay = weightDecay;
  }

  protected updates(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    { rate, gradientScale }: Required<StepOptions>,
  ): Update[] {
    const [beta1, beta2] = this.#betas;
    const names = Object.keys(parameters);
    const targets = {
      parameters: names.map((name) => parameters[name]),
      first: names.map((name) => this.moment('first', name, parameters[name])),
      second: names.map((name) => this.moment('second', name, parameters[name])),
    };
    const spec = {
      ...{ beta1, beta2, epsilon: this.#epsilon, gradientScale },
      rate: rate / (1 - beta1 ** this.count),
      root: Math.sqrt(1 - beta2 ** this.count),
      ...this.decay(rate),
    };
    const gradientList = names.map((name) => gradients[name]);
    const next = adamStep(targets, gradientList, spec);
    const kinds = ['first', 'second', 'parameters'] as const;
    return kinds.flatMap((kind) =>
      targets[kind].map((target, i): Update => [target, next[kind][i]]),
    );
  }

  /** How weight decay enters the step: added to the gradient, which the moments see. */
  protected decay(_rate: number): { decay: number; shrink: number } {
    return { decay: this.weightDecay, shrink: 1 };
  }
}

/** AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): weight decay shrinks the parameter itself. */
export class AdamW extends Adam {
  protected override decay(rate: number): { decay: number; shrink: number } {
    return { decay: 0, shrink: 1 - rate * this.weightDecay };
  }
}

function checkNumber(name: string, value: number, least: number, below: number): void {
  if (!(typeof value === 'number' && value >= least && value < below)) {
    const range =
      below === Infinity ? `a finite number >= ${least}` : `a number in [${least}, ${below})`;
    throw new MemgradError(`optimizer: ${name} must be ${range}, got ${value}.`);
  }
}

const optimizers = {
  sgd: (options: AdamOptions) => new SGD({ learningRate: 1e-3, ...options }),
  adam: (options: AdamOptions) => new Adam(options),
  adamw: (options: AdamOptions) => new AdamW(options),
} satisfies Record<string, (options: AdamOptions) => Optimizer>;

/** The names that `createOptimizer` takes. */
export const optimizerNames = Object.keys(optimizers);

/** The optimiser called `name`. Throws for an unknown name or an option out of range. */
export function createOptimizer(name: string, options: AdamOptions = {}): Optimizer {
  if (!Object.hasOwn(optimizers, name)) {
    throw new MemgradError(
      `optimizer: '${name}' is not known; choose one of ${optimizerNames.join(', ')}.`,
    );
  }
  return optimizers[name as keyof typeof optimizers](options);
}
