/**
 * Walking strided arrays together, one innermost row at a time.
 *
 * The host writes a plan into memory: for each outer axis its length, a counter, and the stride of
 * each array in bytes. `advance` moves the positions to the next row, like an odometer.
 */

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

/** Sets the positions to the first elements. */
export function begin(a: usize, b: usize, c: usize, d: usize): void {
  at0 = a;
  at1 = b;
  at2 = c;
  at3 = d;
}

/** Moves to the next row; returns false after the last. */
export function advance(plan: usize, axes: i32): bool {
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
