/** Edge cases of rows: softmax, losses, attention, norms. */
import {
  attention,
  crossEntropy,
  globalNorm,
  Key,
  layerNorm,
  linear,
  logSoftmax,
  logsumexp,
  mul,
  type Shape,
  softmax,
  type Tensor,
} from '../autograd/index.js';
import { given, ints } from './case.js';
import type { Edge } from './edges.js';

const row = (
  rule: string,
  operation: (x: Tensor) => Tensor,
  x: readonly number[],
  result: readonly number[],
  gradient?: readonly number[],
): Edge => ({
  rule,
  inputs: [given(x, [1, x.length])],
  call: ([input]) => operation(input),
  result,
  gradients: gradient && [gradient],
});

/** The softmax of [0, -1, -2], and its logarithm. */
const shares = [0.66524096, 0.24472847, 0.09003057];
const logs = [-0.40760596, -1.40760596, -2.40760596];
const far = [1e7, 1e7 - 1, 1e7 - 2];
const nothing = [-Infinity, -Infinity];

/** Half of 1 / sqrt(2), the factor by which scores of width 2 are scaled. */
const half = Math.SQRT1_2 / 2;

/**
 * One query [1, 0], and three keys, the second of which is masked; the others have equal scores.
 * Values have width 1.
 */
const masked = (rule: string, k: number[], v: number[], more: Partial<Edge> = {}): Edge => ({
  rule,
  inputs: [given([1, 0], [1, 2]), given(k, [3, 2]), given(v, [3, 1]), ints([1, 0, 1], [1, 3])],
  call: ([q, keys, values, mask]) => attention(q, keys, values, { mask }),
  result: [3],
  gradients: [
    [0, 0],
    [-half, 0, 0, 0, half, 0],
    [0.5, 0, 0.5],
  ],
  ...more,
});
const keys = [0, 1, 5, 5, 0, 1];
const broken = [0, 1, NaN, Infinity, 0, 1];

const norm = (rule: string, x: number[], result: number[], gradients?: number[][]): Edge => ({
  rule,
  inputs: [given(x, [1, x.length]), given([1, 2, 1, 1]), given([0, 0, 0, 1])],
  call: ([input, weight, bias]) => layerNorm(input, weight, bias),
  result,
  gradients,
});

const lossOf = (
  rule: string,
  logits: number[],
  targets: number[],
  result: number[],
  gradient: number[],
): Edge => ({
  rule,
  inputs: [given(logits, [targets.length, logits.length / targets.length]), ints(targets)],
  call: ([x, target]) => crossEntropy(x, target, { reduction: 'none' }),
  result,
  gradients: [gradient],
});

const filled = (value: number, ...shape: number[]) =>
  given(Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);

/** An example that calls `call` on ones of these shapes. */
const empty = (
  rule: string,
  shapes: Shape[],
  call: Edge['call'],
  result: number[],
  gradients?: number[][],
): Edge => ({ rule, inputs: shapes.map((shape) => filled(1, ...shape)), call, result, gradients });

