/** `memgrad explain`: shows an expression forward and backward, one operation at a time. */
import type { Command } from 'commander';
import type { Nested } from '../autograd/index.js';
import { MemgradError } from '../errors.js';
import {
  type Explanation,
  examples,
  explain,
  parseValues,
  remarksOn,
  ruleOf,
} from '../explain/index.js';
import { suggest } from '../options.js';
import { backwardLines, forwardLines, gradientLines, notes } from './explain/lines.js';
import { stepThrough } from './explain/step-through.js';
import { wrap } from './format.js';
import { type Output, openOutput } from './output.js';

interface Options {
  at?: ReadonlyMap<string, Nested>;
  all?: boolean;
  json?: boolean;
}

/** Adds the command to `program`. */
export function addExplain(program: Command): void {
  program
    .command('explain')
    .summary('step through an expression and its gradients')
    .description(
      'Shows the tape of an expression: each operation forward with its value, and backward with its gradient and the rule that was applied. On a terminal it goes step by step: arrow keys, q to leave.',
    )
    .argument('<expression>', 'such as "tanh(w * x + b)", or several: "h = x * w; sum(h)"')
    .option('--at <values>', 'values of variables, such as "w=0.5, b=[1, 2]"', parseValues)
    .option('--all', 'print all steps at once, as where there is no terminal')
    .option('--json', 'print one JSON object per line and nothing else')
    .allowUnknownOption() // an expression may begin with a minus sign
    .allowExcessArguments()
    .addHelpText(
      'after',
      `
The operations are those of memgrad by name, + - * / **, comparisons, and
c ? a : b. All is computed in float64. A result of several numbers is summed.

Examples:
  $ memgrad explain "tanh(w * x + b)"
  $ memgrad explain "p = softmax(z); -log(slice(p, 0, 0, 1))" --at "z=[1, 2]"
  $ memgrad explain "x * x + x" --at "x=3" --all
${examples.slice(-1).map(
  ({ name, expression }) => `
${name}:
  $ memgrad explain "${expression.replaceAll('\n', ' \\\n    ')}"
`,
)}`,
    )
    .action(runExplain);
}

async function runExplain(expression: string, options: Options, { args }: Command): Promise<void> {
  const stray = args.find((text, i) => i > 0 || text.startsWith('--'));
  if (stray !== undefined) {
    throw new MemgradError(
      stray.startsWith('-')
        ? `explain: there is no option '${stray}'; ${suggest(stray, ['--at', '--all', '--json'])}.`
        : `explain: expected one expression, got another, '${stray}'; put the expression in quotes.`,
    );
  }
  const output = await openOutput(options.json ?? false);
  const explanation = await explain(expression, { at: options.at });
  if (output.json) return printEvents(explanation, output);
  if (process.stdin.isTTY && process.stdout.isTTY && !options.all) {
    return stepThrough(explanation, options.at ?? new Map(), output);
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
