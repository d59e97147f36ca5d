/**
 * Walking strided arrays together, one innermost row at a time.
 *
 * The host writes a plan into memory: for each outer axis its length, a counter, and the stride of
 * each array in bytes. `advance` moves the positions to the next row, like an odometer.
 */
import { endOf, firstOf, ownRoom, partCount } from './part';

/**
 * The maximum number of arrays, and the bytes of one axis in a plan: length, counter, a stride for
 * each array.
 */
export const ARRAYS: i32 = 4;
const AXIS: usize = (2 + ARRAYS) << 2;

/** The current position in each array. */
export let at0: usize = 0;
export let at1: usize = 0;
export let at2: usize = 0;
export let at3: usize = 0;
/** The elements of a row. */
export let length: i32 = 0;

let plan: usize = 0;
let axes: i32 = 0;

/**
 * Sets the positions to the first elements of arrays whose strides within a row of `n` are `sa` to
 * `sd` bytes. Threads divide one axis of the first array, to which they write.
 */
@inline
export function begin(a: usize, sa: usize, b: usize, sb: usize, c: usize, sc: usize, d: usize, sd: usize, n: i32, itsPlan: usize, itsAxes: i32): void {
  at0 = a;
  at1 = b;
  at2 = c;
  at3 = d;
  length = n;
  plan = itsPlan;
  axes = itsAxes;
  if (ASC_FEATURE_THREADS) if (partCount() > 1) divide(sa, sb, sc, sd);
}

/**
 * Restricts the walk to the part of this thread: of the first outer axis that is long enough, or of
 * the longest axis. Where the first array repeats, its element takes the values of a whole axis,
 * which one thread adds in order.
 */
function divide(sa: usize, sb: usize, sc: usize, sd: usize): void {
  // Counters are in the plan, so each thread needs one of its own.
  memory.copy(ownRoom(), plan, <usize>axes * AXIS);
  plan = ownRoom();
  let longest = -1;
  let most = sa == 0 ? 1 : length >> 2;
  for (let axis = axes - 1; axis >= 0; axis--) {
    const entry = plan + <usize>axis * AXIS;
    const itsLength = load<i32>(entry);
    if (load<i32>(entry, 8) != 0 && (itsLength > most || itsLength >= 4 * partCount())) {
      longest = axis;
      most = itsLength;
    }
  }
  if (longest < 0) {
    const unit = sa == 0 ? length : 4;
    const first = <usize>firstOf(length, unit);
    length = endOf(length, unit) - <i32>first;
    at0 += first * sa;
    at1 += first * sb;
    at2 += first * sc;
    at3 += first * sd;
    if (length == 0) axes = 0;
    return;
  }
  const entry = plan + <usize>longest * AXIS;
  const first = firstOf(most, 1);
  const own = endOf(most, 1) - first;
  store<i32>(entry, own);
  at0 += first * load<i32>(entry, 8);
  at1 += first * load<i32>(entry, 12);
  at2 += first * load<i32>(entry, 16);
  at3 += first * load<i32>(entry, 20);
  if (own == 0) length = axes = 0;
}

/** Moves to the next row; returns false after the last. */
export function advance(): bool {
  for (let axis = axes - 1; axis >= 0; axis--) {
    const entry = plan + <usize>axis * AXIS;
    const length = load<i32>(entry);
    const counter = load<i32>(entry, 4) + 1;
    at0 += load<i32>(entry, 8);
    at1 += load<i32>(entry, 12);
    at2 += load<i32>(entry, 16);
    at3 += load<i32>(entry, 20);
    if (counter < length) {
      store<i32>(entry, counter, 4);
      return true;
    }
    store<i32>(entry, 0, 4);
    at0 -= length * load<i32>(entry, 8);
    at1 -= length * load<i32>(entry, 12);
    at2 -= length * load<i32>(entry, 16);
    at3 -= length * load<i32>(entry, 20);
  }
  return false;
}
