/** Remarks on an explanation: why a gradient is missing, and where NaN or Infinity begins. */
import { requireThat } from '../options.js';
import { areNumbers, requireExplanation } from './check.js';
import type { ExplainedNode, Explanation } from './explanation.js';
import { describe } from './operations.js';
import { ruleOf, showCall, showFactor, showNode, showNumber, writeCall } from './text.js';

/** Returns sentences about what is missing or went wrong; none if all is well. */
export function remarksOn(explanation: Explanation): string[] {
  requireExplanation('remarksOn', explanation);
  return [
    ...missingGradients(explanation),
    ...forwardBeginnings(explanation),
    ...backwardBeginning(explanation),
  ];
}

/** Whether any of `values` is NaN or infinite. */
export function isLost(values: readonly number[]): boolean {
  requireThat(areNumbers(values), 'isLost: values', 'a list of numbers', values);
  return !values.every(Number.isFinite);
}

function missingGradients(explanation: Explanation): string[] {
  const { nodes, result, backward } = explanation;
  const variables = nodes.filter(({ kind }) => kind === 'variable');
  if (variables.length === 0) return [constantResult(explanation)];
  const used = ancestorsOf(explanation, result);
  const reached = new Set([
    ...(nodes[result].gradient ? [result] : []),
    ...backward.flatMap(({ contributions }) => contributions.map(({ to }) => to)),
  ]);
  return variables.flatMap(({ id, name, dtype }) => {
    if (!used.has(id)) return [`The result does not depend on ${name}.`];
    if (dtype === 'int32') {
      return [
        `${name} holds whole numbers here (an index, a target or a condition), which have no gradient.`,
      ];
    }
    if (reached.has(id)) return [];
    const blocking = nodes.filter(
      (node) =>
        used.has(node.id) &&
        node.operation &&
        'none' in describe(node.operation).rules &&
        ancestorsOf(explanation, node.id).has(id),
    );
    const calls = blocking.map((node) => showCall(explanation, node)).join(', ');
    return [`No gradient reaches ${name}: it ends at ${calls}, which passes none on.`];
  });
}

/** Explains why an expression without variables has no gradient, and how to get one. */
function constantResult({ nodes }: Explanation): string {
  const start = 'The result depends on no variable, so there is no gradient.';
  const assigned = nodes.find(
    ({ kind, name, value }) =>
      kind === 'constant' &&
      /^[\p{ID_Start}$_]/u.test(name) &&
      !/^v[₀-₉]+$/.test(name) &&
      name !== `${value[0]}`,
  );
  return assigned
    ? `${start} ${assigned.name} is assigned and therefore a constant; remove its assignment to make it a variable with a value.`
    : `${start} Write a name, such as x, in place of a number.`;
}

/** The node `id`, and all nodes from which it is computed. */
function ancestorsOf({ nodes }: Explanation, id: number): ReadonlySet<number> {
  const found = new Set([id]);
  for (const each of found) for (const input of nodes[each].inputs) found.add(input); // the set grows during the loop
  return found;
}

/** Remarks on the first Infinity and the first NaN of the forward pass. */
function forwardBeginnings(explanation: Explanation): string[] {
  const { nodes } = explanation;
  const inputsOf = ({ inputs }: ExplainedNode) => inputs.flatMap((id) => nodes[id].value);
  const infinite = nodes.find(
    (node) =>
      node.kind !== 'variable' && isInfinite(node) && !isLost(inputsOf(node)) && isMade(node),
  );
  const lost = nodes.find(
    (node) => node.value.some(Number.isNaN) && !inputsOf(node).some(Number.isNaN),
  );
  return [
    ...(infinite ? [beginning(explanation, infinite, 'Infinity')] : []),
    ...(lost
      ? [
          `${beginning(explanation, lost, 'NaN')} NaN is not a number, and everything computed from it is NaN, too.`,
        ]
      : []),
  ];
}

const isInfinite = ({ value }: ExplainedNode) => value.some((x) => Math.abs(x) === Infinity);

/** Whether an infinite value was computed, rather than written as Infinity. */
function isMade({ kind, name }: ExplainedNode): boolean {
  return kind === 'operation' || !name.includes('Infinity');
}

function beginning(
  explanation: Explanation,
  node: ExplainedNode,
  what: 'Infinity' | 'NaN',
): string {
  if (node.kind !== 'operation') {
    return what === 'NaN'
      ? `${node.name} was given as NaN.`
      : `${node.name} is too large for ${node.dtype}, and became Infinity.`;
  }
  const found = elementOf(explanation, node, what);
  if (!found) {
    const { inputs } = node;
    const values = inputs.map((id) => explanation.nodes[id]);
    const from = values.some(isInfinite)
      ? 'from inputs with Infinity among them'
      : values.every(({ value }) => value.length === 0)
        ? 'from no numbers'
        : 'from finite inputs';
    return `${what} begins at ${showNode(explanation, node)}, ${from}.`;
  }
  const { inputs, text } = found;
  const why =
    what === 'NaN'
      ? 'has no value'
      : ['div', 'log', 'pow'].includes(node.operation as string) && inputs.includes(0)
        ? 'is infinite'
        : `is too large for ${node.dtype}`;
  return `${what} begins at ${showNode(explanation, node)}: ${text} ${why}.`;
}

/**
 * Returns the first element for which an elementwise operation computes NaN or Infinity, as a call
 * with numbers; undefined for other operations.
 */
function elementOf({ nodes }: Explanation, node: ExplainedNode, what: 'Infinity' | 'NaN') {
  const { takes, options } = node.operation ? describe(node.operation) : { takes: [] };
  if (options || !['x', 'a,b'].includes(takes.join())) return undefined;
  const at = node.value.findIndex((x) =>
    what === 'NaN' ? Number.isNaN(x) : Math.abs(x) === Infinity,
  );
  const inputs = node.inputs.map((id) => elementAt(nodes[id], node.shape, at));
  return {
    inputs,
    text: writeCall(node, inputs.map(inputs.length > 1 ? (x) => showFactor([x]) : showNumber)),
  };
}

/** The value of `node`, broadcast to `shape`, at the flat index `at`. */
function elementAt(
  { value, shape: own }: ExplainedNode,
  shape: readonly number[],
  at: number,
): number {
  let [index, step, rest] = [0, 1, at];
  for (let back = 1; back <= own.length; back++) {
    const length = own[own.length - back];
    const full = shape[shape.length - back];
    if (length > 1) index += step * (rest % full);
    step *= length;
    rest = Math.floor(rest / full);
  }
  return value[index];
}

/** Remarks on the first rule that sent NaN or Infinity although none of its operands had any. */
function backwardBeginning(explanation: Explanation): string[] {
  const { nodes, backward } = explanation;
  for (const { node: id, incoming, contributions } of backward) {
    const node = nodes[id];
    const used = [
      ...incoming,
      ...node.value,
      ...node.inputs.flatMap((input) => nodes[input].value),
    ];
    const isNew = (value: readonly number[]) =>
      value.some(Number.isNaN) ? !used.some(Number.isNaN) : isLost(value) && !isLost(used);
    const found = contributions.find(({ value }) => isNew(value));
    if (!found) continue;
    const { formula, numbers, words } = ruleOf(explanation, node, found.input);
    const what = found.value.some(Number.isNaN) ? 'NaN' : 'Infinity';
    const rule = [formula ?? words, ...(numbers ? [numbers] : [])].join(' = ');
    return [
      `In the backward pass ${what} begins at ${showNode(explanation, node)}: d${nodes[found.to].name} += ${rule}.`,
    ];
  }
  return [];
}
