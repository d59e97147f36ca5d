/** Runs a function once, and replays the kernels that it ran. */

import { describe, MemgradError } from '../../errors.js';
import { callable, check, checkOptions, whole } from '../../options.js';
import { context, inside } from '../context.js';
import { Key } from '../random.js';
import { alias } from '../run.js';
import { refusePromise } from '../scope.js';
import { Parameter, Tensor } from '../tensor.js';
import { mapLeaves, textOf } from '../tree.js';
import type { Program } from './program.js';
import { identity, Recording } from './recording.js';

/** Options of `capture`. */
export interface CaptureOptions {
  /** How many programs are kept, one for each combination of shapes; then the one used longest ago is dropped. Default 16. */
  programs?: number;
}

/** A captured function. */
export interface Captured<A extends unknown[], R> {
  (...args: A): R;
  /** Frees the programs and their constants. The function can be called again: it records anew. */
  dispose(): void;
}

/**
 * Returns a function that computes what `f` computes. The first call with given shapes, dtypes and
 * backend runs `f` and records its kernels. Later calls replay them: without shape inference,
 * without a tape, and without calling `f`. The results have the same bits.
 *
 * Arguments are tensors, keys, numbers, strings and null, in lists and plain objects. Tensors and keys
 * may change from call to call; any other value, and each parameter, belongs to the program, and a
 * call with another one records another program. `f` gets copies of tensors and keys, and returns
 * tensors, numbers, strings and null, in lists and plain objects; the caller may free the tensors.
 * A parameter that `f` returns comes back as a tensor of its current values.
 *
 * `f` may read tensors, which must not change, and parameters, whose current values each replay
 * reads; it may use `grad`, `checkpoint` and dropout with a key that is an argument, and assign to
 * parameters. It may take the step of an optimiser: the step is part of the program, and counts.
 * It always runs if it calls `watch`, and in a call that makes a parameter without freeing it. After
 * two calls in a row that can't be replayed, `f` is no longer recorded for these arguments.
 *
 * Everything else that `f` does happens at the recording only: a number or a key that it reads from
 * outside stays what it was, and a callback is not called again. While a derivative is being taken
 * around it, or something watches or observes, `f` runs as it is. Throws `MemgradError` for other
 * arguments and results, and when `f` is asynchronous.
 *
 * @example
 * ```js
 * import { capture, mul, sum, tensor, valueAndGrad } from 'memgrad';
 *
 * const step = capture(valueAndGrad((x) => sum(mul(x, x))));
 * step(tensor([1, 2])); // records
 * const [loss, gradient] = step(tensor([3, 4])); // replays
 * console.log(await loss.item(), await gradient.array()); // => 25 [ 6, 8 ]
 * step.dispose();
 * ```
 */
export function capture<A extends unknown[], R>(
  f: (...args: A) => R,
  options?: CaptureOptions,
): Captured<A, R> {
  check('capture: f', f, callable);
  checkOptions('capture', options, { programs: whole(1) });
  return capturing(f, options?.programs ?? 16, (inputs, keys) => new Recording(inputs, keys));
}

/**
 * `capture` with at most `most` programs, from what `recordingOf` returns for the arguments of a
 * call. With `isNew`, a call runs `f` as it is if that returns true for its signature, or if its
 * arguments can't be captured.
 */
