/** Runs a function once, and replays the kernels that it ran. */

import type { Backend } from '../../backends/backend.js';
import { describe, isPlain, MemgradError } from '../../errors.js';
import { callable, check, checkOptions, whole } from '../../options.js';
import { context, inside } from '../context.js';
import { Key } from '../random.js';
import { refusePromise } from '../scope.js';
import { Tensor } from '../tensor.js';
import { type Program, Recording } from './program.js';

/** Options of `capture`. */
export interface CaptureOptions {
  /** How many programs are kept, one for each combination of shapes; then the one used longest ago is dropped. Default 16. */
  programs?: number;
  /**
   * With 2, the first two calls run `f`, and replays begin only if both ran the same operations on
   * the same tensors: an `f` that depends on a state that it changes itself is noticed, and always
   * runs. Default 1.
   */
  recordings?: 1 | 2;
}

/** A captured function. */
export interface Captured<A extends unknown[], R> {
  (...args: A): R;
  /** Frees the programs and their constants. The function can be called again: it records anew. */
  dispose(): void;
}

const optionKinds = { programs: whole(1), recordings: whole(1, 2) };

/**
 * A function with the results of `f` that runs `f` on the first call with given shapes, dtypes and
 * backend, and records the kernels that ran. Later calls replay them: without shape inference,
 * without a tape, and without calling `f`. The results have the same bits.
 *
 * Arguments are tensors, keys, numbers, texts and null, in lists and plain objects. Tensors and keys
 * may change from call to call; any other value belongs to the program, and a call with another
 * value records another one. `f` may read tensors, which must not change, and parameters, whose
 * current values each replay reads; it may use `grad`, `checkpoint` and dropout with a key that is
 * an argument, and assign to parameters.
 *
 * Everything else that `f` does happens at the recording only: a number or a key that it reads from
 * outside stays what it was, and a callback is not called again. While a derivative is being taken
 * around it, or something watches or observes, `f` runs as it is. Throws `MemgradError` for other
 * arguments, and when `f` is asynchronous.
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
  checkOptions('capture', options, optionKinds);
  const { programs: most = 16, recordings = 1 } = options ?? {};
  const programs = new Map<string, Entry<R>>();

  /** Runs `f` under a recording. */
  const record = (args: A, { inputs, keys }: Described): { result: R; program?: Program<R> } => {
    const recording = new Recording(inputs, keys);
    let program: Program<R> | undefined;
    try {
      const result = inside({ listener: recording }, () => f(...args));
      refusePromise('capture', result);
      program = recording.programOf(result);
      return { result, program };
    } finally {
      if (!program) recording.discard();
    }
  };

  const captured = (...args: A): R => {
    const { recorders, listener, observer, opaque } = context();
    if (recorders.length > 0 || listener || observer || opaque) return f(...args);
    const described = describeArguments(args);
    const { signature, inputs, keys } = described;
    const known = programs.get(signature);
    if (known === 'impure') return f(...args);
    programs.delete(signature); // the map is in order of use
    if (known && known.recordings >= recordings) {
      programs.set(signature, known);
      const replayed = known.program.replay(inputs, keys);
      if (replayed) return replayed.result;
      return f(...args); // says what is wrong, or computes what a kernel declined
    }
    const { result, program } = record(args, described);
    if (program) {
      const isPure = !known || known.program.isLike(program);
      known?.program.dispose();
      if (!isPure) program.dispose();
      programs.set(
        signature,
        isPure ? { program, recordings: (known?.recordings ?? 0) + 1 } : 'impure',
      );
    }
    if (programs.size > most) {
      const [[oldest, dropped]] = programs;
      if (dropped !== 'impure') dropped.program.dispose();
      programs.delete(oldest);
    }
    return result;
  };
  return Object.assign(captured, {
    dispose() {
      for (const entry of programs.values()) if (entry !== 'impure') entry.program.dispose();
      programs.clear();
    },
  });
}

/** The program of a signature, and how often it was recorded; or that recordings differed. */
type Entry<R> = { program: Program<R>; recordings: number } | 'impure';

/**
 * Tells a `capture` around it that what runs here depends on values of the host that may differ in
 * the next call: it keeps no program of this one.
 */
export function uncaptured(): void {
  context().listener?.declined?.();
}

/** The tensors and keys of arguments, in order, and a text that differs wherever a program has to. */
interface Described {
  signature: string;
  inputs: Tensor[];
  keys: Key[];
}

const backendNumbers = new WeakMap<Backend, number>();
let backendCount = 0;

function numberOf(backend: Backend): number {
  const known = backendNumbers.get(backend);
  if (known !== undefined) return known;
  backendNumbers.set(backend, ++backendCount);
  return backendCount;
}

function describeArguments(args: readonly unknown[]): Described {
  const inputs: Tensor[] = [];
  const keys: Key[] = [];
  const visit = (value: unknown): string => {
    if (value instanceof Tensor) {
      // One tensor in two places is another program: both then change together.
      const at = inputs.indexOf(value);
      if (at >= 0) return `=${at}`;
      inputs.push(value);
      return `${value.dtype}[${value.shape}]@${numberOf(value.backend)}`;
    }
    if (value instanceof Key) {
      const at = keys.indexOf(value);
      if (at >= 0) return `k${at}`;
      keys.push(value);
      return 'k';
    }
    if (Array.isArray(value)) return `[${value.map(visit)}]`;
    if (typeof value === 'object' && value !== null && isPlain(value)) {
      return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${visit(item)}`)}}`;
    }
    if (value === null || ['undefined', 'boolean', 'number', 'string'].includes(typeof value)) {
      return typeof value === 'string'
        ? JSON.stringify(value)
        : Object.is(value, -0)
          ? '-0'
          : `${value}`;
    }
    throw new MemgradError(
      `capture: expected tensors, keys, numbers, texts and null in lists and plain objects as arguments, got ${describe(value)}; let the function read anything else by itself.`,
    );
  };
  const signature = visit(args);
  return { signature, inputs, keys };
}
