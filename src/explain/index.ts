/**
 * Explains expressions step by step: each operation forward and backward, with its values, its
 * gradients and the rule that was applied.
 *
 * @module memgrad/explain
 */
import '../default-backend.js';

export * from './examples.js';
export * from './explain.js';
export * from './explanation.js';
export { explainable } from './operations.js';
export { variablesOf } from './parse.js';
export { isLost, remarksOn } from './remarks.js';
export {
  type AppliedRule,
  type Known,
  knownAt,
  ruleOf,
  type Step,
  showCall,
  showNode,
  showNumber,
  shownNodes,
  showSum,
  showValue,
  stepsOf,
} from './text.js';
export { parseValue, parseValues, writeValue, writeValues } from './values.js';
