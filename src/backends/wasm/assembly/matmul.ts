/**
 * Matrix product in blocks (Goto and van de Geijn 2008): a block of b is packed into panels of NR
 * columns, so that the innermost loop reads it in order and keeps an MR x NR tile of the result in
 * registers; the tile and its operands fill the 16 registers of SSE. a is read where it lies.
 */
const MR: i32 = 4;
const NR: i32 = 8;
const KC: i32 = 256;
const MC: i32 = 96;
const NC: i32 = 1024;

/** Bytes of scratch space that `matmul` needs: one tile, and the packed block of b. */
export function matmulScratch(n: i32, k: i32): i32 {
  return (MR * NR + roundUp(min(n, NC), NR) * min(k, KC)) << 2;
}

@inline
function roundUp(x: i32, multiple: i32): i32 {
  return ((x + multiple - 1) / multiple) * multiple;
}

/**
 * One MR x NR tile of c, added to c if `add`: rows of a start at a0 to a3 and step by `ac` bytes,
 * b is a packed panel of `kc` rows.
 */
function tile(kc: i32, a0: usize, a1: usize, a2: usize, a3: usize, ac: usize, b: usize, c: usize, ldc: usize, add: bool): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  const end = b + (<usize>kc * NR << 2);
  while (b < end) {
    const left = v128.load(b), right = v128.load(b, 16);
    const x0 = v128.load32_splat(a0);
    c00 = f32x4.add(c00, f32x4.mul(x0, left));
    c01 = f32x4.add(c01, f32x4.mul(x0, right));
    const x1 = v128.load32_splat(a1);
    c10 = f32x4.add(c10, f32x4.mul(x1, left));
    c11 = f32x4.add(c11, f32x4.mul(x1, right));
    const x2 = v128.load32_splat(a2);
    c20 = f32x4.add(c20, f32x4.mul(x2, left));
    c21 = f32x4.add(c21, f32x4.mul(x2, right));
    const x3 = v128.load32_splat(a3);
    c30 = f32x4.add(c30, f32x4.mul(x3, left));
    c31 = f32x4.add(c31, f32x4.mul(x3, right));
    a0 += ac;
    a1 += ac;
    a2 += ac;
    a3 += ac;
    b += NR << 2;
  }
  put(c, c00, c01, add);
  put(c + ldc, c10, c11, add);
  put(c + 2 * ldc, c20, c21, add);
  put(c + 3 * ldc, c30, c31, add);
}

@inline
function put(c: usize, left: v128, right: v128, add: bool): void {
  if (add) {
    left = f32x4.add(left, v128.load(c));
    right = f32x4.add(right, v128.load(c, 16));
  }
  v128.store(c, left);
  v128.store(c, right, 16);
}

/** Panels of `width` rows of x, whose steps in bytes are `row` and `column`; rows beyond `rows` are zeros. */
@inline
function pack(x: usize, row: usize, column: usize, rows: i32, columns: i32, width: i32, out: usize): void {
  for (let i = 0; i < rows; i += width) {
    let from = x + <usize>i * row;
    if (i + width <= rows && row == 4) {
      for (let p = 0; p < columns; p++, from += column) {
        for (let r = 0; r < width; r += 4, out += 16) v128.store(out, v128.load(from + (<usize>r << 2)));
      }
    } else if (i + width <= rows && column == 4) {
      // Rows that lie contiguously are turned four by four.
      let p = 0;
      for (; p + 4 <= columns; p += 4, from += 16) {
        for (let r = 0; r < width; r += 4) turn(from + <usize>r * row, row, out + (<usize>r << 2), <usize>width << 2);
        out += <usize>width << 4;
      }
      for (; p < columns; p++, from += 4) {
        for (let r = 0; r < width; r++, out += 4) store<f32>(out, load<f32>(from + <usize>r * row));
      }
    } else {
      for (let p = 0; p < columns; p++, from += column) {
        for (let r = 0; r < width; r++, out += 4) {
          store<f32>(out, i + r < rows ? load<f32>(from + <usize>r * row) : 0);
        }
      }
    }
  }
}

/** Transposes four rows of four floats. */
@inline
function turn(x: usize, row: usize, out: usize, step: usize): void {
  const r0 = v128.load(x), r1 = v128.load(x + row), r2 = v128.load(x + 2 * row), r3 = v128.load(x + 3 * row);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(out + step, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(out + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(out + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3));
}

/**
 * c [m, n] = a [m, k] b [k, n]. Rows and columns of a and b are `ar`, `ac`, `br`, `bc` bytes apart,
 * so that either may be a transpose; rows of c are `ldc` bytes apart.
 */
export function matmul(a: usize, ar: usize, ac: usize, b: usize, br: usize, bc: usize, c: usize, ldc: usize, m: i32, n: i32, k: i32, scratch: usize): void {
  const packed = scratch + (MR * NR << 2); // behind the edge tile
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      pack(b + <usize>pc * br + <usize>jc * bc, bc, br, nc, kc, NR, packed);
      for (let ic = 0; ic < m; ic += MC) {
        const last = min(ic + MC, m);
        for (let j = 0; j < nc; j += NR) {
          const panel = packed + (<usize>j * kc << 2);
          for (let i = ic; i < last; i += MR) {
            const rows = min(MR, last - i);
            const a0 = a + <usize>i * ar + <usize>pc * ac;
            // Rows beyond the last are the last again, and their results are dropped.
            const a1 = rows > 1 ? a0 + ar : a0;
            const a2 = rows > 2 ? a1 + ar : a1;
            const a3 = rows > 3 ? a2 + ar : a2;
            const to = c + <usize>i * ldc + (<usize>(jc + j) << 2);
            if (rows == MR && j + NR <= nc) tile(kc, a0, a1, a2, a3, ac, panel, to, ldc, pc > 0);
            else {
              tile(kc, a0, a1, a2, a3, ac, panel, scratch, NR << 2, false);
              copyEdge(scratch, to, ldc, rows, min(NR, nc - j), pc > 0);
            }
          }
        }
      }
    }
  }
}

function copyEdge(edge: usize, c: usize, ldc: usize, rows: i32, columns: i32, add: bool): void {
  for (let i = 0; i < rows; i++, c += ldc, edge += NR << 2) {
    for (let j: usize = 0; j < <usize>columns << 2; j += 4) {
      const value = load<f32>(edge + j);
      store<f32>(c + j, add ? load<f32>(c + j) + value : value);
    }
  }
}
