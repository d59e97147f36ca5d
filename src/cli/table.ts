/** Tables. */
import { Table } from 'console-table-printer';

/** Title and content of each column. The first is aligned to the left, the others to the right. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => string>>;

/**
 * Formats the rows as a table with a frame. A title is broken at spaces where the cells below it
 * are narrower.
 */
export function table<Row>(columns: Columns<Row>, rows: readonly Row[]): string {
  const drawn = new Table({
    shouldDisableColors: true, // the default is white text, invisible on some backgrounds
    columns: Object.entries(columns).map(([name, show], index) => ({
      name,
      alignment: index === 0 ? 'left' : 'right',
      maxLen: Math.max(...[...name.split(' '), ...rows.map(show)].map(({ length }) => length)),
    })),
  });
  for (const row of rows) {
    drawn.addRow(
      Object.fromEntries(Object.entries(columns).map(([name, show]) => [name, show(row)])),
    );
  }
  return drawn.render();
}
