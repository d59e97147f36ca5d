/** `memgrad inspect`: what is in a safetensors file. */
import type { Command } from 'commander';
import { decodeSafetensors, type StoredTensor } from '../runs/index.js';
import { readWhole } from '../runs/node-storage.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { fit, plural } from './format.js';

/** A tensor and what its values are like. What is no finite number is counted and left out of the rest. */
interface Row {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Null for a tensor without finite values. */
  readonly least: number | null;
  readonly most: number | null;
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly notFinite: number;
}

/** Adds the command to `program`. */
export function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .summary('show what is in a safetensors file')
    .description(
      'Shows the tensors of a safetensors file, what their values are like, and its metadata.',
    )
    .argument('<file>', 'such as step-500/model.safetensors of a run');
  commonOptions(command, 'has no effect here')
    .addHelpText(
      'after',
      `
Examples:
  $ memgrad inspect runs/copy/step-500/model.safetensors
  $ memgrad inspect runs/copy/step-500/optimizer.safetensors --json
`,
    )
    .action(runInspect);
}

async function runInspect(file: string, options: CommonOptions): Promise<void> {
  const { output } = await openContext(options);
  const { tensors, metadata } = decodeSafetensors(await readWhole(file, 'name a safetensors file'));
  const rows = [...tensors].map(([name, tensor]) => describe(name, tensor));
  output.event('file', { file, metadata, tensors: rows.length });
  for (const row of rows) output.event('tensor', row);

  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  output.print(`${printable(file)}: ${plural(rows.length, 'tensor')}, ${plural(values, 'value')}`);
  for (const [key, text] of Object.entries(metadata)) {
    output.print(fit(`  ${printable(key)}: ${printable(text)}`, output.columns));
  }
  if (rows.length > 0) output.print(`\n${columns(rows, output.columns)}`);
}

/** The rows in aligned columns, at most `width` wide: where that is narrow, names lose their beginning. */
function columns(rows: readonly Row[], width: number): string {
  const short = (value: number | null) => (value === null ? '-' : value.toPrecision(2));
  const cells = rows.map((row) => [
    `${row.shape.join('x') || 'scalar'}${row.dtype === 'float32' ? '' : ` ${row.dtype}`}`,
    ...[row.least, row.most, row.mean, row.deviation].map(short),
  ]);
  const all = [['shape', 'least', 'most', 'mean', 'deviation'], ...cells];
  const widths = all[0].map((_, i) => Math.max(...all.map((line) => line[i].length)));
  const taken = widths.reduce((sum, length) => sum + length + 2, 0);
  const names = ['tensor', ...rows.map(({ name }) => printable(name))].map((name) => {
    const most = Math.max(12, width - taken);
    return name.length <= most ? name : `…${name.slice(1 - most)}`;
  });
  const longest = Math.max(...names.map(({ length }) => length));
  return all
    .map((line, i) => {
      const { notFinite = 0 } = rows[i - 1] ?? {};
      const wrong = notFinite > 0 ? `\n    ${plural(notFinite, 'value')} NaN or infinite` : '';
      const padded = line.map((cell, column) => cell.padStart(widths[column] + 2));
      return `${names[i].padEnd(longest)}${padded.join('')}${wrong}`;
    })
    .join('\n');
}

function describe(name: string, { dtype, shape, data }: StoredTensor): Row {
  let [finite, sum, least, most] = [0, 0, Infinity, -Infinity];
  for (const value of data) {
    if (!Number.isFinite(value)) continue;
    finite++;
    sum += value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const notFinite = data.length - finite;
  const none = { least: null, most: null, mean: null, deviation: null };
  if (finite === 0) return { name, dtype, shape, ...none, notFinite };
  const mean = sum / finite;
  let squares = 0;
  for (const value of data) if (Number.isFinite(value)) squares += (value - mean) ** 2;
  return {
    name,
    dtype,
    shape,
    least,
    most,
    mean,
    deviation: Math.sqrt(squares / finite),
    notFinite,
  };
}

/** A name from a file must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{C}/gu, '\ufffd');
}
