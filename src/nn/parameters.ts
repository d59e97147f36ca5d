/**
 * Initial values of parameters. Each is created in its own scope, which frees intermediate tensors.
 */
import {
  add,
  Key,
  mul,
  normal,
  ones,
  Parameter,
  type Shape,
  scope,
  type Tensor,
  zeros,
} from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import type { Backend } from '../backends/backend.js';
import { backendKind, check, checkOptions, type OptionNames, oneOf, whole } from '../options.js';

/** Dtype and backend of new parameters. */
export interface Placement {
  /** float64 runs on `cpu` only. Default float32. */
  dtype?: 'float32' | 'float64';
  /** Default: `defaultBackend()`. */
  backend?: Backend;
}

/** The options of all layers that draw their parameters. */
export interface LayerOptions extends Placement {
  /**
   * The key that parameters are drawn from. Default: a different key for each layer, in the order
   * of construction.
   */
  key?: Key;
  /**
   * How weights start. `wide`, the default: N(0, 1 / √inputs) (LeCun et al. 1998), and N(0, 0.1) for
   * embeddings and memory rows. `narrow`: N(0, 0.02), as in the code of the RMT paper.
   */
  init?: Init;
}

/** The ways in which weights start. */
export const inits = ['narrow', 'wide'] as const;
/** How weights start. */
export type Init = (typeof inits)[number];

/** The kinds of `Placement`'s options. */
export const placementKinds = { dtype: oneOf(['float32', 'float64']), backend: backendKind };
/** The kinds of `LayerOptions`. */
export const layerKinds = { ...placementKinds, key: isKey, init: oneOf(inits) };

/**
 * Throws `MemgradError` unless all `sizes` are whole numbers >= 1 and the options are of these kinds.
 */
export function checkArguments<T extends object>(
  where: string,
  sizes: object,
  options: T | undefined,
  kinds: OptionNames<T>,
): void {
  for (const [name, size] of Object.entries(sizes)) check(`${where}: ${name}`, size, whole());
  checkOptions(where, options, kinds);
}

let keyless = 0;

/** The options without `key`, and the key: the one given, or a key that no other layer has. */
export function drawnFrom({ key, init, dtype, backend }: LayerOptions): {
  key: Key;
  initial: LayerOptions;
} {
  return { key: key ?? Key.of(0).fold(keyless++), initial: { init, dtype, backend } };
}

/** The parameters of the module under construction. */
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

/** A weight [outputs, inputs], initialised as `init` says. */
export function gaussianWeight(
  key: Key,
  [outputs, inputs]: Shape,
  { init = 'wide', ...placement }: LayerOptions,
): Parameter {
  const deviation = init === 'wide' ? 1 / Math.sqrt(inputs) : undefined;
  return gaussian(key, [outputs, inputs], { ...placement, deviation });
}

/** Embeddings or memory rows, initialised as `init` says. */
export function gaussianRows(
  key: Key,
  shape: Shape,
  { init = 'wide', ...placement }: LayerOptions,
): Parameter {
  return gaussian(key, shape, { ...placement, deviation: init === 'wide' ? 0.1 : undefined });
}

/** A parameter of zeros, for a bias. */
export function zero(shape: Shape, { dtype, backend }: Placement): Parameter {
  return parameter(() => zeros(shape, { dtype, backend }));
}

/** A parameter of ones, for the weight of a norm. */
export function one(shape: Shape, { dtype, backend }: Placement): Parameter {
  return parameter(() => ones(shape, { dtype, backend }));
}
