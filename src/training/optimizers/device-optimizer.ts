/** The base of memgrad's optimisers: moments, groups of parameters, averages. */
import {
  abs,
  add,
  cast,
  less,
  mul,
  Parameter,
  reshape,
  type Shape,
  scope,
  slice,
  sub,
  type Tensor,
  where,
  zeros,
} from '../../autograd/index.js';
import { numbersLike } from '../../autograd/operations/adam.js';
import { afterCall, perCall } from '../../autograd/transforms/capture.js';
import { describe, MemgradError } from '../../errors.js';
import { check, checkOptions, type OptionNames, positive, whole } from '../../options.js';
import { checkGradients, type Named, type Optimizer, type StepOptions } from './optimizer.js';

/** Parameters with options of their own. */
export interface ParameterGroup {
  /** Matches the names of the parameters. A parameter belongs to the first group that does. */
  names: RegExp;
  /** Default: the weight decay of the optimiser. */
  weightDecay?: number;
  /** Factor of the learning rate. Default 1. */
  learningRateFactor?: number;
}

/** Options of every optimiser. */
export interface CommonOptions {
  /** Default 0. */
  weightDecay?: number;
  /**
   * Parameters with another weight decay or learning rate:
   * `[{ names: /bias|norm/, weightDecay: 0 }]`.
   */
  groups?: readonly ParameterGroup[];
  /**
   * Keeps an exponential moving average of each parameter, with this decay: a' = decay a +
   * (1 - decay) p after each step, and a' = p after the first (Polyak and Juditsky 1992; Tarvainen
   * and Valpola 2017, arXiv 1703.01780). `withAverages` uses them. Default: none.
   */
  ema?: number;
}

/** The kinds of `CommonOptions`. */
export const commonKinds = (): OptionNames<CommonOptions> => ({
  weightDecay: positive(),
  groups: ['a list of groups, as [{ names: /bias/, weightDecay: 0 }]', Array.isArray],
  ema: positive(1),
});

/** A new value and its target. */
export type Update = [target: Parameter, value: Tensor];

/** The gradient with weight decay as a penalty: g + weightDecay p. */
export function penalised(gradient: Tensor, parameter: Tensor, weightDecay: number): Tensor {
  return weightDecay ? add(gradient, mul(parameter, weightDecay)) : gradient;
}

/** The names of the parameters of one group, and its options. */
interface Group {
  readonly names: string[];
  readonly members: Parameter[];
  readonly weightDecay: number;
  readonly factor: number;
}

/** The parameters of one group. */
export interface Members {
  readonly names: readonly string[];
  readonly parameters: Named<Parameter>;
  readonly gradients: Named<Tensor>;
  readonly weightDecay: number;
}

/**
 * The bookkeeping that all optimisers share; each subclass computes the updates. What differs from
 * step to step is on the device, so that a step can be captured.
 */
export abstract class DeviceOptimizer implements Optimizer {
  #count = 0;
  readonly #moments = new Map<string, Parameter>();
  readonly #groups: readonly ParameterGroup[];
  readonly #weightDecay: number;
  readonly #ema: number | undefined;
  /** The parameters of the last step, which have their moments, and their groups. */
  #known:
    | { parameters: readonly Parameter[]; names: readonly string[]; groups: Group[] }
    | undefined;

