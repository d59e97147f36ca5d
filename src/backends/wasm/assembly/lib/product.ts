/**
 * Matrix product in blocks (Goto and van de Geijn 2008): a block of b is packed into panels of NR
 * columns, so that the innermost loop reads it in order and keeps an MR x NR tile of the result in
 * registers. a is read in place.
 *
 * The tile is as large as 15 registers allow if each load is next to its use. V8 moves the sums to
 * the end of the loop in an order of its own: last row and column first. Written in that order,
 * they interleave with the loads. In any other order, nine registers for sums, three for a and
 * three for b are live at once; one spills, and the product takes twice the time (V8 11 to 14).
 */
export const MR: i32 = 3;
export const NR: i32 = 12;
const KC: i32 = 512;
const MC: i32 = 96;
const NC: i32 = 516;
/** With at most this many rows of c, packing b costs more than reading its rows in place. */
const FEW_ROWS: i32 = 48;

/** Bytes of scratch space that `product` needs: an edge tile, a row of zeros, and the packed block of b. */
export function productScratch(n: i32, k: i32): i32 {
  return (MR * NR + NR + roundUp(min(n, NC), 4) * min(k, KC)) << 2;
}

@inline
function roundUp(x: i32, multiple: i32): i32 {
  return ((x + multiple - 1) / multiple) * multiple;
}

/**
 * Computes three rows by 12 columns of c: the values at `from`, whose rows are `fs` bytes apart (0:
 * one row for all), plus the sums over `kc` of the rows of a, which start at a0, a1 and a2 and step
 * by `ac` bytes, times a panel of b, whose rows are `bs` bytes apart; at least `floor`.
 */
function tile12(kc: i32, a0: usize, a1: usize, a2: usize, ac: usize, b: usize, bs: usize, c: usize, ldc: usize, from: usize, fs: usize, floor: f32): void {
  let c00 = v128.load(from), c01 = v128.load(from, 16), c02 = v128.load(from, 32);
  let c10 = v128.load(from + fs), c11 = v128.load(from + fs, 16), c12 = v128.load(from + fs, 32);
  let c20 = v128.load(from + 2 * fs), c21 = v128.load(from + 2 * fs, 16), c22 = v128.load(from + 2 * fs, 32);
  for (const end = b + <usize>kc * bs; b != end; b += bs) {
    const b2 = v128.load(b, 32);
    const b1 = v128.load(b, 16);
    const b0 = v128.load(b);
    const x2 = v128.load32_splat(a2);
    c22 = f32x4.add(c22, f32x4.mul(x2, b2));
    c21 = f32x4.add(c21, f32x4.mul(x2, b1));
    c20 = f32x4.add(c20, f32x4.mul(x2, b0));
    const x1 = v128.load32_splat(a1);
    c12 = f32x4.add(c12, f32x4.mul(x1, b2));
    c11 = f32x4.add(c11, f32x4.mul(x1, b1));
    c10 = f32x4.add(c10, f32x4.mul(x1, b0));
    const x0 = v128.load32_splat(a0);
    c02 = f32x4.add(c02, f32x4.mul(x0, b2));
    c01 = f32x4.add(c01, f32x4.mul(x0, b1));
    c00 = f32x4.add(c00, f32x4.mul(x0, b0));
    a0 += ac;
    a1 += ac;
    a2 += ac;
  }
  const least = f32x4.splat(floor);
  v128.store(c, f32x4.pmax(c00, least));
  v128.store(c, f32x4.pmax(c01, least), 16);
  v128.store(c, f32x4.pmax(c02, least), 32);
  v128.store(c + ldc, f32x4.pmax(c10, least));
  v128.store(c + ldc, f32x4.pmax(c11, least), 16);
  v128.store(c + ldc, f32x4.pmax(c12, least), 32);
  v128.store(c + 2 * ldc, f32x4.pmax(c20, least));
  v128.store(c + 2 * ldc, f32x4.pmax(c21, least), 16);
  v128.store(c + 2 * ldc, f32x4.pmax(c22, least), 32);
}

