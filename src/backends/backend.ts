/**
 * The contract between the engine and the code that computes.
 *
 * A backend works on buffers, shapes and strides; it knows nothing of tensors, gradients or layers.
 * Every kernel takes buffers and returns a new one, which the caller owns and frees; no kernel
 * keeps or changes its inputs. Dispatch is synchronous; only `read` is asynchronous.
 */

/** Element types. Tokens, indices and truth values (0 and 1) are `int32`. */
export type DType = 'float32' | 'float64' | 'int32';

/** The values of a buffer on the host. */
export type TypedArray = Float32Array | Float64Array | Int32Array;

/** A flat block of `size` values on a backend. How it stores them is up to the backend. */
export interface DeviceBuffer {
  readonly dtype: DType;
  readonly size: number;
}

/**
 * A strided view of a buffer: element `i` is at `offset + sum(i[d] * strides[d])`; stride 0
 * repeats.
 */
export interface View {
  readonly buffer: DeviceBuffer;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** One block of an assembled buffer: `view` is written with its first element at index `at`. */
export interface Piece {
  readonly view: View;
  readonly at: readonly number[];
}

/** Functions of one float, element by element. `erf` is the Gauss error function; `sign(0)` is 0. */
export type UnaryKernel =
  | 'neg'
  | 'abs'
  | 'sign'
  | 'exp'
  | 'log'
  | 'sqrt'
  | 'sin'
  | 'cos'
  | 'tanh'
  | 'sigmoid'
  | 'relu'
  | 'erf';

/**
 * Functions of two values of one dtype. Comparisons return `int32` 0 or 1; any comparison with NaN
 * is false, except `notEqual`. int32 results wrap modulo 2^32; an int32 quotient is rounded towards
 * zero, and is 0 when the divisor is 0. `pow` is JavaScript's Math.pow. docs/numbers.md has the
 * rules.
 */
export type BinaryKernel = ArithmeticKernel | ComparisonKernel;
/** Kernels of two values whose result has the dtype of the operands. */
export type ArithmeticKernel = 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum';
/** Kernels of two values whose result is int32: 1 where the comparison holds, else 0. */
export type ComparisonKernel =
  | 'equal'
  | 'notEqual'
  | 'less'
  | 'lessEqual'
  | 'greater'
  | 'greaterEqual';

/** `argmax` returns the `int32` position of the first largest value and reduces one axis only. */
export type ReduceKernel = 'sum' | 'max' | 'argmax';

/**
 * A batched matrix product: out[..., m, n] = op(a) op(b), where op is the identity or the transpose
 * of the last two axes. Each stored matrix is contiguous and row-major: a is [m, k], or [k, m] with
 * `transposeA`; b is [k, n], or [n, k] with `transposeB`.
 */
export interface MatmulSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /**
   * Whether 0 in a times NaN or an infinity in b is 0, so that masked values of b have no effect.
   */
  readonly skipZeros?: boolean;
  /** Shape of the batch, and each operand's stride along each batch axis (0 repeats a matrix). */
  readonly batch: readonly number[];
  readonly batchStridesA: readonly number[];
  readonly batchStridesB: readonly number[];
}

/** The two 32-bit words that seed one stream of the counter-based generator (threefry.ts). */
export interface RandomWords {
  readonly hi: number;
  readonly lo: number;
}

