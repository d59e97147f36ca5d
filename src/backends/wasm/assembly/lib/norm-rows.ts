/**
 * Normalisation of rows, and its gradients: of layers, and by the root mean square. The latter
 * doesn't subtract the mean and has no bias.
 */
import { addLanes, firstLanes, joined, storeLanes, upper } from './lanes';
import { endOf, firstOf, isPhase } from './part';

/** The mean of the last row passed to `measure`, or 0; and 1 / sqrt(variance + epsilon). */
let centre: f32 = 0;
let scale: f32 = 0;
/** The divisor of that row: 1, or its largest absolute value where squares would overflow. */
let unit: f32 = 1;

/** Measures the row x. Returns x, or `copy`, to which it writes x divided by `unit`. */
function prepare(x: usize, width: i32, epsilon: f32, centred: bool, copy: usize): usize {
  unit = 1;
  measure(x, width, epsilon, centred);
  if (scale > 0) return x;
  let largest: f32 = 0;
  for (let i = 0; i < width; i++) largest = max(largest, abs(load<f32>(x + (<usize>i << 2))));
  if (!(largest < Infinity && largest > 0)) return x;
  unit = largest;
  for (let i = 0; i < width; i++) store<f32>(copy + (<usize>i << 2), load<f32>(x + (<usize>i << 2)) / largest);
  measure(copy, width, epsilon / largest / largest, centred);
  return copy;
}

