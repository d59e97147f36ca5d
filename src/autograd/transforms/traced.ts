/** Captures a function that may keep a state, which two recordings are likely to notice. */
import { MemgradError } from '../../errors.js';
import { Key } from '../random.js';
import type { Operated } from '../tape.js';
import { Parameter, Tensor } from '../tensor.js';
import { textOf } from '../tree.js';
import { type Captured, capturing } from './capture.js';
import type { Cell, Program } from './program.js';
import { identity, Recording } from './recording.js';

/**
 * Returns a function that computes what `f` computes, like `capture`. The first call with given
 * shapes runs `f` as it is, since they may come only once and a recording takes time. The next two
 * are recorded, and replays begin only if both ran the same operations on the same tensors. An `f`
 * that changes a state of its own in every call is noticed, and always runs; so does one that can't
 * be captured, where `capture` throws. A state that changes less often is not noticed.
 */
export function captureTraced<A extends unknown[], R>(f: (...args: A) => R): Captured<A, R> {
  /** For each signature that was called, the trace of a recording that the next must repeat. */
  const traces = new Map<string, string | undefined>();
  return capturing(
    f,
    MOST,
    (inputs, keys, signature) =>
      new TracedRecording(inputs, keys, (trace) => {
        const isConfirmed = traces.get(signature) === trace;
        traces.set(signature, isConfirmed ? undefined : trace);
        return isConfirmed;
      }),
    (signature) => {
      if (traces.has(signature)) return false;
      traces.set(signature, undefined);
      if (traces.size > MOST) traces.delete([...traces.keys()][0]);
      return true;
    },
  );
}

/** How many programs are kept. */
const MOST = 16;

/** A recording that writes down what happens, and has a program only if the last one wrote the same. */
class TracedRecording extends Recording {
  readonly #lines: string[] = [];
  readonly #cellNumbers = new Map<Cell, number>();
  readonly #isConfirmed: (trace: string) => boolean;

  constructor(inputs: Tensor[], keys: Key[], isConfirmed: (trace: string) => boolean) {
    super(inputs, keys, true);
    this.#isConfirmed = isConfirmed;
  }

  override ran(operated: Operated): void {
    super.ran(operated);
    const { operation, inputs, outputs, attributes } = operated;
    const texts = [...inputs, ...outputs].map((tensor) => this.#textOf(tensor));
    this.#lines.push(`${operation.name} ${texts} ${this.#textOf(attributes)}`);
  }

  override assigned(parameter: Parameter, value: Tensor): void {
    const before = this.standOf(parameter);
    this.#lines.push(`assign ${this.#numberOf(before.cell)} ${this.#textOf(value)}`);
    super.assigned(parameter, value);
  }

  override drawn(_name: string, key: Key): void {
    if (this.positionOf(key) !== undefined) this.declined();
  }

  override hosted(made: Tensor, make: () => Tensor): void {
    super.hosted(made, make);
    this.#lines.push(`hosted ${this.#textOf(made)}`);
  }

  override programOf<R>(result: R): { result: R; program?: Program<R> } {
    try {
      const recorded = super.programOf(result);
      if (!recorded.program) return recorded;
      this.#lines.push(this.#textOf(result));
      return this.#isConfirmed(this.#lines.join('\n')) ? recorded : { result };
    } catch (error) {
      if (error instanceof MemgradError) return { result }; // of values that can't be returned
      throw error;
    }
  }

  protected override read(tensor: Tensor): void {
    this.#lines.push(`read ${identity(tensor instanceof Parameter ? tensor : tensor.storage)}`);
  }

  #numberOf(cell: Cell): number {
    const known = this.#cellNumbers.get(cell);
    if (known !== undefined) return known;
    this.#cellNumbers.set(cell, this.#cellNumbers.size);
    return this.#cellNumbers.size - 1;
  }

  /** A value as text, tensors and keys of the arguments by their position. */
  #textOf(value: unknown): string {
    return textOf(value, (part) => {
      if (part instanceof Tensor)
        return `${this.#numberOf(this.standOf(part).cell)}[${part.shape}]`;
      if (ArrayBuffer.isView(part)) return `${part}`;
      if (typeof part === 'symbol' || typeof part === 'bigint') return String(part);
      if (!(part instanceof Key)) return `object ${identity(part)}`;
      return `key ${this.positionOf(part) ?? `${part.hi} ${part.lo}`}`;
    });
  }
}
