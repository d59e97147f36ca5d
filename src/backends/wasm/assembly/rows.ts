/** Copies between strided views, and of rows by index. */
import { advance, at0, at1, begin } from './lib/walk';

/**
 * Copies 32-bit values in rows of `n`. The plan walks `out` and `x`, whose strides within a row are
 * `so` and `sx` bytes.
 */
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

/**
 * Copies the rows of `table`, `width` values each, that `indices` selects. Returns the position of
 * the first index out of range, or -1.
 */
export function gather(table: usize, rows: i32, width: i32, indices: usize, n: i32, out: usize): i32 {
  const bytes = <usize>width << 2;
  for (let i = 0; i < n; i++, out += bytes) {
    const index = load<i32>(indices + (<usize>i << 2));
    if (<u32>index >= <u32>rows) return i;
    memory.copy(out, table + <usize>index * bytes, bytes);
  }
  return -1;
}

/**
 * Adds each row of `values` to the row of `out` at its index. Returns the position of the first
 * index out of range, or -1.
 */
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
