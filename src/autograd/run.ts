/** What an operation is, and the one place that runs one. */
import type { Backend, DeviceBuffer, Result } from '../backends/backend.js';
import { checkDtype, commonBackend } from './arguments.js';
import { context, inside } from './context.js';
import { scope } from './scope.js';
import { explained, Storage } from './storage.js';
import { record } from './tape.js';
import { type Shape, Tensor } from './tensor.js';

/** What a gradient rule may read. Everything in it is a tensor of the forward pass, so that rules can be differentiated again. */
export interface Call<Attributes> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
  /** The input whose gradient is asked for. */
  readonly index: number;
}

/**
 * The vector-Jacobian product for one input, in the same operations: computes the gradient of the
 * input from the gradients of the outputs. Its shape may be the broadcast one; the engine sums it back.
 */
export type GradientRule<Attributes> = (
  gradients: readonly Tensor[],
  call: Call<Attributes>,
) => Tensor;

/** Computes the gradients of all inputs together, where they share work; undefined for inputs that are not `wanted`. */
export type JointRule<Attributes> = (
  gradients: readonly Tensor[],
  call: Omit<Call<Attributes>, 'index'>,
  wanted: readonly boolean[],
) => readonly (Tensor | undefined)[];

/** One operation: its shapes and dtypes, its kernel, and its gradient. */
export interface Operation<Attributes = undefined> {
  readonly name: string;
  /** Shape and dtype of each result. Throws `MemgradError` when the inputs don't fit. */
  infer(inputs: readonly Tensor[], attributes: Attributes): readonly Result[];
  /** The buffer of each result; undefined when the operation is a fused one for which the backend has no kernel. */
  forward(
    backend: Backend,
    inputs: readonly Tensor[],
    attributes: Attributes,
    results: readonly Result[],
  ): readonly DeviceBuffer[] | undefined;
  /** A fused operation in simpler ones: it runs where there is no kernel, and tests hold the kernel against it. */
  definition?(inputs: readonly Tensor[], attributes: Attributes): readonly Tensor[];
  /**
   * A rule for each input (`null`: an integer input), one rule for all inputs, one that computes
   * all gradients together, the reason why there is none, or `'definition'` (also in a list, for
   * one input): the gradient of the definition, which runs again.
   */
  readonly gradients:
    | readonly (GradientRule<Attributes> | 'definition' | null)[]
    | GradientRule<Attributes>
    | { readonly together: JointRule<Attributes> }
    | { readonly none: string }
    | 'definition';
}

/**
 * Runs `operation` and returns its results. Where a derivative is being taken, the operation leaves
 * one entry on the tape. Throws what `infer` throws, and `OutOfMemory`. An operation without
 * inputs names its `backend`.
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
  let buffers: readonly DeviceBuffer[] | undefined;
  try {
    buffers = operation.forward(backend, inputs, attributes, results);
  } catch (error) {
    throw explained(error);
  }
  const { recorders, watcher, path, opaque } = context();
  if (!buffers && !opaque) return defined(operation, inputs, attributes);
  const outputs = buffers
    ? buffers.map((buffer, i) => new Tensor(new Storage(backend, buffer, name), results[i].shape))
    : unrecorded(() => defined(operation, inputs, attributes));
  if (watcher && buffers && inputs.length > 0) watcher({ operation: name, inputs, outputs });
  if (recorders.length > 0 && isDifferentiable(operation, results)) {
    record({ operation, inputs, outputs, attributes, path });
  }
  return outputs;
}

/**
 * A new tensor that shares the values of `x`, under `shape`. It is no operation: it runs no kernel
 * and leaves no entry, and derivatives treat it as `x` itself.
 */
export function alias(x: Tensor, shape: Shape = x.shape): Tensor {
  const made = new Tensor(x.storage.share(), shape);
  for (const recorder of context().recorders) {
    if (recorder.tracks(x)) recorder.alias(x, made);
  }
  return made;
}

/** Runs `f` without leaving entries on any tape, and frees what it does not return. */
function unrecorded(f: () => readonly Tensor[]): readonly Tensor[] {
  return scope(() => inside({ recorders: [] }, () => f().map((output) => alias(output))));
}

/**
 * Runs `f` with every fused operation as on a backend that has a kernel for it: where the kernel is
 * missing its definition computes the value, and the operation still keeps its own gradient rule.
 * So rules can be checked in float64, which only `cpu` has.
 */
export function opaquely<T>(f: () => T): T {
  return inside({ opaque: true }, f);
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
