/** Cases of operations that move values, and of views, which don't. */
import {
  broadcastTo,
  concat,
  identity,
  type Padding,
  pad,
  reshape,
  type Shape,
  slice,
  stack,
  stopGradient,
  transpose,
} from '../../autograd/index.js';
import { exact, floats, ints, type OperationCases, type Pattern, show } from '../case.js';

function reshaped(from: Shape, to: Shape): Pattern {
  return {
    pattern: `${show(from)} to ${show(to)}`,
    inputs: [floats(from, 600)],
    call: ([x]) => reshape(x, to),
  };
}

function transposed(shape: Shape, order?: readonly number[]): Pattern {
  return {
    pattern: `${show(shape)} ${order ? `in the order ${show(order)}` : 'reversed'}`,
    inputs: [floats(shape, 610)],
    call: ([x]) => transpose(x, order),
  };
}

function repeated(from: Shape, to: Shape): Pattern {
  return {
    pattern: `${show(from)} to ${show(to)}`,
    inputs: [floats(from, 620)],
    call: ([x]) => broadcastTo(x, to),
  };
}

function sliced(shape: Shape, axis: number, start: number, end?: number): Pattern {
  return {
    pattern: `${show(shape)} along ${axis} from ${start} to ${end ?? 'the end'}`,
    inputs: [floats(shape, 630)],
    call: ([x]) => slice(x, axis, start, end),
  };
}

function padded(shape: Shape, padding: Padding, value?: number): Pattern {
  return {
    pattern: `${show(shape)} by ${JSON.stringify(padding)}${value === undefined ? '' : ` with ${value}`}`,
    inputs: [floats(shape, 640)],
    call: ([x]) => pad(x, padding, value),
  };
}

function joined(axis: number, ...shapes: Shape[]): Pattern {
  return {
    pattern: `${show(...shapes)} along ${axis}`,
    inputs: shapes.map((shape, i) => floats(shape, 650 + i)),
    call: (inputs) => concat(inputs, axis),
  };
}

function stacked(count: number, shape: Shape, axis?: number): Pattern {
  return {
    pattern: `${count} of ${show(shape)} along ${axis ?? 'the first axis'}`,
    inputs: Array.from({ length: count }, (_, i) => floats(shape, 660 + i)),
    call: (inputs) => stack(inputs, axis),
  };
}

const shapes: Shape[] = [[], [1], [2, 3], [2, 1, 3], [1, 2, 1, 2], [0], [2, 0]];

function moves(patterns: readonly Pattern[]): OperationCases {
  return { differentiable: true, tolerance: exact, patterns };
}

export const shapeCases = {
  reshape: moves([
    reshaped([], [1, 1]),
    reshaped([1], []),
    reshaped([2, 3], [3, 2]),
    reshaped([2, 3], [6]),
    reshaped([2, 3], [-1]),
    reshaped([2, 2, 3], [2, -1]),
    reshaped([12], [2, 1, 3, 2]),
    reshaped([2, 3], [2, 3]),
    reshaped([0], [3, 0]),
    reshaped([0, 3], [-1, 3]),
  ]),
  transpose: moves([
    transposed([]),
    transposed([3]),
    transposed([2, 3]),
    transposed([2, 3], [0, 1]),
    transposed([2, 3], [-1, -2]),
    transposed([2, 3, 2]),
    transposed([2, 3, 2], [1, 0, 2]),
    transposed([2, 3, 2], [0, 2, 1]),
    transposed([2, 3, 2], [1, 2, 0]),
    transposed([2, 3, 2], [2, 0, 1]),
    transposed([2, 1, 3, 2], [0, 2, 1, 3]),
    transposed([2, 1, 3, 2], [3, 1, 0, 2]),
    transposed([1, 1], [1, 0]),
    transposed([2, 0, 3], [2, 0, 1]),
    {
      pattern: 'int32',
      inputs: [ints([1, 2, 3, 4, 5, 6], [2, 3])],
      call: ([x]) => transpose(x),
    },
  ]),
  broadcastTo: moves([
    repeated([], [2, 3]),
    repeated([3], [2, 3]),
    repeated([1], [4]),
    repeated([2, 1], [2, 3]),
    repeated([1, 3], [2, 3]),
    repeated([2, 1, 2], [2, 3, 2]),
    repeated([3, 1], [2, 3, 2]),
    repeated([1, 2, 1], [2, 1, 2, 2]),
    repeated([2, 3], [2, 3]),
    repeated([1, 3], [0, 3]),
    repeated([], []),
  ]),
  slice: moves([
    sliced([4], 0, 1),
    sliced([4], 0, 0, 2),
    sliced([4], -1, -3, -1),
    sliced([2, 3], 0, 1),
    sliced([2, 3], 1, 1, 2),
    sliced([2, 3], -1, -1),
    sliced([2, 3, 2], 1, 1, 3),
    sliced([2, 1, 3, 2], 2, 0, 2),
    sliced([3], 0, 0, 3),
    sliced([3], 0, 2, 2),
    sliced([3, 2], 0, 3),
    sliced([0, 2], 1, 1),
  ]),
  pad: moves([
    padded([], []),
    padded([2], [[1, 0]]),
    padded([2], [[0, 2]], 1.5),
    padded(
      [2, 3],
      [
        [0, 0],
        [0, 0],
      ],
    ),
    padded(
      [2, 2],
      [
        [1, 1],
        [0, 1],
      ],
    ),
    padded(
      [2, 2],
      [
        [0, 1],
        [2, 0],
      ],
      -2,
    ),
    padded(
      [2, 1, 2],
      [
        [0, 1],
        [1, 0],
        [1, 1],
      ],
    ),
    padded(
      [1, 2, 1, 1],
      [
        [0, 1],
        [0, 0],
        [1, 0],
        [0, 0],
      ],
    ),
    padded([0], [[1, 2]]),
    padded(
      [2, 0],
      [
        [0, 0],
        [1, 0],
      ],
      3,
    ),
    { ...padded([2], [[1, 1]], -Infinity), only: 'forward' },
  ]),
  concat: moves([
    joined(0, [2]),
    joined(0, [2], [3]),
    joined(-1, [1], [2], [1]),
    joined(0, [2, 3], [1, 3]),
    joined(1, [2, 1], [2, 2]),
    joined(-1, [2, 2, 1], [2, 2, 2]),
    joined(1, [2, 1, 2], [2, 2, 2]),
    joined(0, [1, 2, 1], [2, 2, 1]),
    joined(2, [1, 2, 1, 2], [1, 2, 2, 2]),
    joined(0, [0, 2], [2, 2]),
    joined(1, [0, 2], [0, 1]),
    {
      pattern: 'one tensor twice',
      inputs: [floats([2, 2], 655)],
      call: ([x]) => concat([x, x], 1),
    },
  ]),
  stack: moves([
    stacked(1, []),
    stacked(3, []),
    stacked(2, [3]),
    stacked(2, [3], 1),
    stacked(2, [2, 2], 0),
    stacked(2, [2, 2], 1),
    stacked(2, [2, 2], -1),
    stacked(2, [2, 1, 2], 2),
    stacked(2, [0]),
  ]),
  identity: moves(
    shapes.map((shape) => ({
      pattern: show(shape),
      inputs: [floats(shape, 670)],
      call: ([x]) => identity(x),
    })),
  ),
  stopGradient: {
    differentiable: { no: 'that is its purpose' },
    tolerance: exact,
    patterns: shapes.map((shape) => ({
      pattern: show(shape),
      inputs: [floats(shape, 680)],
      call: ([x]) => stopGradient(x),
    })),
  },
} satisfies Record<string, OperationCases>;
