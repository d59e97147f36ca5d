/** Copies between strided views, rows by index, random numbers. */
import { advance, at0, at1, begin } from './walk';

/** Copies 32-bit values, rows of `n`; the plan walks `out` and `x`, whose steps within a row are `so` and `sx`. */
export function copy(out: usize, so: usize, x: usize, sx: usize, n: i32, plan: usize, axes: i32): void {
  begin(out, x, 0, 0);
  do {
    let to = at0;
    let from = at1;
    let i = 0;
    if (so == 4 && sx == 4) {
      for (; i + 4 <= n; i += 4, to += 16, from += 16) v128.store(to, v128.load(from));
    } else if (so == 4 && sx == 0) {
      const four = v128.load32_splat(from);
      for (; i + 4 <= n; i += 4, to += 16) v128.store(to, four);
    }
    for (; i < n; i++, to += so, from += sx) store<i32>(to, load<i32>(from));
  } while (advance(plan, axes));
}

/** Rows of `width` of `table` by index. Gives the position of the first index outside, or -1. */
export function gather(table: usize, rows: i32, width: i32, indices: usize, n: i32, out: usize): i32 {
  const bytes = <usize>width << 2;
  for (let i = 0; i < n; i++, out += bytes) {
    const index = load<i32>(indices + (<usize>i << 2));
    if (<u32>index >= <u32>rows) return i;
    memory.copy(out, table + <usize>index * bytes, bytes);
  }
  return -1;
}

/** Adds each row of `values` to the row of `out` that its index names. Gives the position of the first index outside, or -1. */
export function scatterAdd(values: usize, isInt: bool, indices: usize, n: i32, out: usize, rows: i32, width: i32): i32 {
  for (let i = 0; i < n; i++) {
    const index = load<i32>(indices + (<usize>i << 2));
    if (<u32>index >= <u32>rows) return i;
    let to = out + (<usize>index * width << 2);
    for (let j = 0; j < width; j++, to += 4, values += 4) {
      if (isInt) store<i32>(to, load<i32>(to) + load<i32>(values));
      else store<f32>(to, load<f32>(to) + load<f32>(values));
    }
  }
  return -1;
}

/** `n` uniform floats of the stream (hi, lo): threefry.ts in 32-bit arithmetic. */
export function uniform(hi: u32, lo: u32, out: usize, n: i32): void {
  const third: u32 = hi ^ lo ^ 0x1bd11bda;
  for (let i = 0; i < n; i += 2, out += 8) {
    let x = <u32>(i >> 1) + hi;
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
    store<f32>(out, <f32>(x >> 8) * <f32>5.9604644775390625e-8); // 2^-24
    store<f32>(out, <f32>(y >> 8) * <f32>5.9604644775390625e-8, 4);
  }
}
