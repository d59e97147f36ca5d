/** What an operation is, and the one place that runs one. */
import type { Backend, DeviceBuffer, DType, View } from '../backends/backend.js';
import { stridesOf } from '../backends/layout.js';
import { describe, MemgradError } from '../errors.js';
import { checkDtype } from './create.js';
import { allocating, Storage } from './storage.js';
import { isRecording, record } from './tape.js';
import { type Shape, showShape, Tensor } from './tensor.js';
import { ran } from './watch.js';

/** What a gradient rule may look at. Everything in it is a tensor of the forward pass, so rules can be differentiated again. */
export interface Call<Attributes> {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
  readonly attributes: Attributes;
  /** Which input the gradient is asked for. */
  readonly index: number;
}

/**
 * The vector-Jacobian product for one argument, in the same operations: the gradient of the
 * argument from that of the output. Its shape may be the broadcast one; the engine sums it back.
 */
export type GradientRule<Attributes> = (gradient: Tensor, call: Call<Attributes>) => Tensor;

/** The gradients of all arguments at once, where they share work; undefined for those not `wanted` or of an integer. */
export type JointRule<Attributes> = (
  gradient: Tensor,
  call: Omit<Call<Attributes>, 'index'>,
  wanted: readonly boolean[],
) => (Tensor | undefined)[];

/** One operation: how shape and dtype follow, what a backend does, and a gradient rule for each argument. */
export interface Operation<Attributes = undefined> {
  readonly name: string;
  /** Shape and dtype of the result. Throws `MemgradError` when the inputs don't fit. */
  infer(inputs: readonly Tensor[], attributes: Attributes): { shape: Shape; dtype: DType };
  /**
   * The result's buffer; `sameValues` when it is the first input under another shape; undefined
   * when the operation is a fused one and the backend has no kernel for it.
   */
  forward(
    backend: Backend,
    inputs: readonly Tensor[],
    attributes: Attributes,
    shape: Shape,
  ): DeviceBuffer | typeof sameValues | undefined;
  /** For a fused operation, the same in simpler ones: what runs without a kernel, and what the kernel is held against. */
  definition?(inputs: readonly Tensor[], attributes: Attributes): Tensor;
  /**
   * A rule for each argument (`null`: an integer argument), one rule that serves every argument,
   * one that gives the gradients of all arguments together, or the reason why there is none.
   */
  readonly gradients:
    | readonly (GradientRule<Attributes> | null)[]
    | GradientRule<Attributes>
    | { readonly together: JointRule<Attributes> }
    | { readonly none: string };
}

export const sameValues = Symbol('same values');

/** Runs `operation` and, where a derivative is being taken, leaves one entry on the tape. */
export function run<Attributes>(
  operation: Operation<Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): Tensor {
  const backend = commonBackend(operation.name, inputs);
  const { shape, dtype } = operation.infer(inputs, attributes);
  checkDtype(operation.name, dtype, backend);
  const result = allocating(() => operation.forward(backend, inputs, attributes, shape));
  if (result === undefined) return define(operation, inputs, attributes);
  const storage =
    result === sameValues
      ? inputs[0].storage.share()
      : new Storage(backend, result, operation.name);
  const output = new Tensor(storage, shape);
  ran(operation.name, inputs, output);
  const { gradients } = operation;
  if (isRecording() && !('none' in gradients) && dtype !== 'int32') {
    record({
      name: operation.name,
      inputs,
      outputs: [output],
      pullback([gradient], wanted) {
        if (!gradient) return [];
        if ('together' in gradients) {
          return gradients.together(gradient, { inputs, output, attributes }, wanted);
        }
        return inputs.map((_, index) => {
          const rule = typeof gradients === 'function' ? gradients : gradients[index];
          return wanted[index]
            ? rule?.(gradient, { inputs, output, attributes, index })
            : undefined;
        });
      },
    });
  }
  return output;
}

function define<Attributes>(
  operation: Operation<Attributes>,
  inputs: readonly Tensor[],
  attributes: Attributes,
): Tensor {
  if (operation.definition) return operation.definition(inputs, attributes);
  throw new Error(`${operation.name}: no kernel and no definition`);
}

/** Throws unless all `inputs` are tensors: callers without types pass arrays and undefined. */
export function requireTensors(name: string, ...inputs: readonly unknown[]): void {
  for (const input of inputs) {
    if (input instanceof Tensor) continue;
    throw new MemgradError(
      `${name}: expected tensors, got ${describe(input)}; wrap values in tensor(...).`,
    );
  }
}

