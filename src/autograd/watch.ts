/** Seeing every operation that runs, those of the backward pass too: to find where a number went wrong. */
import { callable, check } from '../options.js';
import { at, currentPlace } from './place.js';
import { refusePromise } from './scope.js';
import type { Tensor } from './tensor.js';

/** An operation that has run. */
export interface Ran {
  readonly operation: string;
  /** The names that `within` opened around it, such as `segments.1.layers.0`; empty outside of all. */
  readonly place: string;
  /** In a backward pass: the operation whose gradient it belongs to. */
  readonly gradientOf: string | undefined;
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
}

/** What stands in a place for a gradient rule. */
const GRADIENT = 'gradient of ';

let watcher: ((ran: Ran) => void) | undefined;

/** Runs `f`, and `see` after each operation inside. `see` may run operations itself; nobody sees those. */
export function watch<T>(f: () => T, see: (ran: Ran) => void): T {
  check('watch: f', f, callable);
  check('watch: see', see, callable);
  const outer = watcher;
  watcher = see;
  try {
    const result = at('', f);
    refusePromise('watch', result);
    return result;
  } finally {
    watcher = outer;
  }
}

/** For the engine: an operation has run. Costs one comparison when nobody watches. */
export function ran(operation: string, inputs: readonly Tensor[], output: Tensor): void {
  if (!watcher) return;
  const see = watcher;
  const [place, gradientOf] = (currentPlace() ?? '').split(GRADIENT);
  watcher = undefined;
  try {
    const name = (text: string) => text.replace(/\.$/, '');
    see({
      operation,
      place: name(place),
      gradientOf: gradientOf && name(gradientOf),
      inputs,
      output,
    });
  } finally {
    watcher = see;
  }
}

/** For the engine: runs the gradient rule of an operation that ran at `place`. */
export function atGradient<T>(operation: string, place: string | undefined, f: () => T): T {
  return place === undefined ? f() : at(`${place}${GRADIENT}${operation}.`, f);
}
