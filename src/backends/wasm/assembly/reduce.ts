/** Reductions. Totals are accumulated in float64 and rounded once, at the end. */
import { upper } from './lib/lanes';
import { endOf, firstOf } from './lib/part';
import { advance, at0, at1, begin, length } from './lib/walk';

/** totals += row, elementwise. */
function addAcross(x: usize, sx: usize, totals: usize, n: i32): void {
  let i = 0;
  if (sx == 4) {
    for (; i + 4 <= n; i += 4, x += 16, totals += 32) {
      const four = v128.load(x);
      v128.store(totals, f64x2.add(v128.load(totals), f64x2.promote_low_f32x4(four)));
      v128.store(totals, f64x2.add(v128.load(totals, 16), upper(four)), 16);
    }
  }
  for (; i < n; i++, x += sx, totals += 8) {
    store<f64>(totals, load<f64>(totals) + <f64>load<f32>(x));
  }
}

/** The sum of a row. */
function addAlong(x: usize, sx: usize, n: i32): f64 {
  let i = 0;
  let total: f64 = 0;
  if (sx == 4 && n >= 4) {
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    for (; i + 4 <= n; i += 4, x += 16) {
      const four = v128.load(x);
      low = f64x2.add(low, f64x2.promote_low_f32x4(four));
      high = f64x2.add(high, upper(four));
    }
    const both = f64x2.add(low, high);
    total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  }
  for (; i < n; i++, x += sx) total += <f64>load<f32>(x);
  return total;
}

@inline
function at(x: usize, isInt: bool): f64 {
  return isInt ? <f64>load<i32>(x) : <f64>load<f32>(x);
}

/**
 * Sums (kernel 0) or maximises (1) rows of `n` values into `totals`, float64; `st` is 8, or 0 where
 * the row is reduced.
 */
export function reduce(kernel: i32, isInt: bool, x: usize, sx: usize, totals: usize, st: usize, n: i32, plan: usize, axes: i32): void {
  begin(totals, st, x, sx, 0, 0, 0, 0, n, plan, axes);
  if (length == 0) return;
  do {
    if (kernel == 0 && !isInt && st == 8) addAcross(at1, sx, at0, length);
    else if (kernel == 0 && !isInt && st == 0) store<f64>(at0, load<f64>(at0) + addAlong(at1, sx, length));
    else {
      let from = at1;
      let to = at0;
      for (let i = 0; i < length; i++, from += sx, to += st) {
        const total = load<f64>(to);
        if (kernel == 1) store<f64>(to, max(total, at(from, isInt)));
        else if (isInt) store<f64>(to, <f64>(<i32>total + load<i32>(from))); // modulo 2^32
        else store<f64>(to, total + <f64>load<f32>(from));
      }
    }
  } while (advance());
}

/** Sets `n` totals to `value`. */
export function clear(totals: usize, value: f64, n: i32): void {
  const end = endOf(n, 16);
  for (let i = firstOf(n, 16); i < end; i++) store<f64>(totals + (<usize>i << 3), value);
}

/** Rounds `n` totals to the dtype of the result. */
export function finish(totals: usize, isInt: bool, out: usize, n: i32): void {
  const end = endOf(n, 16);
  for (let i = firstOf(n, 16); i < end; i++) {
    const total = load<f64>(totals + (<usize>i << 3)), to = out + (<usize>i << 2);
    if (isInt) store<i32>(to, <i32>total);
    else store<f32>(to, <f32>total);
  }
}

/**
 * Computes the position of the first largest of `candidates` values, `step` bytes apart, for each
 * element of rows of `n`; the plan walks x and out. NaN counts as largest.
 */
export function argmax(isInt: bool, x: usize, sx: usize, out: usize, so: usize, n: i32, candidates: i32, step: usize, plan: usize, axes: i32): void {
  begin(out, so, x, sx, 0, 0, 0, 0, n, plan, axes);
  do {
    let first = at1;
    let to = at0;
    for (let i = 0; i < length; i++, first += sx, to += so) {
      let best = 0;
      let largest = at(first, isInt);
      for (let j = 1; j < candidates; j++) {
        const value = at(first + <usize>j * step, isInt);
        if (value > largest || (value != value && largest == largest)) {
          largest = value;
          best = j;
        }
      }
      store<i32>(to, best);
    }
  } while (advance());
}
