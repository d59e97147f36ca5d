/**
 * How threads share a kernel: each computes one part of its results. In the module for one thread,
 * which is compiled without the feature `threads`, the part is all of them, and none of this costs
 * anything.
 */
let part: i32 = 0;
let parts: i32 = 1;
let phase: i32 = -1;
let room: usize = 0;

/**
 * Sets the part that this thread computes from now on, and of how many; the phase of kernels that
 * have several, or -1 for all of them; and the address of the 1024 bytes that the thread has for itself.
 */
export function choose(newPart: i32, newParts: i32, newPhase: i32, newRoom: usize): void {
  part = newPart;
  parts = newParts;
  phase = newPhase;
  room = newRoom;
}

/** The number of this part. */
@inline
export function partNumber(): i32 {
  return ASC_FEATURE_THREADS ? part : 0;
}

@inline
export function partCount(): i32 {
  return ASC_FEATURE_THREADS ? parts : 1;
}

/** The memory of this thread. Only for code that the feature `threads` guards. */
@inline
export function ownRoom(): usize {
  return room;
}

/**
 * Whether to compute this phase of a kernel. A phase begins when all threads have ended the one
 * before.
 */
@inline
export function isPhase(number: i32): bool {
  return ASC_FEATURE_THREADS ? phase < 0 || phase == number : true;
}

/** The first of `n` items that this part computes. Parts begin at multiples of `unit`. */
@inline
export function firstOf(n: i32, unit: i32): i32 {
  return ASC_FEATURE_THREADS ? bound(n, unit, part) : 0;
}

/** The end of the items that this part computes: the first of the next part, or `n`. */
@inline
export function endOf(n: i32, unit: i32): i32 {
  return ASC_FEATURE_THREADS ? bound(n, unit, part + 1) : n;
}

function bound(n: i32, unit: i32, part: i32): i32 {
  const units = (n + unit - 1) / unit;
  return min(n, <i32>(<i64>units * part / parts) * unit);
}

/** `firstOf` for `n` values of 4 bytes, as a distance in bytes; parts begin at multiples of 64. */
@inline
export function firstByte(n: i32): usize {
  return <usize>firstOf(n, 16) << 2;
}

/** `endOf` for `n` values of 4 bytes, as a distance in bytes. */
@inline
export function endByte(n: i32): usize {
  return <usize>endOf(n, 16) << 2;
}
