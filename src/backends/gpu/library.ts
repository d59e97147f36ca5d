/**
 * Functions that the kernels of both GPU backends share, in the part of WGSL that
 * ../webgl/text.ts translates to GLSL.
 *
 * NaN is recognised by its bits, never by a comparison: both languages let a driver assume that
 * there is no NaN, and NVIDIA's turns `select(x, 0.0, x < 0.0)` into a `max` that drops it. So
 * floats are compared only where `is_nan` handles NaN, and `max`, `min` and `clamp` are never used.
 */

/**
 * -log2(c / 8) as 64 bits with 55 bits of fraction, which undoes the factor c / 8 of a mantissa.
 */
function logarithmOfEighths(c: number): string {
  const fixed = BigInt.asUintN(64, -BigInt(Math.round(Math.log2(c / 8) * 2 ** 55)));
  return `vec2u(${fixed >> 32n}u, ${fixed & 0xffffffffn}u)`;
}

/** The coefficients of r^2, r^3, ... in -log2(1 + r), without the first term, r / ln 2. */
const restOfLogarithm = [2, 3, 4, 5, 6, 7, 8, 9].map((n) => (-1) ** n / (n * Math.LN2));

/** Functions by name. Each uses only functions before it. */
export const library: Record<string, string> = {
  lane_of: `fn lane_of(v: vec4f, lane: i32) -> f32 {
  return select(select(v.x, v.y, lane == 1), select(v.z, v.w, lane == 3), lane >= 2);
}`,
  // An int32 is stored as two floats, its upper and its lower half, which every GPU represents
  // exactly. Its own bits, read as a float, could be denormal and flushed to 0, or NaN and changed.
  whole: `fn whole(upper: f32, lower: f32) -> i32 { return i32(upper) * 65536 + i32(lower); }`,
  halves: `fn halves(x: i32, y: i32) -> vec4f {
  return vec4f(f32(x >> 16u), f32(x & 65535), f32(y >> 16u), f32(y & 65535));
}`,
  is_nan: `fn is_nan(x: f32) -> bool { return (bits_of(x) & 0x7fffffff) > 0x7f800000; }`,
  not_a_number: `fn not_a_number() -> f32 { return float_of(0x7fc00000); }`,
  is_finite: `fn is_finite(x: f32) -> bool { return (bits_of(x) & 0x7f800000) != 0x7f800000; }`,
  // Denormal numbers count as zeros, so that GPUs that flush them and GPUs that don't agree.
  is_zero: `fn is_zero(x: f32) -> bool { return (bits_of(x) & 0x7f800000) == 0; }`,
  // A product with a weight. Where the weight is 0, x has no effect.
  weighted: `fn weighted(weight: f32, x: f32) -> f32 { return select(weight * x, 0.0, is_zero(weight)); }`,
  // An integer that is larger for a larger float; -0 comes before 0.
  rank_of: `fn rank_of(x: f32) -> i32 {
  let bits: i32 = bits_of(x);
  return bits ^ ((bits >> 31u) & 0x7fffffff);
}`,
  larger: `fn larger(x: f32, y: f32) -> f32 {
  return select(select(y, x, rank_of(x) > rank_of(y)), not_a_number(), is_nan(x) || is_nan(y));
}`,
  smaller: `fn smaller(x: f32, y: f32) -> f32 {
  return select(select(y, x, rank_of(x) < rank_of(y)), not_a_number(), is_nan(x) || is_nan(y));
}`,
  rectified: `fn rectified(x: f32) -> f32 { return select(select(0.0, x, x > 0.0), x, is_nan(x)); }`,
  // Like WebAssembly's trunc_sat: saturates; 0 for NaN. i32() is undefined for what doesn't fit.
  truncated: `fn truncated(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  if (x <= -2147483648.0) { return -2147483647 - 1; }
  return i32(x);
}`,
  // x 2^n for n from -252 to 254, in two factors: 2^n alone could overflow.
  scaled: `fn scaled(x: f32, n: i32) -> f32 {
  let low: i32 = n >> 1u;
  return x * float_of((low + 127) << 23u) * float_of((n - low + 127) << 23u);
}`,
  // Cody and Waite's reduction with the polynomial of Cephes' expf: GPUs guarantee far
  // less accuracy for exp.
  exponential: `fn exponential(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x < -87.33654) { return 0.0; }
  if (x > 88.72283) { return float_of(0x7f800000); }
  let n: f32 = floor(x * 1.44269504 + 0.5);
  let r: f32 = x - n * 0.693359375 + n * 2.12194440e-4;
  let p: f32 = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r + 1.6666665459e-1) * r + 5.0000001201e-1;
  return scaled(p * r * r + r + 1.0, i32(n));
}`,
  // Cephes' logf.
  logarithm: `fn logarithm(x: f32) -> f32 {
  if (is_nan(x) || x < 0.0) { return not_a_number(); }
  if (x == 0.0) { return -float_of(0x7f800000); }
  if (x > 3.4028234e38) { return x; }
  let bits: i32 = bits_of(x);
  let low: f32 = float_of((bits & 0x7fffff) | 0x3f000000);
  let small: bool = low < 0.707106781;
  let m: f32 = select(low, low + low, small) - 1.0;
  let e: f32 = f32((bits >> 23u) - select(126, 127, small));
  let z: f32 = m * m;
  let p: f32 = ((((((((7.0376836292e-2 * m - 1.1514610310e-1) * m + 1.1676998740e-1) * m - 1.2420140846e-1) * m + 1.4249322787e-1) * m - 1.6668057665e-1) * m + 2.0000714765e-1) * m - 2.4999993993e-1) * m + 3.3333331174e-1) * m * z;
  return m + (p - 2.12194440e-4 * e - 0.5 * z) + 0.693359375 * e;
}`,
  upper_product: `fn upper_product(x: u32, y: u32) -> u32 {
  let a: u32 = x & 65535u;
  let b: u32 = x >> 16u;
  let c: u32 = y & 65535u;
  let d: u32 = y >> 16u;
  let middle: u32 = a * d + ((a * c) >> 16u);
  let other: u32 = b * c + (middle & 65535u);
  return b * d + (middle >> 16u) + (other >> 16u);
}`,
  // 32 bits of 2 / pi, starting at bit `at` of an expansion that begins with 32 zeros.
  bits_of_two_over_pi: `fn word_of_two_over_pi(i: i32) -> u32 {
  if (i < 4) {
    if (i == 0) { return 0u; }
    if (i == 1) { return 0xa2f9836eu; }
    if (i == 2) { return 0x4e441529u; }
    return 0xfc2757d1u;
  }
  if (i == 4) { return 0xf534ddc0u; }
  if (i == 5) { return 0xdb629599u; }
  if (i == 6) { return 0x3c439041u; }
  return 0xfe5163abu;
}
fn bits_of_two_over_pi(at: i32) -> u32 {
  let i: i32 = at >> 5u;
  let shift: u32 = u32(at & 31);
  let word: u32 = word_of_two_over_pi(i);
  if (shift == 0u) { return word; }
  return (word << shift) | (word_of_two_over_pi(i + 1) >> (32u - shift));
}`,
  // Sine (quarter 0) and cosine (quarter 1): Payne and Hanek's reduction, Cephes' polynomials. The
  // reduction multiplies integers: no compiler reorders them, and large x lose no precision.
  wave: `fn wave(x: f32, quarter: i32) -> f32 {
  let bits: i32 = bits_of(x) & 0x7fffffff;
  if (bits >= 0x7f800000) { return not_a_number(); }
  var r: f32 = float_of(bits);
  var quarters: i32 = quarter;
  if (bits >= 0x3f490fdb) { // pi / 4
    // |x| = m 2^k. Bits of 2 / pi worth 4 or more, times m, are full turns; the 96 bits
    // after them determine the result.
    let k: i32 = (bits >> 23u) - 150;
    let m: u32 = u32((bits & 0x7fffff) | 0x800000);
    let low: u32 = bits_of_two_over_pi(k + 94);
    let middle: u32 = bits_of_two_over_pi(k + 62);
    let next: u32 = m * middle + upper_product(m, low);
    var top: u32 = m * bits_of_two_over_pi(k + 30) + upper_product(m, middle);
    if (next < m * middle) { top += 1u; }
    // The first two bits count quarter turns; the rest is rounded to the nearest quarter turn.
    quarters += i32(top >> 30u);
    var fraction: u32 = (top << 2u) | (next >> 30u);
    var rest: u32 = next << 2u;
    let beyond: bool = fraction >= 0x80000000u;
    if (beyond) {
      quarters += 1;
      fraction = 0xffffffffu - fraction;
      rest = 0xffffffffu - rest;
    }
    r = (f32(fraction) + f32(rest) * 2.3283064365386963e-10) * 3.657295198167899e-10; // pi / 2 * 2^-32
    if (beyond) { r = -r; }
  }
  let z: f32 = r * r;
  let s: f32 = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - 1.9515295891e-4 * z));
  let c: f32 = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + 2.443315711809948e-5 * z));
  let v: f32 = select(s, c, (quarters & 1) == 1);
  let negative: bool = ((quarters & 2) == 2) != (quarter == 0 && bits_of(x) < 0);
  return select(v, -v, negative);
}`,
  // A 64-bit number is two words, the upper one first.
  plus: `fn plus(a: vec2u, b: vec2u) -> vec2u {
  let low: u32 = a.y + b.y;
  return vec2u(a.x + b.x + select(0u, 1u, low < a.y), low);
}
fn negated(a: vec2u) -> vec2u { return plus(vec2u(~a.x, ~a.y), vec2u(0u, 1u)); }`,
  // log2 of a positive finite float by its bits, with 55 bits of fraction. For the mantissa m there
  // is a c with m c / 8 = 1 + r and |r| < 0.08. r is exact; only the terms from r^2 on use floats.
  fixed_logarithm: `fn fixed_logarithm(bits: i32) -> vec2u {
  var e: i32 = (bits >> 23u) - 127;
  var m: i32 = (bits & 0x7fffff) | 0x800000;
  if (e == -127) {
    e = -126;
    m = bits;
    for (; m < 0x800000; e -= 1) { m = m << 1u; }
  }
  m = m << 1u;
  if (m > 0x16a09e6) { // the square root of 2
    e += 1;
    m = m >> 1u;
  }
  let c: i32 = i32(134217728.0 / f32(m) + 0.5);
  let r: i32 = m * c - 134217728;
  let size: u32 = u32(abs(r)) << 8u;
  let first: u32 = upper_product(size, 0xb8aa3b29u);
  let linear: vec2u = vec2u(first >> 11u, (first << 21u) | ((size * 0xb8aa3b29u) >> 11u));
  let s: f32 = f32(r) * 7.450580596923828e-9;
  let tail: f32 = s * s * (${restOfLogarithm.reduceRight((rest, k) => `${k}${rest && ` + s * (${rest})`}`, '')}) * 8388608.0;
  let whole_tail: f32 = floor(tail);
  let rest: vec2u = vec2u(u32(whole_tail), u32((tail - whole_tail) * 4294967296.0));
  var sum: vec2u = vec2u(u32(e) << 23u, 0u);
  if (c == 6) { sum = plus(sum, ${logarithmOfEighths(6)}); }
  if (c == 7) { sum = plus(sum, ${logarithmOfEighths(7)}); }
  if (c == 9) { sum = plus(sum, ${logarithmOfEighths(9)}); }
  if (c == 10) { sum = plus(sum, ${logarithmOfEighths(10)}); }
  if (c == 11) { sum = plus(sum, ${logarithmOfEighths(11)}); }
  if (r < 0) { sum = plus(sum, negated(linear)); } else { sum = plus(sum, linear); }
  return plus(sum, negated(rest));
}`,
  // |x|^y for finite numbers other than 0, by their bits: 2^(y log2 |x|), with Cephes' exp2f.
  power_of_bits: `fn power_of_bits(x: i32, y: i32) -> f32 {
  var exponent: vec2u = fixed_logarithm(x);
  let below: bool = exponent.x >= 0x80000000u;
  if (below) { exponent = negated(exponent); }
  if (exponent.x == 0u && exponent.y == 0u) { return 1.0; }
  var shift: i32 = 126 - ((y >> 23u) & 255);
  for (; exponent.x < 0x80000000u; shift += 1) { exponent = vec2u((exponent.x << 1u) | (exponent.y >> 31u), exponent.y << 1u); }
  if (shift > 31) { return 1.0; }
  let down: bool = below != (y < 0);
  if (shift < 0) { return select(float_of(0x7f800000), 0.0, down); }
  let product: u32 = upper_product(exponent.x, u32((y & 0x7fffff) | 0x800000) << 8u);
  var whole_and_fraction: u32 = product >> u32(shift);
  if (shift > 0) { whole_and_fraction += (product >> u32(shift - 1)) & 1u; }
  var n: i32 = i32((whole_and_fraction + 0x400000u) >> 23u);
  var f: f32 = f32(i32(whole_and_fraction) - (n << 23u)) * 1.1920928955078125e-7;
  if (down) {
    n = -n;
    f = -f;
  }
  if (n > 128) { return float_of(0x7f800000); }
  if (n < -151) { return 0.0; }
  return scaled(1.0 + f * (((((1.535336188319500e-4 * f + 1.339887440266574e-3) * f + 9.618437357674640e-3) * f + 5.550332471162809e-2) * f + 2.402264791363012e-1) * f + 6.931472028550421e-1), n);
}`,
  // Like JavaScript's Math.pow.
  power: `fn power(x: f32, y: f32) -> f32 {
  let a: i32 = bits_of(x) & 0x7fffffff;
  let b: i32 = bits_of(y) & 0x7fffffff;
  if (b == 0) { return 1.0; }
  if (a > 0x7f800000 || b > 0x7f800000) { return not_a_number(); }
  // Whether y is an odd integer: its mantissa times 2^e.
  let e: i32 = (b >> 23u) - 150;
  let m: i32 = (b & 0x7fffff) | 0x800000;
  var fraction: i32 = 0;
  var odd: bool = false;
  if (e < -23) {
    fraction = 1;
  } else if (e <= 0) {
    fraction = m & ((1 << u32(-e)) - 1);
    odd = fraction == 0 && ((m >> u32(-e)) & 1) == 1;
  }
  let flips: bool = odd && bits_of(x) < 0;
  let down: bool = bits_of(y) < 0;
  let none: f32 = float_of(select(0, -2147483647 - 1, flips));
  let infinite: f32 = select(float_of(0x7f800000), float_of(-0x7fffff - 1), flips);
  if (a == 0) { return select(none, infinite, down); }
  if (b == 0x7f800000) {
    if (a == 0x3f800000) { return not_a_number(); }
    return select(none, infinite, (a > 0x3f800000) != down);
  }
  if (a == 0x7f800000) { return select(infinite, none, down); }
  if (bits_of(x) < 0 && fraction != 0) { return not_a_number(); }
  var p: f32 = 1.0;
  if (!down && fraction == 0 && b <= 0x41800000) {
    // Integer exponents up to 16 by products, which are exact while they fit into 24 bits.
    var square: f32 = float_of(a);
    for (var n: i32 = m >> u32(-e); n > 0; n = n >> 1u) {
      if ((n & 1) == 1) { p = p * square; }
      square = square * square;
    }
  } else {
    p = power_of_bits(a, bits_of(y));
  }
  return select(p, -p, flips);
}`,
  // Near 0: the polynomial of Cephes' tanhf. A zero keeps its sign.
  hyperbolic_tangent: `fn hyperbolic_tangent(x: f32) -> f32 {
  if (is_nan(x) || x == 0.0) { return x; }
  let z: f32 = x * x;
  if (abs(x) < 0.625) {
    return x + x * z * ((((-5.70498872745e-3 * z + 2.06390887954e-2) * z - 5.37397155531e-2) * z + 1.33314422036e-1) * z - 3.33332819422e-1);
  }
  let p: f32 = exponential(-2.0 * abs(x));
  return select(1.0, -1.0, x < 0.0) * (1.0 - p) / (1.0 + p);
}`,
  // Cephes' erff and erfcf.
  error_function: `fn error_function(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let z: f32 = x * x;
  if (abs(x) < 1.0) {
    return x * ((((((7.853861353153693e-5 * z - 8.010193625184903e-4) * z + 5.188327685732524e-3) * z - 2.685381193529856e-2) * z + 1.128358514861418e-1) * z - 3.761262582423300e-1) * z + 1.128379165726710);
  }
  if (abs(x) > 6.0) { return select(1.0, -1.0, x < 0.0); }
  let q: f32 = 1.0 / abs(x);
  let y: f32 = q * q;
  var p: f32 = 0.0;
  if (abs(x) < 2.0) {
    p = (((((((2.326819970068386e-2 * y - 1.387039388740657e-1) * y + 3.687424674597105e-1) * y - 5.824733027278666e-1) * y + 6.210004621745983e-1) * y - 4.944515323274145e-1) * y + 3.404879937665872e-1) * y - 2.741127028184656e-1) * y + 5.638259427386472e-1;
  } else {
    p = ((((((-1.047766399936249e1 * y + 1.297719955372516e1) * y - 7.495518717768503) * y + 2.921019019210786) * y - 1.015265279202700) * y + 4.218463358204948e-1) * y - 2.820767439740514e-1) * y + 5.641895067754075e-1;
  }
  let rest: f32 = exponential(-z) * q * p;
  return select(1.0 - rest, rest - 1.0, x < 0.0);
}`,
};
