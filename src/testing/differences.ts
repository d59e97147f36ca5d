/** Holds a backend against cpu on random programs. */
import { scope, type Tensor, vjp } from '../autograd/index.js';
import type { Backend, TypedArray } from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { backendKind, check, checkOptions, flag, whole } from '../options.js';
import { type FloatDType, type HostArray, upload, withFloats } from './case.js';
import { createFlushingBackend, createNarrowBackend } from './narrow.js';
import { type Program, Programs } from './programs.js';

/** Options of `checkPrograms`. */
export interface ProgramOptions {
  /** How many programs to run. Default 1000. */
  count?: number;
  /** Which ones. Default 1. */
  seed?: number;
  /** Whether denormal numbers may count as 0, in inputs and results: GPUs flush them. Default false. */
  flushesDenormals?: boolean;
}

/** A value or gradient that differs, or a program that one backend refuses. */
export interface ProgramDifference {
  /** Its number, from 0. */
  readonly program: number;
  readonly operations: readonly string[];
  readonly message: string;
}

/** What `checkPrograms` found. */
export interface ProgramReport {
  /** Values and gradients that were compared. */
  readonly compared: number;
  /** Of those: in so many, rounding, or flushing where it is allowed, decides between two classes or moves the value too far to compare. */
  readonly sensitive: number;
  readonly differences: readonly ProgramDifference[];
}

/**
 * Runs random chains of operations over NaN, infinities, zeros of either sign, denormal and huge
 * numbers on `backend` and on cpu in float32, forward and backward. A difference is a NaN or an
 * infinity on one side only, or a finite value that is further off than rounding explains: the same
 * program in float64, with its inputs moved by a unit of the last place, and with products added in
 * float32, tells how far that is; with `flushesDenormals`, the program without denormal numbers too.
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
    const came = await outcome(program, leaves, backend, 'float32');
    if (typeof expected === 'string' || typeof came === 'string') {
      if (came === expected) continue;
      const message = [came, expected].map((x) => (typeof x === 'string' ? x : 'a result'));
      differences.push({ program: number, operations, message: message.join(', expected ') });
      continue;
    }
    let variants: TypedArray[][] | undefined;
    for (const [part, values] of expected.entries()) {
      for (const [at, value] of values.entries()) {
        compared++;
        const other = came[part][at];
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

/** Whether the variants differ among themselves as much as `came` does from what was expected. */
function dependsOnRounding(
  came: number,
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
  if (isNear(came, value, 64 * own)) return true;
  // Terms that cancel always, as in the gradient of what a norm subtracts, hide their own spread.
  const others = expected.flatMap((values, p) =>
    Array.from(values, (x, i) => (Math.abs(x) < 1e6 ? spreadOf(x, p, i) : 0)),
  );
  return isNear(came, value, 4 * Math.max(...others.filter((spread) => spread < Infinity)));
}

function isNear(came: number, expected: number, allowed: number): boolean {
  if (came === expected || (Number.isNaN(came) && Number.isNaN(expected))) return true;
  return Math.abs(came - expected) <= allowed && Number.isFinite(came) && Number.isFinite(expected);
}

/** The result and the gradients of all leaves, rounded to float32; or what was thrown. */
async function outcome(
  program: Program,
  leaves: readonly HostArray[],
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

/** The same program where rounding goes otherwise. */
async function variantsOf(
  program: Program,
  cpu: Backend,
  others: readonly Backend[],
): Promise<TypedArray[][]> {
  const moved = (round: number): HostArray[] =>
    program.leaves.map(({ dtype, shape, values }, i) => ({
      dtype,
      shape,
      values: values.map((x, j) =>
        dtype === 'int32' ? x : x * (1 + 2 ** -21 * Math.sin(12.9 * i + 78.2 * j + round)),
      ),
    }));
  const runs = [program.leaves, ...[1, 2, 3, 4, 5, 6].map(moved)].flatMap((leaves) => [
    outcome(program, leaves, cpu, 'float64'),
    ...others.map((backend) => outcome(program, leaves, backend, 'float32')),
  ]);
  return (await Promise.all(runs)).filter((made) => typeof made !== 'string');
}
