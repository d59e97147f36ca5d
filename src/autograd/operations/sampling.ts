/** Random choices: bernoulli, randperm, choice. */
import type { Backend } from '../../backends/backend.js';
import { backendKind, check, checkOptions, flag, type Kind, whole } from '../../options.js';
import { requireFit, requireTensors } from '../arguments.js';
import { checkShape } from '../create.js';
import { isKey, type Key, uniform } from '../random.js';
import { type Shape, Tensor } from '../tensor.js';
import { cast, less } from './comparison.js';
import { mul } from './elementwise.js';
import { gather } from './indexing.js';
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
}

/**
 * Returns `count` rows of `x` [rows, ...rest], each equally likely: [count, ...rest]. Throws
 * `MemgradError` for a scalar, and for more rows than there are to choose from.
 */
export function choice(key: Key, x: Tensor, count: number, options?: ChoiceOptions): Tensor {
  check('choice: key', key, isKey);
  requireTensors('choice', x);
  checkOptions('choice', options, { replacement: flag });
  requireFit(x.rank > 0, 'choice', 'rank 1 or more', x.shape);
  const { backend } = x;
  const rows = x.shape[0];
  const again = options?.replacement ?? true;
  check('choice: count', count, whole(0, again && rows ? 2 ** 30 : rows));
  const chosen = again
    ? cast(mul(uniform(key, [count], { backend }), rows), 'int32')
    : slice(randperm(key, rows, { backend }), 0, 0, count);
  return gather(x, chosen);
}
