/** Cases of the parts of networks: normalisation, activation, loss, dropout. */
import {
  type CrossEntropyOptions,
  crossEntropy,
  dropout,
  Key,
  layerNorm,
  logSoftmax,
  rmsNorm,
  type Shape,
  softmax,
  swiglu,
  type Tensor,
} from '../../autograd/index.js';
import {
  accumulated,
  approximated,
  type CaseInput,
  floats,
  given,
  ints,
  type OperationCases,
  type Pattern,
  rounded,
  show,
} from '../case.js';

/**
 * Every axis of every rank, then logits that overflow unless the largest is subtracted, then masks.
 */
function alongAxis(operation: (x: Tensor, axis?: number) => Tensor): Pattern[] {
  const along: [Shape, number?][] = [
    [[1]],
    [[3]],
    [[2, 3]],
    [[2, 3], 0],
    [[2, 3], -2],
    [[2, 3, 2], 1],
    [[2, 3, 2], 0],
    [[1, 2, 1, 3], 3],
    [[2, 1], 1],
    [[0, 3]],
  ];
  const values = (pattern: string, rows: number[][], only: Pattern['only']): Pattern => ({
    pattern,
    inputs: [given(rows.flat(), [rows.length, rows[0].length])],
    call: ([x]) => operation(x),
    only,
  });
  return [
    ...along.map(
      ([shape, axis], i): Pattern => ({
        pattern: `${show(shape)} along ${axis ?? 'the last axis'}`,
        inputs: [floats(shape, 710 + i)],
        call: ([x]) => operation(x, axis),
      }),
    ),
    values(
      'large logits',
      [
        [1000, 1001, 998],
        [-1000, -1002, -1001],
        [0, 80, -80],
      ],
      'gradient',
    ),
    values(
      'equal logits',
      [
        [7, 7, 7],
        [-500, -500, -500],
      ],
      undefined,
    ),
    values(
      'NaN in a row',
      [
        [1, NaN, 2],
        [0, 1, 2],
        [NaN, Infinity, 0],
      ],
      'forward',
    ),
    {
      pattern: '[3, 130], longer than a block',
      inputs: [floats([3, 130], 720)],
      call: ([x]) => operation(x),
      only: 'gradient',
    },
  ];
}

function masked(operation: (x: Tensor) => Tensor, only: Pattern['only']): Pattern {
  return {
    pattern: 'masked logits',
    inputs: [given([1, -Infinity, 2, -Infinity, -Infinity, 3], [2, 3])],
    call: ([x]) => operation(x),
    only,
  };
}

function normalized(what: string, shape: Shape, epsilon?: number): Pattern {
  const features = [shape[shape.length - 1]];
  return {
    pattern: `${what}: ${show(shape)}`,
    inputs: [floats(shape, 730), floats(features, 731), floats(features, 732)],
    call: ([x, weight, bias]) => layerNorm(x, weight, bias, epsilon),
  };
}

function scaledRows(what: string, shape: Shape, epsilon?: number): Pattern {
  return {
    pattern: `${what}: ${show(shape)}`,
    inputs: [floats(shape, 737), floats(shape.slice(-1), 738)],
    call: ([x, weight]) => rmsNorm(x, weight, epsilon),
  };
}

function gated(what: string, shape: Shape): Pattern {
  return {
    pattern: `${what}: ${show(shape)}`,
    inputs: [floats(shape, 735), floats(shape, 736)],
    call: ([a, b]) => swiglu(a, b),
  };
}

function loss(
  what: string,
  shape: Shape,
  targets: CaseInput,
  options?: CrossEntropyOptions,
): Pattern {
  return {
    pattern: `${what}: ${show(shape)}${options?.reduction ? `, ${options.reduction}` : ''}`,
    inputs: [floats(shape, 740), targets],
    call: ([logits, target]) => crossEntropy(logits, target, options),
  };
}

/** With a weight for each class. */
function weighted(
  what: string,
  shape: Shape,
  targets: CaseInput,
  options?: CrossEntropyOptions,
): Pattern {
  return {
    pattern: `${what}: ${show(shape)}${options?.reduction ? `, ${options.reduction}` : ''}`,
    inputs: [floats(shape, 740), targets, floats(shape.slice(-1), 741, 'positive')],
    call: ([logits, target, weights]) => crossEntropy(logits, target, { ...options, weights }),
  };
}

const someIgnored = ints([0, -100, 2, -100]);

function dropped(shape: Shape, rate: number, seed: number): Pattern {
  return {
    pattern: `${show(shape)} at ${rate}`,
    inputs: [floats(shape, 750)],
    call: ([x]) => dropout(x, rate, Key.of(seed)),
  };
}

