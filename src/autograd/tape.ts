/** The tape: the operations that ran on the tensors being differentiated, in order. */
import { context } from './context.js';
import type { Operation } from './run.js';
import type { Tensor } from './tensor.js';

/** An operation that ran, or a function whose inner operations are not kept. */
export type Entry = Operated | Replayed;

interface Ran {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The path of names around it (context.ts). */
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
  /** Recomputes the outputs. */
  replay(): readonly Tensor[];
}

/** Receives what runs: a tape, or a probe that only notes which tensors a function reads. */
export interface Recorder {
  tracks(tensor: Tensor): boolean;
  /** Called for an `entry` that ran with at least one tracked input. */
  record(entry: Entry): void;
  /** Called when `alias` was made from `x`, which is tracked. */
  alias(x: Tensor, alias: Tensor): void;
}

/** The entries that depend on `leaves`, in execution order, which is a topological order. */
export class Tape implements Recorder {
  readonly entries: Entry[] = [];
  /** Maps each tracked tensor to the tensor that it is an alias of, or to itself. */
  readonly #bases = new Map<Tensor, Tensor>();

  /**
   * `outer`: the tape with the checkpoint that this tape replays, whose tensors the function may
   * read.
   */
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

  /**
   * The tensor under which gradients of `tensor` are summed: the one that it is an alias of, or
   * itself.
   */
  baseOf(tensor: Tensor): Tensor {
    const base = this.#bases.get(tensor) ?? tensor;
    return this.outer ? this.outer.baseOf(base) : base;
  }
}

/** Whether a derivative is being taken. */
export function isRecording(): boolean {
  return context().recorders.length > 0;
}

/** Passes `entry` to each recorder that tracks one of its inputs. Returns whether there is one. */
export function record(entry: Entry): boolean {
  let recorded = false;
  for (const recorder of context().recorders) {
    if (!entry.inputs.some((input) => recorder.tracks(input))) continue;
    recorder.record(entry);
    recorded = true;
  }
  return recorded;
}
