/** Tables. */
import { Table } from 'console-table-printer';
import type { Output } from './output.js';

/** A column: its title, and what it shows of a row. The first is aligned to the left, the others to the right. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => string>>;

/** The rows as a table with a frame. */
export function table<Row>(output: Output, columns: Columns<Row>, rows: readonly Row[]): string {
  const drawn = new Table({
    shouldDisableColors: !output.coloured,
    columns: Object.keys(columns).map((name, index) => ({
      name,
      alignment: index === 0 ? 'left' : 'right',
    })),
  });
  for (const row of rows) {
    drawn.addRow(
      Object.fromEntries(Object.entries(columns).map(([name, show]) => [name, show(row)])),
    );
  }
  return drawn.render();
}