export const networkCases = {
  softmax: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      ...alongAxis(softmax),
      masked(softmax, 'gradient'),
      {
        pattern: 'a row of -Infinity gives zeros',
        inputs: [given([-Infinity, -Infinity, 1, 2], [2, 2])],
        call: ([x]) => softmax(x),
        only: 'gradient',
      },
    ],
  },
  logSoftmax: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [...alongAxis(logSoftmax), masked(logSoftmax, 'gradient')],
  },
  layerNorm: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      normalized('a vector', [4]),
      normalized('rows', [2, 3]),
      normalized('rank 3', [2, 2, 3]),
      normalized('rank 4', [1, 2, 1, 3]),
      normalized('large epsilon', [2, 3], 0.1),
      normalized('no rows', [0, 3]),
      { ...normalized('longer than a block', [3, 130]), only: 'gradient' },
      {
        pattern: 'NaN in a row',
        inputs: [given([1, NaN, 3, 0, 1, 4], [2, 3]), floats([3], 733), floats([3], 734)],
        call: ([x, weight, bias]) => layerNorm(x, weight, bias),
        only: 'forward',
      },
      {
        pattern: 'a feature of one, and a constant row',
        inputs: [given([3, 3, 3, 0, 0, 0], [2, 3]), floats([3], 733), floats([3], 734)],
        call: ([x, weight, bias]) => layerNorm(x, weight, bias),
        only: 'forward',
      },
    ],
  },
  rmsNorm: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      scaledRows('a vector', [4]),
      scaledRows('rows', [2, 3]),
      scaledRows('rank 3', [2, 2, 3]),
      scaledRows('large epsilon', [2, 3], 0.1),
      scaledRows('no rows', [0, 3]),
      { ...scaledRows('longer than a block', [3, 130]), only: 'gradient' },
      {
        pattern: 'NaN in a row, and rows of zeros and of large numbers',
        inputs: [given([1, NaN, 3, 0, 0, 0, 1e30, -2e30, 5e29], [3, 3]), floats([3], 738)],
        call: ([x, weight]) => rmsNorm(x, weight),
        only: 'forward',
      },
    ],
  },
  swiglu: {
    differentiable: true,
    tolerance: approximated,
    patterns: [
      gated('scalars', []),
      gated('a vector', [5]),
      gated('rows', [2, 3]),
      gated('rank 3', [2, 1, 4]),
      gated('nothing', [0, 3]),
      {
        pattern: 'large arguments of both signs, zero, and NaN',
        inputs: [given([100, -100, 0, -90, NaN]), given([2, 3, 4, -5, 1])],
        call: ([a, b]) => swiglu(a, b),
        only: 'forward',
      },
    ],
  },
  crossEntropy: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      loss('one position', [3], ints([1], [])),
      loss('positions', [2, 3], ints([2, 0])),
      loss('positions of rank 2', [2, 2, 3], ints([2, 0, 1, 1], [2, 2])),
      loss('one class', [2, 1], ints([0, 0])),
      loss('ignored positions', [4, 3], someIgnored),
      loss('ignored positions', [4, 3], someIgnored, { reduction: 'sum' }),
      loss('ignored positions', [4, 3], someIgnored, { reduction: 'none' }),
      loss('another ignored index', [3, 3], ints([0, 1, 2]), { ignoreIndex: 1 }),
      loss('all ignored', [2, 3], ints([-100, -100])),
      loss('all ignored', [2, 3], ints([-100, -100]), { reduction: 'none' }),
      loss('label smoothing', [2, 3], ints([2, 0]), { labelSmoothing: 0.1 }),
      loss('label smoothing, ignored positions', [4, 3], someIgnored, { labelSmoothing: 0.25 }),
      weighted('weights', [2, 3], ints([2, 0])),
      weighted('weights, ignored positions', [4, 3], someIgnored),
      weighted('weights, ignored positions', [4, 3], someIgnored, { reduction: 'none' }),
      weighted('weights and label smoothing', [4, 3], someIgnored, { labelSmoothing: 0.1 }),
      weighted('weights, all ignored', [2, 3], ints([-100, -100])),
      weighted('weights and probabilities', [2, 3], floats([2, 3], 742, 'positive')),
      weighted('weights and probabilities', [2, 2, 3], floats([2, 2, 3], 743, 'positive'), {
        labelSmoothing: 0.1,
        reduction: 'none',
      }),
      loss('probabilities', [3], floats([3], 744, 'positive')),
      loss('probabilities', [2, 3], floats([2, 3], 745, 'positive'), { reduction: 'sum' }),
      loss('probabilities of no positions', [0, 3], floats([0, 3], 746)),
      {
        pattern: 'impossible classes with the probability 0',
        inputs: [
          given([1, -Infinity, 2, 0, -Infinity, 1], [2, 3]),
          given([1, 0, 0, 0.5, 0, 0.5], [2, 3]),
        ],
        call: ([logits, shares]) => crossEntropy(logits, shares),
        only: 'gradient',
      },
      loss('no positions', [0, 3], ints([])),
      loss('no positions', [0, 3], ints([]), { reduction: 'none' }),
      {
        pattern: 'NaN in a row',
        inputs: [given([1, NaN, 3, 0, 1, 4], [2, 3]), ints([0, 2])],
        call: ([logits, target]) => crossEntropy(logits, target, { reduction: 'none' }),
        only: 'forward',
      },
      {
        pattern: 'large logits',
        inputs: [given([1000, 0, -1000, 50, 40, 60], [2, 3]), ints([1, 2])],
        call: ([logits, target]) => crossEntropy(logits, target),
        only: 'gradient',
      },
    ],
  },
  dropout: {
    differentiable: true,
    tolerance: rounded,
    patterns: [
      dropped([], 0.5, 1),
      dropped([3], 0, 2),
      dropped([2, 3], 0.5, 3),
      dropped([2, 3], 0.1, 4),
      dropped([2, 1, 2, 3], 0.9, 5),
      dropped([0], 0.5, 6),
      {
        pattern: 'added to a residual',
        inputs: [floats([2, 3], 751), floats([2, 3], 752)],
        call: ([x, residual]) => dropout(x, 0.5, Key.of(7), { residual }),
      },
    ],
  },
} satisfies Record<string, OperationCases>;
