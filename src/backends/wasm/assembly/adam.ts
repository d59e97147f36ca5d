/** Kernels of the optimiser: the norm of gradients, and one step of Adam for one parameter. */
import { firstLanes, upper } from './lib/lanes';
import { endByte, firstByte, isPhase, partCount, partNumber } from './lib/part';

/**
 * Computes in `out` the square root of the sum of all squares of `count` tensors, in float64. `list`
 * has the address and the number of values of each, followed by room for `count` doubles.
 */
export function norm(list: usize, count: i32, out: usize): void {
  const totals = list + (<usize>count << 3);
  if (isPhase(0)) {
    // Each tensor is added up by one thread: the part that has the middle of its values.
    let all: i64 = 0;
    for (let i = 0; i < count; i++) all += load<i32>(list + (<usize>i << 3), 4);
    let before: i64 = 0;
    for (let i = 0; i < count; i++) {
      const own = list + (<usize>i << 3), n = load<i32>(own, 4);
      if (!ASC_FEATURE_THREADS || (2 * before + n) * partCount() / max(2 * all, 1) == partNumber()) {
        store<f64>(totals + (<usize>i << 3), sumSquares(load<i32>(own), n));
      }
      before += n;
    }
  }
  if (isPhase(1) && partNumber() == 0) {
    let total: f64 = 0;
    for (let i = 0; i < count; i++) total += load<f64>(totals + (<usize>i << 3));
    store<f32>(out, <f32>Math.sqrt(total));
  }
}

/** The sum of the squares of `n` values. */
function sumSquares(x: usize, n: i32): f64 {
  const whole = n & ~3;
  let low = f64x2.splat(0), high = f64x2.splat(0);
  for (let i = 0; i < n; i += 4) {
    let value = v128.load(x + (<usize>i << 2));
    if (i == whole) value = firstLanes(value, n & 3, f32x4.splat(0));
    const first = f64x2.promote_low_f32x4(value);
    const second = upper(value);
    low = f64x2.add(low, f64x2.mul(first, first));
    high = f64x2.add(high, f64x2.mul(second, second));
  }
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/**
 * Writes the new first moment, second moment and parameter, `n` values each, to `m2`, `v2` and
 * `p2`: with g' = scale g + decay p, m' = beta1 m + (1 - beta1) g', v' = beta2 v + (1 - beta2)
 * g'^2, p' = shrink p - rate m' / (sqrt(v') / root + epsilon). `rates` has rate, root and shrink;
 * `scale` the factor of the gradient. If that isn't finite, copies the old values.
 */
export function adam(p: usize, g: usize, m: usize, v: usize, p2: usize, m2: usize, v2: usize, n: i32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, epsilon: f32, decay: f32, rates: usize, scale: usize): void {
  const rate = load<f32>(rates), root = load<f32>(rates, 4), shrink = load<f32>(rates, 8);
  const gradientScale = load<f32>(scale);
  const first = firstByte(n), end = endByte(n);
  if (!isFinite(gradientScale)) {
    memory.copy(m2 + first, m + first, end - first);
    memory.copy(v2 + first, v + first, end - first);
    memory.copy(p2 + first, p + first, end - first);
    return;
  }
  for (let at = first; at < end; at += 16) {
    const parameter = v128.load(p + at);
    let gradient = f32x4.mul(v128.load(g + at), f32x4.splat(gradientScale));
    if (decay != 0) gradient = f32x4.add(gradient, f32x4.mul(parameter, f32x4.splat(decay)));
    const mean = f32x4.add(f32x4.mul(v128.load(m + at), f32x4.splat(beta1)), f32x4.mul(gradient, f32x4.splat(rest1)));
    const second = f32x4.add(f32x4.mul(v128.load(v + at), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(gradient, gradient), f32x4.splat(rest2)));
    const size = f32x4.add(f32x4.div(f32x4.sqrt(second), f32x4.splat(root)), f32x4.splat(epsilon));
    const move = f32x4.mul(f32x4.div(mean, size), f32x4.splat(rate));
    v128.store(m2 + at, mean);
    v128.store(v2 + at, second);
    v128.store(p2 + at, f32x4.sub(f32x4.mul(parameter, f32x4.splat(shrink)), move));
  }
}
