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
  /** Their standard deviation. Default 0.02, as in the code of the RMT paper. */
  initStd?: number;
}

/** A parameter N(mean, initStd). */
export function gaussian(
  key: Key,
  shape: Shape,
  { dtype, backend, mean = 0, initStd = 0.02 }: Placement & { mean?: number },
): Parameter {
  return scope(
    () => new Parameter(add(mul(normal(key, shape, { dtype, backend }), initStd), mean)),
  );
}

/** A parameter of zeros: a bias. */
export function zero(shape: Shape, { dtype, backend }: Placement): Parameter {
  return scope(() => new Parameter(zeros(shape, { dtype, backend })));
}
