/**
 * Walking strided arrays together, one innermost row at a time.
 *
 * The host writes a plan into memory: for each of the outer axes its length and the step of each
 * array in bytes. `advance` moves the positions to the next row, like an odometer.
 */

/** Most arrays that are walked together, and bytes of one axis in a plan: length, counter, a step for each array. */
export const ARRAYS: i32 = 4;
const AXIS: usize = (2 + ARRAYS) << 2;

/** Where the arrays stand now. */
export let at0: usize = 0;
export let at1: usize = 0;
export let at2: usize = 0;
export let at3: usize = 0;

/** Puts the arrays at their first elements. */
export function begin(a: usize, b: usize, c: usize, d: usize): void {
  at0 = a;
  at1 = b;
  at2 = c;
  at3 = d;
}

/** Moves on to the next row; false after the last. */
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
