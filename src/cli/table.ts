/** Tables. */
import { Table } from 'console-table-printer';

/** Title and content of each column. The first is aligned to the left, the others to the right. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => string>>;

/** The rows as a table with a frame. A title is broken at its spaces where the cells below are narrower. */
export function table<Row>(columns: Columns<Row>, rows: readonly Row[]): string {
  const drawn = new Table({
    shouldDisableColors: true, // its default is white text, which not every background shows
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
