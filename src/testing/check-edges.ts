/** Checks a backend against the rules of docs/numbers.md. */
import { scope, type Tensor, vjp } from '../autograd/index.js';
import type { Backend, TypedArray } from '../backends/backend.js';
import { backendKind, check, checkOptions, flag } from '../options.js';
import { upload, withFloats } from './case.js';
import { type Edge, floatEdges, wholeEdges } from './edges.js';
import { rowEdges } from './row-edges.js';

/** Options of `checkEdges`. */
export interface EdgeOptions {
  /** Whether results below 1.2e-38 may be 0, since GPUs flush denormal numbers. Default: false. */
  flushesDenormals?: boolean;
}

/** One example of a rule on a backend. */
export interface EdgeRow {
  readonly rule: string;
  /** Its index among all examples. */
  readonly example: number;
  readonly passed: boolean;
  /** The actual and the expected values, if it failed. */
  readonly message?: string;
}

/**
 * Computes examples of every rule of docs/numbers.md on `backend` in float32 and int32, with
 * gradients, and compares them with the values of that page: NaN, infinities and the signs of zeros
 * exactly, other values with a relative error of 1e-5.
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
  { inputs, call, result, gradients }: Edge,
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
  for (const [i, actual] of read.entries()) {
    const expected = i === 0 ? result : (gradients?.[i - 1] ?? []);
    if (isAs(actual, expected, i > 0, least)) continue;
    return `${i === 0 ? 'the result' : `gradient ${i - 1}`} is [${show(actual)}], expected [${show(expected)}]`;
  }
  return undefined;
}

function ones({ shape, size, backend }: Tensor): Tensor {
  return upload({ dtype: 'float', shape, values: Array(size).fill(1) }, backend, 'float32');
}

/**
 * Signs of zeros must match in results, but not in gradients, where they are unspecified. Values
 * below `least` may be 0.
 */
function isAs(
  actual: TypedArray,
  expected: readonly number[],
  isGradient: boolean,
  least: number,
): boolean {
  return (
    actual.length === expected.length &&
    expected.every((value, i) => {
      if (Object.is(actual[i], value) || (isGradient && actual[i] === value)) return true;
      if (actual[i] === 0 && value !== 0) return Math.abs(value) < least;
      const allowed = isGradient ? 1e-5 * Math.max(1, Math.abs(value)) : 1e-5 * Math.abs(value);
      return value !== 0 || isGradient ? Math.abs(actual[i] - value) <= allowed : false;
    })
  );
}

function show(values: ArrayLike<number>): string {
  return Array.from(values, (value) => (Object.is(value, -0) ? '-0' : value)).join(', ');
}
