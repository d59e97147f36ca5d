/** Scopes, which free the tensors made inside, except those that they return. */
import { MemgradError } from '../errors.js';
import { callable, check } from '../options.js';
import { context, inside } from './context.js';
import { endScopes, liveBuffers } from './storage.js';
import { isRecording } from './tape.js';
import type { Tensor } from './tensor.js';
import { allLeaves } from './tree.js';

/** Derivatives and training steps run in a scope of their own. */
const END = 'its scope, derivative or step had ended; return it from there to keep it';

/**
 * Runs `f` and frees every tensor that it made, except those in the tree that it returns, which the
 * enclosing scope then owns. Parameters are never freed. If `f` throws, everything is freed.
 *
 * `f` must be synchronous: return tensors from the scope and read them outside. Throws
 * `MemgradError` if `f` returns a promise. Inside a derivative nothing is freed, because the backward
 * pass reads what `f` made; the derivative frees it at its end.
 *
 * @example
 * ```js
 * import { add, memoryReport, mul, scope, tensor } from 'memgrad';
 *
 * const x = tensor([1, 2]);
 * const y = scope(() => add(mul(x, x), 1)); // x * x is freed
 * console.log(await y.array(), memoryReport().buffers); // => [ 2, 5 ] 2
 * ```
 */
export function scope<T>(f: () => T): T {
  check('scope: f', f, callable);
  if (isRecording()) {
    const result = f();
    refusePromise('scope', result);
    return result;
  }
  const made = new Set<Tensor>();
  const before = liveBuffers;
  let kept: Tensor[] = [];
  try {
    const result = inside({ scope: made }, f);
    refusePromise('scope', result);
    kept = allLeaves('scope', result, (tensor) => made.has(tensor));
    return result;
  } finally {
    const outer = context().scope;
    for (const tensor of kept) {
      if (made.delete(tensor)) tensor.own(outer);
    }
    for (const tensor of made) tensor.free(END);
    if (!outer) endScopes(before);
  }
}

/** Throws if a function that must be synchronous returned a promise. */
export function refusePromise(name: string, result: unknown): void {
  if (result instanceof Promise) {
    result.catch(() => {}); // its rejection would hide this error
    throw new MemgradError(
      `${name}: the function returned a promise, expected it to be synchronous; return tensors and read them afterwards.`,
    );
  }
}