export function capturing<A extends unknown[], R>(
  f: (...args: A) => R,
  most: number,
  recordingOf: (inputs: Tensor[], keys: Key[], signature: string) => Recording,
  isNew?: (signature: string) => boolean,
): Captured<A, R> {
  const programs = new Map<string, Entry<R>>();

  const forget = (signature: string) => {
    const known = programs.get(signature);
    programs.delete(signature);
    if (typeof known === 'object') known.dispose();
  };

  /** Runs `f` under a recording, and keeps the program if there is one. */
  const record = (args: A): R => {
    const copies = copied(args) as A;
    const { signature, inputs, keys } = describeArguments(copies);
    const recording = recordingOf(inputs, keys, signature);
    let kept: Program<R> | undefined;
    try {
      const returned = inside({ listener: recording }, () => f(...copies));
      refusePromise('capture', returned);
      const { result, program } = recording.programOf(returned);
      kept = program;
      const entry = kept ?? (programs.get(signature) === 'declined' ? 'impure' : 'declined');
      forget(signature);
      programs.set(signature, entry);
      if (programs.size > most) forget([...programs.keys()][0]);
      return result;
    } finally {
      if (!kept) recording.discard();
    }
  };

  const captured = (...args: A): R => {
    const plain = () => f(...args);
    const { recorders, listener, observer, opaque } = context();
    if (recorders.length > 0 || listener || observer || opaque) return owning(plain);
    let described: Described;
    try {
      described = describeArguments(args);
    } catch (error) {
      if (isNew) return owning(plain);
      throw error;
    }
    const { signature, inputs, keys } = described;
    const known = programs.get(signature);
    if (typeof known !== 'object') {
      const mayRecord = known !== 'impure' && !isNew?.(signature);
      return owning(mayRecord ? () => record(args) : plain);
    }
    programs.delete(signature); // the map is in order of use
    programs.set(signature, known);
    const replayed = known.replay(inputs, keys);
    // Where there is none, `f` says what is wrong, or computes what a kernel declined.
    return replayed ? replayed.result : owning(plain);
  };
  return Object.assign(captured, {
    dispose() {
      for (const signature of [...programs.keys()]) forget(signature);
    },
  });
}

/**
 * Runs `f`. Returns its result with copies of the tensors that it didn't make, so that the caller
 * may free all of them.
 */
function owning<R>(f: () => R): R {
  const made = new Set<Tensor>();
  try {
    const result = inside({ scope: made }, f);
    return mapLeaves(result, (x) => (x instanceof Tensor && !made.has(x) ? alias(x) : x)) as R;
  } finally {
    for (const x of made) x.own(context().scope);
  }
}

/** The program of a signature. Or `declined`: there was none for the last call; `impure`: for two. */
type Entry<R> = Program<R> | 'declined' | 'impure';

/**
 * Tells a `capture` around it that what runs here depends on values of the host that may differ in
 * the next call: it keeps no program of this one.
 */
export function uncaptured(): void {
  context().listener?.declined?.();
}

/**
 * Returns the tensor that `make` builds from numbers of the host. A `capture` around it calls `make` again for
 * each replay.
 */
export function perCall(make: () => Tensor): Tensor {
  const { listener } = context();
  if (!listener?.hosted) return make();
  const made = inside({ listener: undefined }, make);
  listener.hosted(made, make);
  return made;
}

/** Runs `f`, which changes numbers of the host. A `capture` around it runs it after each replay. */
export function afterCall(f: () => void): void {
  f();
  context().listener?.followed?.(f);
}

/** The tensors and keys of arguments, in order, and a text that differs wherever a program has to. */
interface Described {
  signature: string;
  inputs: Tensor[];
  keys: Key[];
}

function describeArguments(args: readonly unknown[]): Described {
  const inputs: Tensor[] = [];
  const keys: Key[] = [];
  const seen = new Map<object, string>();
  const signature = textOf(args, (part) => {
    // One tensor in two places is another program: both then change together.
    const known = seen.get(part);
    if (known !== undefined) return known;
    if (part instanceof Parameter) return `parameter ${identity(part)}`;
    if (part instanceof Tensor) {
      seen.set(part, `=${inputs.length}`);
      inputs.push(part);
      return `${part.dtype}[${part.shape}]@${identity(part.backend)}`;
    }
    if (part instanceof Key) {
      seen.set(part, `k${keys.length}`);
      keys.push(part);
      return 'k';
    }
    throw new MemgradError(
      `capture: expected tensors, numbers, strings and null in lists and plain objects as arguments, or keys, got ${describe(part)}; read others inside.`,
    );
  });
  return { signature, inputs, keys };
}

/**
 * The arguments for a recording, with a copy of each tensor and key, so that the function may know
 * the original as a constant.
 */
function copied(args: readonly unknown[]): unknown {
  const copies = new Map<object, unknown>();
  const once = (part: object, make: () => unknown): unknown => {
    if (!copies.has(part)) copies.set(part, make());
    return copies.get(part);
  };
  return mapLeaves(args, (part) => {
    if (part instanceof Parameter) return part;
    if (part instanceof Tensor) return once(part, () => alias(part));
    if (part instanceof Key) {
      return once(part, () => Object.assign(Object.create(Key.prototype), part));
    }
    return part;
  });
}
