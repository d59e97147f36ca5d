/** What a matrix product does where values that aren't finite stand beside zeros. */

/** A matrix of a flat array: its first value, and the steps along rows and columns. */
export interface Matrix {
  readonly data: Float32Array | Float64Array | Int32Array;
  readonly start: number;
  readonly row: number;
  readonly column: number;
}

/** Computes anew what isn't finite in out [m, n] = a [m, k] b [k, n], leaving out what stands beside a zero of `a`. */
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