/** `tile12` for a panel of 8 columns. */
function tile8(kc: i32, a0: usize, a1: usize, a2: usize, ac: usize, b: usize, bs: usize, c: usize, ldc: usize, from: usize, fs: usize, floor: f32): void {
  let c00 = v128.load(from), c01 = v128.load(from, 16);
  let c10 = v128.load(from + fs), c11 = v128.load(from + fs, 16);
  let c20 = v128.load(from + 2 * fs), c21 = v128.load(from + 2 * fs, 16);
  for (const end = b + <usize>kc * bs; b != end; b += bs) {
    const b1 = v128.load(b, 16);
    const b0 = v128.load(b);
    const x2 = v128.load32_splat(a2);
    c21 = f32x4.add(c21, f32x4.mul(x2, b1));
    c20 = f32x4.add(c20, f32x4.mul(x2, b0));
    const x1 = v128.load32_splat(a1);
    c11 = f32x4.add(c11, f32x4.mul(x1, b1));
    c10 = f32x4.add(c10, f32x4.mul(x1, b0));
    const x0 = v128.load32_splat(a0);
    c01 = f32x4.add(c01, f32x4.mul(x0, b1));
    c00 = f32x4.add(c00, f32x4.mul(x0, b0));
    a0 += ac;
    a1 += ac;
    a2 += ac;
  }
  const least = f32x4.splat(floor);
  v128.store(c, f32x4.pmax(c00, least));
  v128.store(c, f32x4.pmax(c01, least), 16);
  v128.store(c + ldc, f32x4.pmax(c10, least));
  v128.store(c + ldc, f32x4.pmax(c11, least), 16);
  v128.store(c + 2 * ldc, f32x4.pmax(c20, least));
  v128.store(c + 2 * ldc, f32x4.pmax(c21, least), 16);
}

/** `tile12` for a panel of 4 columns. */
function tile4(kc: i32, a0: usize, a1: usize, a2: usize, ac: usize, b: usize, bs: usize, c: usize, ldc: usize, from: usize, fs: usize, floor: f32): void {
  let c00 = v128.load(from);
  let c10 = v128.load(from + fs);
  let c20 = v128.load(from + 2 * fs);
  for (const end = b + <usize>kc * bs; b != end; b += bs) {
    const b0 = v128.load(b);
    const x2 = v128.load32_splat(a2);
    c20 = f32x4.add(c20, f32x4.mul(x2, b0));
    const x1 = v128.load32_splat(a1);
    c10 = f32x4.add(c10, f32x4.mul(x1, b0));
    const x0 = v128.load32_splat(a0);
    c00 = f32x4.add(c00, f32x4.mul(x0, b0));
    a0 += ac;
    a1 += ac;
    a2 += ac;
  }
  const least = f32x4.splat(floor);
  v128.store(c, f32x4.pmax(c00, least));
  v128.store(c + ldc, f32x4.pmax(c10, least));
  v128.store(c + 2 * ldc, f32x4.pmax(c20, least));
}

/**
 * Packs panels of b, whose strides in bytes are `row` (along k) and `column`. Panels are NR columns
 * wide, the last one only as wide as needed, in multiples of 4; columns past the end are zeros.
 */
function pack(b: usize, row: usize, column: usize, columns: i32, kc: i32, out: usize): void {
  for (let j = 0; j < columns; j += NR) {
    const width = min(NR, roundUp(columns - j, 4));
    const bytes = <usize>width << 2;
    const from = b + <usize>j * column;
    const whole = j + width <= columns;
    if (whole && column == 4) {
      let x = from;
      for (let p = 0; p < kc; p++, x += row) {
        for (let at: usize = 0; at < bytes; at += 16, out += 16) v128.store(out, v128.load(x + at));
      }
    } else if (whole && row == 4) {
      // Contiguous columns are transposed four by four.
      let p = 0;
      let x = from;
      for (; p + 4 <= kc; p += 4, x += 16, out += bytes << 2) {
        for (let r: usize = 0; r < <usize>width; r += 4) turn(x + r * column, column, out + (r << 2), bytes);
      }
      for (; p < kc; p++, x += 4) {
        for (let r: usize = 0; r < <usize>width; r++, out += 4) store<f32>(out, load<f32>(x + r * column));
      }
    } else {
      let x = from;
      for (let p = 0; p < kc; p++, x += row) {
        for (let r = 0; r < width; r++, out += 4) {
          store<f32>(out, j + r < columns ? load<f32>(x + <usize>r * column) : 0);
        }
      }
    }
  }
}

