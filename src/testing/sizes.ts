/** Holds a backend against cpu where axes have length 0 or 1. */
import { scope, type Tensor, vjp } from '../autograd/index.js';
import { operationNames } from '../autograd/operations/table.js';
import type { Backend } from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { sizeOf } from '../backends/layout.js';
import { MemgradError } from '../errors.js';
import { backendKind, check, checkOptions, flag } from '../options.js';
import { type HostArray, type Pattern, upload, withFloats } from './case.js';
import { cases } from './cases.js';
import { selectOperations } from './select.js';

/** Options of `checkSizes`. */
export interface SizeOptions {
  /** Call these operations only. Default: all. */
  operations?: readonly string[];
  /** Whether the backend refuses an index outside a table, as GPUs can't. Default true. */
  seesIndices?: boolean;
}

/** An operation whose result, gradient or refusal differs from cpu's where an axis is short. */
export interface SizeDifference {
  readonly operation: string;
  readonly pattern: string;
  readonly message: string;
}

/** What `checkSizes` found. */
export interface SizeReport {
  /** Calls that were compared. */
  readonly compared: number;
  /** Of those: refused on both sides, in the same sentence. */
  readonly refused: number;
  /** Of those: an index is outside a table, and the backend doesn't see it; what it returns isn't looked at. */
  readonly unseen: number;
  readonly differences: readonly SizeDifference[];
}

/**
 * Calls every operation of the case table with axes cut to length 0 and 1, each axis alone and all
 * axes of one length together, and compares results, gradients and gradients of gradients with cpu's:
 * shapes, NaN, infinities, and finite values roughly. What one side refuses, the other must, in the
 * same sentence. Throws for an operation that is not known.
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
        const [came, expected] = [await outcome(cut, call, backend), await outcome(cut, call, cpu)];
        compared++;
        if (outside(expected) && typeof came !== 'string') {
          unseen++;
          continue;
        }
        if (typeof expected === 'string' && came === expected) refused++;
        const message = compare(came, expected);
        const key = `${pattern}, ${what}`;
        if (message && !seen.has(key)) differences.push({ operation, pattern: key, message });
        seen.add(key);
      }
    }
  }
  return { compared, refused, unseen, differences };
}

/** Whether it is the sentence about an index outside a table or the classes. */
function isOutside(outcome: readonly Result[] | string): boolean {
  return typeof outcome === 'string' && / is outside the /.test(outcome);
}

/** The inputs with one axis cut, or all axes of one length. */
function* cuts(inputs: readonly HostArray[]): Generator<[string, HostArray[]]> {
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

/** The first values under another shape. Whole numbers become indices of what is left. */
function resized({ dtype, values }: HostArray, shape: readonly number[], limit: number): HostArray {
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

/** Result, gradients, and gradients of the sum of the gradients; or the sentence of an error. */
async function outcome(
  inputs: readonly HostArray[],
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
  came: readonly Result[] | string,
  expected: readonly Result[] | string,
): string | undefined {
  if (typeof expected === 'string' && expected.startsWith('not a MemgradError')) return expected;
  if (typeof came === 'string' || typeof expected === 'string') {
    if (came === expected) return undefined;
    return [came, expected]
      .map((x) => (typeof x === 'string' ? x : 'a result'))
      .join(', expected ');
  }
  for (const [i, { shape, values }] of came.entries()) {
    const wanted = expected[i];
    if (shape.join() !== wanted.shape.join()) {
      return `result ${i} has shape [${shape}], expected [${wanted.shape}]`;
    }
    const at = values.findIndex((value, j) => !isNear(value, wanted.values[j]));
    if (at >= 0) return `result ${i} at ${at} is ${values[at]}, expected ${wanted.values[at]}`;
  }
  return undefined;
}

function isNear(came: number, expected: number): boolean {
  if (Object.is(came, expected) || came === expected) return true;
  return Math.abs(came - expected) <= 1e-3 + 1e-3 * Math.abs(expected);
}
