/** The tape: the operations that ran on the tensors being differentiated, in order. */
import { context } from './context.js';
import type { Operation } from './run.js';
import type { Tensor } from './tensor.js';

/** What ran: an operation, or a function that keeps nothing of what happens inside. */
export type Entry = Operated | Replayed;

interface Ran {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The path at which it ran (context.ts). */
  readonly path: string | undefined;
}

/** One operation that ran. */
export interface Operated extends Ran {
  // biome-ignore lint/suspicious/noExplicitAny: an entry keeps the operation and the attributes that fit it together.
  readonly operation: Operation<any>;
  readonly attributes: unknown;
}

/** A checkpoint: a function that the backward pass runs again. */
export interface Replayed extends Ran {
  /** Computes the outputs again. */
  replay(): readonly Tensor[];
}

/** Listens to what runs: a tape, or a probe that only notes which tensors a function reads. */
export interface Recorder {
  tracks(tensor: Tensor): boolean;
  /** `entry` has run, and at least one of its inputs is tracked. */
  record(entry: Entry): void;
  /** `alias` shares the values of `x`, which is tracked. */
  alias(x: Tensor, alias: Tensor): void;
}

/** The entries that depend on `leaves`. The order in which they ran is a topological one. */
export class Tape implements Recorder {
  readonly entries: Entry[] = [];
  /** Each tracked tensor with the tensor that it is a view of: itself, when it is none. */
  readonly #bases = new Map<Tensor, Tensor>();

  /** `outer`: the tape whose checkpoint is replayed on this one. Its tensors may be read inside. */
  constructor(
    leaves: Iterable<Tensor>,
    readonly outer?: Tape,
  ) {
    for (const leaf of leaves) this.#bases.set(leaf, leaf);
  }

  tracks(tensor: Tensor): boolean {
    return this.#bases.has(tensor);
  }

  record(entry: Entry): void {
    this.entries.push(entry);
    for (const output of entry.outputs) {
      if (output.dtype !== 'int32') this.#bases.set(output, output);
    }
  }

  alias(x: Tensor, alias: Tensor): void {
    this.#bases.set(alias, this.#bases.get(x) ?? x);
  }

  /** The tensor whose gradient is summed for `tensor`: what it is a view of, or itself. */
  baseOf(tensor: Tensor): Tensor {
    const base = this.#bases.get(tensor) ?? tensor;
    return this.outer ? this.outer.baseOf(base) : base;
  }
}

/** Whether a derivative is being taken. */
export function isRecording(): boolean {
  return context().recorders.length > 0;
}

/** Gives `entry` to each recorder that tracks one of its inputs. */
export function record(entry: Entry): void {
  for (const recorder of context().recorders) {
    if (entry.inputs.some((input) => recorder.tracks(input))) recorder.record(entry);
  }
}
