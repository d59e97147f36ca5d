/** Copies between strided views: transposes, slices, pads and joins are all this one kernel. */
import type { DType, Piece } from '../backend.js';
import { sizeOf } from '../layout.js';
import { allocate, type CpuBuffer, contiguous, strided, wrap } from './buffer.js';
import { rowsOf } from './rows-of.js';

export function assemble(
  shape: readonly number[],
  dtype: DType,
  fill: number,
  pieces: readonly Piece[],
): CpuBuffer {
  const data = allocate(dtype, sizeOf(shape));
  if (!Object.is(fill, 0)) data.fill(fill); // -0 needs the fill, too
  const whole = contiguous(data, shape);
  for (const { view, at } of pieces) {
    const source = strided(view);
    const target = whole.lo(...at).hi(...view.shape);
    const rows = rowsOf([source, target]);
    const [from, to] = rows.strides;
    const { length } = rows;
    const values = source.data;
    rows.each(([start, end]) => {
      for (let i = 0; i < length; i++) data[end + i * to] = values[start + i * from];
    });
  }
  return wrap(data);
}
