/** Kernels of the optimiser: the norm of gradients, and one step of Adam for one parameter. */
import { firstLanes } from './lib/lanes';

/** Returns `total` plus the sum of the squares of `n` values, in float64. */
export function sumSquares(x: usize, n: i32, total: f64): f64 {
  const whole = n & ~3;
  let low = f64x2.splat(0), high = f64x2.splat(0);
  for (let i = 0; i < n; i += 4) {
    let value = v128.load(x + (<usize>i << 2));
    if (i == whole) value = firstLanes(value, n & 3, f32x4.splat(0));
    const first = f64x2.promote_low_f32x4(value);
    const second = f64x2.promote_low_f32x4(v128.shuffle<i64>(value, value, 1, 0));
    low = f64x2.add(low, f64x2.mul(first, first));
    high = f64x2.add(high, f64x2.mul(second, second));
  }
  const sum = f64x2.add(low, high);
  return total + (f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1));
}

/**
 * Writes the new first moment, second moment and parameter, `n` values each, to `m2`, `v2` and
 * `p2`: with g' = scale g + decay p, m' = beta1 m + (1 - beta1) g', v' = beta2 v + (1 - beta2)
 * g'^2, p' = shrink p - rate m' / (sqrt(v') / root + epsilon). `scale` is `gradientScale`; if it
 * isn't finite, copies the old values.
 */
export function adam(p: usize, g: usize, m: usize, v: usize, p2: usize, m2: usize, v2: usize, n: i32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, rate: f32, root: f32, epsilon: f32, gradientScale: f32, decay: f32, shrink: f32): void {
  const bytes = <usize>n << 2;
  if (!isFinite(gradientScale)) {
    memory.copy(m2, m, bytes);
    memory.copy(v2, v, bytes);
    memory.copy(p2, p, bytes);
    return;
  }
  for (let at: usize = 0; at < bytes; at += 16) {
    const parameter = v128.load(p + at);
    let gradient = f32x4.mul(v128.load(g + at), f32x4.splat(gradientScale));
    if (decay != 0) gradient = f32x4.add(gradient, f32x4.mul(parameter, f32x4.splat(decay)));
    const first = f32x4.add(f32x4.mul(v128.load(m + at), f32x4.splat(beta1)), f32x4.mul(gradient, f32x4.splat(rest1)));
    const second = f32x4.add(f32x4.mul(v128.load(v + at), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(gradient, gradient), f32x4.splat(rest2)));
    const size = f32x4.add(f32x4.div(f32x4.sqrt(second), f32x4.splat(root)), f32x4.splat(epsilon));
    const move = f32x4.mul(f32x4.div(first, size), f32x4.splat(rate));
    v128.store(m2 + at, first);
    v128.store(v2 + at, second);
    v128.store(p2 + at, f32x4.sub(f32x4.mul(parameter, f32x4.splat(shrink)), move));
  }
}
