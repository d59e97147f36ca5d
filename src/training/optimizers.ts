/** Optimisers, the only code that assigns new values to parameters during training. */
import {
  abs,
  add,
  less,
  mul,
  Parameter,
  reshape,
  scope,
  sub,
  type Tensor,
  where,
  zeros,
} from '../autograd/index.js';
import { adamUpdate, numbersLike } from '../autograd/operations/adam.js';
import { isLike } from '../autograd/tensor.js';
import { afterCall, perCall } from '../autograd/transforms/capture.js';
import { describe, MemgradError } from '../errors.js';
import { check, checkOptions, positive, refuseName, requireThat, whole } from '../options.js';

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
   * Prepares to continue after `steps` steps. Returns the moments, filled with zeros, to assign the
   * saved values to.
   */
  resume(parameters: Named<Parameter>, steps: number): Named<Parameter>;
  /** Frees the moments. */
  dispose(): void;
}

/** A new value and its target. */
type Update = [target: Parameter, value: Tensor];

/**
 * The bookkeeping that all optimisers share; each subclass computes the updates. What differs from
 * step to step is on the device, so that a step can be captured.
 */
export abstract class DeviceOptimizer implements Optimizer {
  #count = 0;
  /** The kinds of moments that each parameter has. */
  protected abstract readonly kinds: readonly string[];
  readonly #moments = new Map<string, Parameter>();

  constructor(readonly learningRate: number) {}

  /** The numbers that depend on the rate of a step or on its number, which counts from 1. */
  protected abstract numbers(rate: number, step: number): readonly number[];

  /**
   * Computes the new value of each parameter and of its moments; the old one if `scale`, the factor
   * of the gradients, isn't finite. `rates` has what `numbers` returns.
   */
  protected abstract updates(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    rates: Tensor,
    scale: Tensor,
  ): Update[];

