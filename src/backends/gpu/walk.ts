/** Joint walks over strided arrays, which the kernels of both GPU backends follow. */

/**
 * Axes of one shape that arrays with several strides walk together. Neighbouring axes are joined
 * where all arrays step through them evenly.
 */
export interface Walk {
  readonly shape: readonly number[];
  /** The strides of the joined axes, for each array. */
  readonly strides: readonly (readonly number[])[];
}

/** Joins adjacent axes of `shape` that arrays with all of these `strides` step through evenly. */
export function walkOf(shape: readonly number[], strides: readonly (readonly number[])[]): Walk {
  const lengths: number[] = [];
  const joined: number[][] = strides.map(() => []);
  for (const [axis, length] of shape.entries()) {
    if (length === 1) continue;
    const last = lengths.length - 1;
    const joins = last >= 0 && strides.every((own, i) => joined[i][last] === own[axis] * length);
    if (joins) lengths[last] *= length;
    else lengths.push(length);
    for (const [i, own] of strides.entries()) joined[i][lengths.length - 1] = own[axis];
  }
  return { shape: lengths, strides: joined };
}
