/**
 * Checks for backends and operations: gradients against central differences, and a backend against
 * the reference backend and the rules of docs/numbers.md.
 *
 * @module memgrad/testing
 */
import '../default-backend.js';

export {
  type Category,
  categories,
  type OperationName,
  operationNames,
  operations,
} from '../autograd/operations/table.js';
export type {
  CaseInput as HostArray,
  FloatDType,
  OperationCases,
  Pattern,
  Tolerance,
} from './case.js';
export { cases } from './cases.js';
export { checkEdges, type EdgeOptions, type EdgeRow } from './check-edges.js';
export { type ConformanceOptions, type ConformanceRow, runConformance } from './conformance.js';
export {
  checkPrograms,
  type ProgramDifference,
  type ProgramOptions,
  type ProgramReport,
} from './differences.js';
export {
  type AllGradientsOptions,
  checkAllGradients,
  differentiableNames,
  type GradientRow,
} from './gradients.js';
export { checkSizes, type SizeDifference, type SizeOptions, type SizeReport } from './sizes.js';
