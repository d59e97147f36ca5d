/** Argument checks that operations share, and the shapes that follow from the arguments. */
import type { Backend, DType, View } from '../backends/backend.js';
import { sizeOf, stridesOf } from '../backends/layout.js';
import { describe, MemgradError } from '../errors.js';
import type { Value } from './run.js';
import { type Shape, sameShape, showShape, Tensor } from './tensor.js';

/** Throws unless all `inputs` are tensors: untyped callers may pass arrays or undefined. */
export function requireTensors(name: string, ...inputs: readonly unknown[]): void {
  const wrong = inputs.findIndex((input) => !(input instanceof Tensor));
  if (wrong < 0) return;
  throw new MemgradError(
    `${name}: expected tensors, got ${describe(inputs[wrong])}; wrap values in tensor(...).`,
  );
}

/** Returns the common backend of `inputs`. Throws unless they are tensors on one backend. */
export function commonBackend(name: string, inputs: readonly Tensor[]): Backend {
  requireTensors(name, ...inputs);
  const { backend } = inputs[0];
  const other = inputs.find((input) => input.backend !== backend);
  if (!other) return backend;
  throw new MemgradError(
    `${name}: inputs are on '${backend.name}' and '${other.backend.name}', expected one backend.`,
  );
}

/**
 * Each dtype can represent the values of those after it, at least nearly: the advice must not lose
 * precision.
 */
const wideFirst: readonly DType[] = ['float64', 'float32', 'int32'];

/** Returns the common dtype of `inputs`. Throws if they differ. */
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

/** Throws unless `x` has a floating-point dtype. */
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

/**
 * Throws unless `x` is int32, as truth values are. The message advises against a cast, which would
 * turn 0.5 into 0.
 */
export function requireTruth(name: string, what: string, x: Tensor): void {
  requireInt(name, what, x, 'notEqual(x, 0)');
}

/**
 * Throws for extra arguments: `add(a, b, c)` is not a sum of three. The extra arguments of
 * callbacks of `map` and `reduce`, an index and their array, are allowed.
 */
export function refuseExtra(name: string, extra: readonly unknown[]): void {
  if (extra.every((x) => x === undefined) || Array.isArray(extra[1])) return;
  throw new MemgradError(
    `${name}: got one argument too many, ${describe(extra[0])}; leave it out.`,
  );
}

/** Returns `f` with a check that throws for extra arguments. */
export function exactly<A extends unknown[]>(
  name: string,
  f: (...args: A) => Tensor,
): (...args: A) => Tensor {
  return (...args) => {
    if (args.length > f.length) refuseExtra(name, args.slice(f.length));
    return f(...args);
  };
}

/** Throws unless `fits`: "`name`: expected `expected`, got [2, 3], [4]", with `shapes`. */
export function requireFit(
  fits: unknown,
  name: string,
  expected: string,
  ...shapes: readonly Shape[]
): void {
  if (fits) return;
  throw new MemgradError(`${name}: expected ${expected}, got ${shapes.map(showShape).join(', ')}.`);
}

/**
 * Returns the result of `compute`. Where a kernel refuses an index in it, throws `message`.
 */
export function indexed(message: string, compute: () => Tensor): Tensor {
  try {
    return compute();
  } catch (error) {
    if (!(error instanceof MemgradError && error.message.includes(': index '))) throw error;
    throw new MemgradError(message);
  }
}

/** Returns a function of one float tensor, with checks that throw for other dtypes and extra arguments. */
export function ofFloat(name: string, f: (x: Tensor) => Tensor): (x: Tensor) => Tensor {
  return exactly(name, (x: Tensor) => {
    requireFloat(name, x);
    return f(x);
  });
}

/** Throws unless `first` is a float tensor and `other` a tensor of its shape. */
export function requireLike(name: string, first: Tensor, other: Tensor): void {
  requireFloat(name, first);
  requireTensors(name, other);
  requireFit(sameShape(first.shape, other.shape), name, 'one shape', first.shape, other.shape);
}

/**
 * Converts an axis that may be negative (counted from the back) to one counted from the front.
 * Throws if there is no such axis.
 */
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

/**
 * Returns the shape to which `shapes` broadcast (NumPy's rules: aligned at the right, lengths equal
 * or 1). Throws if they don't.
 */
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

/** Returns a view of `x`, broadcast to `shape`, with stride 0 along the axes that repeat. */
export function broadcastView(x: Value, shape: Shape): View {
  const missing = shape.length - x.rank;
  const own = stridesOf(x.shape);
  const strides = shape.map((_, axis) =>
    axis < missing || x.shape[axis - missing] === 1 ? 0 : own[axis - missing],
  );
  return { buffer: x.buffer, shape, strides, offset: 0 };
}

/** Throws unless `backend` supports `dtype`. */
export function checkDtype(name: string, dtype: DType, backend: Backend): void {
  if (!backend.dtypes.includes(dtype)) {
    throw new MemgradError(
      `${name}: the backend '${backend.name}' has no dtype ${describe(dtype)}; choose one of ${backend.dtypes.join(', ')}${dtype === 'float64' ? ", or the backend 'cpu'" : ''}.`,
    );
  }
}

/** The number of rows along the last axis of `x`, and their length. */
export function rowsOf({ shape }: { readonly shape: Shape }): [rows: number, width: number] {
  return [sizeOf(shape.slice(0, -1)), shape[shape.length - 1]];
}
