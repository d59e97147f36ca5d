/** The contract of tasks: seeded batches of token sequences, and how to judge and show them. */
import type { Key } from '../autograd/index.js';

/** Targets with this value don't count, in the loss or in the accuracy. */
export const IGNORED = -100;

/** Sequences to read and what to say at each position; row-major [size, time]. */
export interface Batch {
  readonly size: number;
  readonly time: number;
  readonly inputs: Int32Array;
  /** The right next token, or IGNORED. */
  readonly targets: Int32Array;
  /** How many inputs a model is given when it answers freely; from then on it reads its own predictions. */
  readonly promptLength: number;
}

/** Sequences of `test` never occur in `train`. */
export type Split = 'train' | 'test';

/** A family of sequences with a right answer. */
export interface Task {
  readonly name: string;
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** The accuracy of guessing without having read anything. */
  readonly chance: number;
  /** What the length of a sample is measured by, as in `withLength`. */
  readonly length: number;
  /** The batch that `key` names: equal keys give equal batches. */
  batch(key: Key, size: number, split: Split): Batch;
  /** The same task with samples of another length. */
  withLength(length: number): Task;
  /** Tokens of a sample as text for a person. */
  show(tokens: ArrayLike<number>): string;
}
