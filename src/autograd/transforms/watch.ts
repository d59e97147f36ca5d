/**
 * Calls a function after every operation, also in the backward pass: to find where a number went
 * wrong.
 */
import { callable, check } from '../../options.js';
import { context, inside, type Ran } from '../context.js';
import { refusePromise } from '../scope.js';

/** An operation that ran, and where. */
export interface Watched extends Ran {
  /** The names opened by `within` around it, such as `segments.1.layers.0`; empty outside all. */
  readonly path: string;
  /** In a backward pass: the operation whose gradient rule ran it. */
  readonly gradientOf: string | undefined;
}

/** The name of a gradient rule in a path. */
const GRADIENT = 'gradient of ';

/**
 * Runs `f`, and calls `see` after each operation inside. Constants and views (`reshape`) are not
 * operations. `see` may run operations itself; these are not reported.
 */
export function watch<T>(f: () => T, see: (ran: Watched) => void): T {
  check('watch: f', f, callable);
  check('watch: see', see, callable);
  const watcher = (ran: Ran) => {
    const [path, gradientOf] = (context().path ?? '').split(GRADIENT).map(withoutDot);
    inside({ watcher: undefined }, () => see({ ...ran, path, gradientOf }));
  };
  const result = inside({ watcher, path: '' }, f);
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
