/** The case table of all operations: how each is called, and how accurate it must be. */
import type { OperationName } from '../autograd/operations/table.js';
import type { OperationCases } from './case.js';
import { activationCases } from './cases/activations.js';
import { attentionCases } from './cases/attention.js';
import { comparisonCases } from './cases/comparison.js';
import { convolutionCases } from './cases/convolution.js';
import { einsumCases } from './cases/einsum.js';
import { elementwiseCases } from './cases/elementwise.js';
import { functionCases } from './cases/functions.js';
import { indexingCases } from './cases/indexing.js';
import { lossCases } from './cases/losses.js';
import { matmulCases } from './cases/matmul.js';
import { networkCases } from './cases/network.js';
import { rearrangeCases } from './cases/rearrange.js';
import { reductionCases } from './cases/reduction.js';
import { roundingCases } from './cases/rounding.js';
import { shapeCases } from './cases/shape.js';
import { sortingCases } from './cases/sorting.js';
import { statisticsCases } from './cases/statistics.js';

/** The cases of every operation. A missing operation is a compile error. */
export const cases = {
  ...elementwiseCases,
  ...functionCases,
  ...roundingCases,
  ...activationCases,
  ...comparisonCases,
  ...reductionCases,
  ...statisticsCases,
  ...matmulCases,
  ...einsumCases,
  ...shapeCases,
  ...rearrangeCases,
  ...indexingCases,
  ...sortingCases,
  ...networkCases,
  ...lossCases,
  ...attentionCases,
  ...convolutionCases,
} satisfies Record<OperationName, OperationCases> as Record<OperationName, OperationCases>;
