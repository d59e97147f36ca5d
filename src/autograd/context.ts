/**
 * The ambient context: the state around a computation that operations need, without passing it as
 * arguments. Functions such as `grad`, `scope` and `observe` run a function inside a context of
 * their own, and restore the outer context when the function returns or throws.
 */
import type { Key } from './random.js';
import type { Operated, Recorder } from './tape.js';
import type { Parameter, Tensor } from './tensor.js';

/** Called for everything that happens to tensors, whether a derivative is being taken or not. */
export interface Listener {
  /** An operation ran; constants (`full`, `tensor`) are operations without inputs. */
  ran(entry: Operated): void;
  /** Another call may run other operations: a kernel declined these values, or the host decides. */
  declined?(): void;
  /** `made` shares the values of `x`. */
  aliased?(x: Tensor, made: Tensor): void;
  /** `parameter` took the values of `value`. */
  assigned?(parameter: Parameter, value: Tensor): void;
  /** `made` holds numbers of the host, which `make` computes anew for another call. */
  hosted?(made: Tensor, make: () => Tensor): void;
  /** `f` ran, and has to run again after another call. */
  followed?(f: () => void): void;
  /** `name` draws numbers of `key` on the host. */
  drawn?(name: string, key: Key): void;
  /** `derived` is the key number `index` of `key`. */
  folded?(key: Key, index: number, derived: Key): void;
}

/** One call of `observe`. */
export interface Observer {
  readonly wanted: (name: string) => boolean;
  readonly seen: Map<string, Tensor>;
  /** The scope around `observe`, which owns the tensors in `seen`. */
  readonly owner: Set<Tensor> | undefined;
}

/** The state around a computation. */
export interface Context {
  /**
   * One for each derivative being taken. All of them record nested computations, which makes higher
   * orders possible.
   */
  readonly recorders: readonly Recorder[];
  /** A watcher, or the recording of `capture`. */
  readonly listener: Listener | undefined;
  /** Collects values that are reported by name. */
  readonly observer: Observer | undefined;
  /**
   * The names opened by `within`, each followed by a dot; undefined unless a watcher or an observer
   * needs them.
   */
  readonly path: string | undefined;
  /** The tensors that the innermost `scope` will free; undefined outside all scopes. */
  readonly scope: Set<Tensor> | undefined;
  /** Inside `opaquely`: called with the name of each fused operation that leaves its own gradient rule on a tape. */
  readonly opaque: ((operation: string) => void) | undefined;
}

let current: Context = {
  recorders: [],
  listener: undefined,
  observer: undefined,
  path: undefined,
  scope: undefined,
  opaque: undefined,
};

/** Returns the context of the running computation. */
export function context(): Context {
  return current;
}

/** Runs `f` in the current context with `changes`, and restores the context when `f` returns or throws. */
export function inside<T>(changes: Partial<Context>, f: () => T): T {
  const outer = current;
  current = { ...outer, ...changes };
  try {
    return f();
  } finally {
    current = outer;
  }
}
