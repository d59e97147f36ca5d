/**
 * The contract between the engine and the code that computes.
 *
 * A backend knows buffers, shapes and strides, and nothing of tensors, gradients or layers. Every
 * kernel takes buffers and returns a new one that belongs to the caller, who frees it; no kernel
 * keeps or changes its inputs. Dispatch is synchronous; `read` is the one asynchronous call.
 */

/** Element types. Tokens, indices and truth values (0 and 1) are `int32`. */
export type DType = 'float32' | 'float64' | 'int32';

/** What a buffer holds when it is on the host. */
export type TypedArray = Float32Array | Float64Array | Int32Array;

/** A flat block of `size` values on a backend. What is inside is the backend's own affair. */
export interface DeviceBuffer {
  readonly dtype: DType;
  readonly size: number;
}

/** A strided look at a buffer: element `i` stands at `offset + sum(i[d] * strides[d])`; stride 0 repeats. */
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
 * Functions of two values of one dtype. The comparisons give `int32` 0 or 1; any NaN compares false,
 * save `notEqual`. An int32 result counts modulo 2^32; a quotient is rounded towards zero, and 0
 * when dividing by 0. `pow` is JavaScript's Math.pow. docs/numbers.md has the rules.
 */
export type BinaryKernel = ArithmeticKernel | ComparisonKernel;
/** Kernels of two values that give the dtype which both have. */
export type ArithmeticKernel = 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum';
/** Kernels of two values that give an int32: 1 where the comparison holds, else 0. */
export type ComparisonKernel =
  | 'equal'
  | 'notEqual'
  | 'less'
  | 'lessEqual'
  | 'greater'
  | 'greaterEqual';

/** `argmax` gives the `int32` position of the first largest value and reduces one axis only. */
export type ReduceKernel = 'sum' | 'max' | 'argmax';

/**
 * A batched matrix product: out[..., m, n] = op(a) op(b), op being the identity or the transpose
 * of the last two axes. A stored matrix is contiguous and row-major: a is [m, k], or [k, m] when
 * `transposeA`; b is [k, n], or [n, k] when `transposeB`.
 */
export interface MatmulSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Whether a zero of a counts as nothing, even beside a NaN or an infinity of b: what is masked isn't read. */
  readonly skipZeros?: boolean;
  /** Shape of the batch, and for each operand how many values to step along each of its axes (0 repeats a matrix). */
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
 * A kernel of a fused operation: from buffers and numbers it computes a new buffer for each of
 * `results`. Buffers are contiguous and floats are float32, unless its type says otherwise. It
 * returns undefined where it declines: then the definition of the operation runs.
 */
export type Kernel<
  Inputs extends readonly (DeviceBuffer | undefined)[],
  Numbers extends readonly number[],
> = (
  inputs: Inputs,
  numbers: Numbers,
  results: readonly Result[],
) => readonly DeviceBuffer[] | undefined;

/**
 * The kernels of fused operations, by name. Each operation declares the type of its kernel beside
 * itself (src/autograd/operations), by declaration merging; a backend has those that pay.
 */
// biome-ignore lint/suspicious/noEmptyInterface: operations add to it.
export interface Kernels {}

/** What an engine needs of the code that computes. `tests/` runs the conformance suite on each. */
export interface Backend {
  /** What `loadBackend` calls it. */
  readonly name: string;
  /** The dtypes that it computes in; `tensor` refuses others. */
  readonly dtypes: readonly DType[];
  /** Kernels of fused operations. An operation without one runs by its definition. */
  readonly kernels?: Partial<Kernels>;

  /** A new buffer with a copy of `data`; its dtype is that of the array. */
  upload(data: TypedArray): DeviceBuffer;
  /** A copy of the values, when they are there. */
  read(buffer: DeviceBuffer): Promise<TypedArray>;
  /** The values in place, to be looked at before anything else runs; missing where they are on a GPU. */
  peek?(buffer: DeviceBuffer): TypedArray;
  /** Gives the memory back. The buffer must not be used again. */
  free(buffer: DeviceBuffer): void;
  /** Ends threads and frees what the system lent, where there are any. The backend must not be used again. */
  close?(): void;

  /** `size` times `value`. */
  fill(value: number, size: number, dtype: DType): DeviceBuffer;
  /** The same values in another dtype; float to int32 rounds towards zero, to the nearest end of int32 beyond it, and NaN to 0. */
  cast(x: DeviceBuffer, dtype: DType): DeviceBuffer;
  /** The function `kernel` of each value, in the dtype of `x`. */
  unary(kernel: UnaryKernel, x: DeviceBuffer): DeviceBuffer;
  /** Both views have the output's shape; broadcasting is a stride of 0. */
  binary(kernel: BinaryKernel, a: View, b: View): DeviceBuffer;
  /** Where `condition` (int32) is not 0 the value of `a`, else of `b`. */
  where(condition: View, a: View, b: View): DeviceBuffer;
  /** Reduces the axes of `x` from `kept` on. Sums of float32 are rounded once, at the end, where the backend can. */
  reduce(kernel: ReduceKernel, x: View, kept: number): DeviceBuffer;
  /** The products [m, k] times [k, n] of a batch of matrices, each m by n and row-major; `spec` says which is stored transposed. */
  matmul(a: DeviceBuffer, b: DeviceBuffer, spec: MatmulSpec): DeviceBuffer;
  /** A contiguous buffer of `shape`, filled with `fill`, with the pieces copied into it: transposes, slices, pads and joins. */
  assemble(
    shape: readonly number[],
    dtype: DType,
    fill: number,
    pieces: readonly Piece[],
  ): DeviceBuffer;
  /** Rows of `table` ([rows, width]) in the order of `indices`; gives [indices.size, width]. Throws on an index outside, where the backend can see it. */
  gather(table: DeviceBuffer, indices: DeviceBuffer, width: number): DeviceBuffer;
  /** The adjoint of `gather`: a zero [rows, width] with each row of `values` added at its index. */
  scatterAdd(
    values: DeviceBuffer,
    indices: DeviceBuffer,
    rows: number,
    width: number,
  ): DeviceBuffer;
  /** float32 uniform in [0, 1): the same bits on every backend (threefry.ts). */
  uniform(key: RandomWords, size: number): DeviceBuffer;
}
