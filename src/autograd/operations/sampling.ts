/** Random choices: bernoulli, randperm, choice. */
import type { Backend } from '../../backends/backend.js';
import { backendKind, check, checkOptions, flag, type Kind, whole } from '../../options.js';
import { indexed, requireFit, requireFloat, requireTensors } from '../arguments.js';
import { checkShape } from '../create.js';
import { isKey, type Key, uniform } from '../random.js';
import { type Shape, sameShape, Tensor } from '../tensor.js';
import { cast, greater, less, where } from './comparison.js';
import { log, mul, neg, sub } from './elementwise.js';
import { log1p } from './functions.js';
import { gather } from './indexing.js';
import { argmax } from './reduction.js';
import { broadcastTo, slice } from './shape.js';
import { argsort } from './sorting.js';

const probability: Kind = [
  'a number in [0, 1], or a tensor',
  (value: number) => typeof value === 'number' && value >= 0 && value <= 1,
];

/**
 * Returns truth values (int32) of `shape`, 1 with the `chance` of each: a number in [0, 1], or a
 * tensor that broadcasts to `shape`. Equal keys produce equal values on every backend. The result is
 * on the backend of the tensor, or of `options`.
 */
export function bernoulli(
  key: Key,
  shape: Shape,
  chance: number | Tensor = 0.5,
  options?: { backend?: Backend },
): Tensor {
  check('bernoulli: key', key, isKey);
  checkShape('bernoulli', shape);
  checkOptions('bernoulli', options, { backend: backendKind });
  if (!(chance instanceof Tensor)) {
    check('bernoulli: chance', chance, probability);
    return less(uniform(key, shape, options), chance);
  }
  const drawn = uniform(key, shape, { backend: options?.backend ?? chance.backend });
  return less(cast(drawn, chance.dtype), broadcastTo(chance, shape));
}

/**
 * Returns the whole numbers (int32) from 0 to `count` - 1 in random order: the order of `count`
 * values of `uniform`, so equal keys produce equal orders on every backend.
 */
export function randperm(key: Key, count: number, options?: { backend?: Backend }): Tensor {
  check('randperm: key', key, isKey);
  checkShape('randperm', [count]);
  checkOptions('randperm', options, { backend: backendKind });
  return argsort(uniform(key, [count], options));
}

/** Options of `choice`. */
export interface ChoiceOptions {
  /** Whether a row may be chosen again. Default true. */
  replacement?: boolean;
  /**
   * How likely each row is, in proportion to the others: floats [rows], on the backend of `x`. A row
   * whose weight isn't above 0 is never chosen. By default all rows are equally likely.
   */
  weights?: Tensor;
}

/**
 * Returns `count` random rows of `x` [rows, ...rest], as [count, ...rest], with equal chances or in
 * proportion to the tensor `weights` [rows]. Without replacement, weights decide each draw among the
 * rows that are left, as in NumPy's `choice` and PyTorch's `multinomial`.
 * Weighted draws with replacement need memory for count x rows values. Equal keys choose equal rows;
 * of two that are nearly equally likely, backends that round differently may choose different ones.
 * Throws `MemgradError` for a scalar, for more rows than there are to choose from, and, on the
 * backends that can check it (cpu, wasm), where too few weights are above 0.
 */
export function choice(key: Key, x: Tensor, count: number, options?: ChoiceOptions): Tensor {
  check('choice: key', key, isKey);
  requireTensors('choice', x);
  checkOptions('choice', options, { replacement: flag, weights: 1 });
  requireFit(x.rank > 0, 'choice', 'rank 1 or more', x.shape);
  const { backend } = x;
  const rows = x.shape[0];
  const { replacement = true, weights } = options ?? {};
  const again = replacement && rows > 0;
  check('choice: count', count, whole(0, again ? 2 ** 30 : rows));
  if (weights !== undefined) {
    requireFloat('choice: weights', weights);
    const fits = sameShape(weights.shape, [rows]);
    requireFit(fits, 'choice', 'a weight for each row', x.shape, weights.shape);
    const chosen = weighted(key, weights, count, again);
    const known = where(greater(gather(weights, chosen), 0), chosen, -1);
    return indexed('choice: too few weights are above 0, expected one for each row chosen.', () =>
      gather(x, known),
    );
  }
  const chosen = again
    ? cast(mul(uniform(key, [count], { backend }), rows), 'int32')
    : slice(randperm(key, rows, { backend }), 0, 0, count);
  return gather(x, chosen);
}

/**
 * The rows that are first when each is scored by its weight, divided by exponential noise: a row's
 * share of the weights is its chance to be first (Efraimidis and Spirakis 2006). In logarithms, so
 * that no quotient overflows.
 */
function weighted(key: Key, weights: Tensor, count: number, again: boolean): Tensor {
  const { backend, dtype, shape } = weights;
  const uniforms = uniform(key, again ? [count, ...shape] : shape, { backend });
  const noise = cast(neg(log1p(neg(uniforms))), dtype);
  const scores = where(greater(weights, 0), sub(log(weights), log(noise)), -Infinity);
  if (again) return argmax(scores, 1);
  return slice(argsort(scores, 0, { descending: true }), 0, 0, count);
}
