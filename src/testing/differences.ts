/** Compares a backend with cpu on random programs. */
import { scope, type Tensor, vjp } from '../autograd/index.js';
import type { Backend, TypedArray } from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { backendKind, check, checkOptions, flag, whole } from '../options.js';
import { type CaseInput, type FloatDType, upload, withFloats } from './case.js';
import { createFlushingBackend, createNarrowBackend } from './narrow.js';
import { type Program, Programs } from './programs.js';

/** Options of `checkPrograms`. */
export interface ProgramOptions {
  /** The number of programs. Default: 1000. */
  count?: number;
  /** The seed of the programs. Default: 1. */
  seed?: number;
  /** Whether denormal inputs and results may count as 0, since GPUs flush them. Default: false. */
  flushesDenormals?: boolean;
}

/** A value or gradient that differs, or a program for which only one backend throws. */
export interface ProgramDifference {
  /** The index of the program. */
  readonly program: number;
  readonly operations: readonly string[];
  readonly message: string;
}

/** The result of `checkPrograms`. */
export interface ProgramReport {
  /** The number of compared values and gradients. */
  readonly compared: number;
  /**
   * How many of those are too sensitive to compare: rounding (or flushing, where allowed) decides
   * between finite, infinite and NaN, or moves the value too far.
   */
  readonly sensitive: number;
  readonly differences: readonly ProgramDifference[];
}

/**
 * Runs random chains of operations over NaN, infinities, zeros of either sign, denormal and huge
 * numbers on `backend` and on cpu in float32, forward and backward. A difference is NaN or an
 * infinity on one side only, or a finite value that is further off than rounding explains. To
 * estimate rounding, the program also runs in float64, with inputs moved by about a unit in the
 * last place, and with products summed in float32; with `flushesDenormals`, also without denormal
 * numbers.
 */
export async function checkPrograms(
  backend: Backend,
  options: ProgramOptions = {},
): Promise<ProgramReport> {
  check('checkPrograms: backend', backend, backendKind);
  checkOptions('checkPrograms', options, {
    count: whole(0),
    seed: whole(0),
    flushesDenormals: flag,
  });
  const { count = 1000, seed = 1, flushesDenormals } = options;
  const cpu = createCpuBackend();
  const others = [
    cpu,
    createNarrowBackend(),
    ...(flushesDenormals ? [createFlushingBackend()] : []),
  ];
  const programs = new Programs(seed);
  const differences: ProgramDifference[] = [];
  let [compared, sensitive] = [0, 0];
  for (let number = 0; number < count; number++) {
    const program = programs.next();
    const { names: operations, leaves } = program;
    const expected = await outcome(program, leaves, cpu, 'float32');
    const actual = await outcome(program, leaves, backend, 'float32');
    if (typeof expected === 'string' || typeof actual === 'string') {
      if (actual === expected) continue;
      const message = [actual, expected].map((x) => (typeof x === 'string' ? x : 'a result'));
      differences.push({ program: number, operations, message: message.join(', expected ') });
      continue;
    }
    let variants: TypedArray[][] | undefined;
    for (const [part, values] of expected.entries()) {
      for (const [at, value] of values.entries()) {
        compared++;
        const other = actual[part][at];
        if (isNear(other, value, 2e-6 * Math.abs(value) + (part === 0 ? 1e-6 : 5e-5))) continue;
        variants ??= await variantsOf(program, cpu, others);
        if (dependsOnRounding(other, part, at, expected, variants)) {
          sensitive++;
          continue;
        }
        const what = part === 0 ? 'value' : `gradient ${part - 1}`;
        const message = `${what} at ${at} is ${other}, expected ${value}`;
        differences.push({ program: number, operations, message });
      }
    }
  }
  return { compared, sensitive, differences };
}

/**
 * Whether the variants differ from each other as much as `actual` differs from the expected value.
 */
function dependsOnRounding(
  actual: number,
  part: number,
  at: number,
  expected: readonly TypedArray[],
  variants: readonly (readonly TypedArray[])[],
): boolean {
  const spreadOf = (value: number, p: number, i: number) =>
    Math.max(...variants.map((list) => Math.abs(list[p][i] - value)));
  const value = expected[part][at];
  const own = spreadOf(value, part, at);
  if (!(own < Infinity)) return variants.some((list) => !isNear(list[part][at], value, 0));
  if (isNear(actual, value, 64 * own)) return true;
  // Terms that always cancel, as in the gradient of the mean that a norm subtracts, hide their
  // spread.
  const others = expected.flatMap((values, p) =>
    Array.from(values, (x, i) => (Math.abs(x) < 1e6 ? spreadOf(x, p, i) : 0)),
  );
  return isNear(actual, value, 4 * Math.max(...others.filter((spread) => spread < Infinity)));
}

function isNear(actual: number, expected: number, allowed: number): boolean {
  if (actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return true;
  return (
    Math.abs(actual - expected) <= allowed && Number.isFinite(actual) && Number.isFinite(expected)
  );
}

/** Returns the result and the gradients of all leaves, rounded to float32; or the error as text. */
async function outcome(
  program: Program,
  leaves: readonly CaseInput[],
  backend: Backend,
  dtype: FloatDType,
): Promise<TypedArray[] | string> {
  let results: Tensor[];
  try {
    results = scope(() => {
      const tensors = leaves.map((leaf) => upload(leaf, backend, dtype));
      const [value, pullback] = vjp(
        (...floating) => program.run(withFloats(tensors, floating), dtype),
        ...tensors.filter((x) => x.dtype !== 'int32'),
      );
      const cotangent = Array.from({ length: value.size }, (_, i) => 1 + (i % 7) / 8);
      return [
        value,
        ...pullback(
          upload({ dtype: 'float', shape: value.shape, values: cotangent }, backend, dtype),
        ),
      ];
    });
  } catch (error) {
    return String(error);
  }
  const read = await Promise.all(results.map(async (x) => Float32Array.from(await x.data())));
  for (const x of results) x.dispose();
  return read;
}

/** Moves a float32 by up to four units in the last place, or a denormal one by up to one. */
function movedBy(x: number, amount: number): number {
  const isDenormal = x !== 0 && Math.abs(x) < 2 ** -126;
  return isDenormal ? x + Math.round(amount) * 2 ** -149 : x * (1 + 2 ** -21 * amount);
}

/** Runs variants of the program that round differently. */
async function variantsOf(
  program: Program,
  cpu: Backend,
  others: readonly Backend[],
): Promise<TypedArray[][]> {
  const moved = (round: number): CaseInput[] =>
    program.leaves.map(({ dtype, shape, values }, i) => ({
      dtype,
      shape,
      values: values.map((x, j) =>
        dtype === 'int32' ? x : movedBy(x, Math.sin(12.9 * i + 78.2 * j + round)),
      ),
    }));
  const runs = [program.leaves, ...[1, 2, 3, 4, 5, 6].map(moved)].flatMap((leaves) => [
    outcome(program, leaves, cpu, 'float64'),
    ...others.map((backend) => outcome(program, leaves, backend, 'float32')),
  ]);
  return (await Promise.all(runs)).filter((made) => typeof made !== 'string');
}
