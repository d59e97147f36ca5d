/** Operations that move values: reshape, transpose, broadcast, slice, pad, concat, stack. */

import { sizeOf, stridesOf } from '../../backends/layout.js';
import { describe, MemgradError } from '../../errors.js';
import { check, number } from '../../options.js';
import {
  broadcastShapes,
  broadcastView,
  commonDtype,
  normalizeAxis,
  refuseExtra,
  requireFit,
  requireTensors,
} from '../arguments.js';
import { checkShape } from '../create.js';
import { requireWhole } from '../nested.js';
import { alias, type Operation, run } from '../run.js';
import { type Shape, sameShape, showShape, type Tensor } from '../tensor.js';

/**
 * The same values, in the same order, with another shape. One length may be -1 and is then
 * inferred. Throws `MemgradError` when the sizes differ.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  requireTensors('reshape', x);
  const known = Array.isArray(shape) ? shape.filter((length) => length !== -1) : shape;
  checkShape('reshape', known);
  const free = shape.length - known.length;
  const rest = x.size / sizeOf(known);
  if (free > 1 || (free === 1 ? !Number.isInteger(rest) : rest !== 1 && x.size !== sizeOf(known))) {
    throw new MemgradError(
      `reshape: shape ${showShape(x.shape)} has ${x.size} values and cannot become ${showShape(shape)}; the products must match, with at most one -1.`,
    );
  }
  const target = shape.map((length) => (length === -1 ? rest : length));
  return alias(x, target);
}

const transposeOperation: Operation<readonly number[]> = {
  name: 'transpose',
  infer: ([x], order) => [{ shape: order.map((axis) => x.shape[axis]), dtype: x.dtype }],
  forward(backend, [x], order, [{ shape }]) {
    const strides = stridesOf(x.shape);
    const view = {
      buffer: x.buffer,
      shape,
      strides: order.map((axis) => strides[axis]),
      offset: 0,
    };
    return [backend.assemble(shape, x.dtype, 0, [{ view, at: shape.map(() => 0) }])];
  },
  gradients: ([g], { attributes: order }) =>
    transpose(
      g,
      order.map((_, axis) => order.indexOf(axis)),
    ),
};

/**
 * Permutes the axes: axis i of the result is axis `order[i]` of `x`. By default the axes are
 * reversed. Throws `MemgradError` unless `order` names each axis once.
 */
export function transpose(x: Tensor, order?: readonly number[]): Tensor {
  requireTensors('transpose', x);
  const wanted = order ?? x.shape.map((_, axis) => x.rank - 1 - axis);
  const axes = Array.isArray(wanted)
    ? wanted.map((axis) => normalizeAxis('transpose', axis, x.rank))
    : undefined;
  if (axes?.length !== x.rank || new Set(axes).size !== x.rank) {
    throw new MemgradError(
      `transpose: the order ${axes ? showShape(wanted) : describe(order)} must name each of the ${x.rank} axes of ${showShape(x.shape)} once.`,
    );
  }
  return run(transposeOperation, [x], axes)[0];
}

const broadcastOperation: Operation<Shape> = {
  name: 'broadcastTo',
  infer: ([{ dtype }], shape) => [{ shape, dtype }],
  forward: (backend, [x], shape) => [
    backend.assemble(shape, x.dtype, 0, [
      { view: broadcastView(x, shape), at: shape.map(() => 0) },
    ]),
  ],
  gradients: ([g]) => g,
};

/** Repeats `x` to `shape`. Throws `MemgradError` unless `x` broadcasts to it. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  requireTensors('broadcastTo', x);
  checkShape('broadcastTo', shape);
  if (!sameShape(broadcastShapes('broadcastTo', x.shape, shape), shape)) {
    throw new MemgradError(
      `broadcastTo: ${showShape(x.shape)} does not broadcast to ${showShape(shape)}.`,
    );
  }
  return sameShape(x.shape, shape) ? alias(x) : run(broadcastOperation, [x], [...shape])[0];
}

/** The start of a slice along each axis, and its lengths. */
interface Window {
  readonly starts: readonly number[];
  readonly lengths: Shape;
}

const sliceOperation: Operation<Window> = {
  name: 'slice',
  infer: ([{ dtype }], { lengths }) => [{ shape: lengths, dtype }],
  forward(backend, [x], { starts, lengths }) {
    const strides = stridesOf(x.shape);
    const offset = starts.reduce((sum, start, axis) => sum + start * strides[axis], 0);
    const view = { buffer: x.buffer, shape: lengths, strides, offset };
    return [backend.assemble(lengths, x.dtype, 0, [{ view, at: lengths.map(() => 0) }])];
  },
  gradients: ([g], { inputs: [x], attributes: { starts, lengths } }) =>
    pad(
      g,
      starts.map((start, axis) => [start, x.shape[axis] - start - lengths[axis]] as const),
    ),
};

/**
 * The part of `x` from `start` to `end` (exclusive, by default the length) along `axis`. Negative
 * numbers count from the end. Throws `MemgradError` when the part is outside.
 */
