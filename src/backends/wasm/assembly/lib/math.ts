/**
 * Functions of floats, four at a time where training needs speed. Plain multiplications and
 * additions return the same bits on every engine.
 */
import { joined, upper } from './lanes';

/**
 * The constants of `exp4`, loaded at each use: V8 rebuilds SIMD constants in every iteration of a
 * loop, which takes longer than the arithmetic.
 */
const EXP = memory.data<f32>([
  88.72283, // above: infinity
  -87.33654, // below: 0 (exp4)
  1.44269504088896341, // 1 / ln 2
  12582912, // 1.5 * 2^23: adding it rounds to an integer, which is then in the lowest bits
  // ln 2 in two parts, so that n times the first is exact (Cody and Waite).
  0.693359375,
  -2.12194440e-4,
  // e^r for |r| <= ln(2) / 2 by a polynomial (the coefficients of Cephes' expf).
  1.9875691500e-4,
  1.3981999507e-3,
  8.3334519073e-3,
  4.1665795894e-2,
  1.6666665459e-1,
  5.0000001201e-1,
  1,
  Infinity,
  -103.97208, // below: less than half of the smallest float, 0 (wholeExp4)
]);
const EXPONENT_BIAS = memory.data<i32>([127]);

/** Constant number `index`, in all four lanes. */
@inline
function exp_(index: usize): v128 {
  return v128.load32_splat(EXP + (index << 2));
}

/**
 * e^x for four floats, within 2 units in the last place. Results below 1.2e-38, which would be
 * denormal, are 0.
 */
@inline
export function exp4(x: v128): v128 {
  return expFrom(1, x);
}

/** `exp4`, not inlined: for the ends of rows, where speed doesn't matter. */
export function rareExp4(x: v128): v128 {
  return exp4(x);
}

/** `exp4` with denormal results, which are slow. */
@inline
export function wholeExp4(x: v128): v128 {
  return expFrom(14, x);
}

/** e^x for four floats; 0 below constant number `least`. */
@inline
function expFrom(least: usize, x: v128): v128 {
  const bounded = f32x4.pmax(f32x4.pmin(x, exp_(0)), exp_(least)); // NaN stays
  const rounded = f32x4.add(f32x4.mul(bounded, exp_(2)), exp_(3));
  const n = f32x4.sub(rounded, exp_(3));
  let r = f32x4.sub(bounded, f32x4.mul(n, exp_(4)));
  r = f32x4.sub(r, f32x4.mul(n, exp_(5)));
  let p = f32x4.add(f32x4.mul(exp_(6), r), exp_(7));
  p = f32x4.add(f32x4.mul(p, r), exp_(8));
  p = f32x4.add(f32x4.mul(p, r), exp_(9));
  p = f32x4.add(f32x4.mul(p, r), exp_(10));
  p = f32x4.add(f32x4.mul(p, r), exp_(11));
  p = f32x4.add(f32x4.mul(f32x4.mul(p, r), r), f32x4.add(r, exp_(12)));
  // Multiply by 2^n in two halves, since 2^128 is not a float.
  const power = i32x4.sub(rounded, exp_(3));
  const half = i32x4.shr_s(power, 1);
  const bias = v128.load32_splat(EXPONENT_BIAS);
  p = f32x4.mul(p, i32x4.shl(i32x4.add(half, bias), 23));
  p = f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.sub(power, half), bias), 23));
  p = v128.andnot(p, f32x4.lt(x, exp_(least)));
  return v128.bitselect(exp_(13), p, f32x4.gt(x, exp_(0)));
}

/** 1 / (1 + e^-x) for four floats. */
@inline
export function sigmoid4(x: v128): v128 {
  const y = f32x4.div(f32x4.splat(1), f32x4.add(f32x4.splat(1), exp4(f32x4.neg(x))));
  const small = f32x4.lt(x, f32x4.splat(-88)); // e^-x may be infinite; y equals e^x here
  return v128.any_true(small) ? v128.bitselect(rareWholeExp4(x), y, small) : y;
}

/** `wholeExp4`, not inlined. */
function rareWholeExp4(x: v128): v128 {
  return wholeExp4(x);
}

/** The constants of musl's logf. */
const LOG = memory.data<f32>([0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841, 9.0580006145e-6, 6.9313812256e-1]);

