/** Cases of functions that are composed so that no digits are lost. */
import { atan2, expm1, log1p, tan } from '../../autograd/index.js';
import { approximated, given, type OperationCases, type Pattern } from '../case.js';
import { binary, unary } from './elementwise.js';

/** Numbers of every size, whose result near 0 keeps all its digits. */
const small = [0, -0, 1e-30, -1e-30, 1e-20, 1e-7, -1e-7, 3e-5, -2e-4, 1e-3, -0.1, 0.3, -0.49, 0.51];

/** The tolerance near 0 is relative. */
const relative = { relative: 2e-6, absolute: 1e-37 };

export const functionCases = {
  tan: unary(tan, {
    tolerance: approximated,
    extreme: [...small, 1.5, -1.5, 3, 30, -1e3, 1e5, Infinity, -Infinity, NaN],
  }),
  log1p: unary(log1p, {
    tolerance: relative,
    domain: 'positive',
    extreme: [...small, -0.9, -1, -2, 1, 2, 1e7, 1e30, 3.4e38, Infinity, -Infinity, NaN],
    more: [near(log1p)],
  }),
  expm1: unary(expm1, {
    tolerance: relative,
    extreme: [...small, -1, 1, -5, -20, -100, 20, 80, 89, Infinity, -Infinity, NaN],
    more: [near(expm1)],
  }),
  atan2: binary(atan2, {
    tolerance: relative,
    extreme: [
      ...small.map((y) => [y, 1] as const),
      ...small.map((x) => [-1, x] as const),
      [0, -0],
      [-0, 0],
      [0, -1],
      [-0, -1],
      [1, 1],
      [-1, -1],
      [3, -4],
      [1e-30, 1e-30],
      [3e38, 3e38],
      [1e30, -1e-30],
      [Infinity, Infinity],
      [-Infinity, Infinity],
      [Infinity, -Infinity],
      [1, Infinity],
      [-1, -Infinity],
      [Infinity, 1],
      [NaN, 1],
      [1, NaN],
      [NaN, Infinity],
    ],
    kinks: [
      [0, 1],
      [0, -1],
      [-0, 2],
      [1, 0],
      [-2, -0],
    ],
  }),
} satisfies Record<string, OperationCases>;

/** Gradients where the function is nearly x. */
function near(operation: typeof log1p): Pattern {
  return {
    pattern: 'near 0',
    inputs: [given(small.slice(0, 10))],
    call: ([x]) => operation(x),
    only: 'gradient',
  };
}
