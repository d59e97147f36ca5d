/**
 * Operations that rearrange values, as slices, joins, broadcasts and gathers: squeeze, unsqueeze,
 * flatten, split, chunk, flip, tile, roll, tril, triu, meshgrid. All accept every dtype.
 */
import { sizeOf } from '../../backends/layout.js';
import { check, checkOptions, oneOf, requireThat, whole } from '../../options.js';
import { normalizeAxis, requireFit, requireTensors } from '../arguments.js';
import { arange, checkShape } from '../create.js';
import { alias } from '../run.js';
import type { Shape, Tensor } from '../tensor.js';
import { greaterEqual, lessEqual, where } from './comparison.js';
import { gather } from './indexing.js';
import { type Axes, normalizeAxes } from './reduction.js';
import { broadcastTo, concat, requireList, reshape, slice, transpose } from './shape.js';

/**
 * `x` without its axes of length 1, or without those named by `axes`. Throws `MemgradError` for a
 * named axis of another length.
 */
export function squeeze(x: Tensor, axes?: Axes): Tensor {
  requireTensors('squeeze', x);
  const named = axes === undefined ? undefined : normalizeAxes('squeeze', x, axes);
  named?.forEach((axis) => {
    requireFit(x.shape[axis] === 1, 'squeeze', `length 1 along axis ${axis}`, x.shape);
  });
  return reshape(
    x,
    x.shape.filter((length, axis) => (named ? !named.includes(axis) : length !== 1)),
  );
}

/** `x` with a new axis of length 1, which is axis `axis` of the result. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  requireTensors('unsqueeze', x);
  return reshape(x, x.shape.toSpliced(normalizeAxis('unsqueeze', axis, x.rank + 1), 0, 1));
}

/**
 * `x` with the axes from `start` to `end` (inclusive; by default all) as one, in row-major order. A
 * scalar becomes [1].
 */
export function flatten(x: Tensor, start = 0, end = -1): Tensor {
  requireTensors('flatten', x);
  const rank = Math.max(x.rank, 1);
  const [from, to] = [start, end].map((axis) => normalizeAxis('flatten', axis, rank));
  requireThat(from <= to, 'flatten: end', `an axis from ${start} on`, end);
  const size = sizeOf(x.shape.slice(from, to + 1));
  return reshape(x, x.shape.toSpliced(from, to + 1 - from, size));
}

/**
 * Parts of `x` along `axis`, as PyTorch's `split`: `sizes` is the length of each part, of which the
 * last may be shorter, or a list with the length of every part. Throws `MemgradError` if the
 * lengths don't add up.
 */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Tensor[] {
  requireTensors('split', x);
  const length = x.shape[normalizeAxis('split', axis, x.rank)];
  let lengths = sizes as readonly number[];
  if (Array.isArray(sizes)) checkShape('split', sizes);
  else {
    const size = sizes as number;
    check('split: sizes', size, whole());
    const count = Math.max(1, Math.ceil(length / size));
    lengths = Array.from({ length: count }, (_, i) => Math.min(size, length - i * size));
  }
  const total = lengths.reduce((sum, n) => sum + n, 0);
  requireFit(total === length, 'split', `lengths with the sum ${length}`, lengths);
  let start = 0;
  return lengths.map((n) => {
    start += n;
    return slice(x, axis, start - n, start);
  });
}

/**
 * `x` along `axis` in `count` parts of equal length, of which the last may be shorter. Fewer parts
 * are returned where the length is too short for all, as by PyTorch's `chunk`.
 */
export function chunk(x: Tensor, count: number, axis = 0): Tensor[] {
  requireTensors('chunk', x);
  check('chunk: count', count, whole());
  const length = x.shape[normalizeAxis('chunk', axis, x.rank)];
  return split(x, Math.max(1, Math.ceil(length / count)), axis);
}

/** `x` with the values along `axes` (by default all) in reverse order. */
export function flip(x: Tensor, axes?: Axes): Tensor {
  return normalizeAxes('flip', x, axes).reduce((flipped, axis) => {
    const backwards = arange(x.shape[axis] - 1, -1, -1, { backend: x.backend });
    return moveAxis(gather(moveAxis(flipped, axis, 0), backwards), 0, axis);
  }, alias(x));
}

