/** Cases of operations that rearrange values. */
import {
  type Axes,
  flatten,
  flip,
  roll,
  type Shape,
  squeeze,
  type Tensor,
  tile,
  tril,
  triu,
  unsqueeze,
} from '../../autograd/index.js';
import { exact, floats, given, indices, type OperationCases, type Pattern, show } from '../case.js';

/** A call with these arguments, of floats or of whole numbers. */
function called(shape: Shape, what: string, call: (x: Tensor) => Tensor, whole = false): Pattern {
  return {
    pattern: `${show(shape)} ${what}${whole ? ', int32' : ''}`,
    inputs: [whole ? indices(shape, 661, 9) : floats(shape, 660)],
    call: ([x]) => call(x),
  };
}

function cases(patterns: readonly Pattern[]): OperationCases {
  return { differentiable: true, tolerance: exact, patterns };
}

const squeezed = (shape: Shape, axes?: Axes) =>
  called(shape, `without ${axes ?? 'every length of 1'}`, (x) => squeeze(x, axes));
const widened = (shape: Shape, axis: number) =>
  called(shape, `with axis ${axis}`, (x) => unsqueeze(x, axis));
const flattened = (shape: Shape, start?: number, end?: number) =>
  called(shape, `from ${start ?? 'the first'} to ${end ?? 'the last'}`, (x) =>
    flatten(x, start, end),
  );
const flipped = (shape: Shape, axes?: Axes, whole = false) =>
  called(shape, `along ${axes ?? 'all'}`, (x) => flip(x, axes), whole);
const tiled = (shape: Shape, repeats: readonly number[], whole = false) =>
  called(shape, `${show(repeats)} times`, (x) => tile(x, repeats), whole);
const rolled = (shape: Shape, shift: number, axis?: number, whole = false) =>
  called(shape, `by ${shift} along ${axis ?? 'all'}`, (x) => roll(x, shift, axis), whole);

/** Every diagonal of matrices that are wide, high and square, alone and in batches. */
function triangles(operation: (x: Tensor, diagonal?: number) => Tensor): OperationCases {
  const shapes: Shape[] = [
    [2, 3],
    [3, 2],
    [3, 3],
    [2, 2, 2],
    [2, 1, 1, 3],
    [0, 3],
    [2, 0],
  ];
  return cases([
    ...shapes.map((shape) => called(shape, 'main diagonal', (x) => operation(x))),
    ...[-3, -1, 1, 2, 5].map((diagonal) =>
      called([3, 4], `diagonal ${diagonal}`, (x) => operation(x, diagonal)),
    ),
    called([3, 3], 'main diagonal', (x) => operation(x), true),
    {
      pattern: 'NaN and infinities',
      inputs: [given([NaN, 1, Infinity, 2, NaN, -Infinity, 3, 4, 5], [3, 3])],
      call: ([x]) => operation(x),
      only: 'gradient',
    },
  ]);
}

export const rearrangeCases = {
  squeeze: cases([
    squeezed([]),
    squeezed([2, 3]),
    squeezed([1, 2, 1, 3]),
    squeezed([1, 2, 1, 3], 0),
    squeezed([1, 2, 1, 3], -2),
    squeezed([1, 2, 1, 3], [2, 0]),
    squeezed([1, 1]),
    squeezed([1, 0]),
  ]),
  unsqueeze: cases([
    widened([], 0),
    widened([3], 0),
    widened([3], 1),
    widened([2, 3], -1),
    widened([2, 3], 1),
    widened([2, 0], -3),
  ]),
  flatten: cases([
    flattened([]),
    flattened([3]),
    flattened([2, 3]),
    flattened([2, 1, 3, 2], 1),
    flattened([2, 1, 3, 2], 1, 2),
    flattened([2, 1, 3, 2], -3, -2),
    flattened([2, 3], 1, 1),
    flattened([2, 0, 3], 1),
  ]),
  flip: cases([
    flipped([]),
    flipped([1]),
    flipped([4]),
    flipped([2, 3]),
    flipped([2, 3], 0),
    flipped([2, 3], -1),
    flipped([2, 3, 2], 1),
    flipped([2, 3, 2], [0, -1]),
    flipped([2, 3], []),
    flipped([0, 3]),
    flipped([2, 3], 1, true),
  ]),
  tile: cases([
    tiled([], []),
    tiled([], [3]),
    tiled([2], [3]),
    tiled([2, 3], [2]),
    tiled([2, 3], [2, 1]),
    tiled([2, 3], [2, 2]),
    tiled([3], [2, 1, 2]),
    tiled([2, 1, 2], [1, 3, 1]),
    tiled([2], [0]),
    tiled([0, 2], [2, 1]),
    tiled([2, 2], [1, 2], true),
  ]),
  roll: cases([
    rolled([], 1),
    rolled([4], 1),
    rolled([4], -1),
    rolled([4], 0),
    rolled([4], 9, 0),
    rolled([2, 3], 2),
    rolled([2, 3], 1, 0),
    rolled([2, 3], -2, -1),
    rolled([2, 3, 2], 1, 1),
    rolled([0], 3),
    rolled([2, 3], 1, 1, true),
  ]),
  tril: triangles(tril),
  triu: triangles(triu),
} satisfies Record<string, OperationCases>;
