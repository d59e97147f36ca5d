/** Sorting: sort, argsort, topk, and takeAlongAxis. They accept every dtype. */
import { sizeOf } from '../../backends/layout.js';
import { check, checkOptions, flag, whole } from '../../options.js';
import { indexed, normalizeAxis, requireFit, requireInt, requireTensors } from '../arguments.js';
import { arange, upload } from '../create.js';
import { scope } from '../scope.js';
import { sameShape, type Tensor } from '../tensor.js';
import { equal, greater, greaterEqual, less, notEqual, where } from './comparison.js';
import { add, mul, sub } from './elementwise.js';
import { gather } from './indexing.js';
import { moveAxis } from './rearrange.js';
import { broadcastTo, concat, pad, reshape, slice } from './shape.js';
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
  requireFit(
    sameShape(x.shape.with(along, indices.shape[along]), indices.shape),
    'takeAlongAxis',
    `equal lengths but along axis ${axis}`,
    x.shape,
    indices.shape,
  );
  const at = moveAxis(indices, along, 0);
  const rest = at.shape.slice(1);
  const columns = sizeOf(rest);
  const column = reshape(arange(columns, { backend: x.backend }), rest);
  const known = mul(greaterEqual(at, 0), less(at, length));
  const flat = where(known, add(mul(at, columns), column), -1);
  const taken = indexed(
    `takeAlongAxis: an index is outside the axis, expected 0 to ${length - 1}.`,
    () => gather(reshape(moveAxis(x, along, 0), [-1]), flat),
  );
  return moveAxis(taken, 0, along);
}

/**
 * The positions (int32) that sort `x` along `axis`. Equal values keep their order, in both
 * directions; NaN is the largest value. No gradient flows back.
 */
export function argsort(x: Tensor, axis = -1, options?: SortOptions): Tensor {
  return ordered('argsort', x, axis, options);
}

/** `x` sorted along `axis`, as by `argsort`; each gradient goes to the place of its value. */
export function sort(x: Tensor, axis = -1, options?: SortOptions): Tensor {
  return takeAlongAxis(x, ordered('sort', x, axis, options), axis);
}

function ordered(name: string, x: Tensor, axis: number, options?: SortOptions): Tensor {
  requireTensors(name, x);
  const along = normalizeAxis(name, axis, x.rank);
  checkOptions(name, options, { descending: flag });
  return scope(() => moveAxis(order(moveAxis(stopGradient(x), along, 0), options), 0, along));
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

/** The positions that sort x [length, ...rest] along its first axis, by a bitonic network (Batcher 1968). */
function order(x: Tensor, { descending = false }: SortOptions = {}): Tensor {
  const [length, ...rest] = x.shape;
  const { backend } = x;
  const columns = sizeOf(rest);
  let keys = reshape(x, [length, columns]);
  let places = broadcastTo(reshape(arange(length, { backend }), [length, 1]), keys.shape);
  // Each pair of a key and a place is distinct: places of NaN lie outside those of infinities.
  const shift = descending ? -length : length;
  let [most, least] = [2 ** 31 - 1, -(2 ** 31)];
  if (x.dtype !== 'int32') {
    [most, least] = [Infinity, -Infinity];
    const unknown = notEqual(keys, keys);
    keys = where(unknown, Infinity, keys);
    places = add(places, mul(unknown, shift));
  }
  let size = 1;
  while (size < length) size *= 2;
  const missing = [
    [0, size - length],
    [0, 0],
  ] as const;
  keys = pad(keys, missing, descending ? least : most);
  places = pad(places, missing, 2 * length);
  const isBefore = descending ? greater : less;
  for (let run = 2; run <= size; run *= 2) {
    for (let step = run / 2; step >= 1; step /= 2) {
      const groups = size / (2 * step);
      const pairs = (y: Tensor) => {
        const apart = reshape(y, [groups, 2, step, columns]);
        return [slice(apart, 1, 0, 1), slice(apart, 1, 1, 2)];
      };
      // Every other run is sorted in reverse, so that two of them make a bitonic one.
      const reverse = new Int32Array(groups).map((_, i) => ((2 * i * step) / run) & 1);
      const [keyA, keyB] = pairs(keys);
      const [placeA, placeB] = pairs(places);
      const swapped = notEqual(
        add(isBefore(keyB, keyA), mul(equal(keyA, keyB), less(placeB, placeA))),
        upload('argsort', reverse, [groups, 1, 1, 1], backend),
      );
      const exchanged = (a: Tensor, b: Tensor) =>
        reshape(concat([where(swapped, b, a), where(swapped, a, b)], 1), [size, columns]);
      keys = exchanged(keyA, keyB);
      places = exchanged(placeA, placeB);
    }
  }
  places = slice(places, 0, 0, length);
  const known = mul(greaterEqual(places, 0), less(places, length));
  return reshape(where(known, places, sub(places, shift)), x.shape);
}
