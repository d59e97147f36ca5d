/** Random numbers, and what is dropped by them: threefry.ts in 32-bit arithmetic. */

/** The last block: two words. */
let word0: u32 = 0;
let word1: u32 = 0;

/** The block with this counter of the stream (hi, lo). */
@inline
function threefry(hi: u32, lo: u32, counter: u32): void {
  const third: u32 = hi ^ lo ^ 0x1bd11bda;
  let x = counter + hi;
  let y = lo;
  for (let group = 0; group < 5; group++) {
    const odd = group & 1;
    x += y;
    y = rotl(y, odd ? 17 : 13) ^ x;
    x += y;
    y = rotl(y, odd ? 29 : 15) ^ x;
    x += y;
    y = rotl(y, odd ? 16 : 26) ^ x;
    x += y;
    y = rotl(y, odd ? 24 : 6) ^ x;
    const turn = (group + 1) % 3;
    x += turn == 0 ? hi : turn == 1 ? lo : third;
    y += (turn == 0 ? lo : turn == 1 ? third : hi) + <u32>(group + 1);
  }
  word0 = x;
  word1 = y;
}

/** The float in [0, 1) of a word. */
@inline
function floatOf(word: u32): f32 {
  return <f32>(word >> 8) * <f32>5.9604644775390625e-8; // 2^-24
}

/** `n` uniform floats of the stream (hi, lo). */
export function uniform(hi: u32, lo: u32, out: usize, n: i32): void {
  for (let i = 0; i < n; i += 2, out += 8) {
    threefry(hi, lo, <u32>(i >> 1));
    store<f32>(out, floatOf(word0));
    store<f32>(out, floatOf(word1), 4);
  }
}

/** out = x * factor where a uniform float of the stream (hi, lo) is at least `rate`, elsewhere 0; plus `residual`, if it is not 0. */
export function dropout(x: usize, residual: usize, rate: f32, factor: f32, hi: u32, lo: u32, out: usize, n: i32): void {
  for (let i = 0; i < n; i += 2) {
    threefry(hi, lo, <u32>(i >> 1));
    const at = <usize>i << 2;
    let first: f32 = floatOf(word0) >= rate ? load<f32>(x + at) * factor : 0;
    let second: f32 = floatOf(word1) >= rate ? load<f32>(x + at, 4) * factor : 0;
    if (residual) {
      first += load<f32>(residual + at);
      second += load<f32>(residual + at, 4);
    }
    store<f32>(out + at, first);
    store<f32>(out + at, second, 4);
  }
}
