/**
 * Elementwise kernels. A function is identified by its number in these enums, which ../exports.ts
 * repeats.
 */
import { firstLanes } from './lib/lanes';
import { erf4, log4, pow, sigmoid4, sine4, tanh4, wholeExp4, wholePow } from './lib/math';
import { endByte, firstByte } from './lib/part';
import { advance, at0, at1, at2, at3, begin, length } from './lib/walk';

enum Unary {
  neg,
  abs,
  sign,
  exp,
  log,
  sqrt,
  sin,
  cos,
  tanh,
  sigmoid,
  relu,
  erf,
}

enum Binary {
  add,
  sub,
  mul,
  div,
  pow,
  maximum,
  minimum,
  equal,
  notEqual,
  less,
  lessEqual,
  greater,
  greaterEqual,
}

@inline
function unary4(kernel: i32, x: v128): v128 {
  switch (kernel) {
    case Unary.neg:
      return f32x4.neg(x);
    case Unary.abs:
      return f32x4.abs(x);
    case Unary.exp:
      return wholeExp4(x);
    case Unary.sqrt:
      return f32x4.sqrt(x);
    case Unary.sigmoid:
      return sigmoid4(x);
    default:
      return f32x4.max(x, f32x4.splat(0)); // relu
  }
}

@inline
function unaryRow(kernel: i32, x: usize, out: usize, n: i32): void {
  const end = endByte(n);
  // Buffers are padded to 16 bytes, so the last step may read and write past the end.
  for (let at = firstByte(n); at < end; at += 16) v128.store(out + at, unary4(kernel, v128.load(x + at)));
}

/** The functions that take so long that a call and a choice for every four values don't matter. */
function slow4(kernel: i32, x: v128): v128 {
  switch (kernel) {
    case Unary.sign: {
      const one = v128.or(v128.and(x, f32x4.splat(-0.0)), f32x4.splat(1));
      return v128.bitselect(one, x, f32x4.gt(f32x4.abs(x), f32x4.splat(0)));
    }
    case Unary.log:
      return log4(x);
    case Unary.sin:
      return sine4(x, 0);
    case Unary.cos:
      return sine4(x, 1);
    case Unary.tanh:
      return tanh4(x);
    default:
      return erf4(x);
  }
}

/** out[i] = kernel(x[i]) for `n` floats. */
export function unary(kernel: i32, x: usize, out: usize, n: i32): void {
  switch (kernel) {
    case Unary.neg:
      return unaryRow(Unary.neg, x, out, n);
    case Unary.abs:
      return unaryRow(Unary.abs, x, out, n);
    case Unary.exp:
      return unaryRow(Unary.exp, x, out, n);
    case Unary.sqrt:
      return unaryRow(Unary.sqrt, x, out, n);
    case Unary.sigmoid:
      return unaryRow(Unary.sigmoid, x, out, n);
    case Unary.relu:
      return unaryRow(Unary.relu, x, out, n);
    default: {
      const end = endByte(n);
      for (let at = firstByte(n); at < end; at += 16) v128.store(out + at, slow4(kernel, v128.load(x + at)));
    }
  }
}

@inline
function float4(kernel: i32, a: v128, b: v128): v128 {
  switch (kernel) {
    case Binary.add:
      return f32x4.add(a, b);
    case Binary.sub:
      return f32x4.sub(a, b);
    case Binary.mul:
      return f32x4.mul(a, b);
    case Binary.div:
      return f32x4.div(a, b);
    case Binary.maximum:
      return f32x4.max(a, b);
    case Binary.minimum:
      return f32x4.min(a, b);
    default:
      return v128.and(compare4(kernel, a, b), i32x4.splat(1));
  }
}

