/** Formats the values of a tensor, for consoles. */
import type { TypedArray } from '../backends/backend.js';
import { sizeOf } from '../backends/layout.js';
import type { Storage } from './storage.js';
import type { Shape } from './tensor.js';

/** The approximate number of values that are shown. */
const MOST = 40;

/** Returns the first values in nested brackets, or, for values on a GPU, how to read them. */
export function printed({ backend, buffer }: Storage, shape: Shape): string {
  let values: TypedArray | undefined;
  try {
    values = backend.peek?.(buffer);
  } catch {
    return ', on a closed backend'; // a console must not throw
  }
  if (!values) return ', read its values with await data()';
  const most = Math.max(1, Math.floor(MOST ** (1 / shape.length)));
  const nest = (axis: number, start: number): string => {
    if (axis === shape.length) return short(values[start]);
    const step = sizeOf(shape.slice(axis + 1));
    const length = Math.min(most, shape[axis]);
    const items = Array.from({ length }, (_, i) => nest(axis + 1, start + i * step));
    if (length < shape[axis]) items.push('…');
    return `[${items.join(axis === shape.length - 1 ? ', ' : `,\n${' '.repeat(axis + 1)}`)}]`;
  };
  return (shape.length > 1 ? '\n' : ' ') + nest(0, 0);
}

/** Five significant digits, but all digits of an integer. */
function short(value: number): string {
  return `${Number.isInteger(value) ? value : Number(value.toPrecision(5))}`;
}
