/** Compares a backend with cpu where axes have length 0 or 1. */
import { scope, type Tensor, vjp } from '../autograd/index.js';
import { operationNames } from '../autograd/operations/table.js';
import type { Backend } from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { sizeOf } from '../backends/layout.js';
import { MemgradError } from '../errors.js';
import { backendKind, check, checkOptions, flag } from '../options.js';
import { type CaseInput, type Pattern, upload, withFloats } from './case.js';
import { cases } from './cases.js';
import { selectOperations } from './select.js';

/** Options of `checkSizes`. */
export interface SizeOptions {
  /** The operations to call. Default: all. */
  operations?: readonly string[];
  /** Whether the backend throws for an index out of range, which GPUs can't. Default: true. */
  seesIndices?: boolean;
}

/** An operation whose result, gradient or error differs from cpu's where an axis is short. */
export interface SizeDifference {
  readonly operation: string;
  readonly pattern: string;
  readonly message: string;
}

/** The result of `checkSizes`. */
export interface SizeReport {
  /** The number of compared calls. */
  readonly compared: number;
  /** How many of those threw the same error on both backends. */
  readonly refused: number;
  /**
   * How many of those have an index out of range that the backend can't detect; their results are
   * ignored.
   */
  readonly unseen: number;
  readonly differences: readonly SizeDifference[];
}

/**
 * Calls every operation of the case table with axes cut to length 0 and 1, each axis alone and all
 * axes of one length together. Compares results, gradients and second derivatives with cpu's:
 * shapes, NaN and infinities exactly, and finite values roughly. If one backend throws, the other
 * must throw the same message. Throws `MemgradError` for an unknown operation.
 */
export async function checkSizes(backend: Backend, options: SizeOptions = {}): Promise<SizeReport> {
  check('checkSizes: backend', backend, backendKind);
  checkOptions('checkSizes', options, { operations: 1, seesIndices: flag });
  const outside = options.seesIndices === false ? isOutside : () => false;
  const cpu = createCpuBackend();
  const differences: SizeDifference[] = [];
  let [compared, refused, unseen] = [0, 0, 0];
  for (const operation of selectOperations('checkSizes', operationNames, options.operations)) {
    const seen = new Set<string>();
    for (const { pattern, inputs, call } of cases[operation].patterns) {
      for (const [what, cut] of cuts(inputs)) {
        const [actual, expected] = [
          await outcome(cut, call, backend),
          await outcome(cut, call, cpu),
        ];
        compared++;
        if (outside(expected) && typeof actual !== 'string') {
          unseen++;
          continue;
        }
        if (typeof expected === 'string' && actual === expected) refused++;
        const message = compare(actual, expected);
        const key = `${pattern}, ${what}`;
        if (message && !seen.has(key)) differences.push({ operation, pattern: key, message });
        seen.add(key);
      }
    }
  }
  return { compared, refused, unseen, differences };
}

/** Whether the outcome is the error for an index out of range. */
function isOutside(outcome: readonly Result[] | string): boolean {
  return typeof outcome === 'string' && / is outside the /.test(outcome);
}

/** Yields the inputs with one axis cut, or with all axes of one length cut. */
function* cuts(inputs: readonly CaseInput[]): Generator<[string, CaseInput[]]> {
  const lengths = new Set(inputs.flatMap(({ shape }) => shape).filter((length) => length > 1));
  for (const to of [0, 1]) {
    for (const length of lengths) {
      const cut = (shape: readonly number[]) => shape.map((n) => (n === length ? to : n));
      yield [`${length} cut to ${to}`, inputs.map((input) => resized(input, cut(input.shape), to))];
    }
    for (const [i, { shape }] of inputs.entries()) {
      for (const [axis, length] of shape.entries()) {
        if (length === to) continue;
        const one = inputs.map((input, j) =>
          i === j ? resized(input, shape.with(axis, to), to) : input,
        );
        yield [`axis ${axis} of input ${i} cut to ${to}`, one];
      }
    }
  }
}

/** Returns the first values in another shape; limits indices to the rows that are left. */
function resized({ dtype, values }: CaseInput, shape: readonly number[], limit: number): CaseInput {
  const kept = values.slice(0, sizeOf(shape));
  return {
    dtype,
    shape,
    values: dtype === 'int32' && limit === 1 ? kept.map((value) => Math.min(value, 1)) : kept,
  };
}

interface Result {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/**
 * Returns the result, its gradients, and the gradients of the sums of the gradients; or the message
 * of an error.
 */
async function outcome(
  inputs: readonly CaseInput[],
  call: Pattern['call'],
  backend: Backend,
): Promise<readonly Result[] | string> {
  let made: Tensor[];
  try {
    made = scope(() => {
      const args = inputs.map((input) => upload(input, backend, 'float32'));
      const floating = args.filter(({ dtype }) => dtype !== 'int32');
      const run = (...replaced: Tensor[]) => call(withFloats(args, replaced), 'float32');
      if (floating.length === 0 || run(...floating).dtype === 'int32') return [run(...floating)];
      const first = (...replaced: Tensor[]) => {
        const [value, pullback] = vjp(run, ...replaced);
        return [value, ...pullback(cotangent(value))];
      };
      const second = floating.flatMap((_, i) => {
        const [value, pullback] = vjp((...replaced) => first(...replaced)[i + 1], ...floating);
        return pullback(cotangent(value));
      });
      return [...first(...floating), ...second];
    });
  } catch (error) {
    return error instanceof MemgradError ? error.message : `not a MemgradError: ${error}`;
  }
  const read = await Promise.all(
    made.map(async (x) => ({ shape: x.shape, values: [...(await x.data())] })),
  );
  for (const x of made) x.dispose();
  return read;
}

function cotangent({ shape, backend, size }: Tensor): Tensor {
  const values = Array.from({ length: size }, (_, i) => 1 + (i % 5) / 4);
  return upload({ dtype: 'float', shape, values }, backend, 'float32');
}

function compare(
  actual: readonly Result[] | string,
  expected: readonly Result[] | string,
): string | undefined {
  if (typeof expected === 'string' && expected.startsWith('not a MemgradError')) return expected;
  if (typeof actual === 'string' || typeof expected === 'string') {
    if (actual === expected) return undefined;
    return [actual, expected]
      .map((x) => (typeof x === 'string' ? x : 'a result'))
      .join(', expected ');
  }
  for (const [i, { shape, values }] of actual.entries()) {
    const wanted = expected[i];
    if (shape.join() !== wanted.shape.join()) {
      return `result ${i} has shape [${shape}], expected [${wanted.shape}]`;
    }
    const at = values.findIndex((value, j) => !isNear(value, wanted.values[j]));
    if (at >= 0) return `result ${i} at ${at} is ${values[at]}, expected ${wanted.values[at]}`;
  }
  return undefined;
}

function isNear(actual: number, expected: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true;
  return Math.abs(actual - expected) <= 1e-3 + 1e-3 * Math.abs(expected);
}
