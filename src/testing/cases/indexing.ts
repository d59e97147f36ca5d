/** Cases of rows by index: gather, scatter-add, one-hot. */
import { gather, oneHot, type Shape, scatterAdd } from '../../autograd/index.js';
import {
  type CaseInput,
  exact,
  floats,
  indices,
  ints,
  type OperationCases,
  type Pattern,
  rounded,
  show,
} from '../case.js';

function gathered(what: string, table: Shape, at: CaseInput): Pattern {
  return {
    pattern: `${what}: ${show(table, at.shape)}`,
    inputs: [floats(table, 700), at],
    call: ([x, i]) => gather(x, i),
  };
}

function scattered(what: string, values: Shape, at: CaseInput, rows: number): Pattern {
  return {
    pattern: `${what}: ${show(values, at.shape)} to ${rows} rows`,
    inputs: [floats(values, 701), at],
    call: ([x, i]) => scatterAdd(x, i, rows),
  };
}

function oneHotOf(what: string, at: CaseInput, depth: number): Pattern {
  return {
    pattern: `${what}: ${show(at.shape)} to depth ${depth}`,
    inputs: [at],
    call: ([i], dtype) => oneHot(i, depth, dtype),
  };
}

export const indexingCases = {
  gather: {
    differentiable: true,
    tolerance: exact,
    patterns: [
      gathered('numbers', [3], ints([2, 0])),
      gathered('one row', [3, 2], ints([1], [])),
      gathered('rows', [3, 2], ints([2, 0])),
      gathered('a row twice', [3, 2], ints([1, 1, 0])),
      gathered('indices of rank 2', [4, 2], indices([2, 3], 702, 4)),
      gathered('rows of rank 2', [2, 2, 2], ints([1, 0, 1])),
      gathered('table of one row', [1, 3], ints([0, 0])),
      gathered('no indices', [2, 2], ints([])),
      gathered('empty rows', [2, 0], ints([1])),
      {
        pattern: 'int32 table',
        inputs: [ints([5, 6, 7]), ints([2, 0])],
        call: ([x, i]) => gather(x, i),
      },
    ],
  },
  scatterAdd: {
    differentiable: true,
    tolerance: rounded,
    patterns: [
      scattered('numbers', [2], ints([2, 0]), 3),
      scattered('one row', [2], ints([1], []), 3),
      scattered('rows', [2, 2], ints([2, 0]), 3),
      scattered('a row twice', [3, 2], ints([1, 1, 0]), 3),
      scattered('indices of rank 2', [2, 3, 2], indices([2, 3], 703, 4), 4),
      scattered('rows of rank 2', [3, 2, 2], ints([1, 0, 1]), 2),
      scattered('table of one row', [2, 3], ints([0, 0]), 1),
      scattered('no indices', [0, 2], ints([]), 2),
      scattered('empty rows', [1, 0], ints([1]), 2),
    ],
  },
  oneHot: {
    differentiable: { no: 'its input is int32' },
    tolerance: exact,
    patterns: [
      oneHotOf('one index', ints([1], []), 3),
      oneHotOf('indices', ints([0, 2, 1]), 3),
      oneHotOf('indices of rank 2', indices([2, 3], 704, 4), 4),
      oneHotOf('indices outside', ints([-1, 3, 1]), 3),
      oneHotOf('no indices', ints([]), 3),
      oneHotOf('depth 0', ints([0]), 0),
    ],
  },
} satisfies Record<string, OperationCases>;
