/** The tape: what was computed from the tensors being differentiated, in order. */
import { currentPlace } from './place.js';
import type { Tensor } from './tensor.js';

/** Something that ran: an operation, or a function that keeps nothing of what happens inside. */
export type Entry = Operated | Replayed;

/** What all entries have. */
interface Run {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** Where it ran, while somebody looks. */
  place?: string;
}

/** A function that is to run again in the backward pass. */
export interface Replayed extends Run {
  /** Gives the outputs again. */
  replay(): readonly Tensor[];
}

/** One operation that ran. */
export interface Operated extends Run {
  /**
   * The gradient of each input that is `wanted`, from those of the outputs (undefined where
   * nothing flowed back). May leave broadcasting to be undone by the engine.
   */
  pullback(
    cotangents: readonly (Tensor | undefined)[],
    wanted: readonly boolean[],
  ): (Tensor | undefined)[];
}

/** What listens to operations: a tape, or a probe that only wants to know what a function uses. */
export interface Recorder {
  tracks(tensor: Tensor): boolean;
  record(entry: Entry): void;
}

/** The entries that depend on `leaves`, in the order in which they ran, which is a topological one. */
export class Tape implements Recorder {
  readonly entries: Entry[] = [];
  readonly #tracked: Set<Tensor>;

  constructor(leaves: Iterable<Tensor>) {
    this.#tracked = new Set(leaves);
  }

  tracks(tensor: Tensor): boolean {
    return this.#tracked.has(tensor);
  }

  record(entry: Entry): void {
    this.entries.push(entry);
    for (const output of entry.outputs) this.#tracked.add(output);
  }
}

/** One recorder for each derivative that is being taken; nested ones all listen, which gives higher orders. */
let recorders: readonly Recorder[] = [];

/** Whether anything listens at all. */
export function isRecording(): boolean {
  return recorders.length > 0;
}

/** The recorders at work. */
export function currentRecorders(): readonly Recorder[] {
  return recorders;
}

/** Runs `f` with exactly `listening` at work. */
export function withRecorders<T>(listening: readonly Recorder[], f: () => T): T {
  const before = recorders;
  recorders = listening;
  try {
    return f();
  } finally {
    recorders = before;
  }
}

/** Gives the entry to every recorder that tracks one of its inputs. */
export function record(entry: Entry): void {
  entry.place = currentPlace();
  for (const recorder of recorders) {
    if (entry.inputs.some((input) => recorder.tracks(input))) recorder.record(entry);
  }
}
