/** Reading values out by name while a function runs: attention weights, memory, hidden rows. */
import { callable, check } from '../options.js';
import { stopGradient } from './identity.js';
import { at, currentPlace } from './place.js';
import { refusePromise } from './scope.js';
import { scopes, type Tensor } from './tensor.js';

/** One call of `observe`. */
interface Observer {
  readonly wanted: (name: string) => boolean;
  readonly seen: Map<string, Tensor>;
  /** The scope around `observe`, which takes over what was seen. */
  readonly owner: Set<Tensor> | undefined;
}

let observer: Observer | undefined;

/** What `f` gave, and the values that were reported while it ran. */
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
  const outer = observer;
  const seen = new Map<string, Tensor>();
  observer = { wanted, seen, owner: scopes.at(-1) };
  try {
    const result = at('', f);
    refusePromise('observe', result);
    return { result, seen };
  } catch (error) {
    for (const tensor of seen.values()) tensor.dispose();
    throw error;
  } finally {
    observer = outer;
  }
}

/** Whether anybody wants the value called `name` here: then what is not computed otherwise must be, and no fused kernel may hide it. */
export function isWanted(name: string): boolean {
  return observer?.wanted(currentPlace() + name) ?? false;
}

/** Whether anybody observes at all: then also what nobody else reads is computed. */
export function isObserved(): boolean {
  return observer !== undefined;
}

/** Offers `value` to whoever observes; costs one comparison when nobody does. */
export function report(name: string, value: Tensor): void {
  if (!observer) return;
  const { wanted, seen, owner } = observer;
  const full = currentPlace() + name;
  if (!wanted(full)) return;
  const kept = stopGradient(value);
  scopes.at(-1)?.delete(kept); // it outlives the scopes inside
  kept.own(owner);
  seen.get(full)?.dispose();
  seen.set(full, kept);
}
