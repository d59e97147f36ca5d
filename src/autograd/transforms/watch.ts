/** Seeing every operation that runs, also in the backward pass: to find where a number went wrong. */
import { callable, check } from '../../options.js';
import { context, inside, type Ran } from '../context.js';
import { refusePromise } from '../scope.js';

/** An operation that has run, and where. */
export interface Watched extends Ran {
  /** The names that `within` opened around it, such as `segments.1.layers.0`; empty outside of all. */
  readonly path: string;
  /** In a backward pass: the operation whose gradient it belongs to. */
  readonly gradientOf: string | undefined;
}

/** What stands in a path for a gradient rule. */
const GRADIENT = 'gradient of ';

/**
 * Runs `f`, and calls `see` after each operation inside. Constants and views (`reshape`) are no
 * operations. `see` may run operations itself; nobody sees those.
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