/** Tensors of what a kernel of several results made, each as `run` would make it. */
export function results(
  name: string,
  inputs: readonly Tensor[],
  buffers: readonly DeviceBuffer[],
  shapes: readonly Shape[],
): Tensor[] {
  return buffers.map((buffer, i) => {
    const output = new Tensor(new Storage(inputs[0].backend, buffer, name), shapes[i]);
    ran(name, inputs, output);
    return output;
  });
}

/** The one backend of `inputs`. Throws for anything but tensors of one backend. */
export function commonBackend(name: string, inputs: readonly Tensor[]): Backend {
  requireTensors(name, ...inputs);
  const { backend } = inputs[0];
  for (const input of inputs) {
    if (input.backend !== backend) {
      throw new MemgradError(
        `${name}: inputs live on '${backend.name}' and '${input.backend.name}', expected one backend; make both on the same.`,
      );
    }
  }
  return backend;
}

/** A dtype holds the values of those behind it, or nearly: advice must not lose any. */
const wideFirst: readonly DType[] = ['float64', 'float32', 'int32'];

/** The one dtype of `inputs`. Throws when they differ. */
export function commonDtype(name: string, inputs: readonly Tensor[]): DType {
  const { dtype } = inputs[0];
  const other = inputs.find((input) => input.dtype !== dtype);
  if (other) {
    const two = [dtype, other.dtype];
    const [to, from] = wideFirst.filter((known) => two.includes(known));
    throw new MemgradError(
      `${name}: inputs are ${dtype} and ${other.dtype}, expected one dtype; convert the ${from} one with cast(x, '${to}').`,
    );
  }
  return dtype;
}

/** Throws unless `x` is of a floating dtype. */
export function requireFloat(name: string, x: Tensor): void {
  requireTensors(name, x);
  if (x.dtype === 'int32') {
    throw new MemgradError(
      `${name}: expected float32 or float64, got int32; convert with cast(x, 'float32').`,
    );
  }
}

/** Throws unless `x` is int32. */
export function requireInt(name: string, what: string, x: Tensor, how = "cast(x, 'int32')"): void {
  requireTensors(name, x);
  if (x.dtype !== 'int32') {
    throw new MemgradError(`${name}: ${what} must be int32, got ${x.dtype}; convert with ${how}.`);
  }
}

/** Throws unless `x` holds truth values. A cast would make 0.5 a 0. */
export function requireTruth(name: string, what: string, x: Tensor): void {
  requireInt(name, what, x, 'notEqual(x, 0)');
}

/**
 * Throws for arguments that `name` doesn't take: `add(a, b, c)` is no sum of three. What `map` and
 * `reduce` pass besides, an index and their list, is no mistake.
 */
export function refuseExtra(name: string, extra: readonly unknown[]): void {
  if (extra.every((x) => x === undefined) || Array.isArray(extra[1])) return;
  throw new MemgradError(
    `${name}: got one argument too many, ${describe(extra[0])}; leave it out.`,
  );
}

/** `f`, refusing arguments that it doesn't take. */
export function exactly<A extends unknown[]>(
  name: string,
  f: (...args: A) => Tensor,
): (...args: A) => Tensor {
  return (...args) => {
    if (args.length > f.length) refuseExtra(name, args.slice(f.length));
    return f(...args);
  };
}

/** `axis` counted from the front; negative ones count from the back. Throws when there is no such axis. */
export function normalizeAxis(name: string, axis: number, rank: number): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const allowed =
      typeof axis !== 'number'
        ? 'an axis is a whole number'
        : rank === 0
          ? 'a scalar has no axes'
          : `axes run from ${-rank} to ${rank - 1}`;
    throw new MemgradError(
      `${name}: axis ${describe(axis)} does not exist in a tensor of rank ${rank}; ${allowed}.`,
    );
  }
  return axis < 0 ? axis + rank : axis;
}

/** The shape that `shapes` broadcast to (NumPy's rules: aligned at the right, lengths equal or 1). */
export function broadcastShapes(name: string, ...shapes: Shape[]): Shape {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const lengths = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    const length = lengths.find((candidate) => candidate !== 1) ?? 1;
    if (lengths.some((candidate) => candidate !== 1 && candidate !== length)) {
      throw new MemgradError(
        `${name}: shapes ${shapes.map(showShape).join(' and ')} do not broadcast; from the right, lengths must be equal or 1.`,
      );
    }
    return length;
  });
}

/** `x` seen with `shape`, to which it broadcasts: stride 0 along the axes that repeat. */
export function broadcastView(x: Tensor, shape: Shape): View {
  const missing = shape.length - x.rank;
  const own = stridesOf(x.shape);
  const strides = shape.map((_, axis) =>
    axis < missing || x.shape[axis - missing] === 1 ? 0 : own[axis - missing],
  );
  return { buffer: x.buffer, shape, strides, offset: 0 };
}
