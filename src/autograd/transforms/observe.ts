/** Reading values out by name while a function runs: attention weights, memory, hidden rows. */
import { callable, check } from '../../options.js';
import { context, inside } from '../context.js';
import { stopGradient } from '../operations/view.js';
import { refusePromise } from '../scope.js';
import type { Tensor } from '../tensor.js';

/** The result of `f`, and the values that were reported while it ran. */
export interface Observation<T> {
  result: T;
  /** By name, in the order in which they were first reported; constants, owned by the caller. */
  seen: Map<string, Tensor>;
}

/**
 * Runs `f` and keeps the values reported inside whose names are `wanted`, such as
 * `layers.0.attention`, [batch, heads, queries, keys]. A value that is reported twice under one
 * name counts as it was last. `f` must be synchronous. Of nested calls the innermost one sees.
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

/** Whether an observer wants the value called `name` here. Then it must be computed, and no fused kernel may hide it. */
export function isWanted(name: string): boolean {
  const { observer, path } = context();
  return observer?.wanted(path + name) ?? false;
}

/** Whether there is an observer. Then also values that nobody else reads are computed. */
export function isObserved(): boolean {
  return context().observer !== undefined;
}

/** Offers `value` to the observer; costs one comparison when there is none. */
export function report(name: string, value: Tensor): void {
  const { observer, path, scope } = context();
  if (!observer) return;
  const { wanted, seen, owner } = observer;
  const full = path + name;
  if (!wanted(full)) return;
  const kept = stopGradient(value);
  scope?.delete(kept); // it outlives the scopes inside
  kept.own(owner);
  seen.get(full)?.dispose();
  seen.set(full, kept);
}

/** Runs `f`; the values that it reports, and the operations that it runs, are named `name.` and then their own name. */
export function within<T>(name: string, f: () => T): T {
  check('within: f', f, callable);
  const { path } = context();
  return path === undefined ? f() : inside({ path: `${path}${name}.` }, f);
}
