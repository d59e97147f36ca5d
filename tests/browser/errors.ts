/** The table of errors that docs/backends.md publishes. */
import type { ConformanceRow } from '../../src/testing/index.js';

/** For each operation the largest error on each backend, in units of the last place, as Markdown. */
export function errorTable(measured: Readonly<Record<string, readonly ConformanceRow[]>>): string {
  const backends = Object.keys(measured);
  const columns = backends.flatMap((name) => [`${name}, result`, `${name}, gradient`]);
  const rows = new Map<string, string[]>();
  for (const [column, [name, what]] of backends
    .flatMap((name) => [
      [name, 'forward'],
      [name, 'gradient'],
    ])
    .entries()) {
    for (const row of measured[name]) {
      if (row.operation.startsWith('backend.') || row.what !== what) continue;
      const cells = rows.get(row.operation) ?? columns.map(() => '');
      const before = cells[column] === '' ? 0 : Number(cells[column]);
      cells[column] = String(Math.max(before, Number(row.ulps.toPrecision(2))));
      rows.set(row.operation, cells);
    }
  }
  const lines = [...rows].map(([operation, cells]) => `| ${operation} | ${cells.join(' | ')} |`);
  return [
    `| operation | ${columns.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(columns.length)}`,
    ...lines,
    '',
  ].join('\n');
}
