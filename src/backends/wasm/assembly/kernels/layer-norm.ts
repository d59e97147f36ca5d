/** Layer normalisation of rows, and its gradients. */
import { addLanes, firstLanes, storeLanes } from '../lib/lanes';

/** The mean of the last row passed to `measure`, and 1 / sqrt(variance + epsilon). */
let centre: f32 = 0;
let scale: f32 = 0;
/** The divisor of that row: 1, or its largest absolute value where squares would overflow. */
let unit: f32 = 1;

/** Measures the row x. Returns x, or `copy`, to which it writes x divided by `unit`. */
function prepare(x: usize, width: i32, epsilon: f32, copy: usize): usize {
  unit = 1;
  measure(x, width, epsilon);
  if (scale > 0) return x;
  let largest: f32 = 0;
  for (let i = 0; i < width; i++) largest = max(largest, abs(load<f32>(x + (<usize>i << 2))));
  if (!(largest < Infinity && largest > 0)) return x;
  unit = largest;
  for (let i = 0; i < width; i++) store<f32>(copy + (<usize>i << 2), load<f32>(x + (<usize>i << 2)) / largest);
  measure(copy, width, epsilon / largest / largest);
  return copy;
}

function measure(x: usize, width: i32, epsilon: f32): void {
  const whole = <usize>(width & ~3) << 2;
  const rest = width & 3;
  const none = f32x4.splat(0);
  let total = none;
  for (let at: usize = 0; at < whole; at += 16) total = f32x4.add(total, v128.load(x + at));
  if (rest) total = f32x4.add(total, firstLanes(v128.load(x + whole), rest, none));
  centre = addLanes(total) / <f32>width;
  const middle = f32x4.splat(centre);
  let squares = none;
  for (let at: usize = 0; at < whole; at += 16) {
    const difference = f32x4.sub(v128.load(x + at), middle);
    squares = f32x4.add(squares, f32x4.mul(difference, difference));
  }
  if (rest) {
    const difference = firstLanes(f32x4.sub(v128.load(x + whole), middle), rest, none);
    squares = f32x4.add(squares, f32x4.mul(difference, difference));
  }
  scale = 1 / sqrt<f32>(addLanes(squares) / <f32>width + epsilon);
}

/** out = (x - mean) / sqrt(variance + epsilon) * weight + bias for rows of `width`. */
export function layerNorm(x: usize, weight: usize, bias: usize, epsilon: f32, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2;
  const whole = bytes & ~15;
  const rest = width & 3;
  for (let row = 0; row < rows; row++, x += bytes, out += bytes) {
    const values = prepare(x, width, epsilon, out);
    const middle = f32x4.splat(centre), factor = f32x4.splat(scale);
    for (let at: usize = 0; at < whole; at += 16) v128.store(out + at, normed(values, weight, bias, middle, factor, at));
    if (rest) storeLanes(out + whole, normed(values, weight, bias, middle, factor, whole), rest);
  }
}

@inline
function normed(x: usize, weight: usize, bias: usize, middle: v128, factor: v128, at: usize): v128 {
  const y = f32x4.mul(f32x4.sub(v128.load(x + at), middle), factor);
  return f32x4.add(f32x4.mul(y, v128.load(weight + at)), v128.load(bias + at));
}

/** Bytes of scratch space that `layerNormGradient` needs: two rows of doubles, padded to four. */
export function layerNormGradientScratch(epsilon: f32, rows: i32, width: i32): i32 {
  return (width + 4) << 4;
}

/**
 * The gradients of `layerNorm` from g, the gradient of its result, where h = g weight and y is the
 * normalised row. With respect to x: (h - mean(h) - y mean(h y)) / sqrt(variance + epsilon); to
 * weight: the sum of g y over all rows; to bias: the sum of g. `totals` holds both sums in float64.
 */
export function layerNormGradient(x: usize, weight: usize, g: usize, epsilon: f32, rows: i32, width: i32, gx: usize, gWeight: usize, gBias: usize, totals: usize): void {
  const bytes = <usize>width << 2;
  const padded = (bytes + 15) & ~15;
  const whole = bytes & ~15;
  const rest = width & 3;
  const none = f32x4.splat(0);
  const biasTotals = totals + 2 * padded;
  memory.fill(totals, 0, 4 * padded);
  for (let row = 0; row < rows; row++, x += bytes, g += bytes, gx += bytes) {
    const values = prepare(x, width, epsilon, gx);
    const middle = f32x4.splat(centre), factor = f32x4.splat(scale), back = f32x4.splat(scale / unit);
    let sum = none, product = none;
    for (let at: usize = 0; at < padded; at += 16) {
      const y = f32x4.mul(f32x4.sub(v128.load(values + at), middle), factor);
      const gradient = v128.load(g + at);
      let h = f32x4.mul(gradient, v128.load(weight + at));
      let hy = f32x4.mul(h, y);
      if (at == whole) {
        h = firstLanes(h, rest, none);
        hy = firstLanes(hy, rest, none);
      }
      sum = f32x4.add(sum, h);
      product = f32x4.add(product, hy);
      addTo(totals + 2 * at, f32x4.mul(gradient, y));
      addTo(biasTotals + 2 * at, gradient);
    }
    const h = addLanes(sum) / <f32>width, hy = addLanes(product) / <f32>width;
    // All gradients of a row depend on each of its values: one that isn't finite makes all of them
    // NaN.
    const meanH = f32x4.splat(abs(h) + abs(hy) < Infinity ? h : NaN), meanHY = f32x4.splat(hy);
    for (let at: usize = 0; at < padded; at += 16) {
      const y = f32x4.mul(f32x4.sub(v128.load(values + at), middle), factor);
      const h = f32x4.mul(v128.load(g + at), v128.load(weight + at));
      const value = f32x4.mul(f32x4.sub(f32x4.sub(h, meanH), f32x4.mul(y, meanHY)), back);
      if (at == whole) storeLanes(gx + at, value, rest);
      else v128.store(gx + at, value);
    }
  }
  for (let i = 0; i < width; i++, totals += 8, gWeight += 4, gBias += 4) {
    store<f32>(gWeight, <f32>load<f64>(totals));
    store<f32>(gBias, <f32>load<f64>(totals + 2 * padded));
  }
}

/** Adds four floats to four doubles. */
@inline
function addTo(total: usize, x: v128): void {
  v128.store(total, f64x2.add(v128.load(total), f64x2.promote_low_f32x4(x)));
  v128.store(total, f64x2.add(v128.load(total, 16), f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0))), 16);
}
