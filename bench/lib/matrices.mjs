/** Matrices for timed products, and the error of a product. */

/** Returns n * n numbers between -0.5 and 0.5, the same in every run. */
export function matrix(n, seed) {
  let state = seed;
  return Float32Array.from({ length: n * n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
}

/** Returns the largest error of eight rows, compared with sums in float64. */
export function errorOfRows([a, b], product, n) {
  let worst = 0;
  for (let row = 0; row < n; row += n / 8) {
    const sums = new Float64Array(n);
    for (let k = 0; k < n; k++) {
      const x = a[row * n + k];
      for (let column = 0; column < n; column++) sums[column] += x * b[k * n + column];
    }
    for (let column = 0; column < n; column++) {
      worst = Math.max(worst, Math.abs(sums[column] - product[row * n + column]));
    }
  }
  return worst;
}

/** Returns the largest difference between two arrays. */
export function difference(a, b) {
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i] - b[i]));
  return worst;
}
