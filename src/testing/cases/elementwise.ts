/** Cases of elementwise operations, for every way in which shapes broadcast. */
import {
  abs,
  add,
  cos,
  div,
  erf,
  exp,
  gelu,
  log,
  maximum,
  minimum,
  mul,
  neg,
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
} from '../../autograd/index.js';
import {
  accumulated,
  approximated,
  type Domain,
  exact,
  floats,
  given,
  ints,
  type OperationCases,
  type Pattern,
  rounded,
  show,
  type Tolerance,
} from '../case.js';

/** Shapes of every rank from 0 to 4, and of sizes 1 and 0. */
const unaryShapes: Shape[] = [[], [1], [3], [2, 3], [2, 1, 2], [1, 2, 1, 2], [0], [2, 0, 3]];

/** Pairs of shapes for every way in which they broadcast. */
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

/** Options of `unary`. */
interface UnaryOptions {
  differentiable?: OperationCases['differentiable'];
  tolerance?: Tolerance;
  domain?: Domain;
  /** Values whose result is compared, but where there is no gradient to compare. */
  extreme: readonly number[];
  more?: readonly Pattern[];
}

/** The cases of a function of one float: every rank, and what `options` add. */
export function unary(
  operation: (x: Tensor) => Tensor,
  { differentiable = true, tolerance = rounded, domain, extreme, more = [] }: UnaryOptions,
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
  return { differentiable, tolerance, patterns: [...patterns, far, ...more] };
}

interface BinaryOptions {
  differentiable?: OperationCases['differentiable'];
  tolerance?: Tolerance;
  left?: Domain;
  right?: Domain;
  /** Pairs whose result is compared, but where there is no gradient to compare. */
  extreme: readonly (readonly [a: number, b: number])[];
  /** Pairs at a kink: gradients are compared, but not with central differences. */
  kinks?: readonly (readonly [a: number, b: number])[];
  more?: readonly Pattern[];
}

/**
 * The cases of a binary operation: every way in which its arguments broadcast, and the cases that
 * `options` add.
 */
export function binary(
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

/** Both arguments are the same tensor, so its gradient is a sum of two. */
function twice(operation: (a: Tensor, b: Tensor) => Tensor, domain?: Domain): Pattern {
  return {
    pattern: 'one tensor on both sides',
    inputs: [floats([2, 2], 262, domain)],
    call: ([x]) => operation(x, x),
  };
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

/** Angles of every magnitude, whose range reduction must not lose precision. */
const turns = [
  ...[0, 3, -3, 6, 30, -30, 355, 1e3, -1e4, 1e5, 1e6, 1e8, -1e15, 1e30, 3.4e38],
  ...[Infinity, -Infinity, NaN],
];

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
  sin: unary(sin, { tolerance: approximated, extreme: turns }),
  cos: unary(cos, { tolerance: approximated, extreme: turns }),
  tanh: unary(tanh, {
    tolerance: approximated,
    extreme: [0, 1e-4, 5, -5, 20, -20, 100, -100, Infinity, -Infinity, NaN],
  }),
  sigmoid: unary(sigmoid, {
    tolerance: approximated,
    extreme: [0, 5, -5, 20, -20, 100, -100, Infinity, -Infinity, NaN],
  }),
  relu: unary(relu, {
    tolerance: exact,
    extreme: zeroAndFar,
    more: [
      {
        pattern: 'at NaN',
        inputs: [given([NaN, 1, -1])],
        call: ([x]) => relu(x),
        only: 'gradient',
      },
    ],
  }),
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
} satisfies Record<string, OperationCases>;