/** `x` with axis `from` as axis `to`; the others keep their order. */
export function moveAxis(x: Tensor, from: number, to: number): Tensor {
  const others = x.shape.map((_, axis) => axis).filter((axis) => axis !== from);
  return from === to ? x : transpose(x, others.toSpliced(to, 0, from));
}

/**
 * Repeats `x` as NumPy's `tile`: `repeats[i]` times along axis i. The shorter one of the shape and
 * `repeats` is filled up with 1 on the left.
 */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  requireTensors('tile', x);
  checkShape('tile', repeats);
  const rank = Math.max(x.rank, repeats.length);
  const filled = (list: Shape) => [...Array(rank - list.length).fill(1), ...list] as number[];
  const shape = filled(x.shape);
  const times = filled(repeats);
  return times.reduce(
    (tiled, count, axis) => {
      const lengths = tiled.shape;
      const copies = (n: number) => lengths.toSpliced(axis, 0, n);
      const repeated = broadcastTo(reshape(tiled, copies(1)), copies(count));
      return reshape(repeated, lengths.with(axis, count * lengths[axis]));
    },
    reshape(x, shape),
  );
}

/**
 * `x` with its values moved by `shift` positions along `axis`; those that leave at the end come
 * back at the start. Without an axis, the values move in row-major order, as NumPy's `roll`.
 */
export function roll(x: Tensor, shift: number, axis?: number): Tensor {
  requireTensors('roll', x);
  check('roll: shift', shift, whole(-(2 ** 30), 2 ** 30));
  if (axis === undefined) return reshape(roll(reshape(x, [-1]), shift, 0), x.shape);
  const along = normalizeAxis('roll', axis, x.rank);
  const length = x.shape[along];
  const by = length === 0 ? 0 : ((shift % length) + length) % length;
  if (by === 0) return alias(x);
  return concat([slice(x, along, length - by), slice(x, along, 0, length - by)], along);
}

/**
 * `x` [..., rows, columns] with zeros above the diagonal; `diagonal` counts diagonals from the main
 * one, upwards. The zeros are chosen, not multiplied, so NaN above the diagonal has no effect.
 * Throws `MemgradError` for rank < 2.
 */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle('tril', x, diagonal);
}

/** `x` [..., rows, columns] with zeros below the diagonal, as `tril`. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle('triu', x, diagonal);
}

function triangle(name: 'tril' | 'triu', x: Tensor, diagonal: number): Tensor {
  requireTensors(name, x);
  check(`${name}: diagonal`, diagonal, whole(-(2 ** 30), 2 ** 30));
  requireFit(x.rank > 1, name, 'rank 2 or more', x.shape);
  const [rows, columns] = x.shape.slice(-2);
  const { backend } = x;
  const row = reshape(arange(diagonal, diagonal + rows, { backend }), [rows, 1]);
  const compare = name === 'tril' ? greaterEqual : lessEqual;
  return where(compare(row, arange(columns, { backend })), x, 0);
}

/** Options of `meshgrid`. */
export interface MeshgridOptions {
  /**
   * The order of the axes: axis i belongs to vector i (`ij`, as in PyTorch), or the first two are
   * exchanged (`xy`, as in NumPy). Default `ij`.
   */
  indexing?: 'ij' | 'xy';
}

/**
 * The coordinates of a grid: for each of the `vectors` a tensor of the shape of the grid, which has an
 * axis for each vector. Throws `MemgradError` for other ranks.
 */
export function meshgrid(vectors: readonly Tensor[], options?: MeshgridOptions): Tensor[] {
  requireList('meshgrid', vectors);
  checkOptions('meshgrid', options, { indexing: oneOf(['ij', 'xy']) });
  for (const { rank, shape } of vectors) requireFit(rank === 1, 'meshgrid', 'vectors', shape);
  const swaps = options?.indexing === 'xy' && vectors.length > 1;
  const axisOf = (i: number) => (swaps && i < 2 ? 1 - i : i);
  const shape = vectors.map((_, axis) => vectors[axisOf(axis)].size);
  return vectors.map((x, i) =>
    broadcastTo(
      reshape(
        x,
        shape.map((length, axis) => (axis === axisOf(i) ? length : 1)),
      ),
      shape,
    ),
  );
}
