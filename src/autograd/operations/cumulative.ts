/** Cumulative sums and products. */
import { normalizeAxis, requireTensors } from '../arguments.js';
import { alias } from '../run.js';
import type { Tensor } from '../tensor.js';
import { add, mul } from './elementwise.js';
import { concat, slice } from './shape.js';

/**
 * The sums of the values up to each position along `axis`, that included; of every dtype. They add
 * in the dtype of x, in a tree, so the error grows with the logarithm of the length.
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  return scan('cumsum', x, axis, add);
}

/**
 * The products of the values up to each position along `axis`, that included; of every dtype. The
 * gradients are right beside zeros, too.
 */
export function cumprod(x: Tensor, axis: number): Tensor {
  return scan('cumprod', x, axis, mul);
}

/** Combines each value with all before it, in a logarithm of steps (Hillis and Steele 1986). */
function scan(
  name: string,
  x: Tensor,
  axis: number,
  combine: (earlier: Tensor, later: Tensor) => Tensor,
): Tensor {
  requireTensors(name, x);
  const along = normalizeAxis(name, axis, x.rank);
  const length = x.shape[along];
  let reached = alias(x);
  for (let step = 1; step < length; step *= 2) {
    const earlier = slice(reached, along, 0, length - step);
    const later = combine(earlier, slice(reached, along, step));
    reached = concat([slice(reached, along, 0, step), later], along);
  }
  return reached;
}
