/** Operations of optimisers: the norm of gradients, their clipping and the Adam update. */
import { MemgradError } from '../../errors.js';
import { check, finite } from '../../options.js';
import { commonBackend, refuseExtra, requireFloat } from '../arguments.js';
import { upload } from '../create.js';
import { type Operation, run } from '../run.js';
import { isLike, type Tensor } from '../tensor.js';
import { cast, greater, less, where } from './comparison.js';
import { abs, add, div, minimum, mul, sqrt, square, sub } from './elementwise.js';
import { max, sum } from './reduction.js';
import { requireList, reshape, slice, stack } from './shape.js';

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * The Euclidean norm of each group of tensors: `counts` says how many belong to each. Squares of
     * large values must not overflow.
     */
    norm: Kernel<readonly DeviceBuffer[], readonly number[]>;
    /**
     * The factor that limits gradients to the norm `clip`, from the loss and the norms of `layers`
     * layers at the beginning of `numbers`; NaN unless the loss and the norm of all layers together
     * are finite.
     */
    clipFactor: Kernel<[numbers: DeviceBuffer], ClipNumbers>;
    /**
     * Returns the new parameters, the new first moments and the new second moments. The inputs are
     * four lists of equal length (parameters, gradients, first and second moments), `rates`
     * ([rate, root, shrink]) and `scale`. Returns the old values where `scale` isn't finite.
     */
    adam: Kernel<readonly DeviceBuffer[], AdamNumbers>;
  }
}

type ClipNumbers = [layers: number, clip: number];
type AdamNumbers = [beta1: number, beta2: number, epsilon: number, decay: number];

const noGradient = { none: 'optimisers are not differentiated' };

/** The attributes are the number of tensors in each group. */
const normOperation: Operation<readonly number[]> = {
  name: 'globalNorm',
  infer: ([{ dtype }], counts) => [{ shape: [counts.length], dtype }],
  forward: ({ kernels }, tensors, counts, results) =>
    kernels?.norm?.(
      tensors.map(({ buffer }) => buffer),
      counts,
      results,
    ),
  definition(all, counts) {
    const left = [...all];
    return [stack(counts.map((count) => normOf(left.splice(0, count))))];
  },
  gradients: noGradient,
};

function normOf(tensors: readonly Tensor[]): Tensor {
  const largest = max(
    stack(tensors.map((tensor) => (tensor.size === 0 ? sum(tensor) : max(abs(tensor))))),
  );
  // Divided by the largest value, no square overflows. 0 and Infinity are not used as divisors.
  const unit = where(mul(greater(largest, 0), less(largest, Infinity)), largest, 1);
  const squares = tensors.map((tensor) => sum(square(div(tensor, unit))));
  return mul(sqrt(sum(stack(squares))), unit);
}

/**
 * The Euclidean norm of all values of `tensors` (at least one) together, as a scalar; squares of
 * large values don't overflow. No gradient flows through it.
 */
export function globalNorm(tensors: readonly Tensor[]): Tensor;
export function globalNorm(tensors: readonly Tensor[], ...extra: unknown[]): Tensor {
  refuseExtra('globalNorm', extra);
  requireList('globalNorm', tensors);
  for (const tensor of tensors) requireFloat('globalNorm', tensor);
  return reshape(globalNorms([tensors]), []);
}

/** The `globalNorm` of each group of tensors, as a vector. */
export function globalNorms(groups: readonly (readonly Tensor[])[]): Tensor {
  const counts = groups.map(({ length }) => length);
  return run(normOperation, groups.flat(), counts)[0];
}

/** The factor that limits gradients of this norm to `clip`. */
export function clipScaleOf(norm: number, clip: number): number {
  return Math.min(1, clip / (norm + 1e-6));
}

const clipOperation: Operation<ClipNumbers> = {
  name: 'clipFactor',
  infer: ([{ dtype }]) => [{ shape: [], dtype }],
  forward: ({ kernels }, [numbers], [layers, clip], results) =>
    kernels?.clipFactor?.([numbers.buffer], [layers, clip], results),
  definition([numbers], [layers, clip]) {
    const norm = globalNorm([slice(numbers, 0, 1, 1 + layers)]);
    const loss = reshape(slice(numbers, 0, 0, 1), []);
    const isKnown = mul(less(abs(loss), Infinity), less(norm, Infinity));
    return [where(isKnown, minimum(div(clip, add(norm, 1e-6)), 1), Number.NaN)];
  },
  gradients: noGradient,
};

/**
 * The factor that limits gradients to the norm `clip`, as a scalar on the device. `numbers` is a
 * vector: the loss, the norms of the gradients of `layers` layers, and values that don't count. NaN
 * unless the loss and the norm of all layers together are finite, so that an optimiser changes
 * nothing.
 */
export function clipFactor(numbers: Tensor, layers: number, clip = Infinity): Tensor {
  return run(clipOperation, [numbers], [layers, clip])[0];
}

/** The numbers of one Adam step. */
export interface AdamSpec {
  readonly beta1: number;
  readonly beta2: number;
  /** The learning rate divided by 1 - beta1^t. */
  readonly rate: number;
  /** The square root of 1 - beta2^t. */
  readonly root: number;
  readonly epsilon: number;
  /** Factor of the gradient; less than 1 where it is clipped. */
  readonly gradientScale: number;
  /** Weight decay as a penalty: this fraction of the parameter is added to the scaled gradient. */
  readonly decay: number;
  /** Factor of the parameter; less than 1 for decoupled weight decay. */
  readonly shrink: number;
}

