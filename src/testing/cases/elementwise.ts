/** Cases of the elementwise operations, in every way that shapes broadcast. */
import {
  abs,
  add,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  gelu,
  greater,
  greaterEqual,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  type Operand,
  pow,
  relu,
  type Shape,
  sigmoid,
  sign,
  sin,
  sqrt,
  square,
  sub,
  type Tensor,
  tanh,
  where,
} from '../../autograd/index.js';
import {
  accumulated,
  approximated,
  type Domain,
  exact,
  floats,
  given,
  indices,
  ints,
  type OperationCases,
  type Pattern,
  rounded,
  show,
  type Tolerance,
} from '../case.js';

/** Every rank from 0 to 4, and the sizes 1 and 0. */
const unaryShapes: Shape[] = [[], [1], [3], [2, 3], [2, 1, 2], [1, 2, 1, 2], [0], [2, 0, 3]];

/** Every way in which two shapes broadcast. */
const binaryShapes: [what: string, a: Shape, b: Shape][] = [
  ['scalars', [], []],
  ['equal shapes', [2, 3], [2, 3]],
  ['equal shapes of rank 4', [2, 1, 2, 2], [2, 1, 2, 2]],
  ['scalar on the left', [], [2, 3]],
  ['scalar on the right', [2, 3], []],
  ['leading axis missing on the left', [3], [2, 3]],
  ['leading axis missing on the right', [2, 3], [3]],
  ['leading axes missing on the left', [2], [2, 2, 2]],
  ['leading axes missing on the right', [2, 2, 2], [2]],
  ['length 1 on the left', [2, 1], [2, 3]],
  ['length 1 on the right', [2, 3], [1, 3]],
  ['length 1 in the middle', [2, 1, 2], [2, 2, 2]],
  ['length 1 on both sides', [2, 1], [1, 3]],
  ['length 1 on both sides, alternating', [2, 1, 2, 1], [1, 2, 1, 2]],
  ['length 1 and a missing axis', [3, 1], [2, 1, 2]],
  ['length 1 everywhere', [1, 1], [1]],
  ['nothing, equal shapes', [2, 0], [2, 0]],
  ['nothing against length 1', [2, 0], [2, 1]],
  ['nothing against a missing axis', [0, 3], [3]],
  ['nothing against a scalar', [], [0]],
];

interface UnaryOptions {
  differentiable?: OperationCases['differentiable'];
  tolerance?: Tolerance;
  domain?: Domain;
  /** Values with a result worth comparing, at which no gradient is. */
  extreme: readonly number[];
}

function unary(
  operation: (x: Tensor) => Tensor,
  { differentiable = true, tolerance = rounded, domain, extreme }: UnaryOptions,
): OperationCases {
  const patterns = unaryShapes.map((shape, i): Pattern => {
    return {
      pattern: show(shape),
      inputs: [floats(shape, 100 + i, domain)],
      call: ([x]) => operation(x),
    };
  });
  const far: Pattern = {
    pattern: 'extreme values',
    inputs: [given(extreme)],
    call: ([x]) => operation(x),
    only: 'forward',
  };
  return { differentiable, tolerance, patterns: [...patterns, far] };
}

interface BinaryOptions {
  differentiable?: OperationCases['differentiable'];
  tolerance?: Tolerance;
  left?: Domain;
  right?: Domain;
  /** Pairs with a result worth comparing, at which no gradient is. */
  extreme: readonly (readonly [a: number, b: number])[];
  /** Pairs at a kink: gradients are compared, but not with central differences. */
  kinks?: readonly (readonly [a: number, b: number])[];
  more?: readonly Pattern[];
}

function binary(
  operation: (a: Operand, b: Operand) => Tensor,
  options: BinaryOptions,
): OperationCases {
  const { differentiable = true, tolerance = rounded, left, right, more = [] } = options;
  const call: Pattern['call'] = ([a, b]) => operation(a, b);
  const pairs = (list: readonly (readonly [number, number])[]) => [
    given(list.map(([a]) => a)),
    given(list.map(([, b]) => b)),
  ];
  const patterns: Pattern[] = binaryShapes.map(([what, a, b], i) => ({
    pattern: `${what}: ${show(a, b)}`,
    inputs: [floats(a, 200 + 2 * i, left), floats(b, 201 + 2 * i, right)],
    call,
  }));
  const number: Pattern[] = [
    {
      pattern: 'number on the left',
      inputs: [floats([2, 2], 260, right)],
      call: ([x]) => operation(1.25, x),
    },
    {
      pattern: 'number on the right',
      inputs: [floats([2, 2], 261, left)],
      call: ([x]) => operation(x, 1.25),
    },
  ];
  const far: Pattern = {
    pattern: 'extreme values',
    inputs: pairs(options.extreme),
    call,
    only: 'forward',
  };
  const kinks: Pattern[] = options.kinks
    ? [{ pattern: 'at the kink', inputs: pairs(options.kinks), call, only: 'gradient' }]
    : [];
  return {
    differentiable,
    tolerance,
    patterns: [...patterns, ...number, far, ...kinks, ...more],
  };
}

