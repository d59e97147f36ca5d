/** Matrix products. */
import { endOf, firstOf, partCount, partNumber } from './lib/part';
import { MR, NR, product, productScratch } from './lib/product';

/** With this many rows for each thread, it doesn't matter that every thread packs all of b. */
const ENOUGH_ROWS: i32 = 96;

/** Bytes of scratch space that each thread needs for `matmul`. */
export function matmulScratch(n: i32, k: i32): i32 {
  return productScratch(n, k);
}

/** `product`, of which threads divide the rows or the columns. */
export function matmul(a: usize, ar: usize, ac: usize, b: usize, br: usize, bc: usize, c: usize, ldc: usize, m: i32, n: i32, k: i32, scratch: usize, bias: usize, floor: f32): void {
  if (ASC_FEATURE_THREADS) {
    scratch += partNumber() * productScratch(n, k);
    const largestByRows = most(m, MR) * n, largestByColumns = m * most(n, NR);
    if (m < ENOUGH_ROWS * partCount() && largestByColumns <= largestByRows) {
      const first = firstOf(n, NR);
      n = endOf(n, NR) - first;
      b += <usize>first * bc;
      c += <usize>first << 2;
      if (bias) bias += <usize>first << 2;
    } else {
      const first = firstOf(m, MR);
      m = endOf(m, MR) - first;
      a += <usize>first * ar;
      c += <usize>first * ldc;
    }
  }
  product(a, ar, ac, b, br, bc, c, ldc, m, n, k, scratch, bias, floor);
}

/** How many of n rows or columns the largest part has. Parts are multiples of `unit`. */
function most(n: i32, unit: i32): i32 {
  const units = (n + unit - 1) / unit;
  return (units + partCount() - 1) / partCount() * unit;
}