/** Transposes four rows of four floats. */
@inline
export function turn(x: usize, row: usize, out: usize, step: usize): void {
  const r0 = v128.load(x), r1 = v128.load(x + row), r2 = v128.load(x + 2 * row), r3 = v128.load(x + 3 * row);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(out + step, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(out + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(out + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3));
}

/**
 * c [m, n] = a [m, k] b [k, n] + bias [n], if `bias` is not 0, and at least `floor`. Rows and
 * columns of a and b are `ar`, `ac`, `br`, `bc` bytes apart, so either may be a transpose; rows of
 * c are `ldc` bytes apart.
 */
export function product(a: usize, ar: usize, ac: usize, b: usize, br: usize, bc: usize, c: usize, ldc: usize, m: i32, n: i32, k: i32, scratch: usize, bias: usize, floor: f32): void {
  const edge = scratch;
  const zeros = edge + (MR * NR << 2);
  const packed = zeros + (NR << 2);
  memory.fill(zeros, 0, NR << 2);
  const inPlace = bc == 4 && m <= FEW_ROWS;
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc == 0 || pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      const block = b + <usize>pc * br + <usize>jc * bc;
      const least: f32 = pc + kc == k ? floor : -Infinity;
      if (!inPlace) pack(block, br, bc, nc, kc, packed);
      for (let ic = 0; ic < m; ic += MC) {
        const last = min(ic + MC, m);
        for (let j = 0; j < nc; j += NR) {
          const columns = min(NR, nc - j);
          const width = roundUp(columns, 4);
          const panel = inPlace ? block + (<usize>j << 2) : packed + (<usize>j * kc << 2);
          const bs = inPlace ? br : <usize>width << 2;
          const column = <usize>(jc + j) << 2;
          for (let i = ic; i < last; i += MR) {
            const rows = min(MR, last - i);
            const a0 = a + <usize>i * ar + <usize>pc * ac;
            // Missing rows repeat the last one; their results are dropped.
            const a1 = rows > 1 ? a0 + ar : a0;
            const a2 = rows > 2 ? a1 + ar : a1;
            const to = c + <usize>i * ldc + column;
            const from = pc > 0 ? to : bias ? bias + column : zeros;
            const fs = pc > 0 ? ldc : 0;
            if (rows == MR && columns == width) tile(width, kc, a0, a1, a2, ac, panel, bs, to, ldc, from, fs, least);
            else {
              // Missing columns read whatever follows, which is harmless; missing rows might be
              // outside memory.
              const there = rows == MR || fs == 0;
              if (!there) copyTile(from, fs, edge, NR << 2, rows, columns);
              tile(width, kc, a0, a1, a2, ac, panel, bs, edge, NR << 2, there ? from : edge, there ? fs : NR << 2, least);
              copyTile(edge, NR << 2, to, ldc, rows, columns);
            }
          }
        }
      }
    }
  }
}

@inline
function tile(width: i32, kc: i32, a0: usize, a1: usize, a2: usize, ac: usize, b: usize, bs: usize, c: usize, ldc: usize, from: usize, fs: usize, floor: f32): void {
  if (width == 12) tile12(kc, a0, a1, a2, ac, b, bs, c, ldc, from, fs, floor);
  else if (width == 8) tile8(kc, a0, a1, a2, ac, b, bs, c, ldc, from, fs, floor);
  else tile4(kc, a0, a1, a2, ac, b, bs, c, ldc, from, fs, floor);
}

/**
 * Copies `rows` by `columns` values; rows are `fs` bytes apart in `from` and `ts` bytes in `to`.
 */
function copyTile(from: usize, fs: usize, to: usize, ts: usize, rows: i32, columns: i32): void {
  const bytes = <usize>columns << 2;
  for (let i = 0; i < rows; i++, from += fs, to += ts) {
    let at: usize = 0;
    for (; at + 16 <= bytes; at += 16) v128.store(to + at, v128.load(from + at));
    for (; at < bytes; at += 4) store<f32>(to + at, load<f32>(from + at));
  }
}
