/** Cases of Einstein's sums. */
import { einsum, type Shape } from '../../autograd/index.js';
import { accumulated, floats, ints, type OperationCases, type Pattern, show } from '../case.js';

function sums(equation: string, ...shapes: Shape[]): Pattern {
  return {
    pattern: `${equation}: ${show(...shapes)}`,
    inputs: shapes.map((shape, i) => floats(shape, 800 + i)),
    call: (tensors) => einsum(equation, tensors),
  };
}

export const einsumCases = {
  einsum: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      sums('ij,jk->ik', [2, 3], [3, 2]),
      sums('ij->ji', [2, 3]),
      sums('ij->', [2, 3]),
      sums('ij->j', [2, 3]),
      sums('ji', [2, 3]),
      sums('ii->i', [3, 3]),
      sums('ii', [3, 3]),
      sums('iji->j', [2, 3, 2]),
      sums('i,i', [3], [3]),
      sums('i,i->i', [3], [3]),
      sums('i,j->ij', [2], [3]),
      sums('i,j->ji', [2], [3]),
      sums('i,j->', [2], [3]),
      sums(',i->i', [], [3]),
      sums('ij, jk', [2, 3], [3, 2]),
      sums('bij,bjk->bik', [2, 2, 3], [2, 3, 2]),
      sums('bhqd,bhkd->bhqk', [1, 2, 2, 3], [1, 2, 3, 3]),
      sums('ijk,kl,jl->il', [2, 3, 2], [2, 2], [3, 2]),
      sums('ab,cd,a->cb', [2, 3], [2, 2], [2]),
      sums('ij,jk->ik', [2, 0], [0, 3]),
      sums('ij,jk->ik', [0, 2], [2, 3]),
      {
        pattern: 'int32',
        inputs: [ints([1, 2, 3]), ints([4, 5])],
        call: (tensors) => einsum('i,j->ji', tensors),
      },
      sums('iA,iB->AB', [2, 3], [2, 2]),
      sums('...ij,jk->...ik', [2, 1, 2, 3], [3, 2]),
      sums('...i,...i->...', [2, 1, 3], [4, 3]),
      sums('b...,...a->ab...', [2, 1, 3], [2, 1, 2]),
      sums('...,...', [2, 3], [2, 1]),
      sums('i...->i', [2, 2, 3]),
      sums('...ii->...i', [2, 3, 3]),
      sums('i,...j->ji...', [2], [1, 1, 3]),
    ],
  },
} satisfies Record<string, OperationCases>;
