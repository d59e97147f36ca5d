/** Random numbers. */
import { endOf, firstOf } from './lib/part';
import { floatOf, threefry, word0, word1 } from './lib/threefry';

/** Writes `n` uniform floats of the stream (hi, lo), and one more if `n` is odd. */
export function uniform(hi: u32, lo: u32, out: usize, n: i32): void {
  const end = endOf(n, 16);
  for (let i = firstOf(n, 16); i < end; i += 2) {
    threefry(hi, lo, <u32>(i >> 1));
    const to = out + (<usize>i << 2);
    store<f32>(to, floatOf(word0));
    store<f32>(to, floatOf(word1), 4);
  }
}
