/** Where in a computation an operation runs, by the names that `within` opened; kept only while somebody looks. */

import { callable, check } from '../options.js';

let place: string | undefined;

/** The names around, each with a dot behind it; undefined while nobody looks. */
export function currentPlace(): string | undefined {
  return place;
}

/** Runs `f` at the place `start`. */
export function at<T>(start: string | undefined, f: () => T): T {
  const before = place;
  place = start;
  try {
    return f();
  } finally {
    place = before;
  }
}

/** Runs `f`; what it reports, and where its operations run, is called `name.` and then its own name. */
export function within<T>(name: string, f: () => T): T {
  check('within: f', f, callable);
  return place === undefined ? f() : at(`${place}${name}.`, f);
}
