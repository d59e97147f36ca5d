/** `memgrad parity`: compares the models with numbers of the published code. */
import type { Command } from 'commander';
import { type BackendName, MemgradError } from 'memgrad';
import {
  type Columns,
  type CommonOptions,
  type Context,
  commonOptions,
  fit,
  openContext,
  plural,
  printable,
  read,
  readWhole,
  table,
  wrap,
} from 'memgrad/cli';
import { type ParityRow, parseFixture, runFixture } from './index.js';
import { MOST_BYTES } from './json.js';

interface ParityCommandOptions extends CommonOptions {
  tolerance?: number;
}

/** The default tolerance of each backend, relative to the largest value of a field. */
const tolerances: Record<BackendName, number> = {
  cpu: 1e-7,
  wasm: 2e-5,
  webgl: 1e-4,
  webgpu: 1e-4,
};

const PATIENCE_MS = 1000; // shorter runs show no progress
const WIDEST_FIELD = 80; // names of gradients come from the file
const FAILED = 1;
const UNUSABLE = 2;

/** Adds the command to `program`. */
export function addParity(program: Command): void {
  const command = program
    .command('parity')
    .summary('compare the models with the published code')
    .description(
      'Runs fixtures, which have results of the published RMT code, and shows the largest difference in each field.',
    )
    .argument('<file...>', 'fixtures: tests/goldens/*.json, save units and samples')
    .option(
      '--tolerance <x>',
      'largest difference, relative to the largest value of a field (default: 1e-7 on cpu, in float64; 2e-5 on wasm)',
      read.real(read.notNegative),
    );
  commonOptions(command, 'has no effect here: fixtures are fixed', 'cpu')
    .addHelpText(
      'after',
      `
Exits with 1 when a field differs by more, with 2 when a file cannot be used.

Examples:
  $ memgrad parity tests/goldens/c_rmt_full_bptt.json
  $ memgrad parity tests/goldens/[a-h]*.json --backend wasm --json
`,
    )
    .action(runParity);
}

async function runParity(files: string[], options: ParityCommandOptions): Promise<void> {
  const context = await openContext(options, { saves: false });
  const { output } = context;
  const tolerance = options.tolerance ?? tolerances[options.backend as BackendName];
  const all: ParityRow[] = [];
  let unusable = 0;
  const started = performance.now();
  for (const [i, file] of files.entries()) {
    try {
      if (performance.now() - started > PATIENCE_MS) {
        output.live(() => `file ${i + 1} of ${files.length}: ${file}`);
      }
      all.push(...(await compareFile(file, tolerance, context)));
    } catch (error) {
      if (!(error instanceof MemgradError)) throw error;
      output.settle();
      console.error(`error: ${error.message.includes(file) ? '' : `${file}: `}${error.message}`);
      unusable++;
    }
  }
  const failed = all.filter(({ pass }) => !pass).length;
  output.print(wrap(verdict(all.length, failed, unusable, tolerance), output.columns));
  if (unusable > 0) process.exitCode = UNUSABLE;
  else if (failed > 0) process.exitCode = FAILED;
}

function verdict(fields: number, failed: number, unusable: number, tolerance: number): string {
  const bound = `${tolerance.toExponential()} of their largest value`;
  const sentences = [
    failed > 0
      ? `${failed} of ${plural(fields, 'field')} differ by more than ${bound}.`
      : `All ${plural(fields, 'field')} agree to ${bound}.`,
    `${plural(unusable, 'file')} could not be used.`,
  ];
  return sentences.slice(fields === 0 ? 1 : 0, unusable === 0 ? 1 : 2).join(' ');
}

/** Compares the fields of one file, and prints the rows. */
async function compareFile(
  file: string,
  tolerance: number,
  { output, backend, interrupt }: Context,
): Promise<ParityRow[]> {
  const fixture = parseFixture(await readWhole(file, 'name a fixture', MOST_BYTES), file);
  const rows: ParityRow[] = [];
  for await (const row of runFixture(fixture, { backend, tolerance })) {
    rows.push(row);
    output.line({ file, ...row });
    await interrupt.check();
  }
  output.settle();
  const columns: Columns<ParityRow> = {
    field: ({ field }) => fit(printable(field), WIDEST_FIELD),
    'largest difference': ({ maxAbs }) => maxAbs.toExponential(1),
    relative: ({ maxRel }) => maxRel.toExponential(1),
    result: ({ pass }) => (pass ? 'ok' : 'DIFFERS'),
  };
  output.print(`${file}\n${table(columns, rows)}`);
  return rows;
}
