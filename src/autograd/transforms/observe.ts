/** Reads values by name while a function runs: attention weights, memory, hidden rows. */
import { callable, check } from '../../options.js';
import { context, inside } from '../context.js';
import { stopGradient } from '../operations/view.js';
import { refusePromise } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** The result of `f`, and the values that were reported while it ran. */
export interface Observation<T> {
  result: T;
  /**
   * The values by name, in the order in which they were first reported. They carry no gradient, and
   * the caller owns them.
   */
  seen: Map<string, Tensor>;
}

/**
 * Runs `f` and keeps the values reported inside whose names are `wanted`, such as
 * `layers.0.attention`, [batch, heads, queries, keys]. If a name is reported twice, the last value
 * is kept. `f` must be synchronous. When calls are nested, only the innermost one sees values.
 * Throws `MemgradError` if `f` returns a promise.
 *
 * @example
 * ```js
 * import { exp, neg, observe, report, tensor } from 'memgrad';
 *
 * const curve = (x) => {
 *   const power = neg(x);
 *   report('power', power);
 *   return exp(power);
 * };
 * const { result, seen } = observe(() => curve(tensor([0, 1])));
 * console.log(result.shape, await seen.get('power').array()); // => [ 2 ] [ -0, -1 ]
 * ```
 */
export function observe<T>(
  f: () => T,
  wanted: (name: string) => boolean = () => true,
): Observation<T> {
  check('observe: f', f, callable);
  check('observe: wanted', wanted, callable);
  const seen = new Map<string, Tensor>();
  const observer = { wanted, seen, owner: context().scope };
  try {
    const result = inside({ observer, path: '' }, f);
    refusePromise('observe', result);
    return { result, seen };
  } catch (error) {
    for (const tensor of seen.values()) tensor.dispose();
    throw error;
  }
}

/**
 * Whether an observer wants the value `name` here. If so, it must be computed, and no fused kernel
 * may hide it.
 */
export function isWanted(name: string): boolean {
  const { observer, path } = context();
  return observer?.wanted(path + name) ?? false;
}

/** Whether there is an observer. If so, values that are only reported are computed, too. */
export function isObserved(): boolean {
  return context().observer !== undefined;
}

/** Offers `value` to the observer; without one, this costs one comparison. */
export function report(name: string, value: Tensor): void {
  const { observer, path, scope } = context();
  if (!observer) return;
  const { wanted, seen, owner } = observer;
  const full = path + name;
  if (!wanted(full)) return;
  const kept = stopGradient(value);
  scope?.delete(kept); // it outlives inner scopes
  kept.own(owner);
  seen.get(full)?.dispose();
  seen.set(full, kept);
}

/**
 * Runs `f`, and prefixes the names of the values that it reports, and of the operations that it
 * runs, with `name.`. `f` must be synchronous.
 */
export function within<T>(name: string, f: () => T): T {
  check('within: f', f, callable);
  const { path } = context();
  const result = path === undefined ? f() : inside({ path: `${path}${name}.` }, f);
  refusePromise('within', result);
  return result;
}
