/** Matrix products. */
import { MR, product, productScratch } from './lib/product';

/** Bytes of scratch space that each part of `matmul` needs. */
export function matmulScratch(n: i32, k: i32): i32 {
  return productScratch(n, k);
}

/**
 * `product` in `parts`, this being the part with the number `part`: as many rows in each, and each
 * with its scratch space behind that of the one before.
 */
export function matmul(a: usize, ar: usize, ac: usize, b: usize, br: usize, bc: usize, c: usize, ldc: usize, m: i32, n: i32, k: i32, scratch: usize, bias: usize, floor: f32, part: i32, parts: i32): void {
  const first = firstOf(m, part, parts), last = firstOf(m, part + 1, parts);
  product(a + <usize>first * ar, ar, ac, b, br, bc, c + <usize>first * ldc, ldc, last - first, n, k, scratch + part * productScratch(n, k), bias, floor);
}

/** Where a part of m rows begins: at a whole tile. */
@inline
function firstOf(m: i32, part: i32, parts: i32): i32 {
  const tiles = (m + MR - 1) / MR;
  return min(m, (tiles * part / parts) * MR);
}
