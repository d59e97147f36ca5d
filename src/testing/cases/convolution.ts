/** Cases of convolution, pooling and normalisation by channels. */
import {
  averagePool,
  batchNorm,
  type ConvolutionOptions,
  conv1d,
  conv2d,
  groupNorm,
  maxPool,
  type PoolOptions,
  type Shape,
} from '../../autograd/index.js';
import { accumulated, floats, given, type OperationCases, type Pattern, show } from '../case.js';

function convolved(
  operation: typeof conv2d,
  x: Shape,
  weight: Shape,
  options?: ConvolutionOptions,
): Pattern[] {
  const what = `${show(x, weight)} ${JSON.stringify(options ?? {})}`;
  const inputs = [floats(x, 810), floats(weight, 811)];
  return [
    { pattern: what, inputs, call: ([a, b]) => operation(a, b, undefined, options) },
    {
      pattern: `${what}, biased`,
      inputs: [...inputs, floats([weight[0]], 812)],
      call: ([a, b, c]) => operation(a, b, c, options),
    },
  ];
}

function pooled(operation: typeof maxPool, only: Pattern['only']): readonly Pattern[] {
  const calls: [Shape, number | readonly number[], PoolOptions?][] = [
    [[1, 1, 4], 2],
    [[2, 2, 5], 2],
    [[1, 2, 4, 4], 2],
    [[2, 1, 3, 3], 3],
    [
      [1, 1, 3, 4],
      [3, 2],
    ],
    [[1, 1, 4, 4], 2, { stride: 1 }],
    [[1, 1, 4, 4], 3, { stride: 2, padding: 1 }],
    [[1, 1, 3, 4], [2, 3], { stride: [1, 2], padding: [1, 0] }],
    [[1, 1, 2, 2, 2], 2],
    [[0, 2, 4], 2],
  ];
  return [
    ...calls.map(
      ([shape, size, options]): Pattern => ({
        pattern: `${show(shape)} by ${size} ${JSON.stringify(options ?? {})}`,
        inputs: [floats(shape, 820)],
        call: ([x]) => operation(x, size, options),
      }),
    ),
    {
      pattern: 'NaN, an infinity and equal values',
      inputs: [given([1, NaN, 2, Infinity, 3, 3, -Infinity, -Infinity], [1, 1, 8])],
      call: ([x]) => operation(x, 2),
      only,
    },
  ];
}

function normalized(shape: Shape, epsilon?: number): Pattern {
  const channels = [shape[1]];
  return {
    pattern: `${show(shape)} ${epsilon ?? ''}`,
    inputs: [floats(shape, 830), floats(channels, 831), floats(channels, 832)],
    call: ([x, weight, bias]) => batchNorm(x, weight, bias, { epsilon }),
  };
}

function grouped(shape: Shape, groups: number, epsilon?: number): Pattern {
  const channels = [shape[1]];
  return {
    pattern: `${show(shape)} in ${groups} ${epsilon ?? ''}`,
    inputs: [floats(shape, 840), floats(channels, 841), floats(channels, 842)],
    call: ([x, weight, bias]) => groupNorm(x, groups, weight, bias, epsilon),
  };
}

export const convolutionCases = {
  conv1d: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      ...convolved(conv1d, [1, 1, 3], [1, 1, 2]),
      ...convolved(conv1d, [2, 2, 5], [3, 2, 3]),
      ...convolved(conv1d, [2, 2, 5], [1, 2, 2], { stride: 2, padding: 1 }),
      ...convolved(conv1d, [1, 1, 6], [2, 1, 2], { stride: 3 }),
      ...convolved(conv1d, [0, 1, 3], [1, 1, 2]),
      ...convolved(conv1d, [2, 1, 6], [2, 1, 3], { dilation: 2 }),
      ...convolved(conv1d, [2, 4, 4], [6, 2, 2], { groups: 2 }),
      ...convolved(conv1d, [1, 2, 5], [4, 1, 2], { groups: 2, dilation: 3, padding: 1, stride: 2 }),
    ],
  },
  conv2d: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      ...convolved(conv2d, [1, 1, 3, 3], [1, 1, 2, 2]),
      ...convolved(conv2d, [2, 2, 3, 4], [3, 2, 2, 3]),
      ...convolved(conv2d, [1, 2, 4, 4], [2, 2, 3, 3], { stride: 2, padding: 1 }),
      ...convolved(conv2d, [1, 1, 4, 5], [1, 1, 2, 2], { stride: [2, 1], padding: [0, 1] }),
      ...convolved(conv2d, [1, 1, 5, 3], [1, 1, 2, 2], { stride: [3, 1] }),
      ...convolved(conv2d, [2, 3, 2, 2], [2, 3, 1, 1]),
      ...convolved(conv2d, [1, 0, 2, 2], [1, 0, 1, 1]),
      ...convolved(conv2d, [1, 1, 4, 5], [1, 1, 2, 2], { dilation: [2, 3] }),
      ...convolved(conv2d, [2, 3, 3, 2], [3, 1, 2, 2], { groups: 3 }),
      ...convolved(conv2d, [1, 4, 3, 3], [2, 2, 2, 2], { groups: 2, dilation: 2, padding: 1 }),
    ],
  },
  maxPool: { differentiable: true, tolerance: accumulated, patterns: pooled(maxPool, 'forward') },
  averagePool: {
    differentiable: true,
    tolerance: accumulated,
    patterns: pooled(averagePool, 'forward'),
  },
  batchNorm: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      normalized([4, 2]),
      normalized([2, 3, 2]),
      normalized([2, 2, 2, 2]),
      normalized([3, 1, 1], 0.1),
      normalized([2, 0, 3]),
      {
        pattern: 'with a given mean and variance',
        inputs: [
          ...[floats([2, 3, 2], 833), floats([3], 834), floats([3], 835), floats([3], 836)],
          floats([3], 837, 'positive'),
        ],
        call: ([x, weight, bias, mean, variance]) => batchNorm(x, weight, bias, { mean, variance }),
      },
      {
        pattern: 'NaN in a channel, and large numbers',
        inputs: [given([1, 1e30, NaN, -2e30, 3, 5e29], [3, 2]), floats([2], 838), floats([2], 839)],
        call: ([x, weight, bias]) => batchNorm(x, weight, bias),
        only: 'forward',
      },
    ],
  },
  groupNorm: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      grouped([2, 4], 2),
      grouped([2, 4, 2], 2),
      grouped([1, 3, 2, 2], 1),
      grouped([2, 2, 3], 2, 0.1),
      grouped([0, 2, 3], 2),
      grouped([2, 6], 3),
    ],
  },
} satisfies Record<string, OperationCases>;
