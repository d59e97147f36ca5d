/** Dropout. */
import { MemgradError } from '../errors.js';
import { cast, greaterEqual } from './comparison.js';
import { mul } from './elementwise.js';
import { requireFloat } from './operation.js';
import { type Key, uniform } from './random.js';
import type { Tensor } from './tensor.js';

/**
 * Zeroes each value with probability `rate` and scales the others by 1 / (1 - rate) (Srivastava
 * et al. 2014). Equal keys give equal masks, so a replayed forward pass drops the same values.
 * Throws for a rate outside [0, 1).
 */
export function dropout(x: Tensor, rate: number, key: Key): Tensor {
  requireFloat('dropout', x);
  if (!(rate >= 0 && rate < 1))
    throw new MemgradError(`dropout: the rate must lie in [0, 1), got ${rate}.`);
  if (rate === 0) return x;
  const kept = cast(greaterEqual(uniform(key, x.shape, { backend: x.backend }), rate), x.dtype);
  return mul(x, mul(kept, 1 / (1 - rate)));
}