/** The examples for rows. */
export const rowEdges: readonly Edge[] = [
  row('the largest is subtracted first', softmax, far, shares),
  row('the largest is subtracted first', logSoftmax, far, logs),
  row('the largest is subtracted first', logSoftmax, [-1e30, 0], [-1e30, 0], [1, -1]),
  row('the largest is subtracted first', (x) => logsumexp(x, 1), [1000, 1000], [1000.69314718]),
  lossOf(
    'the largest is subtracted first',
    far,
    [0],
    [0.40760596],
    [-0.33475904, ...shares.slice(1)],
  ),
  row('a row of -Infinity', softmax, nothing, [0, 0], [0, 0]),
  row('a row of -Infinity', logSoftmax, nothing, [NaN, NaN]),
  row('a row of -Infinity', (x) => logsumexp(x, 1), nothing, [-Infinity], [0, 0]),
  lossOf('a row of -Infinity', nothing, [0], [NaN], [NaN, NaN]),
  row('a row with Infinity', softmax, [Infinity, 0], [NaN, NaN], [NaN, NaN]),
  row('a row with Infinity', logSoftmax, [Infinity, 0], [NaN, NaN], [NaN, NaN]),
  row('a row with Infinity', (x) => logsumexp(x, 1), [Infinity, 0], [Infinity], [NaN, 0]),
  lossOf('a row with Infinity', [Infinity, 0], [0], [NaN], [NaN, NaN]),
  row('a row with NaN', softmax, [NaN, 0, -Infinity], [NaN, NaN, NaN]),
  row('a row with NaN', softmax, [NaN, -Infinity], [NaN, NaN], [NaN, NaN]),
  {
    rule: 'a weight of 0 passes no gradient',
    inputs: [given([0, -200, 0], [1, 3]), given([1, Infinity, 3], [1, 3])],
    call: ([x, factor]) => mul(softmax(x), factor),
    result: [0.5, NaN, 1.5],
    gradients: [
      [-0.5, 0, 0.5],
      [0.5, 0, 0.5],
    ],
  },

  lossOf(
    'ignored rows are not read',
    [NaN, Infinity, 0, 0],
    [-100, 1],
    [0, Math.LN2],
    [0, 0, 0.5, -0.5],
  ),
  masked('masked keys are not read', keys, [2, 100, 4]),
  masked('masked keys are not read', broken, [2, NaN, 4]),
  masked('masked keys are not read', broken, [2, -Infinity, 4]),
  masked('masked keys are not read, with dropout', broken, [2, NaN, 4], {
    call: ([q, k, v, mask]) =>
      attention(q, k, v, { mask, dropout: { rate: 1e-9, key: Key.of(1) } }),
  }),
  masked('masked keys are not read, nor is their bias', broken, [2, NaN, 4], {
    inputs: [
      ...[given([1, 0], [1, 2]), given(broken, [3, 2]), given([2, NaN, 4], [3, 1])],
      ...[ints([1, 0, 1], [1, 3]), given([0, NaN, 0], [1, 3])],
    ],
    call: ([q, k, v, mask, bias]) => attention(q, k, v, { mask, bias }),
    gradients: [
      [0, 0],
      [-half, 0, 0, 0, half, 0],
      [0.5, 0, 0.5],
      [-half, 0, half],
    ],
  }),
  {
    rule: 'masked keys are not read, also where another gradient is not finite',
    inputs: [
      ...[given([1, 1], [2, 1]), given([0, 0], [2, 1]), given([2, NaN], [2, 1])],
      ...[ints([1, 0, 0, 1], [2, 2]), given([Infinity, 1], [2, 1])],
    ],
    call: ([q, k, v, mask, factor]) => mul(attention(q, k, v, { mask }), factor),
    result: [Infinity, NaN],
    gradients: [
      [NaN, NaN],
      [NaN, NaN],
      [Infinity, 1],
      [2, NaN],
    ],
  },
  {
    rule: 'masked keys are not read, also where another gradient is not finite',
    inputs: [
      ...[given([1, NaN], [2, 1]), given([0, 0], [2, 1]), given([Infinity, 0], [2, 1])],
      ints([1, 1, 1, 0], [2, 2]),
    ],
    call: ([q, k, v, mask]) => attention(q, k, v, { mask }),
    result: [Infinity, NaN],
    gradients: [
      [NaN, NaN],
      [NaN, -Infinity],
      [NaN, 0.5],
    ],
  },
  masked('unmasked values are read', keys, [2, 1, NaN], { result: [NaN], gradients: undefined }),
  {
    rule: 'a NaN in a query affects only its own row',
    inputs: [given([NaN, 1], [2, 1]), given([1, 1], [2, 1]), given([2, 4], [2, 1])],
    call: ([q, k, v]) => attention(q, k, v, {}),
    result: [NaN, 3],
  },

  norm('norms scale', [3e38, -3e38, 3e38, -3e38], [1, -2, 1, 0]),
  norm(
    'norms scale',
    [1e30, -1e30, 1e30, -1e30],
    [1, -2, 1, 0],
    [
      [0, 0, 0, 0],
      [1, -1, 1, -1],
      [1, 1, 1, 1],
    ],
  ),
  norm('norms scale', [0, 0, 0, 0], [0, 0, 0, 1]),
  norm('a norm of values that are not finite', [Infinity, 1, 1, 1], [NaN, NaN, NaN, NaN]),
  row('norms scale', (x) => globalNorm([x]), [3e30, 4e30], [5e30]),
  row('norms scale', (x) => globalNorm([x, x]), [0, 0], [0]),
  row('norms scale', (x) => globalNorm([x]), [3e-30, 4e-30], [5e-30]),
  row('a norm of values that are not finite', (x) => globalNorm([x]), [1, -Infinity], [Infinity]),
  row('a norm of values that are not finite', (x) => globalNorm([x]), [NaN, -Infinity], [NaN]),

  empty('nothing in, nothing out', [[2, 0]], ([x]) => softmax(x), [], [[]]),
  empty('nothing in, nothing out', [[2, 0]], ([x]) => logSoftmax(x, 1), [], [[]]),
  empty('nothing to add up', [[2, 0]], ([x]) => logsumexp(x, 1), [-Infinity, -Infinity], [[]]),
  empty(
    'attention without keys returns zeros',
    [
      [1, 2],
      [0, 2],
      [0, 3],
    ],
    ([q, k, v]) => attention(q, k, v),
    [0, 0, 0],
    [[0, 0], [], []],
  ),
  empty(
    'no outputs',
    [[2, 3], [0, 3], [0]],
    ([x, w, b]) => linear(x, w, b),
    [],
    [[0, 0, 0, 0, 0, 0], [], []],
  ),
  empty(
    'a single row',
    [[3], [2, 3], [2]],
    ([x, w, b]) => linear(x, w, b),
    [4, 4],
    [
      [2, 2, 2],
      [1, 1, 1, 1, 1, 1],
      [1, 1],
    ],
  ),
  empty(
    'a single row',
    [[3], [2, 3]],
    ([x, w]) => linear(x, w),
    [3, 3],
    [
      [2, 2, 2],
      [1, 1, 1, 1, 1, 1],
    ],
  ),
];
