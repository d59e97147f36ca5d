/** Slices of tensors [..., rows, columns]. */
import { slice, type Tensor } from '../autograd/index.js';

/** Returns the last `count` rows. */
export function lastRows(x: Tensor, count: number): Tensor {
  const rows = x.shape[x.rank - 2];
  return count === rows ? x : slice(x, -2, rows - count);
}
