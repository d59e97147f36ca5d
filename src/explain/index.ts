/**
 * Expressions looked at under a microscope: each operation forward and backward, with its values,
 * its gradients and the rule that was applied.
 *
 * @module memgrad/explain
 */

export * from './examples.js';
export { explainable } from './operations.js';
export { parseValues, variablesOf, writeValue, writeValues } from './parse.js';
export {
  type AppliedRule,
  isWrittenDown,
  type Known,
  knownAt,
  ruleOf,
  type Step,
  showCall,
  showNumber,
  showSum,
  showValue,
  stepsOf,
} from './text.js';
export * from './trace.js';
