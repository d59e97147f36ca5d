/** An explanation as text: numbers, calls, rules, and steps. */
import type { Nested } from '../autograd/index.js';
import type { OperationName } from '../autograd/operations/table.js';
import { sizeOf } from '../backends/layout.js';
import { MemgradError } from '../errors.js';
import { check, number, requireThat, whole } from '../options.js';
import { areNumbers, requireContribution, requireExplanation, requireNode } from './check.js';
import type { BackwardStep, Contribution, ExplainedNode, Explanation } from './explanation.js';
import { describe, type Rule } from './operations.js';
import { writeValue } from './values.js';

/** Formats a number with at most six significant digits. */
export function showNumber(x: number): string {
  check('showNumber: x', x, number);
  return Object.is(x, -0) ? '0' : `${Number(x.toPrecision(6))}`;
}

/** Formats a value as nested lists: `[[1, 2], [3, 4]]`. */
export function showValue(value: readonly number[], shape: readonly number[]): string {
  const fits = areNumbers(value) && areNumbers(shape) && sizeOf(shape) === value.length;
  requireThat(fits, 'showValue: value', 'as many numbers as the shape holds', value);
  const build = (axis: number, start: number): string => {
    if (axis === shape.length) return showNumber(value[start]);
    const step = sizeOf(shape.slice(axis + 1));
    const parts = Array.from({ length: shape[axis] }, (_, i) => build(axis + 1, start + i * step));
    return `[${parts.join(', ')}]`;
  };
  return build(0, 0);
}

/**
 * Returns the nodes to show. Single constants are omitted, since the operations that use them show
 * them.
 */
export function shownNodes(explanation: Explanation): ExplainedNode[] {
  requireExplanation('shownNodes', explanation);
  const { nodes, result } = explanation;
  return nodes.filter(
    ({ id, kind, shape }) => kind !== 'constant' || shape.length > 0 || id === result,
  );
}

const signs: Partial<Record<OperationName, string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  pow: '**',
  equal: '==',
  notEqual: '!=',
  less: '<',
  lessEqual: '<=',
  greater: '>',
  greaterEqual: '>=',
};

/** Formats the operation of a node with the names of its inputs: `w * x`, `softmax(v₁, 0)`. */
export function showCall(explanation: Explanation, node: ExplainedNode): string {
  requireNode('showCall', explanation, node);
  const { nodes } = explanation;
  if (!node.operation) return showValue(node.value, node.shape);
  return writeCall(
    node,
    node.inputs.map((id) => nodes[id].name),
  );
}

/** Formats the call of an operation with `names` for its inputs. */
export function writeCall(
  { operation, inputNames, plain }: ExplainedNode,
  names: readonly string[],
): string {
  if (!operation) throw new MemgradError('explain: a variable or a number is not called.');
  const sign = signs[operation];
  if (sign) return names.join(` ${sign} `);
  if (operation === 'neg') return `-${names[0]}`;
  const { takes, options = [] } = describe(operation);
  const written = (name: string) => {
    const at = inputNames.indexOf(name);
    if (at >= 0) return names[at];
    if (name === 'tensors') return `[${names.join(', ')}]`;
    if (!(name in plain)) return undefined;
    const value = plain[name];
    if (typeof value === 'string') return `'${value}'`;
    return typeof value === 'boolean' ? `${value}` : writeValue(value as Nested);
  };
  const args = takes.map((name) => written(name.replace('?', ''))).filter((arg) => arg);
  const named = options.flatMap((name) => (written(name) ? [`${name}: ${written(name)}`] : []));
  return `${operation}(${[...args, ...(named.length > 0 ? [`{ ${named.join(', ')} }`] : [])].join(', ')})`;
}

/** Formats a node: `v₁ = w * x`, or only the name of a node that isn't an operation. */
export function showNode(explanation: Explanation, node: ExplainedNode): string {
  requireNode('showNode', explanation, node);
  return node.kind === 'operation' ? `${node.name} = ${showCall(explanation, node)}` : node.name;
}

/** The rule that computed a contribution. */
export interface AppliedRule {
  /**
   * The rule in the names of the expression, such as `x * dv₁`; undefined if the rule is in words
   * only.
   */
  readonly formula?: string;
  /** The same with numbers, if all values are single numbers: `1.5 * 0.42`. */
  readonly numbers?: string;
  /** What the formula leaves out. */
  readonly words?: string;
}

/** Returns the rule for one input as it is in the table, in x, y and dy. */
export function rawRule({ nodes }: Explanation, node: ExplainedNode, input: number) {
  if (!node.operation) throw new MemgradError(`explain: ${node.name} is no operation.`);
  const { rules } = describe(node.operation);
  const inputs = Object.fromEntries(
    node.inputNames.map((name, i) => [name, nodes[node.inputs[i]]]),
  );
  const all = typeof rules === 'function' ? rules({ inputs, y: node, plain: node.plain }) : rules;
  const rule: Rule | undefined =
    'none' in all ? undefined : all[node.inputNames[input] as keyof typeof all];
  if (rule === undefined) {
    throw new MemgradError(`explain: ${node.operation} has no rule for its input ${input}.`);
  }
  return typeof rule === 'string'
    ? { formula: rule, words: undefined }
    : { formula: undefined, ...rule };
}

