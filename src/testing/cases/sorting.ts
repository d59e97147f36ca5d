/** Cases of sorting, and of values along an axis. */
import { argsort, type Shape, sort, type Tensor, takeAlongAxis } from '../../autograd/index.js';
import {
  type CaseInput,
  exact,
  floats,
  given,
  indices,
  ints,
  type OperationCases,
  type Pattern,
  show,
} from '../case.js';

type Sort = typeof sort;

const along: [Shape, number?][] = [
  [[1]],
  [[2]],
  [[3]],
  [[7]],
  [[8]],
  [[2, 3]],
  [[3, 2], 0],
  [[2, 5, 2], 1],
  [[2, 3, 1, 2], -3],
  [[0]],
  [[2, 0]],
  [[0, 3]],
];

function sorted(operation: Sort): readonly Pattern[] {
  const values = (what: string, input: CaseInput, only?: Pattern['only']): Pattern[] =>
    [false, true].map((descending) => ({
      pattern: `${what}${descending ? ', descending' : ''}`,
      inputs: [input],
      call: ([x]: readonly Tensor[]) => operation(x, -1, { descending }),
      only,
    }));
  return [
    ...along.flatMap(([shape, axis], i) =>
      [false, true].map((descending) => ({
        pattern: `${show(shape)} along ${axis ?? 'the last'}${descending ? ', descending' : ''}`,
        inputs: [floats(shape, 770 + i)],
        call: ([x]: readonly Tensor[]) => operation(x, axis, { descending }),
      })),
    ),
    ...values(
      'equal values, infinities and NaN',
      given([1, NaN, Infinity, -Infinity, 1, NaN, 0, Infinity, -Infinity, -0]),
      'forward',
    ),
    ...values('int32', ints([3, -1, 2 ** 30, 3, -(2 ** 31), 0, 7], [1, 7])),
    ...values('[2, 13]', floats([2, 13], 790), 'gradient'),
  ];
}

function taken(what: string, shape: Shape, at: CaseInput, axis: number): Pattern {
  return {
    pattern: `${what}: ${show(shape, at.shape)} along ${axis}`,
    inputs: [floats(shape, 795), at],
    call: ([x, i]) => takeAlongAxis(x, i, axis),
  };
}

export const sortingCases = {
  argsort: {
    differentiable: { no: 'positions are whole numbers' },
    tolerance: exact,
    patterns: sorted(argsort),
  },
  sort: { differentiable: true, tolerance: exact, patterns: sorted(sort) },
  takeAlongAxis: {
    differentiable: true,
    tolerance: exact,
    patterns: [
      taken('a vector', [4], ints([3, 0, 0]), 0),
      taken('rows', [2, 3], indices([2, 2], 796, 3), 1),
      taken('columns', [2, 3], indices([4, 3], 797, 2), 0),
      taken('the middle', [2, 3, 2], indices([2, 2, 2], 798, 3), -2),
      taken('nothing', [2, 3], ints([], [2, 0]), 1),
      taken('no rows', [0, 3], ints([], [0, 2]), 1),
      {
        pattern: 'int32',
        inputs: [ints([5, 6, 7], [1, 3]), ints([2, 1], [1, 2])],
        call: ([x, i]) => takeAlongAxis(x, i, 1),
      },
    ],
  },
} satisfies Record<string, OperationCases>;
