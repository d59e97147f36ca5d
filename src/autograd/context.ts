/**
 * The ambient context: everything around a computation that an operation has to know and nobody
 * passes as an argument. Functions such as `grad`, `scope` and `observe` run a function inside a
 * context of their own, and leave it when the function returns or throws.
 */
import type { Recorder } from './tape.js';
import type { Tensor } from './tensor.js';

/** An operation that has run. */
export interface Ran {
  readonly operation: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** One call of `observe`. */
export interface Observer {
  readonly wanted: (name: string) => boolean;
  readonly seen: Map<string, Tensor>;
  /** The scope around `observe`, which takes over what was seen. */
  readonly owner: Set<Tensor> | undefined;
}

/** The state that surrounds a computation. */
export interface Context {
  /** One for each derivative that is being taken. Nested ones all listen, which makes higher orders possible. */
  readonly recorders: readonly Recorder[];
  /** Sees each operation that has run. */
  readonly watcher: ((ran: Ran) => void) | undefined;
  /** Collects the values that are reported by name. */
  readonly observer: Observer | undefined;
  /** The names that `within` opened, each followed by a dot; undefined unless a watcher or an observer needs them. */
  readonly path: string | undefined;
  /** The tensors that the innermost `scope` frees; undefined outside of every scope. */
  readonly scope: Set<Tensor> | undefined;
  /** Whether a fused operation keeps its own gradient rule where its definition computes its value (`opaquely`). */
  readonly opaque: boolean;
}

let current: Context = {
  recorders: [],
  watcher: undefined,
  observer: undefined,
  path: undefined,
  scope: undefined,
  opaque: false,
};

/** The context of the computation that is running. */
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
