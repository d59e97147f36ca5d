/**
 * Compares a backend with the cpu backend in float64: kernels, results and gradients of every
 * operation.
 */
import { add, grad, mul, scope, sum, type Tensor, vjp } from '../autograd/index.js';
import { type OperationName, operationNames } from '../autograd/operations/table.js';
import type { Backend, DType, TypedArray } from '../backends/backend.js';
import { createCpuBackend } from '../backends/cpu/index.js';
import { backendKind, check, checkOptions, positive, whole } from '../options.js';
import {
  accumulated,
  type FloatDType,
  floats,
  type Pattern,
  type Tolerance,
  upload,
  withFloats,
} from './case.js';
import { cases } from './cases.js';
import { kernelChecks } from './kernels.js';
import { selectOperations } from './select.js';

/** Options of `runConformance`. */
export interface ConformanceOptions {
  /** Runs these operations only, without the checks of bare kernels. Default: everything. */
  operations?: readonly string[];
  /** Multiplies every tolerance, for a backend with coarser arithmetic. Default 1. */
  slack?: number;
  /** Runs every n-th pattern of each operation only, or of those in `sampled`. Default 1. */
  every?: number;
  /** The operations to which `every` applies. Default: all. */
  sampled?: readonly string[];
  /** 1: gradients; 2: also the gradients of gradients, which takes about twice the time. Default 1. */
  order?: 1 | 2;
}

/** One comparison. */
export interface ConformanceRow {
  /** Name of the operation; `backend.<kernel>` for the check of a bare kernel. */
  readonly operation: string;
  readonly pattern: string;
  readonly dtype: DType;
  readonly what: 'forward' | 'gradient' | 'second';
  /** The largest absolute error. */
  readonly maxAbs: number;
  /** The largest error relative to the expected value. */
  readonly maxRel: number;
  /** The largest error in units in the last place of the expected value. */
  readonly ulps: number;
  readonly passed: boolean;
  /** Why it failed, if not by a number: what was thrown, or how shape or dtype differ. */
  readonly message?: string;
}

/** A result, copied to the host. */
interface Read {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: TypedArray;
}

/**
 * Runs every case of every operation on `backend`, in float32 and, if supported, in float64.
 * Compares values and gradients, and at `order` 2 also the gradients of a fixed combination of the
 * gradients, with the cpu backend in float64. A case passes where |error| <= absolute + relative *
 * |expected|, with the tolerance of its operation. A case that throws yields a row that didn't
 * pass. Throws `MemgradError` for an unknown operation.
 *
 * @example
 * ```js
 * import { createWasmBackend } from 'memgrad/backends/wasm';
 * import { runConformance } from 'memgrad/testing';
 *
 * const rows = await runConformance(createWasmBackend(), { operations: ['softmax'] });
 * console.log(rows.filter((row) => !row.passed).length); // => 0
 * ```
 */
export async function runConformance(
  backend: Backend,
  options: ConformanceOptions = {},
): Promise<ConformanceRow[]> {
  check('runConformance: backend', backend, backendKind);
  checkOptions('runConformance', options, {
    operations: 1,
    slack: positive(),
    every: whole(1),
    sampled: 1,
    order: whole(1, 2),
  });
  const { operations, slack = 1, every = 1, sampled, order = 1 } = options;
  const reference = createCpuBackend();
  const rows: ConformanceRow[] = [];
  if (!operations) rows.push(...(await checkKernels(backend)));
  const dtypes = (['float32', 'float64'] as const).filter((dtype) =>
    backend.dtypes.includes(dtype),
  );
  for (const operation of selectOperations('conformance', operationNames, operations)) {
    const { patterns } = cases[operation];
    const step = sampled && !sampled.includes(operation) ? 1 : every;
    for (const pattern of patterns.filter((_, i) => i % step === 0)) {
      for (const what of stepsOf(operation, pattern, order)) {
        const expected = await compute(what, pattern, reference, 'float64');
        for (const dtype of dtypes) {
          const row = { operation, pattern: pattern.pattern, dtype, what };
          const tolerance = scaled(toleranceOf(operation, what), dtype, slack);
          try {
            const came = await compute(what, pattern, backend, dtype);
            rows.push({ ...row, ...compareAll(came, expected, dtype, tolerance) });
          } catch (error) {
            rows.push({ ...row, ...failed(String(error)) });
          }
        }
      }
    }
  }
  return rows;
}

function stepsOf(
  operation: OperationName,
  { inputs, only }: Pattern,
  order: 1 | 2,
): ConformanceRow['what'][] {
  const hasGradient =
    cases[operation].differentiable === true &&
    only !== 'forward' &&
    inputs.some(({ dtype }) => dtype === 'float');
  if (!hasGradient) return ['forward'];
  return order === 1 ? ['forward', 'gradient'] : ['forward', 'gradient', 'second'];
}

function toleranceOf(operation: OperationName, what: ConformanceRow['what']): Tolerance {
  const { tolerance, gradientTolerance = accumulated } = cases[operation];
  return what === 'forward' ? tolerance : gradientTolerance;
}

