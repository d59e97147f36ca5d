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
import type { ModelConfig } from '../config.js';

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

/** Rows that stand where tokens do, embeddings and memory, as `init` has them. */
export function gaussianRows(
  key: Key,
  shape: Shape,
  { init, ...placement }: Placement & Pick<ModelConfig, 'init'>,
): Parameter {
  return gaussian(key, shape, { ...placement, deviation: init === 'wide' ? 0.1 : undefined });
}

/** A parameter of zeros: a bias. */
export function zero(shape: Shape, { dtype, backend }: Placement): Parameter {
  return scope(() => new Parameter(zeros(shape, { dtype, backend })));
}
