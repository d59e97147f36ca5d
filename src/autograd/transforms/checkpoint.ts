/** Checkpoints: functions whose results are kept, but whose intermediate values are recomputed. */
import { callable, check } from '../../options.js';
import { refuseExtra } from '../arguments.js';
import { context, inside } from '../context.js';
import { alias } from '../run.js';
import { refusePromise, scope } from '../scope.js';
import { type Entry, type Recorder, record } from '../tape.js';
import type { Tensor } from '../tensor.js';
import { treeLeaves, treeMap } from '../tree.js';

/**
 * Returns a function with the values and gradients of `f` that keeps no intermediate values: the
 * backward pass runs `f` again (Chen et al. 2016, arXiv 1604.06174). Tensors that `f` reads
 * directly, such as parameters, get their gradients, too. `f` must be synchronous and return the same
 * values again: pass random keys instead of drawing new ones inside.
 */
export function checkpoint<A extends unknown[], R>(f: (...args: A) => R): (...args: A) => R;
export function checkpoint<A extends unknown[], R>(
  f: (...args: A) => R,
  ...extra: unknown[]
): (...args: A) => R {
  check('checkpoint: f', f, callable);
  refuseExtra('checkpoint', extra);
  const compute = (args: A) => {
    const result = f(...args);
    refusePromise('checkpoint', result);
    return result;
  };
  return (...args) => {
    const { recorders: outer, path } = context();
    if (outer.length === 0) return compute(args);
    const probe = new Probe(outer);
    // No tape needs what is made inside: a scope without recorders frees it.
    const outputs = inside({ recorders: [] }, () =>
      scope(() => inside({ recorders: [probe] }, () => treeMap(compute(args), (x) => alias(x)))),
    );
    // Outputs that were detached inside stay detached: no gradient may flow into them.
    const reached = (_: Tensor, index: number) => depends[index];
    const leaves = treeLeaves(outputs);
    const depends = leaves.map((output) => probe.tracks(output));
    record({
      path,
      inputs: [...probe.used],
      outputs: leaves.filter(reached),
      replay: () => treeLeaves(compute(args)).filter(reached),
    });
    return outputs;
  };
}

/** Notes which tensors of the `outer` recorders a function uses, without keeping a tape. */
class Probe implements Recorder {
  readonly used = new Set<Tensor>();
  readonly #inside = new Set<Tensor>();

  constructor(readonly outer: readonly Recorder[]) {}

  tracks(tensor: Tensor): boolean {
    return this.#inside.has(tensor) || this.outer.some((recorder) => recorder.tracks(tensor));
  }

  record({ inputs, outputs }: Entry): void {
    for (const input of inputs) {
      if (this.tracks(input)) this.#use(input);
    }
    for (const output of outputs) this.#inside.add(output);
  }

  alias(x: Tensor, alias: Tensor): void {
    this.#use(x);
    this.#inside.add(alias);
  }

  #use(tensor: Tensor): void {
    if (!this.#inside.has(tensor)) this.used.add(tensor);
  }
}