/** float64 has 29 bits of mantissa more than float32, for which the tolerances are given. */
function scaled(tolerance: Tolerance, dtype: FloatDType, slack: number): Tolerance {
  const factor = slack * (dtype === 'float64' ? 2 ** -29 : 1);
  return { relative: factor * tolerance.relative, absolute: factor * tolerance.absolute };
}

/**
 * Returns the result of a pattern, the gradient of each floating input for a fixed random
 * cotangent, or the gradient of the sum of these gradients times fixed random numbers.
 */
async function compute(
  what: ConformanceRow['what'],
  { inputs, call }: Pattern,
  backend: Backend,
  dtype: FloatDType,
): Promise<Read[]> {
  const results = scope(() => {
    const args = inputs.map((input) => upload(input, backend, dtype));
    if (what === 'forward') return [call(args, dtype)];
    const gradients = (floating: readonly Tensor[]) => {
      const [value, pullback] = vjp((...own) => call(withFloats(args, own), dtype), ...floating);
      return pullback(fixed(value, 1));
    };
    const floating = args.filter((arg) => arg.dtype !== 'int32');
    if (what === 'gradient') return gradients(floating);
    return grad((leaves: readonly Tensor[]) =>
      gradients(leaves)
        .map((gradient, i) => sum(mul(gradient, fixed(gradient, 2 + i))))
        .reduce((a, b) => add(a, b)),
    )(floating);
  });
  const read = await Promise.all(
    results.map(async (x) => ({ dtype: x.dtype, shape: x.shape, values: await x.data() })),
  );
  for (const x of results) x.dispose();
  return read;
}

/** Random numbers like `x`, the same for the same seed. */
function fixed({ shape, dtype, backend }: Tensor, seed: number): Tensor {
  return upload(floats(shape, seed, 'positive'), backend, dtype as FloatDType);
}

type Outcome = Pick<ConformanceRow, 'maxAbs' | 'maxRel' | 'ulps' | 'passed' | 'message'>;

function failed(message: string): Outcome {
  return { maxAbs: Infinity, maxRel: Infinity, ulps: Infinity, passed: false, message };
}

function compareAll(
  came: readonly Read[],
  expected: readonly Read[],
  dtype: FloatDType,
  tolerance: Tolerance,
): Outcome {
  const outcomes = came.map((result, i) => compare(result, expected[i], dtype, tolerance));
  const worst = (name: 'maxAbs' | 'maxRel' | 'ulps') =>
    outcomes.reduce((most, outcome) => Math.max(most, outcome[name]), 0);
  return {
    maxAbs: worst('maxAbs'),
    maxRel: worst('maxRel'),
    ulps: worst('ulps'),
    passed: outcomes.every(({ passed }) => passed),
    message: outcomes.find(({ message }) => message)?.message,
  };
}

function compare(came: Read, wanted: Read, dtype: FloatDType, tolerance: Tolerance): Outcome {
  if (came.shape.join() !== wanted.shape.join() || came.values.length !== wanted.values.length) {
    return failed(
      `shape [${came.shape}] with ${came.values.length} values, expected [${wanted.shape}]`,
    );
  }
  const wholeNumbers = wanted.dtype === 'int32';
  if (wholeNumbers !== (came.dtype === 'int32')) {
    return failed(`dtype ${came.dtype}, expected ${wholeNumbers ? 'int32' : dtype}`);
  }
  let [maxAbs, maxRel, ulps, passed] = [0, 0, 0, true];
  wanted.values.forEach((value, i) => {
    const expected = dtype === 'float32' ? Math.fround(value) : value;
    const error = errorOf(came.values[i], expected);
    const size = Math.abs(expected);
    maxAbs = Math.max(maxAbs, error);
    maxRel = Math.max(maxRel, error === 0 ? 0 : error / size);
    ulps = Math.max(ulps, error / lastPlace(size, dtype));
    const allowed = wholeNumbers ? 0 : tolerance.absolute + tolerance.relative * size;
    passed &&= error === 0 || error <= allowed;
  });
  return { maxAbs, maxRel, ulps, passed };
}

/**
 * |came - expected|; 0 for equal infinities and for two NaNs, infinite where only one is finite.
 */
function errorOf(came: number, expected: number): number {
  if (Object.is(came, expected) || came === expected) return 0;
  const error = Math.abs(came - expected);
  return Number.isNaN(error) ? Infinity : error;
}

/** The distance from `size` to the next number of `dtype`. */
function lastPlace(size: number, dtype: FloatDType): number {
  const [digits, smallest] = dtype === 'float32' ? [23, -126] : [52, -1022];
  if (!(size < Infinity)) return 1;
  const exponent = Math.max(Math.floor(Math.log2(size)), smallest);
  return 2 ** (exponent - digits);
}

/** The checks that need no tensors. */
async function checkKernels(backend: Backend): Promise<ConformanceRow[]> {
  const rows: ConformanceRow[] = [];
  for (const { kernel, pattern, dtype, run } of kernelChecks(backend)) {
    const row = { operation: `backend.${kernel}`, pattern, dtype, what: 'forward' as const };
    const outcome = await run().then(
      (message) => (message ? failed(message) : { maxAbs: 0, maxRel: 0, ulps: 0, passed: true }),
      (error) => failed(String(error)),
    );
    rows.push({ ...row, ...outcome });
  }
  return rows;
}
