/** An explanation as lines of text. */
import {
  type BackwardStep,
  type ExplainedNode,
  type Explanation,
  isLost,
  remarksOn,
  ruleOf,
  showNode,
  shownNodes,
  showSum,
  showValue,
} from '../../explain/index.js';
import { fit, wrap } from '../format.js';
import type { Output } from '../output.js';

/** Notes for the reader: default values, a sum that was added, missing gradients, NaN. */
export function notes(explanation: Explanation): string[] {
  const { nodes, defaults, summed } = explanation;
  const chosen = nodes
    .filter(({ kind, name }) => kind === 'variable' && defaults.includes(name))
    .map(({ name, value, shape }) => `${name}=${showValue(value, shape)}`);
  return [
    ...(chosen.length > 0
      ? [
          `Chosen, since no value was given: ${chosen.join(', ')}. Give one with --at "${chosen[0]}".`,
        ]
      : []),
    ...(summed
      ? ['The result has several numbers, but a gradient needs one, so they are summed.']
      : []),
    ...remarksOn(explanation),
  ];
}

/** The nodes that have a line, each with its text, padded to one width of at most `widest`. */
export function tapeOf(
  explanation: Explanation,
  widest: number,
): { node: ExplainedNode; text: string }[] {
  const shown = shownNodes(explanation);
  const texts = shown.map((node) => fit(showNode(explanation, node), widest));
  const width = Math.max(...texts.map(({ length }) => length));
  return shown.map((node, i) => ({ node, text: texts[i].padEnd(width) }));
}

/** Every node with its value, in the order of computation. */
export function forwardLines(explanation: Explanation, output: Output): string[] {
  const { columns } = output;
  return tapeOf(explanation, Math.floor(columns / 2)).map(({ node, text }) =>
    marked(output, fit(`  ${text}  ${showValue(node.value, node.shape)}`, columns), node.value),
  );
}

/** A line, in red if one of its values is not finite. */
export function marked(output: Output, line: string, ...values: readonly (readonly number[])[]) {
  return values.some(isLost) ? output.colour('red', line) : line;
}

/** All steps of the backward pass. */
export function backwardLines(explanation: Explanation, output: Output): string[] {
  const { nodes, result, backward } = explanation;
  if (!nodes[result].gradient) return ['  Nothing flows back: no variable leads to the result.'];
  return [
    `  d${nodes[result].name} = 1`,
    ...backward.flatMap((step) => stepLines(explanation, step, output)),
  ];
}

/** One operation of the backward pass: each rule that was applied, and its result. */
export function stepLines(explanation: Explanation, step: BackwardStep, output: Output): string[] {
  const node = explanation.nodes[step.node];
  const lines = [`  ${output.colour('cyan', showNode(explanation, node))}`];
  const add = (text: string, indent: number) => {
    for (const line of wrap(text, output.columns - indent).split('\n')) {
      lines.push(`${' '.repeat(indent)}${line}`);
    }
  };
  for (const contribution of step.contributions) {
    const { name, shape } = explanation.nodes[contribution.to];
    const { formula, numbers, words } = ruleOf(explanation, node, contribution.input);
    const parts = formula?.split('; ') ?? []; // definitions, then the contribution
    for (const part of parts.slice(0, -1)) add(part, 6);
    const sent = [...parts.slice(-1), ...(words ? [`(${words})`] : [])].join(' ');
    add(`d${name} += ${sent}`, 4);
    const value = showValue(contribution.value, shape);
    const came = numbers && numbers !== value ? `${numbers} = ${value}` : value;
    const line = fit(`${' '.repeat(name.length + 7)}= ${came}`, output.columns);
    lines.push(marked(output, line, contribution.value));
    if (contribution.before) {
      lines.push(fit(`    ${showSum(explanation, contribution)}`, output.columns));
    }
  }
  return lines;
}

/** The derivative of the result with respect to each variable. */
export function gradientLines({ nodes }: Explanation, output: Output): string[] {
  const lines = nodes.flatMap(({ kind, name, gradient, shape }) =>
    kind === 'variable' && gradient
      ? [
          marked(
            output,
            fit(`  d${name} = ${showValue(gradient, shape)}`, output.columns),
            gradient,
          ),
        ]
      : [],
  );
  return lines.length > 0 ? lines : ['  There is no variable to differentiate by.'];
}
