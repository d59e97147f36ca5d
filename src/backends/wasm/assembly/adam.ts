/** One step of Adam for one parameter. */

/**
 * Writes the new first moment, second moment and parameter of `n` values to `m2`, `v2` and `p2`:
 * m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2,
 * p' = shrink p - rate m' / (sqrt(v') / root + epsilon).
 */
export function adam(p: usize, g: usize, m: usize, v: usize, p2: usize, m2: usize, v2: usize, n: i32, beta1: f32, beta2: f32, rest1: f32, rest2: f32, rate: f32, root: f32, epsilon: f32, shrink: f32): void {
  const bytes = <usize>n << 2;
  for (let at: usize = 0; at < bytes; at += 16) {
    const gradient = v128.load(g + at);
    const first = f32x4.add(f32x4.mul(v128.load(m + at), f32x4.splat(beta1)), f32x4.mul(gradient, f32x4.splat(rest1)));
    const second = f32x4.add(f32x4.mul(v128.load(v + at), f32x4.splat(beta2)), f32x4.mul(f32x4.mul(gradient, gradient), f32x4.splat(rest2)));
    const scale = f32x4.add(f32x4.div(f32x4.sqrt(second), f32x4.splat(root)), f32x4.splat(epsilon));
    const move = f32x4.mul(f32x4.div(first, scale), f32x4.splat(rate));
    v128.store(m2 + at, first);
    v128.store(v2 + at, second);
    v128.store(p2 + at, f32x4.sub(f32x4.mul(v128.load(p + at), f32x4.splat(shrink)), move));
  }
}
