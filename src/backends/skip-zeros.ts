/** Matrix products in which 0 times NaN or infinity is 0 (`MatmulSpec.skipZeros`). */

/**
 * A matrix in a flat array: the index of its first value, and its strides along rows and columns.
 */
export interface Matrix {
  readonly data: Float32Array | Float64Array | Int32Array;
  readonly start: number;
  readonly row: number;
  readonly column: number;
}

/**
 * Recomputes the values of out [m, n] = a [m, k] b [k, n] that aren't finite, without the terms
 * where `a` is 0.
 */
export function skipZeros(a: Matrix, b: Matrix, out: Matrix, m: number, k: number, n: number) {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const at = out.start + i * out.row + j * out.column;
      if (Number.isFinite(out.data[at])) continue;
      let total = 0;
      for (let p = 0; p < k; p++) {
        const x = a.data[a.start + i * a.row + p * a.column];
        if (x !== 0) total += x * b.data[b.start + p * b.row + j * b.column];
      }
      out.data[at] = total;
    }
  }
}
