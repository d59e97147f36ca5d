/** `memgrad explain`: shows an expression forward and backward, one operation at a time. */
import type { Command } from 'commander';
import { examples } from '../explain/examples.js';

/** The options of the command. */
export interface ExplainOptions {
  at?: string;
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
    .option('--at <values>', 'values of variables, such as "w=0.5, b=[1, 2]"')
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
    .action(async (expression: string, options: ExplainOptions, { args }: Command) => {
      // Loaded only here: the parser of expressions takes a sixth of the code that a command loads.
      const { runExplain } = await import('./explain/run.js');
      await runExplain(expression, options, args);
    });
}
