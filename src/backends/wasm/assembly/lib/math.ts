/**
 * Functions of floats, four at a time where training needs speed. Plain multiplications and
 * additions return the same bits on every engine.
 */

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
  return v128.any_true(small) ? v128.bitselect(wholeExp4(x), y, small) : y;
}

/** e^x for one float, with the same bits as `exp4`. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** The error function in float64, by the series and the continued fraction of the cpu backend. */
export function erf(x: f64): f64 {
  const size = Math.abs(x);
  if (!(size < 6)) return size >= 6 ? Math.sign(x) : x;
  const gauss = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (size < 3) {
    let term = x;
    let total = x;
    for (let n = 1; Math.abs(term) > 1e-12 * Math.abs(total); n++) {
      term *= (2 * x * x) / <f64>(2 * n + 1);
      total += term;
    }
    return 2 * gauss * total;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + <f64>n / 2 / fraction;
  return Math.sign(x) * (1 - gauss / fraction);
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
    power = Math.exp(y * Math.log(size));
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