function measure(x: usize, width: i32, epsilon: f32, centred: bool): void {
  const whole = <usize>(width & ~3) << 2;
  const rest = width & 3;
  const none = f32x4.splat(0);
  centre = 0;
  if (centred) {
    let total = none;
    for (let at: usize = 0; at < whole; at += 16) total = f32x4.add(total, v128.load(x + at));
    if (rest) total = f32x4.add(total, firstLanes(v128.load(x + whole), rest, none));
    centre = addLanes(total) / <f32>width;
  }
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

/** out = y * weight + bias, where y are the normalised rows of x; without a bias if it is 0. */
@inline
export function normRows(x: usize, weight: usize, bias: usize, epsilon: f32, centred: bool, rows: i32, width: i32, out: usize): void {
  const bytes = <usize>width << 2, whole = bytes & ~15;
  const end = <usize>endOf(rows, 1) * bytes;
  for (let from = <usize>firstOf(rows, 1) * bytes; from < end; from += bytes) {
    const to = out + from;
    const values = prepare(x + from, width, epsilon, centred, to);
    const middle = f32x4.splat(centre), factor = f32x4.splat(scale);
    for (let at: usize = 0; at < whole; at += 16) {
      v128.store(to + at, weighted(normed(values + at, middle, factor, centred), weight + at, bias + at, centred));
    }
    if (width & 3) {
      const last = weighted(normed(values + whole, middle, factor, centred), weight + whole, bias + whole, centred);
      storeLanes(to + whole, last, width & 3);
    }
  }
}

@inline
function normed(x: usize, middle: v128, factor: v128, centred: bool): v128 {
  return f32x4.mul(centred ? f32x4.sub(v128.load(x), middle) : v128.load(x), factor);
}

@inline
function weighted(y: v128, weight: usize, bias: usize, hasBias: bool): v128 {
  const product = f32x4.mul(y, v128.load(weight));
  return hasBias ? f32x4.add(product, v128.load(bias)) : product;
}

/**
 * Bytes of scratch space that `normGradient` needs: for one thread, two rows of doubles, padded to
 * four; for several, what they measured of each row.
 */
@inline
export function normScratch(rows: i32, width: i32): i32 {
  return ASC_FEATURE_THREADS ? rows << 4 : (width + 4) << 4;
}

/**
 * The gradients of `normRows` from g, the gradient of its result, where h = g weight. With respect
 * to x: (h - mean(h) - y mean(h y)) / sqrt(variance + epsilon), without mean(h) unless `centred`; to
 * weight: the sum of g y over all rows; to bias: the sum of g. One thread adds these up in float64 in
 * `scratch`, row by row. Of several, each adds some columns, in the same order, when all rows are
 * measured.
 */
@inline
export function normGradient(x: usize, weight: usize, g: usize, epsilon: f32, centred: bool, rows: i32, width: i32, gx: usize, gWeight: usize, gBias: usize, scratch: usize): void {
  const biasSums = scratch + (<usize>(width + 3 & ~3) << 3);
  if (!ASC_FEATURE_THREADS) memory.fill(scratch, 0, <usize>(width + 3 & ~3) << 4);
  if (isPhase(0)) rowGradients(x, weight, g, epsilon, centred, rows, width, gx, scratch, biasSums);
  if (!ASC_FEATURE_THREADS) {
    for (let at: usize = 0; at < <usize>width << 2; at += 16) {
      storeSums(gWeight + at, v128.load(scratch + 2 * at), v128.load(scratch + 2 * at, 16));
      if (centred) storeSums(gBias + at, v128.load(biasSums + 2 * at), v128.load(biasSums + 2 * at, 16));
    }
  } else if (isPhase(1)) {
    for (let column = firstOf(width, 4); column < endOf(width, 4); column += 4) {
      columnSums(x, g, rows, width, <usize>column << 2, gWeight, gBias, scratch);
    }
  }
}

@inline
function rowGradients(x: usize, weight: usize, g: usize, epsilon: f32, centred: bool, rows: i32, width: i32, gx: usize, scratch: usize, biasSums: usize): void {
  const bytes = <usize>width << 2, whole = bytes & ~15;
  const rest = width & 3;
  const none = f32x4.splat(0);
  const end = endOf(rows, 1);
  for (let row = firstOf(rows, 1); row < end; row++) {
    const from = x + <usize>row * bytes, to = gx + <usize>row * bytes, gradients = g + <usize>row * bytes;
    const values = prepare(from, width, epsilon, centred, to);
    if (ASC_FEATURE_THREADS) {
      const own = scratch + (<usize>row << 4);
      store<f32>(own, centre);
      store<f32>(own, scale, 4);
      store<f32>(own, unit, 8);
    }
    const middle = f32x4.splat(centre), factor = f32x4.splat(scale), back = f32x4.splat(scale / unit);
    let sum = none, product = none;
    for (let at: usize = 0; at < bytes; at += 16) {
      const gradient = v128.load(gradients + at), its = v128.load(weight + at), y = normed(values + at, middle, factor, centred);
      const gy = f32x4.mul(gradient, y);
      let h = f32x4.mul(gradient, its);
      let hy = centred ? f32x4.mul(h, y) : f32x4.mul(gy, its);
      if (at == whole) {
        h = firstLanes(h, rest, none);
        hy = firstLanes(hy, rest, none);
      }
      if (centred) sum = f32x4.add(sum, h);
      product = f32x4.add(product, hy);
      if (!ASC_FEATURE_THREADS) {
        addTo(scratch + 2 * at, gy);
        if (centred) addTo(biasSums + 2 * at, gradient);
      }
    }
    const h = addLanes(sum) / <f32>width, hy = addLanes(product) / <f32>width;
    // All gradients of a row depend on each of its values: one that isn't finite makes all of them
    // NaN.
    const meanH = f32x4.splat(abs(h) + abs(hy) < Infinity ? h : NaN), meanHY = f32x4.splat(hy);
    for (let at: usize = 0; at < bytes; at += 16) {
      const y = normed(values + at, middle, factor, centred);
      let h = f32x4.mul(v128.load(gradients + at), v128.load(weight + at));
      if (centred) h = f32x4.sub(h, meanH);
      const value = f32x4.mul(f32x4.sub(h, f32x4.mul(y, meanHY)), back);
      if (at == whole) storeLanes(to + at, value, rest);
      else v128.store(to + at, value);
    }
  }
}

/** Sums g y and g over all rows, for four columns that begin `at` bytes after a row's start. */
function columnSums(x: usize, g: usize, rows: i32, width: i32, at: usize, gWeight: usize, gBias: usize, measured: usize): void {
  const none = f64x2.splat(0);
  let low = none, high = none, lowBias = none, highBias = none;
  const bytes = <usize>width << 2;
  const end = measured + (<usize>rows << 4);
  for (let from = at; measured < end; measured += 16, from += bytes) {
    const its = load<f32>(measured, 8);
    let value = v128.load(x + from);
    if (its != 1) value = f32x4.div(value, f32x4.splat(its));
    const gradient = v128.load(g + from);
    const y = f32x4.mul(f32x4.sub(value, v128.load32_splat(measured)), v128.load32_splat(measured, 4));
    const product = f32x4.mul(gradient, y);
    low = f64x2.add(low, f64x2.promote_low_f32x4(product));
    high = f64x2.add(high, upper(product));
    lowBias = f64x2.add(lowBias, f64x2.promote_low_f32x4(gradient));
    highBias = f64x2.add(highBias, upper(gradient));
  }
  storeSums(gWeight + at, low, high);
  if (gBias) storeSums(gBias + at, lowBias, highBias);
}

/** Adds four floats to four doubles. */
@inline
function addTo(total: usize, x: v128): void {
  v128.store(total, f64x2.add(v128.load(total), f64x2.promote_low_f32x4(x)));
  v128.store(total, f64x2.add(v128.load(total, 16), upper(x)), 16);
}

/** Stores four sums, rounded. Buffers are padded to 16 bytes. */
@inline
function storeSums(to: usize, low: v128, high: v128): void {
  v128.store(to, joined(low, high));
}
