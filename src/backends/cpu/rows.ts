/** Rows of a table by index, and the adjoint. */
import { outsideTable } from '../outside-table.js';
import { allocate, type CpuBuffer, wrap } from './buffer.js';

export function gather(table: CpuBuffer, indices: CpuBuffer, width: number): CpuBuffer {
  const out = allocate(table.dtype, indices.size * width);
  eachRow('gather', indices, width === 0 ? Infinity : table.size / width, (index, position) => {
    out.set(table.data.subarray(index * width, (index + 1) * width), position * width);
  });
  return wrap(out);
}

export function scatterAdd(
  values: CpuBuffer,
  indices: CpuBuffer,
  rows: number,
  width: number,
): CpuBuffer {
  const totals = new Float64Array(rows * width);
  eachRow('scatterAdd', indices, rows, (index, position) => {
    for (let j = 0; j < width; j++) totals[index * width + j] += values.data[position * width + j];
  });
  const out = allocate(values.dtype, totals.length);
  out.set(totals);
  return wrap(out);
}

function eachRow(
  name: string,
  indices: CpuBuffer,
  rows: number,
  visit: (index: number, position: number) => void,
) {
  indices.data.forEach((index, position) => {
    if (index < 0 || index >= rows) {
      throw outsideTable(name, index, position, rows);
    }
    visit(index, position);
  });
}