/** The natural logarithm of four floats: the operations of musl's logf, and so its bits. */
export function log4(x: v128): v128 {
  const one = f32x4.splat(1);
  const isTiny = f32x4.lt(x, v128.load32_splat(LEAST_NORMAL)); // denormal, zero or negative
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(33554432)), x, isTiny); // 2^25
  const bits = i32x4.add(scaled, i32x4.splat(0x3f800000 - 0x3f3504f3));
  const exponent = i32x4.sub(i32x4.shr_u(bits, 23), v128.bitselect(i32x4.splat(0x7f + 25), i32x4.splat(0x7f), isTiny));
  const k = f32x4.convert_i32x4_s(exponent);
  const f = f32x4.sub(i32x4.add(v128.and(bits, i32x4.splat(0x7fffff)), i32x4.splat(0x3f3504f3)), one);
  const s = f32x4.div(f, f32x4.add(f32x4.splat(2), f));
  const z = f32x4.mul(s, s), w = f32x4.mul(z, z);
  const odd = f32x4.mul(w, f32x4.add(constant(LOG, 1), f32x4.mul(w, constant(LOG, 3))));
  const even = f32x4.mul(z, f32x4.add(constant(LOG, 0), f32x4.mul(w, constant(LOG, 2))));
  const half = f32x4.mul(f32x4.mul(f32x4.splat(0.5), f), f);
  let y = f32x4.mul(s, f32x4.add(half, f32x4.add(even, odd)));
  y = f32x4.add(y, f32x4.mul(k, constant(LOG, 4)));
  y = f32x4.add(f32x4.add(f32x4.sub(y, half), f), f32x4.mul(k, constant(LOG, 5)));
  y = v128.bitselect(x, y, f32x4.eq(x, f32x4.splat(Infinity)));
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
  return v128.or(y, v128.not(f32x4.ge(x, f32x4.splat(0)))); // NaN below 0, and for NaN
}

const LEAST_NORMAL = memory.data<f32>([1.1754943508222875e-38]);

/** Constant number `index` of a table of floats, in all four lanes. */
@inline
function constant(table: usize, index: usize): v128 {
  return v128.load32_splat(table + (index << 2));
}

/** Constant number `index` of a table of doubles, in both lanes. */
@inline
function constant2(table: usize, index: usize): v128 {
  return v128.load64_splat(table + (index << 3));
}

/** A polynomial in x, whose coefficients from number `first` on begin with the highest power. */
@inline
function polynomial(table: usize, first: i32, degree: i32, x: v128): v128 {
  let y = constant2(table, first);
  for (let i = 1; i <= degree; i++) y = f64x2.add(f64x2.mul(y, x), constant2(table, first + i));
  return y;
}

const EXPM1 = memory.data<f64>([
  1.4426950408889634, // 1 / ln 2
  6755399441055744, // 1.5 * 2^52: adding it rounds to an integer, which is then in the lowest bits
  0.6931471803691238, // ln 2 in two parts
  1.9082149292705877e-10,
  // Of (r - r coth(r / 2) + 2) / r^2 for |r| <= ln(2) / 2, the coefficients of fdlibm's exp.
  4.1381367970572385e-8,
  -1.6533902205465252e-6,
  6.613756321437934e-5,
  -2.7777777777015593e-3,
  1.6666666666666602e-1,
  1,
]);

/** e^x - 1 for two doubles from -700 to 700, within 2 units in the last place; NaN stays. */
function expm1x2(x: v128): v128 {
  const rounded = f64x2.add(f64x2.mul(x, constant2(EXPM1, 0)), constant2(EXPM1, 1));
  const k = f64x2.sub(rounded, constant2(EXPM1, 1));
  const high = f64x2.sub(x, f64x2.mul(k, constant2(EXPM1, 2))), low = f64x2.mul(k, constant2(EXPM1, 3));
  const r = f64x2.sub(high, low);
  const square = f64x2.mul(r, r);
  const c = f64x2.sub(r, f64x2.mul(square, polynomial(EXPM1, 4, 4, square)));
  const quotient = f64x2.div(f64x2.mul(r, c), f64x2.sub(f64x2.splat(2), c));
  const p = f64x2.add(f64x2.sub(quotient, low), high);
  const one = constant2(EXPM1, 9);
  const power = i64x2.add(i64x2.shl(rounded, 52), one); // 2^k
  return f64x2.add(f64x2.mul(p, power), f64x2.sub(power, one));
}

/** The hyperbolic tangent of four floats. */
export function tanh4(x: v128): v128 {
  return joined(tanh2(f64x2.promote_low_f32x4(x)), tanh2(upper(x)));
}

