/** Matrix products. */
import { MR, product, productScratch } from './lib/product';

/** Bytes of scratch space that each part of `matmul` needs. */
export function matmulScratch(n: i32, k: i32): i32 {
  return productScratch(n, k);
}

/**
 * Computes part number `part` of `parts` parts of `product`. Each part has about the same number of
 * rows, and its own scratch space: part i's begins i times `productScratch` after `scratch`.
 */
export function matmul(a: usize, ar: usize, ac: usize, b: usize, br: usize, bc: usize, c: usize, ldc: usize, m: i32, n: i32, k: i32, scratch: usize, bias: usize, floor: f32, part: i32, parts: i32): void {
  const first = firstOf(m, part, parts), last = firstOf(m, part + 1, parts);
  product(a + <usize>first * ar, ar, ac, b, br, bc, c + <usize>first * ldc, ldc, last - first, n, k, scratch + part * productScratch(n, k), bias, floor);
}

/** The first row of a part of m rows, at the start of a tile. */
@inline
function firstOf(m: i32, part: i32, parts: i32): i32 {
  const tiles = (m + MR - 1) / MR;
  return min(m, (tiles * part / parts) * MR);
}