@inline
function compare4(kernel: i32, a: v128, b: v128): v128 {
  switch (kernel) {
    case Binary.equal:
      return f32x4.eq(a, b);
    case Binary.notEqual:
      return f32x4.ne(a, b);
    case Binary.less:
      return f32x4.lt(a, b);
    case Binary.lessEqual:
      return f32x4.le(a, b);
    case Binary.greater:
      return f32x4.gt(a, b);
    default:
      return f32x4.ge(a, b);
  }
}

/**
 * One row of out = kernel(a, b); `sa` and `sb` are strides in bytes, with fast paths for 4 and 0.
 */
@inline
function floatRow(kernel: i32, a: usize, sa: usize, b: usize, sb: usize, out: usize, n: i32): void {
  let i = 0;
  if (sa == 4 && sb == 4) {
    for (; i + 4 <= n; i += 4, a += 16, b += 16, out += 16) {
      v128.store(out, float4(kernel, v128.load(a), v128.load(b)));
    }
  } else if (sa == 4 && sb == 0) {
    const y = v128.load32_splat(b);
    for (; i + 4 <= n; i += 4, a += 16, out += 16) v128.store(out, float4(kernel, v128.load(a), y));
  } else if (sa == 0 && sb == 4) {
    const x = v128.load32_splat(a);
    for (; i + 4 <= n; i += 4, b += 16, out += 16) v128.store(out, float4(kernel, x, v128.load(b)));
  }
  for (; i < n; i++, a += sa, b += sb, out += 4) {
    const value = float4(kernel, v128.load32_splat(a), v128.load32_splat(b));
    store<f32>(out, f32x4.extract_lane(value, 0));
  }
}

function powRow(a: usize, sa: usize, b: usize, sb: usize, out: usize, n: i32): void {
  for (let i = 0; i < n; i++, a += sa, b += sb, out += 4) {
    store<f32>(out, <f32>pow(<f64>load<f32>(a), <f64>load<f32>(b)));
  }
}

/**
 * out = kernel(a, b) for floats; the plan walks out, a and b over `axes` outer axes in rows of `n`
 * elements.
 */
export function binary(kernel: i32, out: usize, a: usize, sa: usize, b: usize, sb: usize, n: i32, plan: usize, axes: i32): void {
  begin(out, 4, a, sa, b, sb, 0, 0, n, plan, axes);
  do {
    switch (kernel) {
      case Binary.add:
        floatRow(Binary.add, at1, sa, at2, sb, at0, length);
        break;
      case Binary.sub:
        floatRow(Binary.sub, at1, sa, at2, sb, at0, length);
        break;
      case Binary.mul:
        floatRow(Binary.mul, at1, sa, at2, sb, at0, length);
        break;
      case Binary.div:
        floatRow(Binary.div, at1, sa, at2, sb, at0, length);
        break;
      case Binary.pow:
        powRow(at1, sa, at2, sb, at0, length);
        break;
      case Binary.maximum:
        floatRow(Binary.maximum, at1, sa, at2, sb, at0, length);
        break;
      case Binary.minimum:
        floatRow(Binary.minimum, at1, sa, at2, sb, at0, length);
        break;
      case Binary.equal:
        floatRow(Binary.equal, at1, sa, at2, sb, at0, length);
        break;
      case Binary.notEqual:
        floatRow(Binary.notEqual, at1, sa, at2, sb, at0, length);
        break;
      case Binary.less:
        floatRow(Binary.less, at1, sa, at2, sb, at0, length);
        break;
      case Binary.lessEqual:
        floatRow(Binary.lessEqual, at1, sa, at2, sb, at0, length);
        break;
      case Binary.greater:
        floatRow(Binary.greater, at1, sa, at2, sb, at0, length);
        break;
      default:
        floatRow(Binary.greaterEqual, at1, sa, at2, sb, at0, length);
    }
  } while (advance());
}

