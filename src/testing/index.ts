/**
 * Checks that anyone can run: gradients against central differences, a backend against the reference.
 *
 * @module memgrad/testing
 */

export type { FloatDType, HostArray, OperationCases, Pattern, Tolerance } from './case.js';
export { cases, type OperationName, operationNames, operations } from './cases.js';
export { type ConformanceOptions, type ConformanceRow, runConformance } from './conformance.js';
export {
  type AllGradientsOptions,
  checkAllGradients,
  differentiableNames,
  type GradientRow,
} from './gradients.js';
