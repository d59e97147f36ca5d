/** Cases of limits and whole numbers. */
import { ceil, clip, floor, mod, round, type Shape, type Tensor } from '../../autograd/index.js';
import {
  exact,
  floats,
  given,
  ints,
  type OperationCases,
  type Pattern,
  rounded,
  show,
} from '../case.js';
import { binary, unary } from './elementwise.js';

const halves = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, -0.49999997, 0.75, -0.25, 4194303.5];
const wholes = [
  0,
  -0,
  3,
  -7,
  1e-30,
  -1e-30,
  8388607.5,
  -8388607.5,
  8388608,
  16777217,
  2 ** 31,
  1e30,
];

function stepwise(operation: (x: Tensor) => Tensor): OperationCases {
  return unary(operation, {
    differentiable: { no: 'piecewise constant' },
    tolerance: exact,
    extreme: [...halves, ...wholes, Infinity, -Infinity, NaN],
  });
}

function clipped(what: string, x: Shape, low: Shape, high: Shape): Pattern {
  return {
    pattern: `${what}: ${show(x, low, high)}`,
    inputs: [floats(x, 290), floats(low, 291), floats(high, 292)],
    call: ([a, b, c]) => clip(a, b, c),
  };
}

export const roundingCases = {
  round: stepwise(round),
  floor: stepwise(floor),
  ceil: stepwise(ceil),
  clip: {
    differentiable: true,
    tolerance: exact,
    patterns: [
      clipped('scalars', [], [], []),
      clipped('equal shapes', [2, 3], [2, 3], [2, 3]),
      clipped('scalar limits', [2, 3], [], []),
      clipped('limits of a row and a column', [2, 3], [3], [2, 1]),
      clipped('a number between many limits', [], [4], [2, 1]),
      clipped('length 1', [2, 1, 2], [1, 3, 1], [1, 1, 2]),
      clipped('nothing', [0, 3], [3], []),
      {
        pattern: 'numbers',
        inputs: [floats([3, 4], 293)],
        call: ([x]) => clip(x, -1, 1.25),
      },
      {
        pattern: 'on the limits, beyond them, and NaN',
        inputs: [given([-1, 1, -2, 2, NaN, Infinity, -Infinity, 0, -0])],
        call: ([x]) => clip(x, -1, 1),
        only: 'gradient',
      },
      {
        pattern: 'without limits, and with the lower one above',
        inputs: [given([-1, 5]), given([-Infinity, 3]), given([Infinity, 2])],
        call: ([x, low, high]) => clip(x, low, high),
        only: 'gradient',
      },
      {
        pattern: 'int32',
        inputs: [ints([-5, 0, 5])],
        call: ([x]) => clip(x, -1, 3),
      },
    ],
  },
  mod: binary(mod, {
    tolerance: rounded,
    extreme: [
      ...[7, -7, 7.5, -7.5, 0, -0, 1e-10, -1e-10].map((a) => [a, 3] as const),
      ...[7, -7, 7.5, -7.5, 6, -6].map((a) => [a, -3] as const),
      [7.3, 0.1],
      [-7.3, 0.1],
      [1e3, 0.3],
      [2865, 0.7],
      [1e30, 3e29],
      [3e38, 2e38],
      [1e-30, 3e-31],
      [5, Infinity],
      [-5, Infinity],
      [5, -Infinity],
      [5, 0],
      [0, 0],
      [Infinity, 3],
      [NaN, 1],
      [1, NaN],
    ],
    more: [
      {
        pattern: 'int32',
        inputs: [ints([7, -7, 7, -7, 6, -6, 0, 5, -5]), ints([3, 3, -3, -3, 3, -3, 3, 0, 0])],
        call: ([a, b]) => mod(a, b),
      },
      {
        pattern: 'int32 against a number',
        inputs: [ints([-(2 ** 31), 2 ** 31 - 1, -1])],
        call: ([a]) => mod(a, 10),
      },
    ],
  }),
} satisfies Record<string, OperationCases>;
