/** Sorting: sort, argsort, topk, and takeAlongAxis. They accept every dtype. */
import { sizeOf } from '../../backends/layout.js';
import { MemgradError } from '../../errors.js';
import { check, checkOptions, flag, whole } from '../../options.js';
import { normalizeAxis, requireInt, requireTensors } from '../arguments.js';
import { arange, upload } from '../create.js';
import { scope } from '../scope.js';
import { type Shape, sameShape, showShape, type Tensor } from '../tensor.js';
import { equal, greater, greaterEqual, less, notEqual, where } from './comparison.js';
import { add, mul, sub } from './elementwise.js';
import { gather } from './indexing.js';
import { broadcastTo, concat, pad, reshape, slice, transpose } from './shape.js';
import { stopGradient } from './view.js';

/** Options of `sort` and `argsort`. */
export interface SortOptions {
  /** The largest value first. Default false. */
  descending?: boolean;
}

/** Options of `topk`. */
export interface TopkOptions {
  /** Whether to choose the largest values, or the smallest. Default true. */
  largest?: boolean;
}

/**
 * The values of `x` at `indices` (int32) along `axis`, as NumPy's `take_along_axis`: the result has
 * the shape of the indices, whose other lengths are those of `x`. Throws `MemgradError` if they
 * aren't, and for an index outside the axis on the backends that can check it (cpu, wasm).
 */
export function takeAlongAxis(x: Tensor, indices: Tensor, axis: number): Tensor {
  requireTensors('takeAlongAxis', x, indices);
  requireInt('takeAlongAxis', 'the indices', indices);
  const along = normalizeAxis('takeAlongAxis', axis, x.rank);
  const length = x.shape[along];
  const taken = x.shape.map((n, i) => (i === along ? indices.shape[i] : n));
  if (!sameShape(taken, indices.shape)) {
    throw new MemgradError(
      `takeAlongAxis: indices ${showShape(indices.shape)} do not fit x ${showShape(x.shape)}, expected lengths that differ along axis ${axis} only.`,
    );
  }
  const at = toRows(indices, along);
  const start = mul(arange(at.shape[0], { backend: x.backend }), length);
  const known = mul(greaterEqual(at, 0), less(at, length));
  const flat = where(known, add(at, reshape(start, [-1, 1])), -1);
  try {
    return fromRows(gather(reshape(toRows(x, along), [-1]), flat), indices.shape, along);
  } catch (error) {
    if (!(error instanceof MemgradError && error.message.startsWith('gather: '))) throw error;
    throw new MemgradError(
      `takeAlongAxis: an index is outside the axis of length ${length}, expected 0 to ${length - 1}.`,
    );
  }
}

/**
 * The positions (int32) that sort `x` along `axis`. Equal values keep their order, in both
 * directions; NaN is the largest value. No gradient flows back.
 */
export function argsort(x: Tensor, axis = -1, options?: SortOptions): Tensor {
  requireTensors('argsort', x);
  const along = normalizeAxis('argsort', axis, x.rank);
  checkOptions('argsort', options, { descending: flag });
  return scope(() => fromRows(order(toRows(stopGradient(x), along), options), x.shape, along));
}

/** `x` sorted along `axis`, as by `argsort`; each gradient goes to the place of its value. */
export function sort(x: Tensor, axis = -1, options?: SortOptions): Tensor {
  requireTensors('sort', x);
  normalizeAxis('sort', axis, x.rank);
  checkOptions('sort', options, { descending: flag });
  return takeAlongAxis(x, argsort(x, axis, options), axis);
}

/**
 * The `k` largest values along `axis`, the largest first, and their positions (int32); of equal
 * values the first. Throws `MemgradError` for more than there are.
 */
export function topk(
  x: Tensor,
  k: number,
  axis = -1,
  options?: TopkOptions,
): { values: Tensor; indices: Tensor } {
  requireTensors('topk', x);
  const along = normalizeAxis('topk', axis, x.rank);
  check('topk: k', k, whole(0, x.shape[along]));
  checkOptions('topk', options, { largest: flag });
  const descending = options?.largest ?? true;
  const indices = slice(argsort(x, along, { descending }), along, 0, k);
  return { values: takeAlongAxis(x, indices, along), indices };
}

/** The positions that sort each row of x [rows, length], by a bitonic network (Batcher 1968). */
function order(x: Tensor, { descending = false }: SortOptions = {}): Tensor {
  const [rows, length] = x.shape;
  const { backend } = x;
  let keys = x;
  let places = broadcastTo(arange(length, { backend }), x.shape);
  // Each pair of a key and a place is distinct: places of NaN lie outside those of infinities.
  const shift = descending ? -length : length;
  if (x.dtype !== 'int32') {
    const unknown = notEqual(x, x);
    keys = where(unknown, Infinity, x);
    places = add(places, mul(unknown, shift));
  }
  const size = length < 2 ? length : 2 ** Math.ceil(Math.log2(length));
  const [most, least] = x.dtype === 'int32' ? [2 ** 31 - 1, -(2 ** 31)] : [Infinity, -Infinity];
  const missing = [
    [0, 0],
    [0, size - length],
  ] as const;
  keys = pad(keys, missing, descending ? least : most);
  places = pad(places, missing, 2 * length);
  const isBefore = descending ? greater : less;
  for (let run = 2; run <= size; run *= 2) {
    for (let step = run / 2; step >= 1; step /= 2) {
      const groups = size / (2 * step);
      const pairs = (y: Tensor) => {
        const apart = reshape(y, [rows, groups, 2, step]);
        return [slice(apart, 2, 0, 1), slice(apart, 2, 1, 2)];
      };
      // Every other run is sorted in reverse, so that two of them make a bitonic one.
      const reverse = Int32Array.from(
        { length: groups },
        (_, i) => +((i * 2 * step) % (2 * run) >= run),
      );
      const [keyA, keyB] = pairs(keys);
      const [placeA, placeB] = pairs(places);
      const tied = mul(equal(keyA, keyB), less(placeB, placeA));
      const swapped = notEqual(
        add(isBefore(keyB, keyA), tied),
        upload('argsort', reverse, [groups, 1, 1], backend),
      );
      const exchanged = (a: Tensor, b: Tensor) =>
        reshape(concat([where(swapped, b, a), where(swapped, a, b)], 2), [rows, size]);
      keys = exchanged(keyA, keyB);
      places = exchanged(placeA, placeB);
    }
  }
  places = slice(places, 1, 0, length);
  const known = mul(greaterEqual(places, 0), less(places, length));
  return where(known, places, sub(places, shift));
}

/** x as [rows, length], with `axis` last. */
function toRows(x: Tensor, axis: number): Tensor {
  const { rest, lengths } = without(x.shape, axis);
  return reshape(transpose(x, [...rest, axis]), [sizeOf(lengths), x.shape[axis]]);
}

/** The inverse of `toRows` for a result of `shape`. */
function fromRows(rows: Tensor, shape: Shape, axis: number): Tensor {
  const { rest, lengths } = without(shape, axis);
  const order = [...rest, axis];
  return transpose(
    reshape(rows, [...lengths, shape[axis]]),
    order.map((_, i) => order.indexOf(i)),
  );
}

function without(shape: Shape, axis: number) {
  const rest = shape.map((_, i) => i).filter((i) => i !== axis);
  return { rest, lengths: rest.map((i) => shape[i]) };
}
