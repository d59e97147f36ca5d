/** Edge cases: the rules of docs/numbers.md, each with examples computed by hand. */
import {
  abs,
  add,
  argmax,
  atan2,
  cast,
  ceil,
  clip,
  div,
  equal,
  erf,
  exp,
  expm1,
  floor,
  greater,
  less,
  log1p,
  max,
  maximum,
  mean,
  min,
  minimum,
  mod,
  mul,
  notEqual,
  pow,
  relu,
  round,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  sub,
  sum,
  swiglu,
  type Tensor,
  tan,
  tanh,
  where,
} from '../autograd/index.js';
import { given, ints, type Pattern } from './case.js';

/** One example of a rule. */
export interface Edge extends Pick<Pattern, 'inputs' | 'call'> {
  readonly rule: string;
  /** The expected result. */
  readonly result: readonly number[];
  /**
   * The expected gradients of the floating-point inputs, for a cotangent of ones. Not compared if
   * undefined.
   */
  readonly gradients?: readonly (readonly number[])[];
}

const most = 2 ** 31 - 1;
const least = -(2 ** 31);

const whole = (
  rule: string,
  operation: (a: Tensor, b: Tensor) => Tensor,
  a: readonly number[],
  b: readonly number[],
  result: readonly number[],
): Edge => ({ rule, inputs: [ints(a), ints(b)], call: ([x, y]) => operation(x, y), result });

const unary = (
  rule: string,
  operation: (x: Tensor) => Tensor,
  x: readonly number[],
  result: readonly number[],
  gradient?: readonly number[],
): Edge => ({
  rule,
  inputs: [given(x)],
  call: ([input]) => operation(input),
  result,
  gradients: gradient && [gradient],
});

const pair = (
  rule: string,
  operation: (a: Tensor, b: Tensor) => Tensor,
  a: readonly number[],
  b: readonly number[],
  result: readonly number[],
  gradients?: readonly (readonly number[])[],
): Edge => ({
  rule,
  inputs: [given(a), given(b)],
  call: ([x, y]) => operation(x, y),
  result,
  gradients,
});

/** The examples for int32. */
export const wholeEdges: readonly Edge[] = [
  whole('int32 wraps modulo 2^32', add, [most, least], [1, -1], [least, most]),
  whole('int32 wraps modulo 2^32', sub, [least], [1], [most]),
  whole('int32 wraps modulo 2^32', mul, [123456789, least], [987654321, -1], [-67153019, least]),
  whole(
    'int32 wraps modulo 2^32',
    pow,
    [3, 2, 2, -2],
    [40, 31, 32, 31],
    [689956897, least, 0, least],
  ),
  {
    rule: 'int32 wraps modulo 2^32',
    inputs: [ints([most, 1, most, most], [2, 2])],
    call: ([x]) => sum(x, 1),
    result: [least, -2],
  },
  whole('int32 quotients', div, [7, -7, 5, 0, least], [2, 2, 0, 0, -1], [3, -3, 0, 0, least]),
  whole(
    'int32 to a negative power',
    pow,
    [1, -1, -1, 2, 0],
    [-3, -3, -2, -1, -1],
    [1, -1, 1, 0, 0],
  ),
  unary(
    'cast to int32 saturates',
    (x) => cast(x, 'int32'),
    [3e9, -3e9, Infinity, -Infinity, NaN, -1.9],
    [most, least, most, least, 0, -1],
  ),
];

const powers: [base: number, exponent: number, result: number][] = [
  [-2, 3, -8],
  [-2, 3.0000002384185791, NaN],
  [-2, 2.5, NaN],
  [-2, -3, -0.125],
  [NaN, 0, 1],
  [1, NaN, NaN],
  [1, Infinity, NaN],
  [-1, -Infinity, NaN],
  [-0, 3, -0],
  [-0, -3, -Infinity],
  [-0, 2.5, 0],
  [0, -0.5, Infinity],
  [-Infinity, 0.5, Infinity],
  [-Infinity, 3, -Infinity],
  [-Infinity, -3, -0],
  [0.5, Infinity, 0],
  [4097, 2, 16785408],
  [2, -149, 2 ** -149],
];

