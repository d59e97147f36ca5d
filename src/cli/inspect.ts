/** `memgrad inspect`: shows the contents of a safetensors file. */
import type { Command } from 'commander';
import { readWhole } from '../runs/node/folder-storage.js';
import { type Entry, readHeader } from '../safetensors/header.js';
import { convert } from '../safetensors/index.js';
import { type CommonOptions, commonOptions, openContext } from './context.js';
import { fit, plural, printable, wrap } from './format.js';

/**
 * A tensor and statistics of its values. NaN and infinities are counted, but excluded from the
 * others.
 */
interface Row {
  readonly name: string;
  /**
   * The dtype in memory: float32, float64 or int32; for a tensor that is not read, the dtype in the
   * file.
   */
  readonly dtype: string;
  /** The dtype in the file's spelling, such as BF16. */
  readonly stored: string;
  readonly shape: readonly number[];
  readonly values: number;
  /** Null for a tensor with no finite values. */
  readonly least: number | null;
  readonly most: number | null;
  readonly mean: number | null;
  readonly deviation: number | null;
  readonly notFinite: number;
  /** Why the tensor is not read. */
  readonly unreadable?: string;
}

const WIDEST_SHAPE = 30; // a file may have a shape of 10,000 characters

/** Adds the command to `program`. */
export function addInspect(program: Command): void {
  const command = program
    .command('inspect')
    .summary('show what is in a safetensors file')
    .description(
      'Shows the tensors of a safetensors file, statistics of their values, and its metadata.',
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
  const { entries, metadata, data } = readHeader(await readWhole(file, 'name a safetensors file'));
  // One tensor at a time: a large file is never in memory twice.
  const rows = entries.map((entry) => describe(entry, data));
  output.event('file', { file, metadata, tensors: rows.length });
  for (const row of rows) output.event('tensor', row);

  const values = rows.reduce((sum, row) => sum + row.values, 0);
  output.print(`${printable(file)}: ${plural(rows.length, 'tensor')}, ${plural(values, 'value')}`);
  for (const [key, text] of Object.entries(metadata)) {
    output.print(fit(`  ${printable(key)}: ${printable(text)}`, output.columns));
  }
  if (rows.length > 0) {
    output.print();
    for (const line of columns(rows, output.columns)) output.print(line);
  }
}

/**
 * The rows in aligned columns, at most `width` wide. Where that is too narrow, names are cut at
 * their start.
 */
function* columns(rows: readonly Row[], width: number): Generator<string> {
  const short = (value: number | null) => (value === null ? '-' : value.toPrecision(2));
  const cells = rows.map((row) => [
    `${fit(row.shape.join('x') || 'scalar', WIDEST_SHAPE)}${row.stored === 'F32' ? '' : ` ${row.stored}`}`,
    ...[row.least, row.most, row.mean, row.deviation].map(short),
  ]);
  const all = [['shape', 'least', 'most', 'mean', 'deviation'], ...cells];
  const longest = (texts: readonly string[]) =>
    texts.reduce((most, text) => Math.max(most, text.length), 0);
  const widths = all[0].map((_, i) => longest(all.map((line) => line[i])));
  const taken = widths.reduce((sum, length) => sum + length + 2, 0);
  const most = Math.max(12, width - taken);
  const names = ['tensor', ...rows.map(({ name }) => printable(name.slice(-2 * most)))].map(
    (name) => (name.length <= most ? name : `…${name.slice(1 - most)}`),
  );
  const margin = longest(names);
  for (const [i, line] of all.entries()) {
    const padded = line.map((cell, column) => cell.padStart(widths[column] + 2));
    yield `${names[i].padEnd(margin)}${padded.join('')}`;
    const { notFinite = 0, unreadable } = rows[i - 1] ?? {};
    if (notFinite > 0) yield `    ${plural(notFinite, 'value')} NaN or infinite`;
    if (unreadable !== undefined) yield indented(`not read: ${unreadable}`, width);
  }
}

function indented(text: string, width: number): string {
  return wrap(text, width - 4).replace(/^/gm, '    ');
}

function describe(entry: Entry, bytes: Uint8Array): Row {
  const { name, code, shape } = entry;
  const none = { least: null, most: null, mean: null, deviation: null };
  const tensor = convert(entry, bytes);
  if ('reason' in tensor) {
    const { dtype, reason } = tensor;
    const values = shape.reduce((product, length) => product * length, 1);
    return { name, dtype, stored: code, shape, values, ...none, notFinite: 0, unreadable: reason };
  }
  const { dtype, data } = tensor;
  const head = { name, dtype, stored: code, shape, values: data.length };
  let [finite, sum, least, most] = [0, 0, Infinity, -Infinity];
  for (const value of data) {
    if (!Number.isFinite(value)) continue;
    finite++;
    sum += value;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  const notFinite = data.length - finite;
  if (finite === 0) return { ...head, ...none, notFinite };
  const mean = sum / finite;
  let squares = 0;
  for (const value of data) if (Number.isFinite(value)) squares += (value - mean) ** 2;
  const deviation = Math.sqrt(squares / finite);
  return { ...head, least, most, mean, deviation, notFinite };
}