  step(parameters: Named<Parameter>, gradients: Named<Tensor>, options?: StepOptions): void {
    checkOptions('optimizer', options, { rate: positive(), gradientScale: positive() });
    const { rate = this.learningRate, gradientScale = 1 } = options ?? {};
    checkGradients(parameters, gradients);
    const all = Object.values(parameters);
    scope(() => {
      this.#orUndo(() => {
        this.#makeMoments(parameters);
        const scale = reshape(numbersLike(all, [gradientScale]), []);
        const rates = perCall(() => numbersLike(all, this.numbers(rate, this.#count + 1)));
        this.update(parameters, gradients, rates, scale);
      });
    });
    afterCall(() => this.taken());
  }

  /**
   * Prepares the next step, which `update` takes on the device and `taken` counts. Makes the moments,
   * and returns the rates of `update`.
   */
  begin(parameters: Named<Parameter>, rate: number): Tensor {
    checkGradients(parameters, parameters);
    this.#orUndo(() => this.#makeMoments(parameters));
    return numbersLike(Object.values(parameters), this.numbers(rate, this.#count + 1));
  }

  /** Assigns the new values, after all are computed. Changes nothing if `scale` isn't finite. */
  update(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    rates: Tensor,
    scale: Tensor,
  ): void {
    if (Object.keys(parameters).length === 0) return;
    const updates = this.updates(parameters, gradients, rates, scale);
    for (const [target, value] of updates) target.assign(value);
  }

  /** Counts the step that `update` took. */
  taken(): void {
    this.#count++;
  }

  #makeMoments(parameters: Named<Parameter>): void {
    for (const kind of this.kinds) {
      for (const [name, parameter] of Object.entries(parameters)) {
        this.moment(kind, name, parameter);
      }
    }
  }

  /** Runs `f`. If it throws, frees the moments that it made. */
  #orUndo(f: () => void): void {
    const { size } = this.#moments;
    try {
      f();
    } catch (error) {
      this.#forget(size);
      throw error;
    }
  }

  /** Frees all but the first `size` moments. */
  #forget(size: number): void {
    for (const [id, moment] of [...this.#moments].slice(size)) {
      moment.dispose();
      this.#moments.delete(id);
    }
  }

  /** Returns the moment `kind` of a parameter, created as zeros on first use. */
  protected moment(kind: string, name: string, like: Tensor): Parameter {
    const id = `${kind}.${name}`;
    let moment = this.#moments.get(id);
    if (!moment) {
      const { dtype, backend } = like;
      moment = scope(() => new Parameter(zeros(like.shape, { dtype, backend })));
      this.#moments.set(id, moment);
    }
    return moment;
  }

  get steps(): number {
    return this.#count;
  }

  state(): Named<Parameter> {
    return Object.fromEntries(this.#count > 0 ? this.#moments : []);
  }

  resume(parameters: Named<Parameter>, steps: number): Named<Parameter> {
    check('optimizer: steps', steps, whole(0));
    checkGradients(parameters, parameters);
    if (steps > 0) this.#orUndo(() => this.#makeMoments(parameters));
    this.#count = steps;
    return this.state();
  }

  dispose(): void {
    this.#forget(0);
  }
}

/** Options of SGD. */
export interface SGDOptions {
  /** Default 1e-3, as in PyTorch. */
  learningRate?: number;
  /** Default 0. */
  momentum?: number;
  /** Added to the gradient, times the parameter. Default 0. */
  weightDecay?: number;
}

/** Stochastic gradient descent with momentum, as in PyTorch's SGD: v = m v + g, p = p - rate v. */
export class SGD extends DeviceOptimizer {
  protected readonly kinds: readonly string[];
  readonly #momentum: number;
  readonly #weightDecay: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: SGDOptions = {}) {
    checkOptions('optimizer', options, {
      learningRate: positive(),
      momentum: positive(1),
      weightDecay: positive(),
    });
    const { learningRate = 1e-3, momentum = 0, weightDecay = 0 } = options;
    super(learningRate);
    this.kinds = momentum === 0 ? [] : ['velocity'];
    this.#momentum = momentum;
    this.#weightDecay = weightDecay;
  }

  protected numbers(rate: number): readonly number[] {
    return [rate];
  }

  protected updates(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    rates: Tensor,
    scale: Tensor,
  ): Update[] {
    const isKnown = less(abs(scale), Infinity);
    const rate = reshape(rates, []);
    return Object.entries(parameters).flatMap(([name, parameter]): Update[] => {
      const update = (target: Parameter, value: Tensor): Update => [
        target,
        where(isKnown, value, target),
      ];
      const scaled = mul(gradients[name], scale);
      const g = this.#weightDecay ? add(scaled, mul(parameter, this.#weightDecay)) : scaled;
      if (this.#momentum === 0) return [update(parameter, sub(parameter, mul(g, rate)))];
      const velocity = this.moment('velocity', name, parameter);
      const next = add(mul(velocity, this.#momentum), g);
      return [update(velocity, next), update(parameter, sub(parameter, mul(next, rate)))];
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
export class Adam extends DeviceOptimizer {
  protected readonly kinds = ['first', 'second'] as const;
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;
  protected readonly weightDecay: number;

  /** Throws `MemgradError` for an option out of range. */
  constructor(options: AdamOptions = {}) {
    const [range, isBeta] = positive(1);
    checkOptions('optimizer', options, {
      learningRate: positive(),
      betas: [
        `two of ${range}`,
        (betas: readonly never[]) =>
          Array.isArray(betas) && betas.length === 2 && betas.every(isBeta),
      ],
      epsilon: positive(),
      weightDecay: positive(),
    });
    const { learningRate = 1e-3, betas = [0.9, 0.999], epsilon = 1e-8, weightDecay = 0 } = options;
    super(learningRate);
    this.#betas = [betas[0], betas[1]];
    this.#epsilon = epsilon;
    this.weightDecay = weightDecay;
  }

  protected numbers(rate: number, step: number): readonly number[] {
    const [beta1, beta2] = this.#betas;
    return [rate / (1 - beta1 ** step), Math.sqrt(1 - beta2 ** step), this.shrink(rate)];
  }

  protected updates(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    rates: Tensor,
    scale: Tensor,
  ): Update[] {
    const [beta1, beta2] = this.#betas;
    const names = Object.keys(parameters);
    const targets = {
      parameters: names.map((name) => parameters[name]),
      first: names.map((name) => this.moment('first', name, parameters[name])),
      second: names.map((name) => this.moment('second', name, parameters[name])),
    };
    const spec = { beta1, beta2, epsilon: this.#epsilon, decay: this.decay };
    const gradientList = names.map((name) => gradients[name]);
    const next = adamUpdate(targets, gradientList, spec, rates, scale);
    const kinds = ['first', 'second', 'parameters'] as const;
    return kinds.flatMap((kind) =>
      targets[kind].map((target, i): Update => [target, next[kind][i]]),
    );
  }

  /** The share of each parameter that is added to its gradient, which the moments see. */
  protected get decay(): number {
    return this.weightDecay;
  }

  /** The factor of each parameter. */
  protected shrink(_rate: number): number {
    return 1;
  }
}

/** AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101): weight decay shrinks the parameter itself. */
export class AdamW extends Adam {
  protected override get decay(): number {
    return 0;
  }

  protected override shrink(rate: number): number {
    return 1 - rate * this.weightDecay;
  }
}

/**
 * Throws `MemgradError` unless every parameter has a gradient that fits it, and every gradient a
 * parameter.
 */
function checkGradients(parameters: Named<Parameter>, gradients: Named<Tensor>): void {
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

const optimizers = { sgd: SGD, adam: Adam, adamw: AdamW };

/** The name of an optimiser. */
export type OptimizerName = keyof typeof optimizers;
/** The names that `createOptimizer` accepts. */
export const optimizerNames = Object.keys(optimizers) as OptimizerName[];

/**
 * Returns the optimiser called `name`. Throws `MemgradError` for an unknown name, and for an option
 * that this optimiser doesn't have or that is out of range.
 */
export function createOptimizer(
  name: OptimizerName,
  options: AdamOptions & SGDOptions = {},
): Optimizer {
  if (!optimizerNames.includes(name))
    refuseName('createOptimizer', 'optimiser', name, optimizerNames);
  return new optimizers[name](options);
}
