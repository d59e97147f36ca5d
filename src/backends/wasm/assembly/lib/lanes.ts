/** Vectors of four floats: sums of their lanes, partial vectors at the end of a row, and their halves as doubles. */

@inline
export function addLanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** The largest lane; NaN is ignored. */
@inline
export function maxLane(x: v128): f32 {
  const pairs = f32x4.pmax(x, v128.shuffle<i64>(x, x, 1, 0));
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

/** The first `count` lanes of x, followed by the lanes of `other`. */
@inline
export function firstLanes(x: v128, count: i32, other: v128): v128 {
  return v128.bitselect(x, other, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count)));
}

/** Stores the first `count` lanes of x: one to three. */
@inline
export function storeLanes(to: usize, x: v128, count: i32): void {
  if (count == 1) v128.store32_lane(to, x, 0);
  else {
    v128.store64_lane(to, x, 0);
    if (count == 3) v128.store32_lane(to, x, 2, 8);
  }
}

/** The upper two of four floats as doubles. */
@inline
export function upper(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0));
}

/** Two pairs of doubles as four floats. */
@inline
export function joined(low: v128, high: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
}
