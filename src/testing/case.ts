/** What a case of an operation is, and how its inputs are made. */
import { Key, type Shape, type Tensor, tensor } from '../autograd/index.js';
import type { Backend } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import { uniformFloats } from '../backends/threefry.js';

/** The floating dtype that a case runs in. */
export type FloatDType = 'float32' | 'float64';

/** An input on the host. Its floats are exact in float32, so that every dtype starts from the same numbers. */
export interface HostArray {
  readonly dtype: 'float' | 'int32';
  readonly shape: Shape;
  readonly values: readonly number[];
}

/** One way to call an operation. */
export interface Pattern {
  /** What is special about it: `leading axis missing on the left: [3], [2, 3]`. */
  readonly pattern: string;
  readonly inputs: readonly HostArray[];
  /** Calls the operation on the inputs, of which the floating ones have `dtype`. */
  call(inputs: readonly Tensor[], dtype: FloatDType): Tensor;
  /**
   * `forward`: no gradient is compared here (it is infinite, or NaN). `gradient`: it is compared
   * between backends, but not with central differences (a kink, or steps too large for them).
   * Everything when left out.
   */
  readonly only?: 'forward' | 'gradient';
}

/** How far a result may be from the reference: |error| <= absolute + relative * |expected|. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/** All that is known of one operation. */
export interface OperationCases {
  /** `true`, or why there is no gradient. */
  readonly differentiable: true | { readonly no: string };
  /** For float32 results. */
  readonly tolerance: Tolerance;
  /** For float32 gradients; `accumulated` when left out. */
  readonly gradientTolerance?: Tolerance;
  readonly patterns: readonly Pattern[];
}

/** Nothing is computed: moves, comparisons, choices. */
export const exact: Tolerance = { relative: 0, absolute: 0 };
/** One rounding, or a few of a processor that divides by a reciprocal. Tiny values may be flushed to 0. */
export const rounded: Tolerance = { relative: 4e-7, absolute: 1e-37 };
/** Functions made of polynomials. */
export const approximated: Tolerance = { relative: 4e-6, absolute: 1e-6 };
/** Sums of terms that may cancel, and compositions of several operations. */
export const accumulated: Tolerance = { relative: 2e-5, absolute: 1e-5 };

/** Where random values lie: `real` in ±[0.5, 2), away from kinks and poles at 0; `positive` in [0.5, 2). */
export type Domain = 'real' | 'positive';

/** Random floats of `shape`: the same for the same seed, everywhere. */
export function floats(shape: Shape, seed: number, domain: Domain = 'real'): HostArray {
  const size = sizeOf(shape);
  const units = uniformFloats(Key.of(seed), 2 * size);
  const values = Array.from({ length: size }, (_, i) => {
    const magnitude = Math.fround(0.5 + 1.5 * units[2 * i]);
    return domain === 'real' && units[2 * i + 1] < 0.5 ? -magnitude : magnitude;
  });
  return { dtype: 'float', shape, values };
}

/** The given floats, rounded to float32; a list when no shape is given. */
export function given(values: readonly number[], shape: Shape = [values.length]): HostArray {
  return { dtype: 'float', shape, values: values.map(Math.fround) };
}

/** The given whole numbers; a list when no shape is given. */
export function ints(values: readonly number[], shape: Shape = [values.length]): HostArray {
  return { dtype: 'int32', shape, values };
}

/** Random whole numbers from 0 to `limit` - 1. */
export function indices(shape: Shape, seed: number, limit: number): HostArray {
  return ints([...Key.of(seed).integers(sizeOf(shape), limit)], shape);
}

/** `[2, 3], []`: shapes for the name of a pattern. */
export function show(...shapes: Shape[]): string {
  return shapes.map((shape) => `[${shape.join(', ')}]`).join(', ');
}

/** Puts an input on `backend`: floats as `dtype`, whole numbers as int32. */
export function upload(
  { dtype, shape, values }: HostArray,
  backend: Backend,
  as: FloatDType,
): Tensor {
  const ArrayType = dtype === 'int32' ? Int32Array : as === 'float32' ? Float32Array : Float64Array;
  return tensor(ArrayType.from(values), { shape, backend });
}

/** `args` with its floating tensors replaced, in order. */
export function withFloats(args: readonly Tensor[], floating: readonly Tensor[]): Tensor[] {
  let next = 0;
  return args.map((arg) => (arg.dtype === 'int32' ? arg : floating[next++]));
}
