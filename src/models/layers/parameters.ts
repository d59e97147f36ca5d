/** How parameters begin. Each is made in a scope of its own, which frees what it was made from. */
import {
  add,
  type Key,
  mul,
  normal,
  Parameter,
  type Shape,
  scope,
  zeros,
} from '../../autograd/index.js';
import type { Backend } from '../../backends/backend.js';

/** Where and as what parameters are made. */
export interface Placement {
  dtype?: 'float32' | 'float64';
  backend?: Backend;
}

/** A parameter N(mean, deviation): by default N(0, 0.02), as in the code of the RMT paper. */
export function gaussian(
  key: Key,
  shape: Shape,
  { dtype, backend, mean = 0, deviation = 0.02 }: Placement & { mean?: number; deviation?: number },
): Parameter {
  return scope(
    () => new Parameter(add(mul(normal(key, shape, { dtype, backend }), deviation), mean)),
  );
}

/** A parameter of zeros: a bias. */
export function zero(shape: Shape, { dtype, backend }: Placement): Parameter {
  return scope(() => new Parameter(zeros(shape, { dtype, backend })));
}
