/** Derivatives of functions: grad, valueAndGrad, vjp, checkpoint. */
import { describe, MemgradError } from '../errors.js';
import { callable, check } from '../options.js';
import { filled } from './create.js';
import { add } from './elementwise.js';
import { identity } from './identity.js';
import { refuseExtra, requireTensors } from './operation.js';
import { at } from './place.js';
import { sumTo } from './reduction.js';
import { refusePromise, scope } from './scope.js';
import {
  currentRecorders,
  isRecording,
  type Recorder,
  type Replayed,
  record,
  Tape,
  withRecorders,
} from './tape.js';
import { isLike, Tensor } from './tensor.js';
import { allLeaves, treeLeaves, treeMap } from './tree.js';
import { atGradient } from './watch.js';

/** What `valueAndGrad` takes: a function to a scalar, or to a scalar and whatever else is to be kept. */
export type Scalar = Tensor | readonly [loss: Tensor, ...rest: unknown[]];

/**
 * A function that gives the value of `f` and the gradient of that scalar.
 *
 * The gradient is that of the first argument, a tensor or a tree of them (its integer tensors get
 * zeros), and has its structure. With `parameters`, tensors or a tree of tensors that `f` reads by
 * itself, it is theirs instead. `f` may return `[loss, ...rest]`; the rest comes back untouched.
 * Works on itself for higher orders. Throws when `f` gives no float scalar or is asynchronous.
 *
 * All that `f` made and didn't return is freed, unless an outer derivative still needs it.
 *
 * @example
 * ```js
 * import { mul, sum, tensor, valueAndGrad } from 'memgrad';
 *
 * const [value, gradient] = valueAndGrad((w) => sum(mul(w, w)))(tensor([1, 2]));
 * console.log(await value.item(), await gradient.array()); // => 5 [ 2, 4 ]
 * ```
 */
export function valueAndGrad<A extends unknown[], R extends Scalar, P = A[0]>(
  f: (...args: A) => R,
  parameters?: P,
): (...args: A) => [value: R, gradient: P] {
  check('grad: f', f, callable);
  return (...args) => {
    const compute = (): [R, P] => {
      // An argument is replaced by a tensor of its own, so that `f` may use the original as a constant.
      const traced = parameters ?? (treeMap(args[0], identity) as unknown as P);
      const leaves = allLeaves('grad', traced);
      if (leaves.length === 0) {
        throw new MemgradError(
          'grad: found no tensor to differentiate by; pass it as the first argument or as parameters.',
        );
      }
      const inputs = parameters ? args : ([traced, ...args.slice(1)] as A);
      const tape = new Tape(leaves.filter(({ dtype }) => dtype !== 'int32'));
      const value = withRecorders([...currentRecorders(), tape], () => f(...inputs));
      refusePromise('grad', value);
      const loss: unknown = Array.isArray(value) ? value[0] : value;
      if (!(loss instanceof Tensor) || loss.size !== 1 || loss.dtype === 'int32') {
        throw new MemgradError(
          `grad: the function must give a float scalar, got ${describe(loss)}; end it with sum or mean.`,
        );
      }
      const gradients = backward(tape, [loss], [filled('grad', loss.shape, 1, loss)], leaves);
      return [value, replaceLeaves(traced, gradients)];
    };
    return isRecording() ? compute() : scope(compute);
  };
}

/**
 * A function that gives the gradient of `f`; see `valueAndGrad`.
 *
 * @example
 * ```js
 * import { grad, pow, tensor } from 'memgrad';
 *
 * const cube = (x) => pow(x, 3);
 * console.log(await grad(cube)(tensor(2)).item()); // => 12
 * console.log(await grad(grad(cube))(tensor(2)).item()); // => 12
 * console.log(await grad(grad(grad(cube)))(tensor(2)).item()); // => 6
 * ```
 */
export function grad<A extends unknown[], R extends Scalar, P = A[0]>(
  f: (...args: A) => R,
  parameters?: P,
): (...args: A) => P {
  check('grad: f', f, callable);
  return (...args) => {
    const compute = () => valueAndGrad(f, parameters)(...args)[1];
    return isRecording() ? compute() : scope(compute); // the value is nobody's
  };
}

/**
 * The value of `f` at the tensors `args`, and its vector-Jacobian product: a function from a
 * cotangent (of the shape of the value) to the gradient of each argument. It may be called often.
 *
 * @example
 * ```js
 * import { mul, tensor, vjp } from 'memgrad';
 *
 * const [product, pullback] = vjp(mul, tensor([1, 2]), tensor([3, 4]));
 * const [forA, forB] = pullback(tensor([1, 10]));
 * console.log(await product.array()); // => [ 3, 8 ]
 * console.log(await forA.array(), await forB.array()); // => [ 3, 40 ] [ 1, 20 ]
 * ```
 */
export function vjp(
  f: (...args: Tensor[]) => Tensor,
  ...args: Tensor[]
): [value: Tensor, pullback: (cotangent: Tensor) => Tensor[]] {
  check('vjp: f', f, callable);
  requireTensors('vjp', ...args);
  const leaves = args.map(identity);
  const tape = new Tape(leaves);
  const value = withRecorders([...currentRecorders(), tape], () => f(...leaves));
  refusePromise('vjp', value);
  if (!(value instanceof Tensor)) {
    throw new MemgradError(`vjp: the function must give a tensor, got ${describe(value)}.`);
  }
  return [
    value,
    (cotangent) => {
      requireTensors('vjp', cotangent);
      if (!isLike(cotangent, value)) {
        throw new MemgradError(
          `vjp: the cotangent is ${cotangent}, expected shape, dtype and backend of the value, ${value}.`,
        );
      }
      return backward(tape, [value], [cotangent], leaves);
    },
  ];
}

