/** Cases of reductions that are composed, and of cumulative ones. */
import {
  type Axes,
  cumprod,
  cumsum,
  norm,
  prod,
  type Shape,
  std,
  type Tensor,
  type VarianceOptions,
  variance,
} from '../../autograd/index.js';
import {
  accumulated,
  floats,
  given,
  ints,
  type OperationCases,
  type Pattern,
  show,
} from '../case.js';
import { empty, long, patternsOf, reduction, rows, withNaN } from './reduction.js';

type Spread = (x: Tensor, axes?: Axes, options?: VarianceOptions) => Tensor;

/** Without a correction, under which the variance of one value is NaN; and with some. */
function spread(operation: Spread): OperationCases {
  const population: Spread = (x, axes, options) =>
    operation(x, axes, { correction: 0, ...options });
  const sample = (shape: Shape, axes: Axes | undefined, correction?: number): Pattern => ({
    pattern: `${show(shape)} over ${axes ?? 'all'}, correction ${correction ?? 'of samples'}`,
    inputs: [floats(shape, 480)],
    call: ([x]) => operation(x, axes, { correction }),
  });
  return reduction(population, accumulated, [
    ...patternsOf(population, empty).map((pattern) => ({ ...pattern, only: 'forward' as const })),
    ...long(operation),
    ...withNaN(operation),
    sample([4], undefined),
    sample([2, 3], 0),
    sample([2, 3], 1, 2),
    sample([2, 3, 2], 1, 1.5),
    { ...sample([3, 1], 1), only: 'forward' },
    rows(
      operation,
      'equal values, and a large mean',
      [
        [3, 3, 3],
        [4096, 4097, 4098],
      ],
      'gradient',
    ),
  ]);
}

function cumulative(operation: (x: Tensor, axis: number) => Tensor): OperationCases {
  const along = (shape: Shape, axis: number): Pattern => ({
    pattern: `${show(shape)} along ${axis}`,
    inputs: [floats(shape, 490)],
    call: ([x]) => operation(x, axis),
  });
  return {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      along([1], 0),
      along([2], 0),
      along([5], -1),
      along([8], 0),
      along([2, 3], 0),
      along([2, 3], 1),
      along([2, 3, 2], 1),
      along([0], 0),
      along([2, 0], 0),
      {
        pattern: 'zeros',
        inputs: [given([2, 0, 3, 0, 4, 1, 2, 0], [2, 4])],
        call: ([x]) => operation(x, 1),
      },
      {
        pattern: 'NaN and an infinity: no value before them changes',
        inputs: [given([1, 2, NaN, 3, 1, Infinity, 2, 2], [2, 4])],
        call: ([x]) => operation(x, 1),
        only: 'forward',
      },
      {
        pattern: 'int32, which wraps',
        inputs: [ints([2 ** 30, 2 ** 30, 2 ** 30, 2 ** 30])],
        call: ([x]) => operation(x, 0),
      },
    ],
  };
}

export const statisticsCases = {
  variance: spread(variance),
  std: spread(std),
  norm: reduction(norm, accumulated, [
    ...patternsOf(norm, empty),
    ...long(norm),
    ...withNaN(norm),
    rows(
      norm,
      'nothing but zeros',
      [
        [0, 0, 0],
        [3, 0, 4],
      ],
      'gradient',
    ),
    rows(
      norm,
      'squares that overflow or vanish',
      [
        [3e30, -4e30],
        [3e-30, 4e-30],
        [3, 4],
      ],
      'gradient',
    ),
    rows(
      norm,
      'infinities',
      [
        [Infinity, 1],
        [-Infinity, NaN],
      ],
      'forward',
    ),
  ]),
  prod: reduction(prod, accumulated, [
    ...patternsOf(prod, empty),
    ...withNaN(prod),
    rows(
      prod,
      'one zero, two zeros',
      [
        [2, 0, 3, 4, 5],
        [0, 2, 3, 0, 1],
      ],
      undefined,
    ),
    {
      pattern: 'int32, which wraps',
      inputs: [ints([2 ** 20, 2 ** 11, 3, 1, 2, 3], [2, 3])],
      call: ([x]) => prod(x, 1),
    },
  ]),
  cumsum: cumulative(cumsum),
  cumprod: cumulative(cumprod),
} satisfies Record<string, OperationCases>;
