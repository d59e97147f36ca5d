/** Random choices: bernoulli, choice. */
import type { Backend } from '../../backends/backend.js';
import { backendKind, check, checkOptions, flag, type Kind, whole } from '../../options.js';
import { requireFit, requireFloat, requireTensors } from '../arguments.js';
import { checkShape, upload } from '../create.js';
import { isKey, type Key, randperm, uniform } from '../random.js';
import { type Shape, Tensor } from '../tensor.js';
import { cast, less } from './comparison.js';
import { gather } from './indexing.js';
import { broadcastTo, slice } from './shape.js';

const probability: Kind = [
  'a number in [0, 1], or a tensor',
  (value: number) => typeof value === 'number' && value >= 0 && value <= 1,
];

/**
 * Returns truth values (int32) of `shape`, 1 with the `chance` of each: a number in [0, 1], or a
 * float tensor that broadcasts to `shape`. Equal keys produce equal values on every backend; the
 * backend is that of the tensor, or the one of `options`.
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
  requireFloat('bernoulli', chance);
  const drawn = uniform(key, shape, { backend: options?.backend ?? chance.backend });
  return less(cast(drawn, chance.dtype), broadcastTo(chance, shape));
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
  const rows = x.shape[0];
  const again = options?.replacement ?? true;
  requireFit(x.rank > 0, 'choice', 'rank 1 or more', x.shape);
  check('choice: count', count, whole(0, again && rows > 0 ? 2 ** 30 : rows));
  const { backend } = x;
  const chosen = again
    ? upload('choice', key.integers(count, Math.max(1, rows)), [count], backend)
    : slice(randperm(key, rows, { backend }), 0, 0, count);
  return gather(x, chosen);
}