  /** Throws `MemgradError` for groups that aren't valid. */
  constructor(
    readonly learningRate: number,
    { weightDecay = 0, groups = [], ema }: CommonOptions,
  ) {
    this.#weightDecay = weightDecay;
    this.#ema = ema;
    this.#groups = Array.from(groups, (group, i) => {
      checkOptions<ParameterGroup>(`optimizer: groups[${i}]`, Object(group), {
        names: ['a regular expression, as /bias/', (names) => isRegExp(names), true],
        weightDecay: positive(),
        learningRateFactor: positive(),
      });
      return { ...group };
    });
  }

  /** The shapes of the moments of a parameter, by kind. */
  protected abstract moments(name: string, shape: Shape): Readonly<Record<string, Shape>>;

  /** The numbers that depend on the rate of a step or on its number, which counts from 1. */
  protected abstract numbers(rate: number, step: number, weightDecay: number): readonly number[];

  /**
   * Computes the new value of each parameter and of its moments; the old one if `scale`, the factor
   * of the gradients, isn't finite. `rates` has what `numbers` returns.
   */
  protected abstract updates(members: Members, rates: Tensor, scale: Tensor): Update[];

  /**
   * The updates that `compute` returns for each of `members`, from its scaled gradient and the
   * numbers in `rates`; the old values if `scale` isn't finite.
   */
  protected each(
    { names, parameters, gradients }: Members,
    rates: Tensor,
    scale: Tensor,
    compute: (name: string, gradient: Tensor, rates: readonly Tensor[]) => Update[],
  ): Update[] {
    const isKnown = less(abs(scale), Infinity);
    const numbers = Array.from({ length: rates.size }, (_, i) =>
      reshape(slice(rates, 0, i, i + 1), []),
    );
    return names.flatMap((name) => {
      const { dtype } = parameters[name];
      const gradient = mul(gradients[name], cast(scale, dtype));
      const updates = compute(
        name,
        gradient,
        numbers.map((number) => cast(number, dtype)),
      );
      return updates.map(([target, value]): Update => [target, where(isKnown, value, target)]);
    });
  }

  step(parameters: Named<Parameter>, gradients: Named<Tensor>, options?: StepOptions): void {
    checkOptions('optimizer', options, { rate: positive(), gradientScale: positive() });
    const { rate = this.learningRate, gradientScale = 1 } = options ?? {};
    checkGradients(parameters, gradients);
    scope(() => {
      this.#orUndo(() => {
        const rates = this.#prepared(parameters, rate);
        const scale = reshape(numbersLike(Object.values(parameters), [gradientScale]), []);
        this.update(parameters, gradients, rates, scale);
      });
    });
    afterCall(() => this.taken());
  }

  /**
   * Prepares the next step, which `update` takes on the device and `taken` counts. Makes the
   * moments, and returns the rates of `update`.
   */
  begin(parameters: Named<Parameter>, rate: number): readonly Tensor[] {
    if (!this.#knows(parameters)) checkGradients(parameters, parameters);
    return this.#orUndo(() => this.#prepared(parameters, rate));
  }

  /** Assigns the new values, after all are computed. Changes nothing if `scale` isn't finite. */
  update(
    parameters: Named<Parameter>,
    gradients: Named<Tensor>,
    rates: readonly Tensor[],
    scale: Tensor,
  ): void {
    const updates = this.#grouped(parameters).flatMap(({ names, weightDecay }, i) =>
      this.updates({ names, parameters, gradients, weightDecay }, rates[i], scale),
    );
    if (this.#ema !== undefined && rates.length > 0) {
      const weight = reshape(rates[rates.length - 1], []);
      const isKnown = less(abs(scale), Infinity);
      const next = new Map(updates);
      for (const [name, parameter] of Object.entries(parameters)) {
        const average = this.moment('average', name);
        const step = sub(next.get(parameter) ?? parameter, average);
        const value = add(average, mul(step, cast(weight, average.dtype)));
        updates.push([average, where(isKnown, value, average)]);
      }
    }
    for (const [target, value] of updates) target.assign(value);
  }

  /** Counts the step that `update` took. */
  taken(): void {
    this.#count++;
  }

  #knows(parameters: Named<Parameter>): boolean {
    const known = this.#known;
    const now = Object.values(parameters);
    return (
      known?.parameters.length === now.length &&
      known.names.every((name, i) => parameters[name] === known.parameters[i])
    );
  }

  /** Makes the moments. Returns the rates of each group and the weight of the average, if any. */
  #prepared(parameters: Named<Parameter>, rate: number): Tensor[] {
    if (!this.#knows(parameters)) {
      this.#makeMoments(parameters);
      const groups = this.#grouped(parameters);
      const names = Object.keys(parameters);
      this.#known = { parameters: Object.values(parameters), names, groups };
    }
    const rates = (this.#known?.groups ?? []).map(({ members, weightDecay, factor }) =>
      perCall(() =>
        numbersLike(members, this.numbers(rate * factor, this.#count + 1, weightDecay)),
      ),
    );
    const ema = this.#ema;
    if (ema === undefined || rates.length === 0) return rates;
    const weight = () => numbersLike(Object.values(parameters), [this.#count === 0 ? 1 : 1 - ema]);
    return [...rates, perCall(weight)];
  }

  /** The groups that have parameters, with the optimiser's own last. */
  #grouped(parameters: Named<Parameter>): Group[] {
    const own: Group = { names: [], members: [], weightDecay: this.#weightDecay, factor: 1 };
    const groups = this.#groups.map(
      ({ names, weightDecay = own.weightDecay, learningRateFactor = 1 }) => ({
        pattern: names,
        names: [] as string[],
        members: [] as Parameter[],
        weightDecay,
        factor: learningRateFactor,
      }),
    );
    for (const name of Object.keys(parameters)) {
      const group = groups.find(({ pattern }) => name.search(pattern) >= 0) ?? own;
      group.names.push(name);
      group.members.push(parameters[name]);
    }
    return [...groups, own].filter(({ names }) => names.length > 0);
  }

  #makeMoments(parameters: Named<Parameter>): void {
    const names = Object.keys(parameters);
    this.#groups.forEach(({ names: pattern }, i) => {
      if (names.length === 0 || names.some((name) => name.search(pattern) >= 0)) return;
      throw new MemgradError(
        `optimizer: groups[${i}] matches none of the ${names.length} parameters, expected ${describe(String(pattern))} to match a name such as ${describe(names[0])}.`,
      );
    });
    for (const name of names) {
      const parameter = parameters[name];
      const shapes = this.moments(name, parameter.shape);
      for (const kind in shapes) this.#make(kind, name, shapes[kind], parameter);
      if (this.#ema !== undefined) this.#make('average', name, parameter.shape, parameter);
    }
  }

  #make(kind: string, name: string, shape: Shape, { dtype, backend }: Parameter): void {
    const id = `${kind}.${name}`;
    if (this.#moments.has(id)) return;
    this.#moments.set(
      id,
      scope(() => new Parameter(zeros(shape, { dtype, backend }))),
    );
  }

  /** Runs `f`. If it throws, frees the moments that it made. */
  #orUndo<T>(f: () => T): T {
    const { size } = this.#moments;
    try {
      return f();
    } catch (error) {
      this.#forget(size);
      throw error;
    }
  }

  /** Frees all but the first `size` moments. */
  #forget(size: number): void {
    this.#known = undefined;
    for (const [id, moment] of [...this.#moments].slice(size)) {
      moment.dispose();
      this.#moments.delete(id);
    }
  }

  /** Returns the moment `kind` of a parameter. */
  protected moment(kind: string, name: string): Parameter {
    return this.#moments.get(`${kind}.${name}`) as Parameter;
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
    else this.dispose();
    this.#count = steps;
    return this.state();
  }

  dispose(): void {
    this.#forget(0);
  }
}

/** Whether `value` is a regular expression, from any window. */
export function isRegExp(value: unknown): boolean {
  return Object.prototype.toString.call(value) === '[object RegExp]';
}
