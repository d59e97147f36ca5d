/** Operations of optimisers: the norm of gradients and the Adam update. */
import { MemgradError } from '../../errors.js';
import { check, finite } from '../../options.js';
import { commonBackend, refuseExtra, requireFloat } from '../arguments.js';
import { type Operation, run } from '../run.js';
import { isLike, type Tensor } from '../tensor.js';
import { greater, less, where } from './comparison.js';
import { abs, add, div, mul, sqrt, square, sub } from './elementwise.js';
import { max, sum } from './reduction.js';
import { requireList, stack } from './shape.js';

declare module '../../backends/backend.js' {
  interface Kernels {
    /** The Euclidean norm of all values. Squares of large values must not overflow. */
    norm: Kernel<readonly DeviceBuffer[], []>;
    /**
     * Returns the new parameters, the new first moments and the new second moments. The inputs are
     * four lists of equal length: parameters, gradients, first and second moments.
     */
    adam: Kernel<readonly DeviceBuffer[], AdamNumbers>;
  }
}

/** The numbers of an `AdamSpec`, in the order of its fields. */
type AdamNumbers = [
  beta1: number,
  beta2: number,
  rate: number,
  root: number,
  epsilon: number,
  gradientScale: number,
  decay: number,
  shrink: number,
];

const noGradient = { none: 'optimisers are not differentiated' };

const normOperation: Operation = {
  name: 'globalNorm',
  infer: ([{ dtype }]) => [{ shape: [], dtype }],
  forward: ({ kernels }, tensors, _, results) =>
    kernels?.norm?.(
      tensors.map(({ buffer }) => buffer),
      [],
      results,
    ),
  definition(tensors) {
    const largest = max(
      stack(tensors.map((tensor) => (tensor.size === 0 ? sum(tensor) : max(abs(tensor))))),
    );
    // Divided by the largest value, no square overflows. 0 and Infinity are not used as divisors.
    const unit = where(mul(greater(largest, 0), less(largest, Infinity)), largest, 1);
    const squares = tensors.map((tensor) => sum(square(div(tensor, unit))));
    return [mul(sqrt(sum(stack(squares))), unit)];
  },
  gradients: noGradient,
};

/**
 * The Euclidean norm of all values of `tensors` (at least one) together, as a scalar; squares of
 * large values don't overflow. No gradient flows through it.
 */
export function globalNorm(tensors: readonly Tensor[]): Tensor;
export function globalNorm(tensors: readonly Tensor[], ...extra: unknown[]): Tensor {
  refuseExtra('globalNorm', extra);
  requireList('globalNorm', tensors);
  for (const tensor of tensors) requireFloat('globalNorm', tensor);
  return run(normOperation, tensors, undefined)[0];
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
      'adam: expected lists of parameters, gradients and both moments, all of one length.',
    );
  }
  if (parameters.length === 0) return { parameters, first, second };
  const inputs = lists.flat();
  commonBackend('adam', inputs);
  parameters.forEach((parameter, i) => {
    requireFloat('adam', parameter);
    for (const list of lists) {
      if (isLike(list[i], parameter)) continue;
      throw new MemgradError(
        `adam: the ${list === gradients ? 'gradient' : 'moment'} is ${list[i]}, expected the shape and dtype of ${parameter}.`,
      );
    }
  });
  const { beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink } = (spec ??
    {}) as AdamSpec;
  const numbers: AdamNumbers = [beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink];
  for (const number of numbers) check('adam: each number', number, finite);
  const results = run(adamOperation, inputs, numbers);
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
    const [parameters] = quarters(inputs);
    return [...parameters, ...parameters, ...parameters];
  },
  forward: ({ kernels }, inputs, numbers, results) =>
    kernels?.adam?.(
      inputs.map(({ buffer }) => buffer),
      numbers,
      results,
    ),
  definition(inputs, [beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink]) {
    const [parameters, gradients, first, second] = quarters(inputs);
    const times = (x: Tensor, factor: number) => (factor === 1 ? x : mul(x, factor));
    const next = parameters.map((parameter, i) => {
      const scaled = times(gradients[i], gradientScale);
      const gradient = decay === 0 ? scaled : add(scaled, mul(parameter, decay));
      const m = add(mul(first[i], beta1), mul(gradient, 1 - beta1));
      const v = add(mul(second[i], beta2), mul(square(gradient), 1 - beta2));
      const move = mul(div(m, add(div(sqrt(v), root), epsilon)), rate);
      return { p: sub(times(parameter, shrink), move), m, v };
    });
    return [...next.map(({ p }) => p), ...next.map(({ m }) => m), ...next.map(({ v }) => v)];
  },
  gradients: noGradient,
};

/** Splits `list` into four parts of equal length. */
function quarters<T>(list: readonly T[]): readonly T[][] {
  const length = list.length / 4;
  return [0, 1, 2, 3].map((part) => list.slice(part * length, (part + 1) * length));
}
