/** Rotary positions. */
import { endOf, firstOf } from '../lib/part';

/**
 * Rotates each pair (x_i, x_{i + half}) of x, [rows, heads, 2 half], by an angle. `cos` and `sin`
 * have `time` rows, which repeat over the rows of x. `sign` -1 rotates back.
 */
export function rotate(x: usize, cos: usize, sin: usize, sign: f32, rows: i32, time: i32, heads: i32, half: i32, out: usize): void {
  const bytes = <usize>half << 2;
  const whole = bytes & ~15;
  const start = firstOf(rows, 1), end = endOf(rows, 1);
  const skipped = <usize>(start * heads) * 2 * bytes;
  x += skipped;
  out += skipped;
  for (let row = start; row < end; row++) {
    const c = cos + <usize>(row % time) * bytes;
    const s = sin + <usize>(row % time) * bytes;
    for (let head = 0; head < heads; head++, x += 2 * bytes, out += 2 * bytes) {
      for (let at: usize = 0; at < whole; at += 16) {
        const first = v128.load(x + at), second = v128.load(x + bytes + at);
        const c4 = v128.load(c + at), s4 = f32x4.mul(v128.load(s + at), f32x4.splat(sign));
        v128.store(out + at, f32x4.sub(f32x4.mul(first, c4), f32x4.mul(second, s4)));
        v128.store(out + bytes + at, f32x4.add(f32x4.mul(second, c4), f32x4.mul(first, s4)));
      }
      for (let at = whole; at < bytes; at += 4) {
        const first = load<f32>(x + at), second = load<f32>(x + bytes + at);
        const c1 = load<f32>(c + at), s1 = load<f32>(s + at) * sign;
        store<f32>(out + at, first * c1 - second * s1);
        store<f32>(out + bytes + at, second * c1 + first * s1);
      }
    }
  }
}
