/** Cases of reductions: one axis, several axes, negative axes, axes kept or not. */
import {
  type Axes,
  argmax,
  logsumexp,
  max,
  mean,
  min,
  type ReduceOptions,
  type Shape,
  sum,
  type Tensor,
} from '../../autograd/index.js';
import {
  accumulated,
  exact,
  floats,
  given,
  type OperationCases,
  type Pattern,
  show,
  type Tolerance,
} from '../case.js';

type Reduction = (x: Tensor, axes?: Axes, options?: ReduceOptions) => Tensor;

const reductions: [shape: Shape, axes?: Axes][] = [
  [[]],
  [[], []],
  [[1]],
  [[4], 0],
  [[4], -1],
  [[2, 3]],
  [[2, 3], []],
  [[2, 3], 0],
  [[2, 3], 1],
  [[2, 3], -2],
  [
    [2, 3],
    [1, 0],
  ],
  [[1, 3], 0],
  [[3, 1], -1],
  [[2, 3, 2]],
  [[2, 3, 2], 0],
  [[2, 3, 2], 1],
  [[2, 3, 2], 2],
  [
    [2, 3, 2],
    [0, 2],
  ],
  [
    [2, 3, 2],
    [-1, 0],
  ],
  [
    [2, 3, 2],
    [1, 2],
  ],
  [
    [2, 3, 2],
    [0, 1],
  ],
  [[2, 1, 2, 3], 2],
  [
    [2, 1, 2, 3],
    [1, 3],
  ],
  [
    [2, 1, 2, 3],
    [0, 2],
  ],
  [[0, 3], 1], // the result is empty, so the empty axis is allowed
];

/** Reduces an axis of length 0, which only sums allow. */
export const empty: [shape: Shape, axes?: Axes][] = [
  [[0]],
  [[0, 3], 0],
  [[2, 0], 1],
  [
    [2, 0, 3],
    [0, 1],
  ],
];

/** The operation over each of these axes, which are kept or not. */
export function patternsOf(operation: Reduction, list: typeof reductions): Pattern[] {
  return list.flatMap(([shape, axes], i) =>
    [false, true].map((keepDims) => ({
      pattern: `${show(shape)} over ${axes === undefined ? 'all' : JSON.stringify(axes)}${keepDims ? ', kept' : ''}`,
      inputs: [floats(shape, 400 + i)],
      call: ([x]: readonly Tensor[]) => operation(x, axes, { keepDims }),
    })),
  );
}

/** The cases of a reduction: over each combination of axes, and `more`. */
export function reduction(
  operation: Reduction,
  tolerance: Tolerance,
  more: readonly Pattern[],
): OperationCases {
  return {
    differentiable: true,
    tolerance,
    patterns: [...patternsOf(operation, reductions), ...more],
  };
}

/** Values that no backend may lose: large ones that cancel, infinities, NaN. */
export function rows(
  operation: Reduction,
  pattern: string,
  values: readonly number[][],
  only: Pattern['only'],
): Pattern {
  return {
    pattern,
    inputs: [given(values.flat(), [values.length, values[0].length])],
    call: ([x]) => operation(x, 1),
    only,
  };
}

const ties = [
  [1, 2, 2, 0],
  [3, 3, 3, 3],
  [-1, -1, -2, -1],
];

/** 300 terms: more than a block of any kernel. */
export function long(operation: Reduction): Pattern[] {
  return [0, 1].map((axis) => ({
    pattern: `[37, 41] over ${axis}`,
    inputs: [floats([37, 41], 450)],
    call: ([x]: readonly Tensor[]) => operation(x, axis),
    only: 'gradient' as const,
  }));
}

function argmaxOf(shape: Shape, axis: number, keepDims: boolean): Pattern {
  return {
    pattern: `${show(shape)} along ${axis}${keepDims ? ', kept' : ''}`,
    inputs: [floats(shape, 460 + axis)],
    call: ([x]) => argmax(x, axis, { keepDims }),
  };
}

const chosenFrom = [
  [1, 3, 3, 2],
  [-Infinity, -Infinity, -5, -Infinity],
  [5, Infinity, 1, Infinity],
  [-3, -1, -2, -1],
];

/** NaN, alone and among others, along rows and columns; four columns are one texel on a GPU. */
export function withNaN(operation: Reduction): Pattern[] {
  const values = [
    [1, NaN, 2, 0],
    [3, 1, NaN, Infinity],
    [NaN, -1, 5, -Infinity],
    [2, 7, 1, NaN],
    [0, 1, 2, 3],
  ];
  return [0, 1].map((axis) => ({
    pattern: `NaN over ${axis}`,
    inputs: [given(values.flat(), [5, 4])],
    call: ([x]: readonly Tensor[]) => operation(x, axis),
    only: 'forward' as const,
  }));
}

export const reductionCases = {
  sum: reduction(sum, accumulated, [
    ...patternsOf(sum, empty),
    ...long(sum),
    rows(
      sum,
      'infinities',
      [
        [Infinity, 1],
        [-Infinity, 1],
        [NaN, 1],
      ],
      'gradient',
    ),
  ]),
  mean: reduction(mean, accumulated, [
    ...patternsOf(mean, empty).map((pattern) => ({ ...pattern, only: 'forward' as const })),
    ...long(mean),
  ]),
  max: reduction(max, exact, [
    ...long(max),
    rows(max, 'equal values', ties, 'gradient'),
    rows(max, 'infinities', chosenFrom, 'forward'),
    ...withNaN(max),
  ]),
  min: reduction(min, exact, [
    ...long(min),
    rows(min, 'equal values', ties, 'gradient'),
    rows(min, 'infinities', chosenFrom, 'forward'),
    ...withNaN(min),
  ]),
  logsumexp: reduction(logsumexp, accumulated, [
    ...long(logsumexp),
    rows(
      logsumexp,
      'large logits',
      [
        [1000, 1001, 999],
        [-1000, -1001, -999],
        [0, 500, -500],
      ],
      'gradient',
    ),
    rows(
      logsumexp,
      'masked logits',
      [
        [-Infinity, 1, 2],
        [-Infinity, -Infinity, 3],
      ],
      'gradient',
    ),
    ...withNaN(logsumexp),
    rows(logsumexp, 'nothing but -Infinity', [[-Infinity, -Infinity]], 'forward'),
  ]),
  argmax: {
    differentiable: { no: 'positions are whole numbers' },
    tolerance: exact,
    patterns: [
      ...[false, true].flatMap((keepDims) => [
        argmaxOf([3], 0, keepDims),
        argmaxOf([1], -1, keepDims),
        argmaxOf([2, 3], 0, keepDims),
        argmaxOf([2, 3], -1, keepDims),
        argmaxOf([2, 3, 4], 0, keepDims),
        argmaxOf([2, 3, 4], 1, keepDims),
        argmaxOf([2, 3, 4], 2, keepDims),
        argmaxOf([2, 3, 1, 2], -3, keepDims),
        argmaxOf([0, 3], 1, keepDims),
      ]),
      ...withNaN((x, axis) => argmax(x, axis as number)),
      rows((x) => argmax(x, 1), 'the first of equal values', chosenFrom, undefined),
    ],
  },
} satisfies Record<string, OperationCases>;
