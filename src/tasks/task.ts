/**
 * The contract of tasks with independent samples: seeded batches of token sequences, and how to
 * score and show them.
 */
import type { Key } from '../autograd/index.js';
import { isKey } from '../autograd/random.js';
import { check, requireThat, requireTokens, whole } from '../options.js';

/** Targets with this value are ignored, in the loss and in the accuracy. */
export const IGNORED = -100;

/** More tokens per batch are a mistake, and lists of so many abort the process. */
const MOST = 2 ** 28;
/** The maximum number of tokens in a prompt or an answer. */
export const LONGEST = 2 ** 20;

/** Sequences to read, and the target at each position; row-major [size, time]. */
export interface Batch {
  readonly size: number;
  readonly time: number;
  readonly inputs: Int32Array;
  /** The right next token, or IGNORED. */
  readonly targets: Int32Array;
  /**
   * Number of inputs that a model is given when it generates the answer; then it reads its own
   * predictions.
   */
  readonly promptLength: number;
  /**
   * Index in `targets` where the answer itself begins, if steps that lead to it come first.
   * Default: `promptLength - 1`.
   */
  readonly answerStart?: number;
}

/** Sequences of `test` never occur in `train`. */
export type Split = 'train' | 'test';

/** A family of sequences with a right answer. */
export interface Task {
  readonly name: string;
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** The metric: the share of answer tokens that are right, or the share of whole answers. */
  readonly metric: 'tokens' | 'answers';
  /** The metric of guessing without reading the input. */
  readonly chance: number;
  /** The measure of a sample's length, as in `withLength`. */
  readonly length: number;
  /** The batch for `key`: equal keys give equal batches. */
  batch(key: Key, size: number, split: Split): Batch;
  /** The same task with samples of another length. */
  withLength(length: number): Task;
  /** Tokens of a sample as text for people. */
  show(tokens: ArrayLike<number>): string;
}

/** Throws `MemgradError` unless `key` and `split` are valid. */
export function checkDraw(where: string, key: Key, split: Split): void {
  check(`${where}: key`, key, isKey);
  const isSplit = split === 'train' || split === 'test';
  requireThat(isSplit, `${where}: the split`, "'train' or 'test'", split);
}

/** The tokens to read and the tokens to answer. */
export interface Sample {
  readonly prompt: ArrayLike<number>;
  readonly answer: ArrayLike<number>;
}

/**
 * A batch of `size` samples, all of the same lengths, in the format of the RMT paper: inputs are
 * [prompt, answer] without the last token, targets without the first, and only the answer counts.
 * `judged` is how many of the answer's last tokens are the answer itself; default all. Throws
 * `MemgradError` unless `size` is a whole number >= 1, and for samples that are empty, differ in
 * length from the first, or have values that aren't tokens.
 */
export function answerBatch(size: number, sample: (row: number) => Sample, judged?: number): Batch {
  check('batch: size', size, whole());
  requireThat(typeof sample === 'function', 'batch: sample', 'a function', sample);
  const checked = (row: number, like?: Sample): Sample => {
    const one = Object(sample(row)) as Sample;
    for (const name of ['prompt', 'answer'] as const) {
      requireTokens(`batch: ${name}`, one[name]);
      const expected = (like ?? one)[name].length || 1;
      const { length } = one[name];
      requireThat(length === expected, `batch: each ${name}`, `${expected} tokens long`, length);
    }
    return one;
  };
  const first = checked(0);
  const [promptLength, answerLength] = [first.prompt.length, first.answer.length];
  if (judged !== undefined) check('batch: judged', judged, whole(1, answerLength));
  const time = promptLength + answerLength - 1;
  requireThat(size * time <= MOST, 'batch: size × time', `at most ${MOST} tokens`, size * time);
  const inputs = new Int32Array(size * time);
  const targets = new Int32Array(size * time).fill(IGNORED);
  // One sample at a time: lists of numbers take twice the memory of the arrays.
  for (let row = 0; row < size; row++) {
    const { prompt, answer } = row === 0 ? first : checked(row, first);
    inputs.set(prompt, row * time);
    targets.set(answer, row * time + promptLength - 1);
    const said = targets.subarray(row * time + promptLength - 1, (row + 1) * time - 1);
    inputs.set(said, row * time + promptLength);
  }
  const answerStart = time - (judged ?? answerLength);
  return { size, time, inputs, targets, promptLength, answerStart };
}