/**
 * Returns the rule by which `node` passes its gradient to input number `input`, in the names of the
 * expression.
 */
export function ruleOf(explanation: Explanation, node: ExplainedNode, input: number): AppliedRule {
  requireNode('ruleOf', explanation, node);
  check('ruleOf: input', input, whole(0, Math.max(0, node.inputs.length - 1)));
  const { formula, words } = rawRule(explanation, node, input);
  const { repeats, reduces } = describe(node.operation as OperationName);
  const inputs = node.inputs.map((id) => explanation.nodes[id]);
  const [had, gave] = [inputs[input].value.length, node.value.length];
  const summed = repeats?.includes(node.inputNames[input]) && had < gave;
  const said = [
    ...(words ? [words] : []),
    ...(summed ? ['summed over the repeated axes'] : []),
    ...(reduces && had > gave ? ['repeated over the reduced axes'] : []),
  ];
  const symbols = new Map([
    ...node.inputNames.map((text, i) => [text, inputs[i].name] as const),
    ['y', node.name],
    ['dy', `d${node.name}`],
  ]);
  const numbers = new Map([
    ...node.inputNames.map((text, i) => [text, showFactor(inputs[i].value)] as const),
    ['y', showFactor(node.value)],
    ['dy', showFactor(node.gradient)],
  ]);
  const single = [...inputs, node].every(({ shape }) => shape.length === 0);
  return {
    formula: formula && replaceNames(formula, symbols),
    numbers:
      formula && single && !formula.includes(';') ? replaceNames(formula, numbers) : undefined,
    words: said.length > 0 ? said.join('; ') : undefined,
  };
}

/** Formats a single number as a factor, with negative numbers in parentheses. */
export function showFactor([x = Number.NaN]: readonly number[] = []): string {
  return x < 0 ? `(${showNumber(x)})` : showNumber(x);
}

function replaceNames(formula: string, names: ReadonlyMap<string, string>): string {
  return formula.replace(/[A-Za-z_]\w*/g, (name) => names.get(name) ?? name);
}

/**
 * One step of an explanation: all operations forward, the gradient 1 of the result, all operations
 * backward.
 */
export type Step =
  | { readonly kind: 'start' }
  | { readonly kind: 'forward'; readonly node: number }
  | { readonly kind: 'seed'; readonly node: number }
  | { readonly kind: 'backward'; readonly node: number; readonly back: BackwardStep };

/** Returns the steps in order. */
export function stepsOf(explanation: Explanation): Step[] {
  requireExplanation('stepsOf', explanation);
  const { nodes, result, backward } = explanation;
  const forward = nodes.flatMap(({ id, kind }): Step[] =>
    kind === 'operation' ? [{ kind: 'forward', node: id }] : [],
  );
  return [
    { kind: 'start' },
    ...forward,
    ...(nodes[result].gradient ? [{ kind: 'seed', node: result } as const] : []),
    ...backward.map((back): Step => ({ kind: 'backward', node: back.node, back })),
  ];
}

/** What is known after a step. */
export interface Known {
  /** The ids of nodes that have a value. */
  readonly values: ReadonlySet<number>;
  /** The gradients so far, by node id: sums that may still grow. */
  readonly gradients: ReadonlyMap<number, readonly number[]>;
}

/** Returns what is known after the step at `position` of `stepsOf`. */
export function knownAt(explanation: Explanation, position: number): Known {
  requireExplanation('knownAt', explanation);
  check('knownAt: position', position, whole(0));
  const { nodes } = explanation;
  const values = new Set(nodes.filter(({ kind }) => kind !== 'operation').map(({ id }) => id));
  const gradients = new Map<number, readonly number[]>();
  for (const step of stepsOf(explanation).slice(0, position + 1)) {
    if (step.kind === 'forward') values.add(step.node);
    if (step.kind === 'seed') {
      const ones = nodes[step.node].value.map(() => 1);
      gradients.set(step.node, ones);
    }
    if (step.kind !== 'backward') continue;
    for (const { to, total } of step.back.contributions) gradients.set(to, total);
  }
  return { values, gradients };
}

/** Formats a contribution: `dx = 1 + 0.5 = 1.5` if there was a gradient before, else `dx = 0.5`. */
export function showSum(explanation: Explanation, contribution: Contribution): string {
  requireContribution('showSum', explanation, contribution);
  const { nodes } = explanation;
  const { to, value, before, total } = contribution;
  const { name, shape } = nodes[to];
  if (!before) return `d${name} = ${showValue(value, shape)}`;
  const added = showValue(value, shape);
  const second = added.startsWith('-') ? `(${added})` : added;
  return `d${name} = ${showValue(before, shape)} + ${second} = ${showValue(total, shape)}`;
}
