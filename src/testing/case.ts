/** Defines the cases of an operation, and makes their inputs. */
import { Key, type Shape, type Tensor, tensor } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { uniformFloats } from '../backends/threefry.js';

/** The floating-point dtype in which a case runs. */
export type FloatDType = 'float32' | 'float64';

/**
 * An input on the host. Its floats are exact in float32, so that all dtypes start from the same
 * numbers.
 */
export interface CaseInput {
  readonly dtype: 'float' | 'int32';
  readonly shape: Shape;
  readonly values: readonly number[];
}

/** One way to call an operation. */
export interface Pattern {
  /** What distinguishes this call, such as `leading axis missing on the left: [3], [2, 3]`. */
  readonly pattern: string;
  readonly inputs: readonly CaseInput[];
  /** Calls the operation on the inputs; floating-point inputs have `dtype`. */
  call(inputs: readonly Tensor[], dtype: FloatDType): Tensor;
  /**
   * `forward`: the gradient isn't compared (it is infinite, or NaN). `gradient`: it is compared
   * between backends, but not with central differences (there is a kink, or their steps are too
   * large). Undefined: everything is compared.
   */
  readonly only?: 'forward' | 'gradient';
}

/** The allowed error of a result: |error| <= absolute + relative * |expected|. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** The cases of one operation. */
export interface OperationCases {
  /** `true`, or the reason why there is no gradient. */
  readonly differentiable: true | { readonly no: string };
  /** The tolerance of float32 results. */
  readonly tolerance: Tolerance;
  /** The tolerance of float32 gradients. Default: `accumulated`. */
  readonly gradientTolerance?: Tolerance;
  readonly patterns: readonly Pattern[];
}

/** For operations that round nothing: moves, comparisons, choices. */
export const exact: Tolerance = { relative: 0, absolute: 0 };
/**
 * For one rounding, or a few on processors that divide by a reciprocal. Tiny values may be flushed
 * to 0.
 */
export const rounded: Tolerance = { relative: 4e-7, absolute: 1e-37 };
/** For functions computed by polynomials. */
export const approximated: Tolerance = { relative: 4e-6, absolute: 1e-6 };
/** For sums of terms that may cancel, and for compositions of several operations. */
export const accumulated: Tolerance = { relative: 2e-5, absolute: 1e-5 };

/**
 * The range of random values: `real` is ±[0.5, 2), away from kinks and poles at 0; `positive` is
 * [0.5, 2).
 */
export type Domain = 'real' | 'positive';

/** Returns random floats of `shape`, the same for a seed everywhere. */
export function floats(shape: Shape, seed: number, domain: Domain = 'real'): CaseInput {
  const size = sizeOf(shape);
  const units = uniformFloats(Key.of(seed), 2 * size);
  const values = Array.from({ length: size }, (_, i) => {
    const magnitude = Math.fround(0.5 + 1.5 * units[2 * i]);
    return domain === 'real' && units[2 * i + 1] < 0.5 ? -magnitude : magnitude;
  });
  return { dtype: 'float', shape, values };
}

/** Makes an input from floats, rounded to float32; one-dimensional by default. */
export function given(values: readonly number[], shape: Shape = [values.length]): CaseInput {
  return { dtype: 'float', shape, values: values.map(Math.fround) };
}

/** Makes an input from whole numbers; one-dimensional by default. */
export function ints(values: readonly number[], shape: Shape = [values.length]): CaseInput {
  return { dtype: 'int32', shape, values };
}

/** Returns random whole numbers from 0 to `limit` - 1. */
export function indices(shape: Shape, seed: number, limit: number): CaseInput {
  return ints([...Key.of(seed).integers(sizeOf(shape), limit)], shape);
}

/** Formats shapes for the name of a pattern: `[2, 3], []`. */
export function show(...shapes: Shape[]): string {
  return shapes.map((shape) => `[${shape.join(', ')}]`).join(', ');
}

/** Uploads an input to `backend`: floats as dtype `as`, whole numbers as int32. */
export function upload(
  { dtype, shape, values }: CaseInput,
  backend: Backend,
  as: FloatDType,
): Tensor {
  const ArrayType = dtype === 'int32' ? Int32Array : as === 'float32' ? Float32Array : Float64Array;
  return tensor(ArrayType.from(values), { shape, backend });
}

/** Returns `args` with its floating-point tensors replaced, in order. */
export function withFloats(args: readonly Tensor[], floating: readonly Tensor[]): Tensor[] {
  let next = 0;
  return args.map((arg) => (arg.dtype === 'int32' ? arg : floating[next++]));
}