/**
 * The tensors that an Adam step reads and replaces: lists of equal length. `first` and `second` are
 * the moments.
 */
export interface AdamTensors {
  parameters: readonly Tensor[];
  first: readonly Tensor[];
  second: readonly Tensor[];
}

/**
 * Computes the new parameters, first and second moments (Kingma and Ba 2015, algorithm 1). With the
 * gradient g' = gradientScale g + decay p and the moments m' = beta1 m + (1 - beta1) g' and v' =
 * beta2 v + (1 - beta2) g'^2, a parameter becomes shrink p - rate m' / (sqrt(v') / root + epsilon).
 * No gradient flows through it. Throws `MemgradError` unless every gradient and moment has the
 * shape and dtype of its parameter.
 */
export function adamStep(
  tensors: AdamTensors,
  gradients: readonly Tensor[],
  spec: AdamSpec,
): AdamTensors {
  const { parameters, first, second } = tensors ?? {};
  const lists = [parameters, gradients, first, second];
  if (!lists.every((list) => Array.isArray(list) && list.length === parameters.length)) {
    throw new MemgradError(
      'adamStep: expected lists of parameters, gradients and both moments, all of one length.',
    );
  }
  if (parameters.length === 0) return { parameters, first, second };
  commonBackend('adamStep', lists.flat());
  parameters.forEach((parameter, i) => {
    requireFloat('adamStep', parameter);
    for (const list of lists) {
      if (isLike(list[i], parameter)) continue;
      throw new MemgradError(
        `adamStep: the ${list === gradients ? 'gradient' : 'moment'} is ${list[i]}, expected the shape and dtype of ${parameter}.`,
      );
    }
  });
  const { beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink } = (spec ??
    {}) as AdamSpec;
  for (const number of [beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink]) {
    check('adamStep: each number', number, finite);
  }
  const rates = numbersLike(parameters, [rate, root, shrink]);
  const scale = reshape(numbersLike(parameters, [gradientScale]), []);
  return adamUpdate(tensors, gradients, { beta1, beta2, epsilon, decay }, rates, scale);
}

/** `numbers` as a tensor of the widest dtype among `parameters`, on their backend. */
export function numbersLike(parameters: readonly Tensor[], numbers: readonly number[]): Tensor {
  for (const parameter of parameters) requireFloat('optimizer', parameter);
  const widest = parameters.find(({ dtype }) => dtype === 'float64') ?? parameters[0];
  const FloatArray = widest?.dtype === 'float64' ? Float64Array : Float32Array;
  return upload('tensor', FloatArray.from(numbers), [numbers.length], widest?.backend);
}

/**
 * `adamStep` with numbers on the device, which may differ from step to step of a captured function:
 * `rates` is [rate, root, shrink], `scale` the gradient scale. If it isn't finite, returns the old
 * values.
 */
export function adamUpdate(
  { parameters, first, second }: AdamTensors,
  gradients: readonly Tensor[],
  { beta1, beta2, epsilon, decay }: Pick<AdamSpec, 'beta1' | 'beta2' | 'epsilon' | 'decay'>,
  rates: Tensor,
  scale: Tensor,
): AdamTensors {
  const inputs = [...parameters, ...gradients, ...first, ...second, rates, scale];
  const results = run(adamOperation, inputs, [beta1, beta2, epsilon, decay]);
  const count = parameters.length;
  return {
    parameters: results.slice(0, count),
    first: results.slice(count, 2 * count),
    second: results.slice(2 * count),
  };
}

const adamOperation: Operation<AdamNumbers> = {
  name: 'adam',
  infer: (inputs) => {
    const [parameters] = quarters(inputs.slice(0, -2));
    return [...parameters, ...parameters, ...parameters];
  },
  forward: ({ kernels }, inputs, numbers, results) =>
    kernels?.adam?.(
      inputs.map(({ buffer }) => buffer),
      numbers,
      results,
    ),
  definition(inputs, [beta1, beta2, epsilon, decay]) {
    const [parameters, gradients, first, second] = quarters(inputs.slice(0, -2));
    const [rates, scale] = inputs.slice(-2);
    const isKnown = less(abs(scale), Infinity);
    const next = parameters.map((parameter, i) => {
      const number = (x: Tensor) => cast(x, parameter.dtype);
      const [rate, root, shrink] = [0, 1, 2].map((at) =>
        number(reshape(slice(rates, 0, at, at + 1), [])),
      );
      const scaled = mul(gradients[i], number(scale));
      const gradient = decay === 0 ? scaled : add(scaled, mul(parameter, decay));
      const m = add(mul(first[i], beta1), mul(gradient, 1 - beta1));
      const v = add(mul(second[i], beta2), mul(square(gradient), 1 - beta2));
      const move = mul(div(m, add(div(sqrt(v), root), epsilon)), rate);
      const p = sub(mul(parameter, shrink), move);
      const kept = [parameter, first[i], second[i]];
      return [p, m, v].map((value, part) => where(isKnown, value, kept[part]));
    });
    return [0, 1, 2].flatMap((part) => next.map((values) => values[part]));
  },
  gradients: noGradient,
};

/** Splits `list` into four parts of equal length. */
function quarters<T>(list: readonly T[]): readonly T[][] {
  const length = list.length / 4;
  return [0, 1, 2, 3].map((part) => list.slice(part * length, (part + 1) * length));
}
