/** Checks the arguments of the functions that show an explanation. */
import { isList } from '../errors.js';
import { requireThat } from '../options.js';
import type { BackwardStep, Contribution, ExplainedNode, Explanation } from './explanation.js';
import { isOperation } from './operations.js';

/** Explanations that passed, so that a page that shows one in many steps checks it only once. */
const passed = new WeakSet<object>();

/** Throws `MemgradError` unless `explanation` is a result of `explain`, or a copy of one. */
export function requireExplanation(where: string, explanation: Explanation): void {
  if (passed.has(Object(explanation))) return;
  const { nodes, result, backward } = Object(explanation) as Explanation;
  const fits =
    Array.isArray(nodes) &&
    Array.from(nodes).every((node) => isNode(node, nodes)) &&
    isIndex(result, nodes) &&
    Array.isArray(backward) &&
    Array.from(backward).every((step) => isStep(step, nodes));
  requireThat(fits, `${where}: the explanation`, 'one that explain() returned', explanation);
  passed.add(explanation);
}

/** Throws `MemgradError` unless `explanation` is valid and `node` is one of its nodes. */
export function requireNode(where: string, explanation: Explanation, node: ExplainedNode): void {
  requireExplanation(where, explanation);
  const fits = isNode(node, explanation.nodes);
  requireThat(fits, `${where}: the node`, 'one of the nodes of the explanation', node);
}

/** Throws `MemgradError` unless `explanation` is valid and `contribution` fits it. */
export function requireContribution(
  where: string,
  explanation: Explanation,
  contribution: Contribution,
): void {
  requireExplanation(where, explanation);
  const fits = isContribution(contribution, explanation.nodes);
  requireThat(fits, `${where}: the contribution`, 'one of a backward step', contribution);
}

/** Whether `values` is a list of numbers. */
export function areNumbers(values: unknown): boolean {
  return isList(values) && Array.from(values).every((value) => typeof value === 'number');
}

function isIndex(id: unknown, nodes: readonly unknown[]): boolean {
  return Number.isInteger(id) && (id as number) in nodes;
}

function isNode(node: ExplainedNode, nodes: readonly unknown[]): boolean {
  const { kind, name, operation, inputs, inputNames, plain, shape, value, gradient } = Object(node);
  return (
    (kind === 'operation'
      ? typeof operation === 'string' && isOperation(operation)
      : kind === 'variable' || kind === 'constant') &&
    typeof name === 'string' &&
    Array.isArray(inputs) &&
    Array.from(inputs).every((id) => isIndex(id, nodes)) &&
    Array.isArray(inputNames) &&
    inputNames.length === inputs.length &&
    Array.from(inputNames).every((text) => typeof text === 'string') &&
    typeof plain === 'object' &&
    plain !== null &&
    areNumbers(shape) &&
    areNumbers(value) &&
    (gradient === undefined || areNumbers(gradient))
  );
}

function isStep(step: BackwardStep, nodes: readonly unknown[]): boolean {
  const { node, contributions } = Object(step) as BackwardStep;
  return (
    isIndex(node, nodes) &&
    Array.isArray(contributions) &&
    Array.from(contributions).every((contribution) => isContribution(contribution, nodes))
  );
}

function isContribution(contribution: Contribution, nodes: readonly unknown[]): boolean {
  const { to, value, before, total } = Object(contribution) as Contribution;
  const values = [value, total, before ?? []];
  return isIndex(to, nodes) && values.every(areNumbers);
}
