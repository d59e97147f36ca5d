/** Cases of comparisons, `where` and `cast`. */
import {
  add,
  cast,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  notEqual,
  type Operand,
  type Shape,
  type Tensor,
  where,
} from '../../autograd/index.js';
import {
  exact,
  floats,
  given,
  indices,
  ints,
  type OperationCases,
  type Pattern,
  show,
} from '../case.js';
import { binary } from './elementwise.js';

function comparison(operation: (a: Operand, b: Operand) => Tensor): OperationCases {
  const whole: Pattern = {
    pattern: 'int32',
    inputs: [indices([2, 3], 270, 3), indices([3], 271, 3)],
    call: ([a, b]) => operation(a, b),
  };
  const against: Pattern = {
    pattern: 'int32 against a number',
    inputs: [indices([2, 3], 272, 3)],
    call: ([a]) => operation(a, 1),
  };
  return binary(operation, {
    differentiable: { no: 'truth values are piecewise constant' },
    tolerance: exact,
    extreme: [
      [1, 1],
      [0, -0],
      [-2, 3],
      [Infinity, Infinity],
      [-Infinity, Infinity],
      [NaN, NaN],
      [NaN, 1],
      [1, NaN],
    ],
    more: [whole, against],
  });
}

function whereCase(what: string, condition: Shape, a: Shape, b: Shape, seed: number): Pattern {
  return {
    pattern: `${what}: ${show(condition, a, b)}`,
    inputs: [indices(condition, seed, 2), floats(a, seed + 1), floats(b, seed + 2)],
    call: ([c, x, y]) => where(c, x, y),
  };
}

export const comparisonCases = {
  equal: comparison(equal),
  notEqual: comparison(notEqual),
  less: comparison(less),
  lessEqual: comparison(lessEqual),
  greater: comparison(greater),
  greaterEqual: comparison(greaterEqual),

  where: {
    differentiable: true,
    tolerance: exact,
    patterns: [
      whereCase('scalars', [], [], [], 300),
      whereCase('equal shapes', [2, 3], [2, 3], [2, 3], 303),
      whereCase('condition repeats', [3], [2, 3], [2, 3], 306),
      whereCase('condition repeats along length 1', [2, 1], [2, 3], [2, 3], 309),
      whereCase('left repeats', [2, 3], [], [2, 3], 312),
      whereCase('right repeats', [2, 3], [2, 3], [1, 3], 315),
      whereCase('both repeat', [2, 3], [2, 1], [3], 318),
      whereCase('condition is largest', [2, 2, 2], [2, 1], [1], 321),
      whereCase('all three repeat', [2, 1, 1], [1, 2, 1], [1, 1, 2], 324),
      whereCase('nothing', [0, 2], [2], [], 327),
      {
        pattern: 'numbers on either side',
        inputs: [ints([1, 0, 1]), floats([3], 330)],
        call: ([c, x]) => add(where(c, x, 2), where(c, -1, x)),
      },
      {
        pattern: 'NaN and infinities that are not chosen',
        inputs: [ints([1, 0, 1, 0]), given([1, NaN, 3, Infinity]), given([NaN, 2, -Infinity, 4])],
        call: ([c, x, y]) => where(c, x, y),
        only: 'gradient',
      },
      {
        pattern: 'any number but 0 is true',
        inputs: [ints([2, 0, -1]), floats([3], 331), floats([3], 332)],
        call: ([c, x, y]) => where(c, x, y),
      },
      {
        pattern: 'int32 values',
        inputs: [ints([1, 0]), ints([3, 4]), ints([5])],
        call: ([c, x, y]) => where(c, x, y),
      },
    ],
  },

  cast: {
    differentiable: true,
    tolerance: exact,
    patterns: [
      {
        pattern: 'to its own dtype',
        inputs: [floats([2, 3], 340)],
        call: ([x], dtype) => cast(x, dtype),
      },
      {
        pattern: 'to int32, towards zero',
        inputs: [given([0, -0, 0.5, -0.5, 1.999, -1.999, 7, -7, 2 ** 24, -(2 ** 30)])],
        call: ([x]) => cast(x, 'int32'),
        only: 'forward',
      },
      {
        pattern: 'from int32',
        inputs: [ints([0, 1, -1, 1000, 2 ** 24, -(2 ** 24)], [2, 3])],
        call: ([x], dtype) => cast(x, dtype),
      },
      {
        pattern: 'to float32, and a gradient back',
        inputs: [floats([2, 2], 341)],
        call: ([x]) => cast(x, 'float32'),
        only: 'gradient',
      },
      {
        pattern: 'nothing',
        inputs: [given([], [2, 0])],
        call: ([x]) => cast(x, 'int32'),
        only: 'forward',
      },
    ],
  },
} satisfies Record<string, OperationCases>;