/** Both sides are one tensor, so that its gradient is the sum of two. */
function twice(operation: (a: Tensor, b: Tensor) => Tensor, domain?: Domain): Pattern {
  return {
    pattern: 'one tensor on both sides',
    inputs: [floats([2, 2], 262, domain)],
    call: ([x]) => operation(x, x),
  };
}

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

const ends = [
  [0, -0],
  [3e38, 3e38],
  [1e-30, -1e-30],
  [Infinity, 1],
  [Infinity, -Infinity],
  [-Infinity, 2],
  [NaN, 1],
  [1, NaN],
] as const;

const zeroAndFar = [0, -0, 1e-30, 1e30, -1e30, Infinity, -Infinity, NaN];

const kinks = [
  [1, 1],
  [-2, -2],
  [0, 0],
  [1, 2],
] as const;

function powerOf(exponent: number): Pattern {
  return {
    pattern: `to the number ${exponent}, negative bases too`,
    inputs: [floats([2, 3], 280)],
    call: ([x]) => pow(x, exponent),
  };
}

function whereCase(what: string, condition: Shape, a: Shape, b: Shape, seed: number): Pattern {
  return {
    pattern: `${what}: ${show(condition, a, b)}`,
    inputs: [indices(condition, seed, 2), floats(a, seed + 1), floats(b, seed + 2)],
    call: ([c, x, y]) => where(c, x, y),
  };
}

export const elementwiseCases = {
  neg: unary(neg, { tolerance: exact, extreme: zeroAndFar }),
  abs: unary(abs, { tolerance: exact, extreme: zeroAndFar }),
  sign: unary(sign, {
    differentiable: { no: 'piecewise constant' },
    tolerance: exact,
    extreme: zeroAndFar,
  }),
  exp: unary(exp, {
    tolerance: { ...approximated, absolute: 1e-37 },
    extreme: [0, -0, 20, -20, 80, -80, 100, -200, Infinity, -Infinity, NaN],
  }),
  log: unary(log, {
    tolerance: approximated,
    domain: 'positive',
    extreme: [1, 1e-30, 1e30, 3, 0, -1, Infinity, NaN],
  }),
  sqrt: unary(sqrt, { domain: 'positive', extreme: [0, 1e-30, 1e30, 4, -1, Infinity, NaN] }),
  sin: unary(sin, { tolerance: approximated, extreme: [0, 3, -3, 6, 30, -30, NaN] }),
  cos: unary(cos, { tolerance: approximated, extreme: [0, 3, -3, 6, 30, -30, NaN] }),
  tanh: unary(tanh, {
    tolerance: approximated,
    extreme: [0, 1e-4, 5, -5, 20, -20, 100, -100, Infinity, -Infinity, NaN],
  }),
  sigmoid: unary(sigmoid, {
    tolerance: approximated,
    extreme: [0, 5, -5, 20, -20, 100, -100, Infinity, -Infinity, NaN],
  }),
  relu: unary(relu, { tolerance: exact, extreme: zeroAndFar }),
  erf: unary(erf, {
    tolerance: approximated,
    extreme: [0, 1e-4, 2.9, 3.1, -4, 6.5, -30, Infinity, -Infinity, NaN],
  }),
  square: unary(square, { extreme: [0, -3, 1e15, -1e15, Infinity, -Infinity, NaN] }),
  gelu: unary(gelu, {
    tolerance: accumulated,
    extreme: [0, 1e-4, 3, -3, 6, -6, 100, -100, NaN],
  }),

  add: binary(add, {
    extreme: ends,
    more: [
      twice(add),
      { pattern: 'int32', inputs: [ints([1, -2, 3]), ints([4])], call: ([a, b]) => add(a, b) },
    ],
  }),
  sub: binary(sub, { extreme: ends, more: [twice(sub)] }),
  mul: binary(mul, {
    extreme: ends,
    more: [
      twice(mul),
      { pattern: 'int32', inputs: [ints([1, -2, 3]), ints([4])], call: ([a, b]) => mul(a, b) },
    ],
  }),
  div: binary(div, {
    extreme: [
      [1, 0],
      [-1, 0],
      [0, 0],
      [1, 3],
      [-2, 7],
      [1, Infinity],
      [NaN, 1],
    ],
    more: [twice(div)],
  }),
  pow: binary(pow, {
    tolerance: accumulated,
    left: 'positive',
    extreme: [
      [0, 0],
      [-2, 3],
      [-2, 2],
      [-2, -1],
      [0, 2],
      [0, 0.5],
      [0, -1],
      [2, 10],
      [-2, 0.5],
      [NaN, 0],
    ],
    more: [twice(pow, 'positive'), ...[3, 2, 1, 0, -1, -2].map(powerOf)],
  }),
  maximum: binary(maximum, {
    tolerance: exact,
    extreme: ends,
    kinks,
    more: [{ ...twice(maximum), only: 'gradient' }],
  }),
  minimum: binary(minimum, {
    tolerance: exact,
    extreme: ends,
    kinks,
    more: [{ ...twice(minimum), only: 'gradient' }],
  }),

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
