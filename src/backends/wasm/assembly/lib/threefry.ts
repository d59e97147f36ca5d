/** The random number generator of ../../../threefry.ts in 32-bit arithmetic. */

/** The two words of the last block. */
export let word0: u32 = 0;
export let word1: u32 = 0;

/** Computes block number `counter` of the stream (hi, lo). */
@inline
export function threefry(hi: u32, lo: u32, counter: u32): void {
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

/** Converts a word to a float in [0, 1). */
@inline
export function floatOf(word: u32): f32 {
  return <f32>(word >> 8) * <f32>5.9604644775390625e-8; // 2^-24
}