/** The examples for elementwise operations and reductions of floats. */
export const floatEdges: readonly Edge[] = [
  pair(
    'pow follows JavaScript',
    pow,
    ...([0, 1, 2].map((i) => powers.map((row) => row[i])) as [number[], number[], number[]]),
  ),
  pair('a zero keeps its sign', mul, [0, -0, 0, -3], [-1, -1, 1, 0], [-0, 0, 0, -0]),
  pair(
    'dividing by zero',
    div,
    [1, 1, -1, 0],
    [0, -0, 0, 0],
    [Infinity, -Infinity, -Infinity, NaN],
  ),
  pair('the larger of zeros is 0', maximum, [0, -0, -0], [-0, 0, -0], [0, 0, -0]),
  pair('the smaller of zeros is -0', minimum, [0, -0, 0], [-0, 0, 0], [-0, -0, 0]),
  pair(
    'NaN wins',
    maximum,
    [NaN, 1],
    [1, NaN],
    [NaN, NaN],
    [
      [0, 0],
      [0, 0],
    ],
  ),
  pair('NaN wins', minimum, [NaN, -Infinity], [1, NaN], [NaN, NaN]),
  pair('equal values share the gradient', maximum, [2], [2], [2], [[0.5], [0.5]]),
  unary('NaN wins', (x) => max(x, 0), [1, NaN, 3], [NaN], [NaN, NaN, NaN]),
  unary('NaN wins', (x) => min(x, 0), [1, NaN, -3], [NaN]),
  unary('the first of equal values, or of NaN', (x) => argmax(x, 0), [1, 3, 3], [1]),
  unary('the first of equal values, or of NaN', (x) => argmax(x, 0), [Infinity, NaN, NaN], [1]),
  unary('equal values share the gradient', (x) => max(x, 0), [3, 3, 1], [3], [0.5, 0.5, 0]),
  unary('relu', relu, [-0, NaN, -Infinity, 1e-30], [0, NaN, 0, 1e-30], [0, 0, 0, 1]),
  unary('a zero keeps its sign', sign, [-0, 0, NaN, -1e-30], [-0, 0, NaN, -1]),
  unary('a zero keeps its sign', sqrt, [-0, -1], [-0, NaN]),
  unary('a zero keeps its sign', abs, [-0, -Infinity], [0, Infinity], [-0, -1]),
  ...[sin, tan, tanh, erf, log1p, expm1].map((operation) =>
    unary('a zero keeps its sign', operation, [-0, 0], [-0, 0]),
  ),
  unary(
    'round takes the even one of two',
    round,
    [0.5, -0.5, 1.5, 2.5, -2.5, NaN, Infinity],
    [0, -0, 2, 2, -2, NaN, Infinity],
  ),
  unary('floor and ceil', floor, [-0, -0.5, 0.5, -Infinity], [-0, -1, 0, -Infinity]),
  unary('floor and ceil', ceil, [-0, -0.5, 0.5, NaN], [-0, -0, 1, NaN]),
  pair(
    'mod has the sign of the divisor',
    mod,
    [-7, 7, 7.5, -1, 1],
    [3, -3, 2, Infinity, 0],
    [2, -2, 1.5, Infinity, NaN],
  ),
  whole('mod has the sign of the divisor', mod, [-7, 7, 5], [3, -3, 0], [2, -2, 5]),
  unary(
    'clip passes the gradient on its limits',
    (x) => clip(x, -1, 1),
    [-2, -1, 0, 1, NaN],
    [-1, -1, 0, 1, NaN],
    [0, 1, 1, 1, 1],
  ),
  pair(
    'atan2 has the signs of C',
    atan2,
    [0, -0, 0, -0, Infinity],
    [0, 0, -1, -1, Infinity],
    [0, -0, 1, -1, 0.25].map((turns) => Math.fround(turns * Math.PI)),
  ),
  unary(
    'digits near 0 and far from it',
    log1p,
    [0, -0, 1e-20, -1, Infinity],
    [0, -0, Math.fround(1e-20), -Infinity, Infinity],
    [1, 1, 1, Infinity, 0],
  ),
  unary(
    'digits near 0 and far from it',
    expm1,
    [0, -1e-20, 1e-20, -Infinity, Infinity],
    [0, Math.fround(-1e-20), Math.fround(1e-20), -1, Infinity],
    [1, 1, 1, 0, Infinity],
  ),
  unary(
    'digits near 0 and far from it',
    softplus,
    [200, -200, Infinity, -Infinity],
    [200, 0, Infinity, 0],
    [1, 0, 1, 0],
  ),
  pair(
    'swiglu multiplies by the slope of silu',
    swiglu,
    [-0.5],
    [Infinity],
    [-Infinity],
    [[Infinity], [-0.18877034]],
  ),
  pair(
    'comparisons with NaN are false',
    (a, b) => cast(less(a, b), a.dtype),
    [NaN, 1],
    [1, NaN],
    [0, 0],
  ),
  pair('comparisons with NaN are false', (a, b) => cast(greater(a, b), a.dtype), [NaN], [NaN], [0]),
  pair(
    'comparisons with NaN are false',
    (a, b) => cast(equal(a, b), a.dtype),
    [NaN, 0],
    [NaN, -0],
    [0, 1],
  ),
  pair(
    'comparisons with NaN are false',
    (a, b) => cast(notEqual(a, b), a.dtype),
    [NaN],
    [NaN],
    [1],
  ),
  pair(
    'where ignores the values that it does not select',
    (a, b) => where(greater(a, 0), a, b),
    [2, 3],
    [NaN, Infinity],
    [2, 3],
    [
      [1, 1],
      [0, 0],
    ],
  ),
  unary(
    'the values that where does not select get a gradient of 0',
    (x) => where(greater(x, 0), sqrt(x), 0),
    [4, 0],
    [2, 0],
    [0.25, NaN], // 0 / sqrt(0)
  ),
  unary('sums overflow to Infinity', (x) => sum(x), [3e38, 3e38], [Infinity]),
  unary('the sum of nothing', (x) => sum(x), [], [0], []),
  unary('the mean of nothing', (x) => mean(x), [], [NaN], []),
  unary('denormals add up', (x) => sum(x), [2 ** -149, 2 ** -149, 2 ** -149], [3 * 2 ** -149]),
  unary('small results of exp and sigmoid', exp, [-100, -104], [3.783505853677006e-44, 0]),
  unary('small results of exp and sigmoid', sigmoid, [-100, -200], [3.783505853677006e-44, 0]),
];