/** Shape and dtype of a result. */
export interface Result {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/**
 * A kernel of a fused operation: computes a new buffer for each of `results` from buffers and
 * numbers. Buffers are contiguous and floats are float32, unless the kernel's type says otherwise.
 * A kernel may decline values that it can't compute, and return undefined for shapes and numbers
 * that it doesn't support; then the definition of the operation runs.
 */
export type Kernel<
  Inputs extends readonly (DeviceBuffer | undefined)[],
  Numbers extends readonly number[],
> = (
  inputs: Inputs,
  numbers: Numbers,
  results: readonly Result[],
) => readonly DeviceBuffer[] | typeof declined | undefined;

/** Returned by a kernel that declines. */
export const declined = Symbol('declined');

/**
 * The kernels of fused operations, by name. Each operation in src/autograd/operations adds the type
 * of its kernel by declaration merging. A backend implements the kernels that are worth it.
 */
// biome-ignore lint/suspicious/noEmptyInterface: operations add to it.
export interface Kernels {}

/** Kernels that run again without the code that called them. */
export interface PreparedList {
  /**
   * Runs the kernels; returns new buffers of the results. Returns undefined, and runs nothing, where
   * these inputs need another list.
   */
  run(inputs: readonly DeviceBuffer[]): readonly DeviceBuffer[] | undefined;
  /**
   * Takes over the numbers of `again`, which calls the kernels of all parts, in order, with the
   * buffers that they were recorded with.
   */
  renumber(again: () => void): void;
  /** Frees what the list keeps. */
  dispose(): void;
}

/** What the engine needs from a backend. `tests/` runs the conformance suite on each backend. */
export interface Backend {
  /** The name that `loadBackend` takes. */
  readonly name: string;
  /** The dtypes that it supports; `tensor` throws for others. */
  readonly dtypes: readonly DType[];
  /** Kernels of fused operations. An operation without a kernel runs its definition. */
  readonly kernels?: Partial<Kernels>;

  /** Returns a new buffer with a copy of `data` and the dtype of the array. */
  upload(data: TypedArray): DeviceBuffer;
  /** Resolves to a copy of the values once they are computed. */
  read(buffer: DeviceBuffer): Promise<TypedArray>;
  /**
   * The values in place, valid until the next call of the backend; GPU backends lack this method.
   */
  peek?(buffer: DeviceBuffer): TypedArray;
  /** Releases the memory. The buffer must not be used again. */
  free(buffer: DeviceBuffer): void;
  /** Ends threads and releases system resources. The backend must not be used again. */
  close?(): void;

  /**
   * Prepares the kernels that `record` calls for running again, without running them: with other
   * buffers of the same sizes and dtypes in place of `inputs`. `record` returns the buffers of the
   * results. It wraps calls whose numbers may change in `part`. Returns undefined, and records
   * nothing, while the code that prepares is loading.
   */
  prepare?(
    inputs: readonly DeviceBuffer[],
    record: (part: <T>(f: () => T) => T) => readonly DeviceBuffer[],
  ): PreparedList | undefined;

  /** Returns a buffer of `size` values, all equal to `value`. */
  fill(value: number, size: number, dtype: DType): DeviceBuffer;
  /**
   * The same values in another dtype. Float to int32 rounds towards zero and saturates; NaN becomes
   * 0.
   */
  cast(x: DeviceBuffer, dtype: DType): DeviceBuffer;
  /** Applies `kernel` to each value; the result has the dtype of `x`. */
  unary(kernel: UnaryKernel, x: DeviceBuffer): DeviceBuffer;
  /**
   * Applies `kernel` to pairs of values. Both views have the output's shape; broadcasting is a
   * stride of 0.
   */
  binary(kernel: BinaryKernel, a: View, b: View): DeviceBuffer;
  /** The value of `a` where `condition` (int32) is not 0, else the value of `b`. */
  where(condition: View, a: View, b: View): DeviceBuffer;
  /**
   * Reduces the axes of `x` from axis `kept` on. Where the backend can, it rounds float32 sums only
   * once, at the end.
   */
  reduce(kernel: ReduceKernel, x: View, kept: number): DeviceBuffer;
  /** The batched products [m, k] times [k, n]; the result is contiguous, [...batch, m, n]. */
  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec): DeviceBuffer;
  /**
   * A contiguous buffer of `shape`, filled with `fill`, into which the pieces are copied:
   * transposes, slices, pads and joins.
   */
  assemble(
    shape: readonly number[],
    dtype: DType,
    fill: number,
    pieces: readonly Piece[],
  ): DeviceBuffer;
  /**
   * The rows of `table` ([rows, width]) that `indices` selects, as [indices.size, width]. Throws
   * for an index out of range, on backends that can read the indices.
   */
  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number): DeviceBuffer;
  /** The adjoint of `gather`: adds each row of `values` at its index to zeros of [rows, width]. */
  scatterAdd(
    values: DeviceBuffer,
    indices: DeviceBuffer,
    rows: number,
    width: number,
  ): DeviceBuffer;
  /** float32 uniform in [0, 1): the same bits on every backend (threefry.ts). */
  uniform(key: RandomWords, size: number): DeviceBuffer;
}
