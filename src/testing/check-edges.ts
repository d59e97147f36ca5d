/** Holds a backend against the rules of docs/numbers.md. */
import { scope, type Tensor, vjp } from '../autograd/index.js';
import type { Backend, TypedArray } from '../backends/backend.js';
import { backendKind, check, checkOptions, flag } from '../options.js';
import { upload, withFloats } from './case.js';
import { type Edge, floatEdges, wholeEdges } from './edges.js';
import { rowEdges } from './row-edges.js';

/** Options of `checkEdges`. */
export interface EdgeOptions {
  /** Whether a result below 1.2e-38 may be 0: GPUs flush denormal numbers. Default false. */
  flushesDenormals?: boolean;
}

/** One example of a rule on a backend. */
export interface EdgeRow {
  readonly rule: string;
  /** Its number among all examples, from 0. */
  readonly example: number;
  readonly passed: boolean;
  /** What came, and what was expected, where it did not pass. */
  readonly message?: string;
}

/**
 * Computes examples of every rule of docs/numbers.md on `backend` in float32 and int32, with
 * gradients, and compares with the values of the page: NaN, infinities and the signs of zeros exactly,
 * other values within 1e-5 of themselves.
 */
export async function checkEdges(backend: Backend, options: EdgeOptions = {}): Promise<EdgeRow[]> {
  check('checkEdges: backend', backend, backendKind);
  checkOptions('checkEdges', options, { flushesDenormals: flag });
  const least = options.flushesDenormals ? 2 ** -126 : 0;
  const rows: EdgeRow[] = [];
  for (const [example, edge] of [...wholeEdges, ...floatEdges, ...rowEdges].entries()) {
    const message = await problem(edge, backend, least).catch(String);
    rows.push({ rule: edge.rule, example, passed: message === undefined, message });
  }
  return rows;
}

async function problem(
  { inputs, call, gives, gradients }: Edge,
  backend: Backend,
  least: number,
): Promise<string | undefined> {
  const made = scope(() => {
    const args = inputs.map((input) => upload(input, backend, 'float32'));
    if (!gradients) return [call(args, 'float32')];
    const [value, pullback] = vjp(
      (...floating) => call(withFloats(args, floating), 'float32'),
      ...args.filter(({ dtype }) => dtype !== 'int32'),
    );
    return [value, ...pullback(ones(value))];
  });
  const read = await Promise.all(made.map((x) => x.data()));
  for (const x of made) x.dispose();
  for (const [i, came] of read.entries()) {
    const expected = i === 0 ? gives : (gradients?.[i - 1] ?? []);
    if (isAs(came, expected, i > 0, least)) continue;
    return `${i === 0 ? 'the result' : `gradient ${i - 1}`} is [${show(came)}], expected [${show(expected)}]`;
  }
  return undefined;
}

function ones({ shape, size, backend }: Tensor): Tensor {
  return upload({ dtype: 'float', shape, values: Array(size).fill(1) }, backend, 'float32');
}

/** The signs of zeros count in results; in gradients nothing is promised of them. Values below `least` may be 0. */
function isAs(
  came: TypedArray,
  expected: readonly number[],
  isGradient: boolean,
  least: number,
): boolean {
  return (
    came.length === expected.length &&
    expected.every((value, i) => {
      if (Object.is(came[i], value) || (isGradient && came[i] === value)) return true;
      if (came[i] === 0 && value !== 0) return Math.abs(value) < least;
      const allowed = isGradient ? 1e-5 * Math.max(1, Math.abs(value)) : 1e-5 * Math.abs(value);
      return value !== 0 || isGradient ? Math.abs(came[i] - value) <= allowed : false;
    })
  );
}

function show(values: ArrayLike<number>): string {
  return Array.from(values, (value) => (Object.is(value, -0) ? '-0' : value)).join(', ');
}
