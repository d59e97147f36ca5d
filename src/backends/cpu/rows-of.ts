/** Walking equally shaped ndarrays together, one innermost row at a time. */
import type { Strided } from './buffer.js';

/** Called for each row, with the position of its first element in each array. */
type Visit = (starts: readonly number[]) => void;

/** The joint walk: rows of `length` elements, `strides[i]` apart in array i. */
export interface Rows {
  readonly length: number;
  readonly strides: readonly number[];
  each(visit: Visit): void;
}

/**
 * Plans a walk over all elements of `arrays`, which have the same shape. Adjacent axes are joined
 * where every array steps through them evenly, so that contiguous arrays become a single row.
 */
export function rowsOf(arrays: readonly Strided[]): Rows {
  const shape: number[] = [];
  const strides: number[][] = arrays.map(() => []);
  for (let axis = 0; axis < arrays[0].dimension; axis++) {
    const length = arrays[0].shape[axis];
    if (length === 1) continue;
    const last = shape.length - 1;
    const joins =
      last >= 0 && arrays.every((array, i) => strides[i][last] === array.stride[axis] * length);
    if (joins) shape[last] *= length;
    else shape.push(length);
    arrays.forEach((array, i) => {
      strides[i][joins ? last : shape.length - 1] = array.stride[axis];
    });
  }
  const length = shape.pop() ?? 1;
  const inner = strides.map((list) => list.pop() ?? 0);
  const starts = arrays.map((array) => array.offset);

  const walk = (axis: number, visit: Visit): void => {
    if (axis === shape.length) {
      visit(starts);
      return;
    }
    for (let step = 0; step < shape[axis]; step++) {
      walk(axis + 1, visit);
      for (let i = 0; i < starts.length; i++) starts[i] += strides[i][axis];
    }
    for (let i = 0; i < starts.length; i++) starts[i] -= strides[i][axis] * shape[axis];
  };
  return {
    length,
    strides: inner,
    each: (visit) => {
      if (length > 0) walk(0, visit);
    },
  };
}