/**
 * A function with the values and gradients of `f` that keeps nothing of what happens inside: the
 * backward pass runs `f` once more (Chen et al. 2016, arXiv 1604.06174). Tensors that `f` reads by
 * itself, such as parameters, get their gradients too. `f` must give the same again: pass random
 * keys, don't draw new ones inside.
 */
export function checkpoint<A extends unknown[], R>(f: (...args: A) => R): (...args: A) => R;
export function checkpoint<A extends unknown[], R>(
  f: (...args: A) => R,
  ...extra: unknown[]
): (...args: A) => R {
  check('checkpoint: f', f, callable);
  refuseExtra('checkpoint', extra);
  return (...args) => {
    const outer = currentRecorders();
    if (outer.length === 0) return f(...args);
    const probe = new Probe(outer);
    const outputs = scope(() => withRecorders([probe], () => treeMap(f(...args), identity)));
    // What was detached inside stays so: no gradient is to flow into it outside.
    const reached = (_: Tensor, index: number) => depends[index];
    const leaves = treeLeaves(outputs);
    const depends = leaves.map((output) => probe.tracks(output));
    record({
      name: 'checkpoint',
      inputs: [...probe.used],
      outputs: leaves.filter(reached),
      replay: () => treeLeaves(f(...args)).filter(reached),
    });
    return outputs;
  };
}

/** Notes which tensors known to the `outer` recorders a function uses, without keeping a tape. */
class Probe implements Recorder {
  readonly used = new Set<Tensor>();
  readonly #inside = new Set<Tensor>();

  constructor(readonly outer: readonly Recorder[]) {}

  tracks(tensor: Tensor): boolean {
    return this.#inside.has(tensor) || this.outer.some((recorder) => recorder.tracks(tensor));
  }

  record({ inputs, outputs }: { inputs: readonly Tensor[]; outputs: readonly Tensor[] }): void {
    for (const input of inputs) {
      if (!this.#inside.has(input) && this.tracks(input)) this.used.add(input);
    }
    for (const output of outputs) this.#inside.add(output);
  }
}

/** Walks the tape from `outputs` back and gives the gradient of each leaf; zeros where nothing flowed. */
function backward(
  tape: Tape,
  outputs: readonly Tensor[],
  cotangents: readonly Tensor[],
  leaves: readonly Tensor[],
): Tensor[] {
  const gradients = new Gradients();
  outputs.forEach((output, i) => {
    if (tape.tracks(output)) gradients.add(output, identity(cotangents[i]));
  });
  walk(tape, gradients);
  return leaves.map((leaf) => gradients.of(leaf) ?? filled('grad', leaf.shape, 0, leaf));
}

/** The gradients that a backward pass has so far. */
class Gradients {
  /** When nobody records, what is no longer needed is freed on the way. So that one gradient can be freed without harm to another, each contribution is then a tensor of its own. */
  readonly freeing = !isRecording();
  readonly #sums = new Map<Tensor, Tensor>();

  of(target: Tensor): Tensor | undefined {
    return this.#sums.get(target);
  }

  all(): Tensor[] {
    return [...this.#sums.values()];
  }

  add(target: Tensor, contribution: Tensor): void {
    const earlier = this.#sums.get(target);
    this.#sums.set(target, earlier ? add(earlier, contribution) : contribution);
    if (!earlier || !this.freeing) return;
    earlier.dispose();
    contribution.dispose();
  }

  /** The gradient has been passed on. */
  done(target: Tensor): void {
    if (this.freeing) this.#sums.get(target)?.dispose();
    this.#sums.delete(target);
  }
}

/** Passes gradients back along the tape, entry by entry. */
function walk(tape: Tape, gradients: Gradients): void {
  for (let i = tape.entries.length - 1; i >= 0; i--) {
    const entry = tape.entries[i];
    const { name, inputs, outputs, place } = entry;
    const received = outputs.map((output) => gradients.of(output));
    if (!received.some((gradient) => gradient)) continue;
    if ('replay' in entry) {
      walkAgain(entry, tape, gradients);
    } else {
      const pull = (): (Tensor | undefined)[] => {
        const wanted = inputs.map((input) => tape.tracks(input));
        const passed = entry.pullback(received, wanted);
        return inputs.map((input, j) => {
          const gradient = wanted[j] ? passed[j] : undefined;
          return gradient && identity(sumTo(gradient, input.shape)); // broadcasting is undone here
        });
      };
      const contributions = atGradient(name, place, () =>
        gradients.freeing ? scope(pull) : pull(),
      );
      inputs.forEach((input, j) => {
        const contribution = contributions[j];
        if (contribution) gradients.add(input, contribution);
      });
    }
    for (const output of outputs) gradients.done(output);
  }
}

/**
 * Runs the function of `entry` once more, now with a tape, and goes back along that. Gradients of
 * what the function reads are added to the sums of the whole pass one by one, in the order in which
 * they would come without a checkpoint: so that they have the same bits.
 */
function walkAgain(entry: Replayed, outer: Tape, gradients: Gradients): void {
  const replay = () => {
    const tape = new Tape(entry.inputs.filter((input) => outer.tracks(input)));
    const again = withRecorders([...currentRecorders(), tape], () => at(entry.place, entry.replay));
    again.forEach((output, i) => {
      const received = gradients.of(entry.outputs[i]);
      if (received && tape.tracks(output)) gradients.add(output, identity(received));
    });
    walk(tape, gradients);
    return gradients.all();
  };
  if (gradients.freeing) scope(replay);
  else replay();
}

/** `tree` with its tensors replaced by `tensors`, in order. */
function replaceLeaves<T>(tree: T, tensors: readonly Tensor[]): T {
  let next = 0;
  return treeMap(tree, () => tensors[next++]);
}
