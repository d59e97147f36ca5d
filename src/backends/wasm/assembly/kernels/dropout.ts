/** Dropout. */
import { endOf, firstOf } from '../lib/part';
import { floatOf, threefry, word0, word1 } from '../lib/threefry';

/**
 * out = x / (1 - rate) where the uniform float of the stream (hi, lo) is at least `rate`, else 0;
 * plus `residual`, if it is not 0.
 */
export function dropout(x: usize, residual: usize, rate: f64, hi: u32, lo: u32, n: i32, out: usize): void {
  const factor = <f32>(1 / (1 - rate)), least = <f32>rate;
  const end = endOf(n, 16);
  for (let i = firstOf(n, 16); i < end; i += 2) {
    threefry(hi, lo, <u32>(i >> 1));
    const at = <usize>i << 2;
    let first: f32 = floatOf(word0) >= least ? load<f32>(x + at) * factor : 0;
    let second: f32 = floatOf(word1) >= least ? load<f32>(x + at, 4) * factor : 0;
    if (residual) {
      first += load<f32>(residual + at);
      second += load<f32>(residual + at, 4);
    }
    store<f32>(out + at, first);
    store<f32>(out + at, second, 4);
  }
}
