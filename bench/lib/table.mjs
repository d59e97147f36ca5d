/** Tables for a terminal, and the statistics in them. */

/** Whether tables are written as Markdown. */
export const style = { markdown: false };

/** Prints `rows` under `head`, the first column left-aligned, the others right-aligned. */
export function printTable(title, head, rows) {
  const cells = [head, ...rows].map((row) => row.map(String));
  if (style.markdown) {
    const line = (row) => `| ${row.join(' | ')} |`;
    const rule = head.map((_, i) => (i === 0 ? '---' : '---:'));
    console.log([`\n${title}`, '', ...[cells[0], rule, ...cells.slice(1)].map(line)].join('\n'));
    return;
  }
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  console.log(`\n${title}`);
  console.log(line(cells[0]));
  console.log(widths.map((width) => '-'.repeat(width)).join('  '));
  for (const row of cells.slice(1)) console.log(line(row));
}

/** Returns the median. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** `median (least–most)`. */
export function spread(values, digits = 0) {
  if (values.length === 0) return '-';
  const show = (value) => value.toFixed(digits);
  return `${show(median(values))} (${show(Math.min(...values))}–${show(Math.max(...values))})`;
}
