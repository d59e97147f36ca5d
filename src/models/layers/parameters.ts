/**
 * Initial values of parameters. Each is created in its own scope, which frees intermediate tensors.
 */
import {
  add,
  type Key,
  mul,
  normal,
  Parameter,
  type Shape,
  scope,
  type Tensor,
  zeros,
} from '../../autograd/index.js';
import type { Backend } from '../../backends/backend.js';
import type { ModelConfig } from '../config.js';
import type { DenseOptions } from './linear.js';

/** Dtype and backend of new parameters. */
export interface Placement {
  dtype?: 'float32' | 'float64';
  backend?: Backend;
}

/** The parameters of the model under construction. */
let made: Parameter[] | undefined;

/**
 * Runs `build`. If it throws, for example when memory runs out, frees the parameters created so
 * far.
 */
export function allOrNothing<T>(build: () => T): T {
  const outer = made;
  const own: Parameter[] = [];
  made = own;
  try {
    const built = build();
    outer?.push(...own);
    return built;
  } catch (error) {
    for (const parameter of own) parameter.dispose();
    throw error;
  } finally {
    made = outer;
  }
}

/** A parameter with the values that `make` returns. */
export function parameter(make: () => Tensor): Parameter {
  const begun = scope(() => new Parameter(make()));
  made?.push(begun);
  return begun;
}

type Normal = Placement & { mean?: number; deviation?: number };

/** Draws values from N(mean, deviation), by default N(0, 0.02) as in the code of the RMT paper. */
export function drawn(
  key: Key,
  shape: Shape,
  { dtype, backend, mean = 0, deviation = 0.02 }: Normal,
): Tensor {
  return add(mul(normal(key, shape, { dtype, backend }), deviation), mean);
}

/** A parameter with values from `drawn`. */
export function gaussian(key: Key, shape: Shape, options: Normal): Parameter {
  return parameter(() => drawn(key, shape, options));
}

/** Embeddings or memory rows, initialised as `init` says. */
export function gaussianRows(
  key: Key,
  shape: Shape,
  { init, ...placement }: Placement & Pick<ModelConfig, 'init'>,
): Parameter {
  return gaussian(key, shape, { ...placement, deviation: init === 'wide' ? 0.1 : undefined });
}

/** A parameter of zeros, for a bias. */
export function zero(shape: Shape, { dtype, backend }: Placement): Parameter {
  return parameter(() => zeros(shape, { dtype, backend }));
}

/** The options of a model's dense layer. */
export function dense(
  { init = 'narrow', dtype, backend }: Placement & Pick<ModelConfig, 'init'>,
  key: Key,
  bias = true,
): DenseOptions {
  return { key, bias, init, dtype, backend };
}
