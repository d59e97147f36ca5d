/** Cases of matrix products: each side transposed, each way in which a batch broadcasts. */
import { concat, type LinearOptions, linear, matmul, type Shape } from '../../autograd/index.js';
import { projections } from '../../autograd/operations/projections.js';
import { accumulated, floats, given, type OperationCases, type Pattern, show } from '../case.js';

const sides = [
  { transposeA: false, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: false },
  { transposeA: true, transposeB: true },
];

/** The batch axes of both sides. */
const batches: [what: string, a: Shape, b: Shape][] = [
  ['no batch', [], []],
  ['equal batches', [2], [2]],
  ['batch on the left', [2], []],
  ['batch on the right', [], [2]],
  ['batch of two axes on the left', [2, 2], []],
  ['length 1 on the left', [1], [2]],
  ['length 1 on the right', [2], [1]],
  ['length 1 on both sides', [2, 1], [1, 2]],
  ['leading axis missing', [2], [2, 2]],
  ['empty batch', [0], []],
  ['empty batch on both sides', [0, 2], [2]],
];

/** Lengths m, k and n that aren't multiples of tile sizes, or are 0 or 1. */
const lengths: [what: string, m: number, k: number, n: number][] = [
  ['one number', 1, 1, 1],
  ['row times column', 1, 3, 1],
  ['column times row', 3, 1, 2],
  ['nothing to sum', 2, 0, 3],
  ['no rows', 0, 2, 3],
  ['no columns', 2, 3, 0],
];

function product(
  what: string,
  [batchA, batchB]: [Shape, Shape],
  [m, k, n]: [number, number, number],
  options: (typeof sides)[number],
  only?: Pattern['only'],
): Pattern {
  const { transposeA, transposeB } = options;
  const a = [...batchA, ...(transposeA ? [k, m] : [m, k])];
  const b = [...batchB, ...(transposeB ? [n, k] : [k, n])];
  const flipped = `${transposeA ? ', left transposed' : ''}${transposeB ? ', right transposed' : ''}`;
  return {
    pattern: `${what}${flipped}: ${show(a, b)}`,
    inputs: [floats(a, 500), floats(b, 501)],
    call: ([x, y]) => matmul(x, y, options),
    only,
  };
}

function affine(
  what: string,
  x: Shape,
  outputs: number,
  bias: boolean,
  options?: LinearOptions,
): Pattern {
  const weight = [outputs, x[x.length - 1]];
  return {
    pattern: `${what}: ${show(x, weight)}`,
    inputs: [floats(x, 510), floats(weight, 511), ...(bias ? [floats([outputs], 512)] : [])],
    call: ([input, w, b]) => linear(input, w, b, options),
  };
}

/** What attention computes queries, keys and values with. */
function joint(what: string, x: Shape, outputs: number, parts: number): Pattern {
  const weight = [parts * outputs, x[x.length - 1]];
  return {
    pattern: `${what}: ${show(x, weight)}`,
    inputs: [floats(x, 515), floats(weight, 516)],
    call: ([input, w]) => concat(projections(input, w, parts), -1),
  };
}

export const matmulCases = {
  matmul: {
    differentiable: true,
    tolerance: accumulated,
    patterns: sides.flatMap((options) => [
      ...batches.map(([what, a, b]) => product(what, [a, b], [2, 3, 2], options)),
      ...lengths.map(([what, m, k, n]) => product(what, [[], []], [m, k, n], options)),
      ...lengths.map(([what, m, k, n]) =>
        product(`${what}, batch on the left`, [[2], []], [m, k, n], options),
      ),
      product('larger than a block', [[3], [3]], [17, 35, 9], options, 'gradient'),
      product(
        'larger than a block, batch on the left',
        [[3], []],
        [17, 35, 9],
        options,
        'gradient',
      ),
    ]),
  },
  linear: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      affine('one row', [3], 2, true),
      affine('one row without bias', [3], 2, false),
      affine('with bias', [2, 3], 2, true),
      affine('without bias', [2, 3], 2, false),
      affine('batch', [2, 2, 3], 2, true),
      affine('batch of two axes', [2, 1, 2, 3], 2, true),
      affine('no rows', [0, 3], 2, true),
      affine('no inputs', [2, 0], 3, true),
      affine('no outputs', [2, 3], 0, true),
      joint('three projections', [2, 3], 2, 3),
      joint('two projections of a batch', [2, 3, 5], 4, 2),
      joint('projections of no rows', [0, 3], 2, 3),
      affine('relu', [4, 3], 5, true, { activation: 'relu' }),
      affine('relu without bias', [4, 3], 5, false, { activation: 'relu' }),
      ...[4, 5].map((outputs): Pattern => {
        const x = given([1, NaN, -2, 3, 1, 1, -1, -1], [4, 2]);
        return {
          pattern: `relu of NaN: ${show([4, 2], [outputs, 2])}`,
          inputs: [x, floats([outputs, 2], 513), floats([outputs], 514)],
          call: ([input, w, b]) => linear(input, w, b, { activation: 'relu' }),
          only: 'forward',
        };
      }),
    ],
  },
} satisfies Record<string, OperationCases>;
