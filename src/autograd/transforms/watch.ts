/**
 * Calls a function after every operation, also in the backward pass: to find where a number went
 * wrong.
 */
import { callable, check } from '../../options.js';
import { context, inside } from '../context.js';
import { refusePromise } from '../scope.js';
import type { Operated } from '../tape.js';
import type { Tensor } from '../tensor.js';

/** An operation that ran, and where. */
export interface Watched {
  readonly operation: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The names opened by `within` around it, such as `segments.1.layers.0`; empty outside all. */
  readonly path: string;
  /** In a backward pass: the operation whose gradient rule ran it. */
  readonly gradientOf: string | undefined;
}

/** The name of a gradient rule in a path. */
const GRADIENT = 'gradient of ';

/**
 * Runs `f`, and calls `see` after each operation inside. Constants and views (`reshape`) are not
 * operations. `see` may run operations itself; these are not reported, and no tape records them.
 */
export function watch<T>(f: () => T, see: (ran: Watched) => void): T {
  check('watch: f', f, callable);
  check('watch: see', see, callable);
  const ran = ({ operation: { name: operation }, inputs, outputs, path: names = '' }: Operated) => {
    if (inputs.length === 0) return; // a constant
    const [path, gradientOf] = names.split(GRADIENT).map(withoutDot);
    const watched = { operation, inputs, outputs, path, gradientOf };
    inside({ listener: undefined, recorders: [] }, () => see(watched));
  };
  context().listener?.declined?.(); // a replay of `capture` would not call `see`
  const result = inside({ listener: { ran }, path: '' }, f);
  refusePromise('watch', result);
  return result;
}

function withoutDot(names: string): string {
  return names.replace(/\.$/, '');
}

/** Runs the gradient rule of an operation that ran at `path`. */
export function atGradient<T>(operation: string, path: string | undefined, f: () => T): T {
  return path === undefined ? f() : inside({ path: `${path}${GRADIENT}${operation}.` }, f);
}
