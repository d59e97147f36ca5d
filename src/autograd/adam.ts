/** What optimisers compute: the norm of gradients, and the step of Adam. */
import type { AdamSpec } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { check, finite } from '../options.js';
import { greater, less, where } from './comparison.js';
import { abs, add, div, mul, sqrt, square, sub } from './elementwise.js';
import { commonBackend, refuseExtra, requireFloat, results } from './operation.js';
import { max, sum } from './reduction.js';
import { requireList, stack } from './shape.js';
import { allocating } from './storage.js';
import { isLike, type Tensor } from './tensor.js';

/** The Euclidean norm of all values of `tensors` (one at least) together, a scalar; large values don't overflow. No gradient flows through it. */
export function globalNorm(tensors: readonly Tensor[]): Tensor;
export function globalNorm(tensors: readonly Tensor[], ...extra: unknown[]): Tensor {
  refuseExtra('globalNorm', extra);
  requireList('globalNorm', tensors);
  for (const tensor of tensors) requireFloat('globalNorm', tensor);
  const backend = commonBackend('globalNorm', tensors);
  const made = allocating(() => backend.fused?.norm?.(tensors.map(({ buffer }) => buffer)));
  if (made) return results('norm', tensors, [made], [[]])[0];
  const largest = max(
    stack(tensors.map((tensor) => (tensor.size === 0 ? sum(tensor) : max(abs(tensor))))),
  );
  // Divided by the largest, no square overflows; 0 and Infinity divide nothing.
  const unit = where(mul(greater(largest, 0), less(largest, Infinity)), largest, 1);
  const squares = tensors.map((tensor) => sum(square(div(tensor, unit))));
  return mul(sqrt(sum(stack(squares))), unit);
}

/** What a step of Adam reads, and gives anew: lists of as many tensors each, `first` and `second` being the moments. */
export interface AdamTensors {
  parameters: readonly Tensor[];
  first: readonly Tensor[];
  second: readonly Tensor[];
}

/**
 * The new parameters, first and second moments (Kingma and Ba 2015, algorithm 1): with the gradient
 * g' = gradientScale g + decay p and the moments m' = beta1 m + (1 - beta1) g' and
 * v' = beta2 v + (1 - beta2) g'^2 a parameter becomes shrink p - rate m' / (sqrt(v') / root + epsilon).
 * No gradient flows through it. Throws when a gradient doesn't fit its parameter.
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
      'adam: expected lists of parameters, gradients and both moments, as many of each.',
    );
  }
  if (parameters.length === 0) return { parameters, first, second };
  const inputs = lists.flat();
  const backend = commonBackend('adam', inputs);
  parameters.forEach((parameter, i) => {
    requireFloat('adam', parameter);
    for (const list of lists) {
      if (isLike(list[i], parameter)) continue;
      throw new MemgradError(
        `adam: the ${list === gradients ? 'gradient' : 'moment'} is ${list[i]}, expected the shape and dtype of ${parameter}.`,
      );
    }
  });
  const numbers = (spec ?? {}) as AdamSpec;
  const { beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink } = numbers;
  for (const number of [beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink]) {
    check('adam: each number', number, finite);
  }
  const buffers = (tensors: readonly Tensor[]) => tensors.map(({ buffer }) => buffer);
  const made = allocating(() =>
    backend.fused?.adam?.(
      buffers(parameters),
      buffers(gradients),
      buffers(first),
      buffers(second),
      spec,
    ),
  );
  if (made) {
    const shapes = parameters.map(({ shape }) => shape);
    const [p, m, v] = made.map((list) => results('adam', inputs, list, shapes));
    return { parameters: p, first: m, second: v };
  }
  const times = (x: Tensor, factor: number) => (factor === 1 ? x : mul(x, factor));
  const next = parameters.map((parameter, i) => {
    const scaled = times(gradients[i], gradientScale);
    const gradient = decay === 0 ? scaled : add(scaled, mul(parameter, decay));
    const m = add(mul(first[i], beta1), mul(gradient, 1 - beta1));
    const v = add(mul(second[i], beta2), mul(square(gradient), 1 - beta2));
    const move = mul(div(m, add(div(sqrt(v), root), epsilon)), rate);
    return { p: sub(times(parameter, shrink), move), m, v };
  });
  return {
    parameters: next.map(({ p }) => p),
    first: next.map(({ m }) => m),
    second: next.map(({ v }) => v),
  };
}
