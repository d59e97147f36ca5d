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

/** What a step of Adam takes besides the tensors (training/optimizers.ts). */
export interface AdamSpec {
  readonly beta1: number;
  readonly beta2: number;
  /** The learning rate over 1 - beta1^t. */
  readonly rate: number;
  /** The square root of 1 - beta2^t. */
  readonly root: number;
  readonly epsilon: number;
  /** What the gradient is multiplied with first: less than 1 where it is clipped. */
  readonly gradientScale: number;
  /** How much of the parameter is added to the gradient then: weight decay as a penalty. */
  readonly decay: number;
  /** What the parameter is multiplied with: less than 1 for decoupled weight decay. */
  readonly shrink: number;
}

/** The sizes of an attention: q is [batch, queries, heads width], k [batch, keys, heads width], v [batch, keys, heads valueWidth]. */
export interface AttentionSpec {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly width: number;
  readonly valueWidth: number;
  /** What the scores are multiplied with. */
  readonly scale: number;
}

/** What an attention reads, contiguous. */
export interface AttentionInputs {
  readonly q: DeviceBuffer;
  readonly k: DeviceBuffer;
  readonly v: DeviceBuffer;
  /** int32 [queries, keys], or one such for each of the batch. */
  readonly mask?: DeviceBuffer;
  /** [batch, heads, queries, keys]. */
  readonly bias?: DeviceBuffer;
}

/**
 * Kernels that do the work of several, each for contiguous float32 rows of `width`. A backend has
 * those that pay; where one is missing the engine runs the definition in simpler operations, which
 * is also what tests hold the kernel against.
 */
export interface FusedKernels {
  /** x W^T + bias for rows of `width`, with W [outputs, width] and bias [outputs]; no less than 0 if `relu`. */
  linear(
    x: DeviceBuffer,
    weight: DeviceBuffer,
    bias: DeviceBuffer,
    relu: boolean,
    width: number,
  ): DeviceBuffer;
  /** g where y is greater than 0, elsewhere 0. */
  reluGradient(y: DeviceBuffer, g: DeviceBuffer): DeviceBuffer;
  /** softmax(scale * x) where `mask` (int32 [maskRows, width], repeating over the rows) is not 0, elsewhere 0. */
  softmax(
    x: DeviceBuffer,
    mask: DeviceBuffer | undefined,
    scale: number,
    width: number,
  ): DeviceBuffer;
  /** scale * y * (g - sum(g * y)); where y is 0, g isn't read and the result is 0. */
  softmaxGradient(y: DeviceBuffer, g: DeviceBuffer, scale: number, width: number): DeviceBuffer;
  /** (x - mean) / sqrt(variance + epsilon) * weight + bias over rows as long as weight and bias. The squares must not overflow. */
  layerNorm(
    x: DeviceBuffer,
    weight: DeviceBuffer,
    bias: DeviceBuffer,
    epsilon: number,
  ): DeviceBuffer;
  /** The gradients by x, weight and bias. */
  layerNormGradient(
    x: DeviceBuffer,
    weight: DeviceBuffer,
    g: DeviceBuffer,
    epsilon: number,
  ): [DeviceBuffer, DeviceBuffer, DeviceBuffer];
  /** (x - mean) / sqrt(variance + epsilon). */
  normalize(x: DeviceBuffer, epsilon: number, width: number): DeviceBuffer;
  /** The gradient of `normalize` with respect to `x`, where `g` is that of its result. */
  normalizeGradient(x: DeviceBuffer, g: DeviceBuffer, epsilon: number, width: number): DeviceBuffer;
  /** Turns the pairs (x_i, x_{i + d/2}) of each of the `heads` in a row, d = width / heads, by angles with these cosines and sines ([time, d / 2], repeating over the rows); `sign` -1 turns back. */
  rotate(
    x: DeviceBuffer,
    cos: DeviceBuffer,
    sin: DeviceBuffer,
    sign: 1 | -1,
    heads: number,
    width: number,
  ): DeviceBuffer;
  /**
   * softmax(scale * (q k^T + bias)) v for each head, where the mask is not 0: [batch, queries, heads valueWidth].
   * Undefined where a result isn't finite and the kernel reads what is masked: the definition doesn't.
   */
  attention(inputs: AttentionInputs, spec: AttentionSpec): DeviceBuffer | undefined;
  /** The gradients by q, k, v and, where there is one, bias; undefined as `attention`. */
  attentionGradient(
    inputs: AttentionInputs,
    gradient: DeviceBuffer,
    spec: AttentionSpec,
  ): DeviceBuffer[] | undefined;
  /** -log softmax(x)[target] for each row of `width`, 0 where the target (int32) is `ignored`. Throws as `gather`. */
  crossEntropy(
    x: DeviceBuffer,
    targets: DeviceBuffer,
    ignored: number,
    width: number,
  ): DeviceBuffer;
  /** (softmax(x) - oneHot(target)) * g for each row, 0 where the target is `ignored`; g has one value a row. */
  crossEntropyGradient(
    x: DeviceBuffer,
    targets: DeviceBuffer,
    g: DeviceBuffer,
    ignored: number,
    width: number,
  ): DeviceBuffer;
  /** x / (1 - rate) where `uniform(key)` is at least `rate`, elsewhere 0; added to `residual` where there is one. */
  dropout(
    x: DeviceBuffer,
    residual: DeviceBuffer | undefined,
    rate: number,
    key: RandomWords,
  ): DeviceBuffer;
  /** The square root of the sum of the squares of all values: one. The squares must not overflow. */
  norm(buffers: readonly DeviceBuffer[]): DeviceBuffer;
  /** The new parameters, first and second moments, for lists of as many buffers each. */
  adam(
    parameters: readonly DeviceBuffer[],
    gradients: readonly DeviceBuffer[],
    first: readonly DeviceBuffer[],
    second: readonly DeviceBuffer[],
    spec: AdamSpec,
  ): [DeviceBuffer[], DeviceBuffer[], DeviceBuffer[]];
}

/** What an engine needs of the code that computes. `tests/` runs the conformance suite on each. */
export interface Backend {
  /** What `loadBackend` calls it. */
  readonly name: string;
  /** The dtypes that it computes in; `tensor` refuses others. */
  readonly dtypes: readonly DType[];
  /** Kernels that do the work of several, where it has them; operations without one run by their definition. */
  readonly fused?: Partial<FusedKernels>;

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
