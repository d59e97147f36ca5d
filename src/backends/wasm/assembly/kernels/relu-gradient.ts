/** The gradient of relu. */
import { endByte, firstByte } from '../lib/part';

/** g where y is greater than 0, elsewhere 0, for `n` floats. */
export function reluGradient(y: usize, g: usize, n: i32, out: usize): void {
  const end = endByte(n);
  for (let at = firstByte(n); at < end; at += 16) {
    v128.store(out + at, v128.and(v128.load(g + at), f32x4.gt(v128.load(y + at), f32x4.splat(0))));
  }
}
