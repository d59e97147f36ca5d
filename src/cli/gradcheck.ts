/** `memgrad gradcheck`: compares every operation's gradient with central differences. */
import type { Command } from 'commander';
import type { GradientRow } from '../testing/index.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { count, plural, wrap } from './format.js';
import { type Columns, table } from './table.js';

/** The rows of all patterns of one operation, checked by one kind of rule. */
interface OperationSummary {
  readonly operation: string;
  readonly rule: GradientRow['rule'];
  readonly patterns: number;
  readonly errors: readonly number[];
  readonly failed: readonly GradientRow[];
}

/** Adds the command to `program`. */
export function addGradcheck(program: Command): void {
  const command = program
    .command('gradcheck')
    .summary('check the gradients of all operations')
    .description(
      'Compares the first and second derivatives of operations with central differences, in float64, and shows the largest error of each operation. Operations that run a fused one are checked twice: by the gradient rule of the fused one, and by its definition in simpler ones.',
    )
    .argument('[operation...]', 'operations to check (default: all)');
  commonOptions(command, 'has no effect here: the inputs are fixed', 'cpu')
    .addHelpText(
      'after',
      `
Exits with 1 when a gradient is wrong.

Examples:
  $ memgrad gradcheck
  $ memgrad gradcheck matmul softmax
`,
    )
    .action(runGradcheck);
}

async function runGradcheck(names: string[], options: CommonOptions): Promise<void> {
  const { output, backend, interrupt } = await openContext(options, { saves: false });
  const operations = names.length > 0 ? [...new Set(names)] : undefined;
  const rows: GradientRow[] = [];
  // Loaded only here: creating the cases takes a third of the start-up time of every command.
  const { checkAllGradients } = await import('../testing/index.js');
  for await (const row of checkAllGradients({ operations, backend })) {
    rows.push(row);
    output.event('check', row);
    output.live(() => `${plural(rows.length, 'check')}, now ${row.operation}: ${row.pattern}`);
    await interrupt.check();
  }
  output.settle();

  const summaries = summarise(rows);
  const failed = rows.filter(({ passed }) => !passed);
  const exponential = (errors: readonly number[], order: number) =>
    errors[order]?.toExponential(1) ?? '';
  const columns: Columns<OperationSummary> = {
    operation: ({ operation }) => operation,
    rule: ({ rule }) => rule,
    patterns: ({ patterns }) => String(patterns),
    'first order': ({ errors }) => exponential(errors, 0),
    'second order': ({ errors }) => exponential(errors, 1),
    result: ({ failed }) => (failed.length === 0 ? 'ok' : 'WRONG'),
  };
  output.print(table(columns, summaries));
  for (const { operation, rule, pattern, worst } of failed) {
    const by = rule === 'own' ? 'its own rule' : 'its definition';
    output.print(`${output.colour('red', 'WRONG')} ${operation} by ${by}, ${pattern}: ${worst}`);
  }
  const operationsOf = (some: readonly GradientRow[]) =>
    new Set(some.map(({ operation }) => operation)).size;
  output.event('result', {
    operations: operationsOf(rows),
    checks: rows.length,
    failed: failed.length,
  });
  output.print(
    wrap(
      failed.length === 0
        ? `Passed ${plural(rows.length, 'check')} of ${plural(operationsOf(rows), 'operation')}: every derivative agrees with its central difference to 1e-6 of its size. The table shows the largest absolute error of each order.`
        : `${count(failed.length)} of ${plural(rows.length, 'check')} failed, in ${operationsOf(failed)} of ${plural(operationsOf(rows), 'operation')}.`,
      output.columns,
    ),
  );
  if (failed.length > 0) process.exitCode = 1;
}

function summarise(rows: readonly GradientRow[]): OperationSummary[] {
  const together = new Map<string, GradientRow[]>();
  for (const row of rows) {
    const key = `${row.operation} ${row.rule}`;
    together.set(key, [...(together.get(key) ?? []), row]);
  }
  return [...together.values()].map((all) => ({
    operation: all[0].operation,
    rule: all[0].rule,
    patterns: all.length,
    errors: [0, 1].map((order) => Math.max(...all.map(({ errors }) => errors[order] ?? 0))),
    failed: all.filter(({ passed }) => !passed),
  }));
}