export function slice(x: Tensor, axis: number, start: number, end?: number): Tensor;
export function slice(
  x: Tensor,
  axis: number,
  start: number,
  end?: number,
  ...extra: unknown[]
): Tensor {
  requireTensors('slice', x);
  refuseExtra('slice', extra);
  const along = normalizeAxis('slice', axis, x.rank);
  const length = x.shape[along];
  const fromStart = (at: number) => (typeof at === 'number' && at < 0 ? at + length : at);
  const from = fromStart(start);
  const to = end === undefined ? length : fromStart(end);
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > length || from > to) {
    throw new MemgradError(
      `slice: [${describe(start)}, ${end === undefined ? 'end' : describe(end)}) does not lie in axis ${axis} of shape ${showShape(x.shape)}, which has length ${length}.`,
    );
  }
  return window(x, {
    starts: x.shape.map((_, i) => (i === along ? from : 0)),
    lengths: x.shape.map((full, i) => (i === along ? to - from : full)),
  });
}

function window(x: Tensor, part: Window): Tensor {
  return sameShape(part.lengths, x.shape) ? alias(x) : run(sliceOperation, [x], part)[0];
}

/** The number of values to add before and after, for each axis. */
export type Padding = readonly (readonly [before: number, after: number])[];

const padOperation: Operation<{ padding: Padding; value: number }> = {
  name: 'pad',
  infer: ([x], { padding }) => [
    {
      shape: x.shape.map((length, axis) => padding[axis][0] + length + padding[axis][1]),
      dtype: x.dtype,
    },
  ],
  forward(backend, [x], { padding, value }, [{ shape }]) {
    const view = { buffer: x.buffer, shape: x.shape, strides: stridesOf(x.shape), offset: 0 };
    return [
      backend.assemble(shape, x.dtype, value, [{ view, at: padding.map(([before]) => before) }]),
    ];
  },
  gradients: ([g], { inputs: [x], attributes: { padding } }) =>
    window(g, { starts: padding.map(([before]) => before), lengths: x.shape }),
};

/**
 * Surrounds `x` with `value`; `padding` has [before, after] for each axis. Throws `MemgradError`
 * for a wrong number of pairs or a negative amount.
 */
export function pad(x: Tensor, padding: Padding, value = 0): Tensor {
  requireTensors('pad', x);
  const amounts = Array.isArray(padding) ? padding.flat() : [];
  if (
    !Array.isArray(padding) ||
    padding.length !== x.rank ||
    padding.some((pair) => !Array.isArray(pair) || pair.length !== 2) ||
    amounts.some((amount) => !Number.isInteger(amount) || amount < 0)
  ) {
    throw new MemgradError(
      `pad: expected [before, after] with whole numbers >= 0 for each of the ${x.rank} axes of ${showShape(x.shape)}, got ${describe(padding)}.`,
    );
  }
  check('pad: value', value, number);
  if (x.dtype === 'int32') requireWhole('pad', [value]);
  if (amounts.every((amount) => amount === 0)) return alias(x);
  return run(padOperation, [x], { padding, value })[0];
}

const concatOperation: Operation<number> = {
  name: 'concat',
  infer(inputs, axis) {
    const [first] = inputs;
    for (const { shape } of inputs) {
      const fits =
        shape.length === first.rank && shape.every((n, i) => i === axis || n === first.shape[i]);
      requireFit(fits, 'concat', `equal lengths but along axis ${axis}`, first.shape, shape);
    }
    const length = inputs.reduce((sum, { shape }) => sum + shape[axis], 0);
    return [
      {
        shape: first.shape.map((n, i) => (i === axis ? length : n)),
        dtype: commonDtype('concat', inputs),
      },
    ];
  },
  forward(backend, inputs, axis, [{ shape }]) {
    let start = 0;
    const pieces = inputs.map((x) => {
      const view = { buffer: x.buffer, shape: x.shape, strides: stridesOf(x.shape), offset: 0 };
      const at = shape.map((_, i) => (i === axis ? start : 0));
      start += x.shape[axis];
      return { view, at };
    });
    return [backend.assemble(shape, inputs[0].dtype, 0, pieces)];
  },
  gradients([g], { inputs, attributes: axis, index }) {
    const start = inputs.slice(0, index).reduce((sum, { shape }) => sum + shape[axis], 0);
    return slice(g, axis, start, start + inputs[index].shape[axis]);
  },
};

/**
 * Joins the tensors along `axis`. Throws `MemgradError` unless all other lengths and the dtype
 * match.
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  requireList('concat', tensors);
  return run(concatOperation, tensors, normalizeAxis('concat', axis, tensors[0].rank))[0];
}

/** Stacks tensors of one shape along a new axis. Throws `MemgradError` when their shapes differ. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  requireList('stack', tensors);
  const [{ shape }] = tensors;
  for (const x of tensors)
    requireFit(sameShape(x.shape, shape), 'stack', 'one shape', shape, x.shape);
  const along = normalizeAxis('stack', axis, shape.length + 1);
  const expanded = shape.toSpliced(along, 0, 1);
  return concat(
    tensors.map((x) => reshape(x, expanded)),
    along,
  );
}

/** Throws unless `tensors` is a list of at least one tensor. */
export function requireList(name: string, tensors: readonly Tensor[]): void {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new MemgradError(
      `${name}: expected a list of at least one tensor, got ${Array.isArray(tensors) ? 'an empty one' : describe(tensors)}.`,
    );
  }
  requireTensors(name, ...tensors);
}
