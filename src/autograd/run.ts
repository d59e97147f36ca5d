/** Defines what an operation is, and runs operations. */
import { type Backend, type DeviceBuffer, declined, type Result } from '../backends/backend.js';
import { checkDtype, commonBackend } from './arguments.js';
import { context, inside } from './context.js';
import { refusePromise, scope } from './scope.js';
import { explained, Storage } from './storage.js';
import { record } from './tape.js';
import { type Shape, Tensor } from './tensor.js';

/**
 * The data of a gradient rule: tensors of the forward pass, so that the rule itself can be
 * differentiated.
 */
export interface Call<Attributes> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
  /** The index of the input whose gradient is requested. */
  readonly index: number;
}

/**
 * Computes the vector-Jacobian product for one input, in differentiable operations: the gradient of
 * the input from the gradients of the outputs. It may have the broadcast shape; the engine sums it
 * to the shape of the input.
 */
export type GradientRule<Attributes> = (
  gradients: readonly Tensor[],
  call: Call<Attributes>,
) => Tensor;

/**
 * Computes the gradients of all inputs together, for rules that share work; undefined for inputs
 * that are not `wanted`.
 */
export type JointRule<Attributes> = (
  gradients: readonly Tensor[],
  call: Omit<Call<Attributes>, 'index'>,
  wanted: readonly boolean[],
) => readonly (Tensor | undefined)[];

/** An input of a kernel: a tensor, or a buffer that stands for one. */
export interface Value extends Result {
  readonly rank: number;
  readonly size: number;
  readonly buffer: DeviceBuffer;
}

/** One operation: its shapes and dtypes, its kernel and its gradient. */
export interface Operation<Attributes = undefined> {
  readonly name: string;
  /** Returns the shape and dtype of each result. Throws `MemgradError` for inputs that don't fit. */
  infer(inputs: readonly Tensor[], attributes: Attributes): readonly Result[];
  /**
   * Computes the buffer of each result; returns undefined for a fused operation without a kernel on
   * this backend, and `declined` where the kernel declines these values.
   */
  forward(
    backend: Backend,
    inputs: readonly Value[],
    attributes: Attributes,
    results: readonly Result[],
  ): readonly DeviceBuffer[] | typeof declined | undefined;
  /**
   * A fused operation in terms of simpler ones: runs where there is no kernel; tests compare the
   * kernel with it.
   */
  definition?(inputs: readonly Tensor[], attributes: Attributes): readonly Tensor[];
  /**
   * The rules apply also where the definition runs: for a definition whose derivative, as computed
   * by its own steps, loses digits.
   */
  readonly keepsRules?: true;
  /**
   * One of: a rule for each input (`null` for an integer input), one rule for all inputs, a rule
   * that computes all gradients together, the reason why there is no gradient, or `'definition'`
   * (also for one input of a list), which runs the definition again and differentiates it.
   */
  readonly gradients:
    | readonly (GradientRule<Attributes> | 'definition' | null)[]
    | GradientRule<Attributes>
    | { readonly together: JointRule<Attributes> }
    | { readonly none: string }
    | 'definition';
}

/**
 * Runs `operation` and returns its results. If a derivative is being taken, adds one entry to the
 * tape. An operation without inputs must pass its `backend`. Throws what `infer` throws, and
 * `OutOfMemory`.
 */
export function run<Attributes>(
  operation: Operation<Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
  backend: Backend = commonBackend(operation.name, inputs),
): readonly Tensor[] {
  const { name } = operation;
  const results = operation.infer(inputs, attributes);
  for (const { dtype } of results) checkDtype(name, dtype, backend);
  let computed: ReturnType<Operation['forward']>;
  try {
    computed = operation.forward(backend, inputs, attributes, results);
  } catch (error) {
    throw explained(error);
  }
  const { recorders, listener, path, opaque } = context();
  const buffers = computed === declined ? undefined : computed;
  if (computed === declined) listener?.declined?.();
  if (!buffers && !opaque && !operation.keepsRules) return defined(operation, inputs, attributes);
  const outputs = buffers
    ? buffers.map((buffer, i) => new Tensor(new Storage(backend, buffer, name), results[i].shape))
    : unrecorded(() => defined(operation, inputs, attributes));
  if (listener && buffers) listener.ran({ operation, inputs, outputs, attributes, path });
  if (recorders.length > 0 && isDifferentiable(operation, results)) {
    const recorded = record({ operation, inputs, outputs, attributes, path });
    if (recorded && !buffers) opaque?.(name);
  }
  return outputs;
}

/**
 * Returns a new tensor of `shape` that shares the values of `x`. This is not an operation: it runs no kernel and adds no entry to the tape, and derivatives treat the result as `x` itself.
 */
export function alias(x: Tensor, shape: Shape = x.shape): Tensor {
  const made = new Tensor(x.storage.share(), shape);
  const { recorders, listener } = context();
  for (const recorder of recorders) {
    if (recorder.tracks(x)) recorder.alias(x, made);
  }
  listener?.aliased?.(x, made);
  return made;
}

/** Runs `f` without adding entries to any tape, and frees what it doesn't return. */
function unrecorded(f: () => readonly Tensor[]): readonly Tensor[] {
  return inside({ recorders: [] }, () => scope(() => f().map((output) => alias(output))));
}

/**
 * Runs `f` as if the backend had a kernel for every fused operation: where the kernel is missing,
 * the definition computes the value, but the operation keeps its own gradient rule. This allows
 * checking rules in float64, which only `cpu` supports. Calls `see` with the name of each operation
 * that leaves its own rule on a tape this way. `f` must be synchronous.
 */
export function opaquely<T>(f: () => T, see: (operation: string) => void = () => {}): T {
  const result = inside({ opaque: see }, f);
  refusePromise('opaquely', result);
  return result;
}

function isDifferentiable<A>({ gradients }: Operation<A>, results: readonly Result[]): boolean {
  if (typeof gradients === 'object' && 'none' in gradients) return false;
  return results.some(({ dtype }) => dtype !== 'int32');
}

function defined<Attributes>(
  operation: Operation<Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): readonly Tensor[] {
  if (operation.definition) return operation.definition(inputs, attributes);
  throw new Error(`${operation.name}: no kernel and no definition`);
}
