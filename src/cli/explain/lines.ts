/** An explanation as lines of text. */
import {
  type BackwardStep,
  type ExplainedNode,
  type Explanation,
  ruleOf,
  showCall,
  showSum,
  showValue,
} from '../../explain/index.js';
import { fit, wrap } from '../format.js';
import type { Output } from '../output.js';

/** What was decided for whoever wrote the expression. */
export function notes({ nodes, defaults, summed }: Explanation): string[] {
  const chosen = nodes
    .filter(({ kind, name }) => kind === 'variable' && defaults.includes(name))
    .map(({ name, value, shape }) => `${name}=${showValue(value, shape)}`);
  return [
    ...(chosen.length > 0
      ? [`Without a value of yours: ${chosen.join(', ')}. Choose with --at "${chosen[0]}".`]
      : []),
    ...(summed
      ? ['The result is several numbers. A gradient is that of one, so they are summed.']
      : []),
  ];
}

/** `v₁ = w * x`, or the name alone of what was not computed. */
export function showNode(explanation: Explanation, node: ExplainedNode): string {
  if (node.kind === 'operation') return `${node.name} = ${showCall(explanation, node)}`;
  const written = showValue(node.value, node.shape);
  return node.name === written || node.name === `(${written})` ? 'a number' : node.name;
}

/** The text of each node, padded to one width, and that width. */
export function nodeColumn(explanation: Explanation, widest: number): [string[], number] {
  const texts = explanation.nodes.map((node) => showNode(explanation, node));
  const width = Math.min(widest, Math.max(...texts.map(({ length }) => length)));
  return [texts.map((text) => fit(text, width).padEnd(width)), width];
}

/** Every node with its value, in the order in which they were computed. */
export function forwardLines(explanation: Explanation, columns: number): string[] {
  const [texts] = nodeColumn(explanation, Math.floor(columns / 2));
  return explanation.nodes.map(({ id, value, shape }) =>
    fit(`  ${texts[id]}  ${showValue(value, shape)}`, columns),
  );
}

/** Every step of the backward pass. */
export function backwardLines(explanation: Explanation, output: Output): string[] {
  const { nodes, result, backward } = explanation;
  if (backward.length === 0) return ['  Nothing flows back: no variable leads to the result.'];
  return [
    `  d${nodes[result].name} = 1`,
    ...backward.flatMap((step) => stepLines(explanation, step, output)),
  ];
}

/** One operation of the backward pass: each rule that was applied, and what came of it. */
export function stepLines(explanation: Explanation, step: BackwardStep, output: Output): string[] {
  const node = explanation.nodes[step.node];
  const lines = [`  ${output.colour('cyan', showNode(explanation, node))}`];
  for (const contribution of step.contributions) {
    const { name, shape } = explanation.nodes[contribution.to];
    const { formula, numbers, words } = ruleOf(explanation, node, contribution.input);
    const indented = (text: string, by: number) =>
      wrap(text, output.columns - by)
        .split('\n')
        .map((line) => `${' '.repeat(by)}${line}`);
    const [first, ...rest] = [...(formula?.split('; ') ?? []), ...(words ? [`(${words})`] : [])];
    const gets = `d${name} += `;
    // Of several statements only the last is what flows; those before it are parts.
    const parts = formula ? formula.split('; ').slice(0, -1) : [];
    for (const part of parts) lines.push(...indented(part, 6));
    const sent = [first, ...rest].slice(parts.length).join(' ');
    lines.push(...indented(`${gets}${sent}`, 4));
    const value = showValue(contribution.value, shape);
    const came = `= ${numbers && numbers !== value ? `${numbers} = ${value}` : value}`;
    lines.push(fit(`${' '.repeat(4 + name.length + 3)}${came}`, output.columns));
    if (contribution.before) {
      lines.push(fit(`    ${showSum(explanation, contribution)}`, output.columns));
    }
  }
  return lines;
}

/** What was asked for: the derivative of the result by each variable. */
export function gradientLines({ nodes }: Explanation, columns: number): string[] {
  const lines = nodes.flatMap(({ kind, name, gradient, shape }) =>
    kind === 'variable' && gradient
      ? [fit(`  d${name} = ${showValue(gradient, shape)}`, columns)]
      : [],
  );
  return lines.length > 0 ? lines : ['  There is no variable to differentiate by.'];
}
