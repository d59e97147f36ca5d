/** Copies between strided views, and of rows by index. */
import { endOf, firstOf } from './lib/part';
import { advance, at0, at1, begin, length } from './lib/walk';

/**
 * Copies 32-bit values in rows of `n`. The plan walks `out` and `x`, whose strides within a row are
 * `so` and `sx` bytes.
 */
export function copy(out: usize, so: usize, x: usize, sx: usize, n: i32, plan: usize, axes: i32): void {
  begin(out, so, x, sx, 0, 0, 0, 0, n, plan, axes);
  do {
    let to = at0;
    let from = at1;
    let i = 0;
    if (so == 4 && sx == 4) {
      for (; i + 4 <= length; i += 4, to += 16, from += 16) v128.store(to, v128.load(from));
    } else if (so == 4 && sx == 0) {
      const four = v128.load32_splat(from);
      for (; i + 4 <= length; i += 4, to += 16) v128.store(to, four);
    }
    for (; i < length; i++, to += so, from += sx) store<i32>(to, load<i32>(from));
  } while (advance());
}

/**
 * Copies the rows of `table`, `width` values each, that `indices` selects. Returns the position of
 * the first index out of range, or -1.
 */
export function gather(table: usize, rows: i32, width: i32, indices: usize, n: i32, out: usize): i32 {
  const bytes = <usize>width << 2;
  const first = firstOf(n, 1), end = endOf(n, 1);
  out += <usize>first * bytes;
  for (let i = first; i < end; i++, out += bytes) {
    const index = load<i32>(indices + (<usize>i << 2));
    if (<u32>index >= <u32>rows) return i;
    memory.copy(out, table + <usize>index * bytes, bytes);
  }
  return -1;
}

/**
 * Adds each row of `values` to the row of `out` at its index. Returns the position of the first
 * index out of range, or -1. Threads divide the columns.
 */
export function scatterAdd(values: usize, isInt: bool, indices: usize, n: i32, out: usize, rows: i32, width: i32): i32 {
  const bytes = <usize>width << 2;
  const first = <usize>firstOf(width, 4) << 2, end = <usize>endOf(width, 4) << 2;
  for (let i = 0; i < n; i++, values += bytes) {
    const index = load<i32>(indices + (<usize>i << 2));
    if (<u32>index >= <u32>rows) return i;
    const to = out + <usize>index * bytes;
    let at = first;
    if (!isInt) for (; at + 16 <= end; at += 16) v128.store(to + at, f32x4.add(v128.load(to + at), v128.load(values + at)));
    for (; at < end; at += 4) {
      if (isInt) store<i32>(to + at, load<i32>(to + at) + load<i32>(values + at));
      else store<f32>(to + at, load<f32>(to + at) + load<f32>(values + at));
    }
  }
  return -1;
}
