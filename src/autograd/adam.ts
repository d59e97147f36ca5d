/** What optimisers compute: the norm of gradients, and the step of Adam. */
import type { AdamSpec } from '../backends/backend.js';
import { describe, MemgradError, requireNumber } from '../errors.js';
import { add, div, mul, sqrt, square, sub } from './elementwise.js';
import { refuseExtra, requireFloat, requireTensors, results } from './operation.js';
import { sum } from './reduction.js';
import { requireList, stack } from './shape.js';
import { allocating } from './storage.js';
import { sameShape, type Tensor } from './tensor.js';

const specNames = [
  ...(['beta1', 'beta2', 'rate', 'root', 'epsilon'] as const),
  ...(['gradientScale', 'decay', 'shrink'] as const),
] as const;

/** The Euclidean norm of all values of `tensors` (one at least) together, a scalar. No gradient flows through it. */
export function globalNorm(tensors: readonly Tensor[]): Tensor;
export function globalNorm(tensors: readonly Tensor[], ...extra: unknown[]): Tensor {
  refuseExtra('globalNorm', extra);
  requireList('globalNorm', tensors);
  for (const tensor of tensors) requireFloat('globalNorm', tensor);
  const [{ backend }] = tensors;
  const made = allocating(() => backend.fused?.norm?.(tensors.map(({ buffer }) => buffer)));
  if (made) return results('norm', tensors, [made], [[]])[0];
  return sqrt(sum(stack(tensors.map((tensor) => sum(square(tensor))))));
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
  const lists = { parameters, gradient: gradients, 'first moment': first, 'second moment': second };
  for (const [name, list] of Object.entries(lists)) {
    if (Array.isArray(list) && list.length === parameters.length) continue;
    throw new MemgradError(
      `adam: expected as many tensors in each list, got ${describe(list)} for the ${name}.`,
    );
  }
  parameters.forEach((parameter, i) => {
    requireFloat('adam', parameter);
    for (const [name, list] of Object.entries(lists)) {
      const { [i]: like } = list;
      requireTensors('adam', like);
      if (sameShape(like.shape, parameter.shape) && like.dtype === parameter.dtype) continue;
      throw new MemgradError(
        `adam: the ${name} is ${like}, expected the shape and dtype of ${parameter}.`,
      );
    }
  });
  for (const name of specNames) requireNumber('adam', name, spec?.[name]);
  if (parameters.length === 0) return { parameters, first, second };
  const { backend } = parameters[0];
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
    const inputs = [...gradients, ...parameters, ...first, ...second];
    const [p, m, v] = made.map((list) => results('adam', inputs, list, shapes));
    return { parameters: p, first: m, second: v };
  }
  const { beta1, beta2, rate, root, epsilon, gradientScale, decay, shrink } = spec;
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
