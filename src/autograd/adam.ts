/** The step of Adam, for optimisers. */
import type { AdamSpec } from '../backends/backend.js';
import { MemgradError } from '../errors.js';
import { add, div, mul, sqrt, square, sub } from './elementwise.js';
import { allocating, Storage } from './storage.js';
import { sameShape, Tensor } from './tensor.js';

/**
 * The new parameter, first and second moment (Kingma and Ba 2015, algorithm 1): with the moments
 * m' = beta1 m + (1 - beta1) g and v' = beta2 v + (1 - beta2) g^2 the parameter becomes
 * shrink p - rate m' / (sqrt(v') / root + epsilon). All four tensors have one shape. No gradient
 * flows through it. Throws when the gradient doesn't fit its parameter.
 */
export function adamStep(
  parameter: Tensor,
  gradient: Tensor,
  first: Tensor,
  second: Tensor,
  spec: AdamSpec,
): [parameter: Tensor, first: Tensor, second: Tensor] {
  const { backend, shape } = parameter;
  if (!sameShape(gradient.shape, shape) || gradient.dtype !== parameter.dtype) {
    throw new MemgradError(
      `adam: the gradient is ${gradient}, expected the shape and dtype of ${parameter}.`,
    );
  }
  const { beta1, beta2, rate, root, epsilon, shrink } = spec;
  const buffers = [parameter.buffer, gradient.buffer, first.buffer, second.buffer] as const;
  const made = allocating(() => backend.fused?.adam?.(...buffers, spec));
  if (made) {
    const [p, m, v] = made.map((buffer) => new Tensor(new Storage(backend, buffer, 'adam'), shape));
    return [p, m, v];
  }
  const m = add(mul(first, beta1), mul(gradient, 1 - beta1));
  const v = add(mul(second, beta2), mul(square(gradient), 1 - beta2));
  const move = mul(div(m, add(div(sqrt(v), root), epsilon)), rate);
  return [sub(shrink === 1 ? parameter : mul(parameter, shrink), move), m, v];
}