function whole(kernel: i32, a: i32, b: i32): i32 {
  switch (kernel) {
    case Binary.add:
      return a + b;
    case Binary.sub:
      return a - b;
    case Binary.mul:
      return a * b;
    case Binary.div:
      return b == 0 ? 0 : b == -1 ? 0 - a : a / b; // -2^31 / -1 overflows and would trap
    case Binary.pow:
      return wholePow(a, b);
    case Binary.maximum:
      return max(a, b);
    case Binary.minimum:
      return min(a, b);
    case Binary.equal:
      return a == b ? 1 : 0;
    case Binary.notEqual:
      return a != b ? 1 : 0;
    case Binary.less:
      return a < b ? 1 : 0;
    case Binary.lessEqual:
      return a <= b ? 1 : 0;
    case Binary.greater:
      return a > b ? 1 : 0;
    default:
      return a >= b ? 1 : 0;
  }
}

/** `binary` for int32. */
export function binaryInt(kernel: i32, out: usize, a: usize, sa: usize, b: usize, sb: usize, n: i32, plan: usize, axes: i32): void {
  begin(out, 4, a, sa, b, sb, 0, 0, n, plan, axes);
  do {
    let x = at1;
    let y = at2;
    let to = at0;
    for (let i = 0; i < length; i++, x += sa, y += sb, to += 4) {
      store<i32>(to, whole(kernel, load<i32>(x), load<i32>(y)));
    }
  } while (advance());
}

/** out = condition ? a : b, for 32-bit values of any dtype. */
export function where(out: usize, condition: usize, sc: usize, a: usize, sa: usize, b: usize, sb: usize, n: i32, plan: usize, axes: i32): void {
  begin(out, 4, condition, sc, a, sa, b, sb, n, plan, axes);
  do {
    let c = at1;
    let x = at2;
    let y = at3;
    let to = at0;
    let i = 0;
    if (sc == 4 && sa <= 4 && sb <= 4) {
      for (; i + 4 <= length; i += 4, c += 16, x += 4 * sa, y += 4 * sb, to += 16) {
        const yes = sa == 0 ? v128.load32_splat(x) : v128.load(x);
        const no = sb == 0 ? v128.load32_splat(y) : v128.load(y);
        v128.store(to, v128.bitselect(yes, no, i32x4.ne(v128.load(c), i32x4.splat(0))));
      }
    }
    for (; i < length; i++, c += sc, x += sa, y += sb, to += 4) {
      store<i32>(to, load<i32>(c) != 0 ? load<i32>(x) : load<i32>(y));
    }
  } while (advance());
}

/** float32 to int32: rounds towards zero and saturates; NaN becomes 0. */
export function toInt(x: usize, out: usize, n: i32): void {
  const end = endByte(n);
  for (let at = firstByte(n); at < end; at += 16) v128.store(out + at, i32x4.trunc_sat_f32x4_s(v128.load(x + at)));
}

/** int32 to float32. */
export function toFloat(x: usize, out: usize, n: i32): void {
  const end = endByte(n);
  for (let at = firstByte(n); at < end; at += 16) v128.store(out + at, f32x4.convert_i32x4_s(v128.load(x + at)));
}

/** Whether all of `n` floats are finite. */
export function finite(x: usize, n: i32): bool {
  let most = i32x4.splat(0); // largest absolute value, as bits: they have the same order
  const end = endByte(n), whole = <usize>(n & ~3) << 2;
  for (let at = firstByte(n); at < end; at += 16) {
    let value = f32x4.abs(v128.load(x + at));
    if (at == whole) value = firstLanes(value, n & 3, f32x4.splat(0));
    most = i32x4.max_s(most, value);
  }
  return !v128.any_true(f32x4.ne(f32x4.sub(most, most), f32x4.splat(0)));
}

/** Sets `n` values to the 32 bits `value`. */
export function fill(out: usize, value: i32, n: i32): void {
  const end = endByte(n);
  const four = i32x4.splat(value);
  for (let at = firstByte(n); at < end; at += 16) v128.store(out + at, four);
}

