/** Random numbers. */
import { floatOf, threefry, word0, word1 } from './lib/threefry';

/** Writes `n` uniform floats of the stream (hi, lo), and one more if `n` is odd. */
export function uniform(hi: u32, lo: u32, out: usize, n: i32): void {
  for (let i = 0; i < n; i += 2, out += 8) {
    threefry(hi, lo, <u32>(i >> 1));
    store<f32>(out, floatOf(word0));
    store<f32>(out, floatOf(word1), 4);
  }
}
