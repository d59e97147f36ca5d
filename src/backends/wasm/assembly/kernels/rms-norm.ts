/** Root mean square normalisation of rows, and its gradients. */
import { addLanes, firstLanes, storeLanes } from '../lib/lanes';

/** 1 / sqrt(mean of squares + epsilon) for the last row that `prepare` measured. */
let factor: f32 = 0;
/** The divisor of that row: 1, or its largest absolute value where squares would overflow. */
let unit: f32 = 1;

/** Measures the row x. Returns x, or `copy`, to which it writes x divided by `unit`. */
function prepare(x: usize, width: i32, epsilon: f32, copy: usize): usize {
  unit = 1;
  factor = 1 / sqrt<f32>(sumOfProducts(x, x, width) / <f32>width + epsilon);
  if (factor > 0) return x;
  let largest: f32 = 0;
  for (let i = 0; i < width; i++) largest = max(largest, abs(load<f32>(x + (<usize>i << 2))));
  if (!(largest < Infinity && largest > 0)) return x;
  unit = largest;
  for (let i = 0; i < width; i++) store<f32>(copy + (<usize>i << 2), load<f32>(x + (<usize>i << 2)) / largest);
  factor = 1 / sqrt<f32>(sumOfProducts(copy, copy, width) / <f32>width + epsilon / largest / largest);
  return copy;
}

function sumOfProducts(a: usize, b: usize, width: i32): f32 {
  const whole = <usize>(width & ~3) << 2;
  let total = f32x4.splat(0);
  for (let at: usize = 0; at < whole; at += 16) {
    total = f32x4.add(total, f32x4.mul(v128.load(a + at), v128.load(b + at)));
  }
  const last = f32x4.mul(v128.load(a + whole), v128.load(b + whole));
  return addLanes(f32x4.add(total, firstLanes(last, width & 3, f32x4.splat(0))));
}

/** out = x / sqrt(mean(x^2) + epsilon) * weight for rows of `width`. */
export function rmsNorm(x: usize, weight: usize, epsilon: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const whole = bytes & ~15;
  const rest = width & 3;
  for (let row = 0; row < rows; row++, x += bytes, out += bytes) {
    const values = prepare(x, width, epsilon, out);
    const by = f32x4.splat(factor);
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(out + at, f32x4.mul(f32x4.mul(v128.load(values + at), by), v128.load(weight + at)));
    }
    if (rest) storeLanes(out + whole, f32x4.mul(f32x4.mul(v128.load(values + whole), by), v128.load(weight + whole)), rest);
  }
}

/** Bytes of scratch space that `rmsNormGradient` needs: a row of doubles, padded to four. */
export function rmsNormGradientScratch(epsilon: f32, rows: i32, width: i32): i32 {
  return (width + 4) << 3;
}

/**
 * The gradients of `rmsNorm` from g, the gradient of its result, where h = g weight and y is the
 * normalised row. With respect to x: (h - y mean(h y)) / sqrt(mean(x^2) + epsilon); to weight: the
 * sum of g y over all rows, in float64 in `totals`.
 */
export function rmsNormGradient(x: usize, weight: usize, g: usize, epsilon: f32, rows: i32, width: i32, gx: usize, gWeight: usize, totals: usize): void {
  const bytes = <usize>width << 2;
  const padded = (bytes + 15) & ~15;
  const whole = bytes & ~15;
  const rest = width & 3;
  const none = f32x4.splat(0);
  memory.fill(totals, 0, 2 * padded);
  for (let row = 0; row < rows; row++, x += bytes, g += bytes, gx += bytes) {
    const values = prepare(x, width, epsilon, gx);
    const by = f32x4.splat(factor), back = f32x4.splat(factor / unit);
    let product = none;
    for (let at: usize = 0; at < padded; at += 16) {
      const gy = f32x4.mul(v128.load(g + at), f32x4.mul(v128.load(values + at), by));
      let hy = f32x4.mul(gy, v128.load(weight + at));
      if (at == whole) hy = firstLanes(hy, rest, none);
      product = f32x4.add(product, hy);
      addTo(totals + 2 * at, gy);
    }
    const mean = f32x4.splat(addLanes(product) / <f32>width);
    for (let at: usize = 0; at < padded; at += 16) {
      const h = f32x4.mul(v128.load(g + at), v128.load(weight + at));
      const y = f32x4.mul(v128.load(values + at), by);
      const value = f32x4.mul(f32x4.sub(h, f32x4.mul(y, mean)), back);
      if (at == whole) storeLanes(gx + at, value, rest);
      else v128.store(gx + at, value);
    }
  }
  for (let i = 0; i < width; i++, totals += 8, gWeight += 4) store<f32>(gWeight, <f32>load<f64>(totals));
}

/** Adds four floats to four doubles. */
@inline
function addTo(total: usize, x: v128): void {
  v128.store(total, f64x2.add(v128.load(total), f64x2.promote_low_f32x4(x)));
  v128.store(total, f64x2.add(v128.load(total, 16), f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0))), 16);
}