@inline
function tanh2(x: v128): v128 {
  const size = f64x2.pmin(f64x2.abs(x), f64x2.splat(20)); // NaN stays
  const power = expm1x2(f64x2.add(size, size));
  return withSign(f64x2.div(power, f64x2.add(power, f64x2.splat(2))), x);
}

/** y, which isn't negative, with the sign of x. */
@inline
function withSign(y: v128, x: v128): v128 {
  return v128.or(y, v128.and(x, f64x2.splat(-0.0)));
}

/** Polynomials fitted to the error function, with a relative error of 2^-31. */
const ERF = memory.data<f64>([
  // erf(x) / x in x^2, for |x| <= 0.9
  8.513104521337545e-5,
  -8.175639405598396e-4,
  5.2038591706105135e-3,
  -2.686050846786267e-2,
  1.128371503294201e-1,
  -3.761263497985677e-1,
  1.128379166764365,
  // -log(1 - erf(x)) in x, from 0.9 to 4; beyond, 1 - erf(x) is less than half a unit of 1
  2.0828530955932918e-5,
  -4.3139261663524575e-4,
  4.156250608623823e-3,
  -2.508060588892161e-2,
  1.0822036873434013e-1,
  6.33400863835774e-1,
  1.1294884004439387,
  -1.6920396645403457e-4,
]);

/** The error function of four floats. */
export function erf4(x: v128): v128 {
  return joined(erf2(f64x2.promote_low_f32x4(x)), erf2(upper(x)));
}

@inline
function erf2(x: v128): v128 {
  const size = f64x2.pmin(f64x2.abs(x), f64x2.splat(4)); // NaN stays
  const near = f64x2.mul(x, polynomial(ERF, 0, 6, f64x2.mul(size, size)));
  const far = f64x2.neg(expm1x2(f64x2.neg(polynomial(ERF, 7, 7, size))));
  return v128.bitselect(near, withSign(far, x), f64x2.lt(size, f64x2.splat(0.9)));
}

const SINE = memory.data<f64>([
  0.6366197723675814, // 2 / pi
  6755399441055744, // 1.5 * 2^52
  1.5707963267341256, // pi / 2 in two parts
  6.077100506506192e-11,
  // Of sin(r) and cos(r) for |r| <= pi / 4, the coefficients of fdlibm.
  1.58969099521155010221e-10,
  -2.50507602534068634195e-8,
  2.75573137070700676789e-6,
  -1.98412698298579493134e-4,
  8.33333333332248946124e-3,
  -1.66666666666666324348e-1,
  -1.13596475577881948265e-11,
  2.08757232129817482790e-9,
  -2.75573143513906633035e-7,
  2.48015872894767294178e-5,
  -1.38888888888741095749e-3,
  4.16666666666666019037e-2,
]);
/** The bytes of 2 / pi after one of zeros. */
const TWO_OVER_PI = memory.data<u8>([
  0, 0xa2, 0xf9, 0x83, 0x6e, 0x4e, 0x44, 0x15, 0x29, 0xfc, 0x27, 0x57, 0xd1, 0xf5, 0x34, 0xdd, 0xc0, 0xdb, 0x62, 0x95,
  0x99, 0x3c, 0x43, 0x90, 0x41, 0xfe,
]);
/** From this size on, a product with 2 / pi needs more digits than a double has. */
const LARGE: f32 = 1048576;

/** The sine of four floats plus `quarters` quarter turns. */
export function sine4(x: v128, quarters: i64): v128 {
  const size = f32x4.abs(x);
  let y = joined(sine2(f64x2.promote_low_f32x4(x), quarters), sine2(upper(x), quarters));
  // sin(x) rounds to x, also to -0.
  if (quarters == 0) y = v128.bitselect(x, y, f32x4.lt(size, f32x4.splat(0.000244140625)));
  if (!v128.any_true(f32x4.ge(size, f32x4.splat(LARGE)))) return y;
  y = f32x4.replace_lane(y, 0, largeSine(f32x4.extract_lane(x, 0), quarters, f32x4.extract_lane(y, 0)));
  y = f32x4.replace_lane(y, 1, largeSine(f32x4.extract_lane(x, 1), quarters, f32x4.extract_lane(y, 1)));
  y = f32x4.replace_lane(y, 2, largeSine(f32x4.extract_lane(x, 2), quarters, f32x4.extract_lane(y, 2)));
  return f32x4.replace_lane(y, 3, largeSine(f32x4.extract_lane(x, 3), quarters, f32x4.extract_lane(y, 3)));
}

