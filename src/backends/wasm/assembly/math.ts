/** Functions of floats, four at a time where training needs them fast. Plain multiply and add: the same bits everywhere. */

const LOG2E: f32 = 1.44269504088896341;
// ln 2 in two parts, so that n * LN2_HIGH is exact (Cody and Waite).
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.12194440e-4;

/** e^x for four floats, within 2 units of the last place; below -87.3 it is 0. */
@inline
export function exp4(x: v128): v128 {
  const low = f32x4.splat(-87.33654);
  const bounded = f32x4.max(f32x4.min(x, f32x4.splat(88.72283)), low);
  const n = f32x4.nearest(f32x4.mul(bounded, f32x4.splat(LOG2E)));
  let r = f32x4.sub(bounded, f32x4.mul(n, f32x4.splat(LN2_HIGH)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(LN2_LOW)));
  // e^r for |r| <= ln(2) / 2 by a polynomial (the coefficients of Cephes' expf).
  let p = f32x4.splat(1.9875691500e-4);
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.3981999507e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(8.3334519073e-3));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(4.1665795894e-2));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(1.6666665459e-1));
  p = f32x4.add(f32x4.mul(p, r), f32x4.splat(5.0000001201e-1));
  p = f32x4.add(f32x4.mul(f32x4.mul(p, r), r), f32x4.add(r, f32x4.splat(1)));
  // Times 2^n, in two halves since 2^128 is no float.
  const half = i32x4.shr_s(i32x4.trunc_sat_f32x4_s(n), 1);
  const rest = i32x4.sub(i32x4.trunc_sat_f32x4_s(n), half);
  const bias = i32x4.splat(127);
  p = f32x4.mul(p, i32x4.shl(i32x4.add(half, bias), 23));
  p = f32x4.mul(p, i32x4.shl(i32x4.add(rest, bias), 23));
  p = v128.andnot(p, f32x4.lt(x, low)); // underflow
  p = v128.bitselect(f32x4.splat(Infinity), p, f32x4.gt(x, f32x4.splat(88.72283)));
  return v128.bitselect(x, p, f32x4.ne(x, x)); // NaN
}

/** e^x for one float: the bits of `exp4`. */
@inline
export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** The error function in double precision: the series and the continued fraction of the cpu backend. */
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
