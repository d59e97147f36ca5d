/** Explains an expression on the terminal, at once or step by step. */
import { MemgradError } from '../../errors.js';
import { type Explanation, explain, parseValues, remarksOn, ruleOf } from '../../explain/index.js';
import { suggest } from '../../options.js';
import type { ExplainOptions } from '../explain.js';
import { wrap } from '../format.js';
import { type Output, openOutput } from '../output.js';
import { backwardLines, forwardLines, gradientLines, notes } from './lines.js';
import { stepThrough } from './step-through.js';

/** Explains the first of `args`; throws `MemgradError` for any other. */
export async function runExplain(
  expression: string,
  options: ExplainOptions,
  args: readonly string[],
): Promise<void> {
  const stray = args.find((text, i) => i > 0 || text.startsWith('--'));
  if (stray !== undefined) {
    throw new MemgradError(
      stray.startsWith('-')
        ? `explain: there is no option '${stray}'; ${suggest(stray, ['--at', '--all', '--json'])}.`
        : `explain: expected one expression, got another, '${stray}'; put the expression in quotes.`,
    );
  }
  const at = parseValues(options.at ?? '');
  const output = await openOutput(options.json ?? false);
  const explanation = await explain(expression, { at });
  if (output.json) return printEvents(explanation, output);
  if (process.stdin.isTTY && process.stdout.isTTY && !options.all) {
    return stepThrough(explanation, at, output);
  }
  const section = (title: string, lines: readonly string[]) =>
    output.print(`\n${output.colour('bold', title)}\n${lines.join('\n')}`);
  output.print(expression);
  for (const note of notes(explanation)) output.print(wrap(note, output.columns));
  section('Forward', forwardLines(explanation, output));
  section('Backward, the last operation first', backwardLines(explanation, output));
  section('Gradients', gradientLines(explanation, output));
}

function printEvents(explanation: Explanation, output: Output): void {
  const { nodes, backward, expression, result, summed, defaults } = explanation;
  const remarks = remarksOn(explanation);
  output.event('expression', { expression, result, summed, defaults, remarks });
  for (const node of nodes) output.event('forward', node);
  for (const { node, incoming, contributions } of backward) {
    output.event('backward', {
      node,
      incoming,
      contributions: contributions.map((contribution) => ({
        ...contribution,
        rule: ruleOf(explanation, nodes[node], contribution.input),
      })),
    });
  }
}