@inline
function sine2(x: v128, quarters: i64): v128 {
  const rounded = f64x2.add(f64x2.mul(x, constant2(SINE, 0)), constant2(SINE, 1));
  const turns = f64x2.sub(rounded, constant2(SINE, 1));
  const r = f64x2.sub(f64x2.sub(x, f64x2.mul(turns, constant2(SINE, 2))), f64x2.mul(turns, constant2(SINE, 3)));
  return turned(r, i64x2.add(rounded, i64x2.splat(quarters)));
}

/** The sine of r, at most an eighth of a turn, plus that many quarter turns. */
function turned(r: v128, quarters: v128): v128 {
  const z = f64x2.mul(r, r);
  const sine = f64x2.add(r, f64x2.mul(f64x2.mul(z, r), polynomial(SINE, 4, 5, z)));
  const half = f64x2.mul(z, f64x2.splat(0.5)), one = f64x2.splat(1);
  const w = f64x2.sub(one, half);
  const tail = f64x2.mul(f64x2.mul(z, z), polynomial(SINE, 10, 5, z));
  const cosine = f64x2.add(w, f64x2.add(f64x2.sub(f64x2.sub(one, w), half), tail));
  const isCosine = i64x2.ne(v128.and(quarters, i64x2.splat(1)), i64x2.splat(0));
  const sign = i64x2.shl(v128.and(quarters, i64x2.splat(2)), 62);
  return v128.xor(v128.bitselect(cosine, sine, isCosine), sign);
}

/**
 * The same for one float that is large and finite; else `y`. The product of its 24 digits and 88
 * binary digits of 2 / pi, from the first that counts, is exact to 2^-64 of a turn (Payne and Hanek).
 */
function largeSine(x: f32, quarters: i64, y: f32): f32 {
  const bits = reinterpret<i32>(x) & 0x7fffffff;
  if (bits < reinterpret<i32>(LARGE) || bits >= 0x7f800000) return y;
  const first = (bits >> 23) - 150 + 6; // x is digits * 2^(first - 6)
  const at = TWO_OVER_PI + (first >> 3), skip = first & 7;
  const high = bswap<u64>(load<u64>(at)), low = bswap<u32>(load<u32>(at, 8));
  const digits = <u64>((bits & 0x7fffff) | 0x800000);
  const window = (high << skip) | (<u64>low >> (32 - skip));
  const turn = digits * window + ((digits * <u64>(low << skip)) >> 32);
  const count = (turn + (1 << 61)) >> 62;
  const r = <f64><i64>(turn - (count << 62)) * 3.4061215800865545e-19; // pi / 2^63
  const sine = turned(f64x2.splat(x < 0 ? -r : r), i64x2.splat((x < 0 ? -<i64>count : <i64>count) + quarters));
  return <f32>f64x2.extract_lane(sine, 0);
}

/** e^x for a double; beyond the floats, which infinities are, it need not be exact. */
function exp1(x: f64): f64 {
  const size = min(abs(x), 700);
  const power = 1 + f64x2.extract_lane(expm1x2(f64x2.splat(size)), 0);
  return x < 0 ? 1 / power : power;
}

/**
 * x^y with the special cases of JavaScript's Math.pow. Small integer exponents use repeated
 * multiplication, which is exact wherever the result fits into a double; elsewhere the relative
 * error is below 1e-13.
 */
export function pow(x: f64, y: f64): f64 {
  const size = abs(x);
  const whole = floor(y) == y;
  if (x < 0 && !whole && size != Infinity) return NaN;
  let power: f64 = 1;
  if (whole && abs(y) <= 256) {
    let factor = size;
    for (let n = <i32>abs(y); n > 0; n >>= 1, factor *= factor) if (n & 1) power *= factor;
    if (y < 0) power = 1 / power;
  } else {
    power = exp1(y * Math.log(size));
  }
  const odd = whole && floor(y / 2) * 2 != y;
  return odd ? copysign(power, x) : power;
}

/** x^y modulo 2^32. For a negative y the result is rounded towards zero, and 0^y is 0. */
export function wholePow(x: i32, y: i32): i32 {
  if (y < 0) return x == 1 ? 1 : x == -1 ? 1 - ((y & 1) << 1) : 0;
  let power = 1;
  for (let n = y; n > 0; n >>= 1, x *= x) if (n & 1) power *= x;
  return power;
}
