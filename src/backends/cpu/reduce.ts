/** Reductions: sum, max and argmax over the trailing axes of a view. */
import type { ReduceKernel, View } from '../backend.js';
import { sizeOf } from '../layout.js';
import { allocate, type CpuBuffer, contiguous, type Strided, strided, wrap } from './buffer.js';
import { rowsOf } from './rows-of.js';

export function reduce(kernel: ReduceKernel, x: View, kept: number): CpuBuffer {
  const shape = x.shape.slice(0, kept);
  if (kernel === 'argmax') return argmax(strided(x), shape);
  // Accumulate in float64 and round once, at the end; int32 wraps modulo 2^32.
  const size = sizeOf(shape);
  const isWhole = x.buffer.dtype === 'int32';
  const totals = isWhole ? new Int32Array(size) : new Float64Array(size);
  if (kernel === 'max') totals.fill(isWhole ? -(2 ** 31) : -Infinity);
  const kernelRow = kernel === 'sum' ? addRow : maxRow;
  const [input, output] = inMemoryOrder(strided(x), repeated(totals, x.shape, kept));
  const rows = rowsOf([input, output]);
  const [dx, dt] = rows.strides;
  rows.each(([start, at]) => kernelRow(input.data, start, dx, totals, at, dt, rows.length));
  const out = allocate(x.buffer.dtype, totals.length);
  out.set(totals);
  return wrap(out);
}

type ArrayOfNumbers = ArrayLike<number>;

function addRow(
  x: ArrayOfNumbers,
  start: number,
  dx: number,
  totals: Float64Array | Int32Array,
  at: number,
  dt: number,
  n: number,
) {
  for (let i = 0; i < n; i++) totals[at + i * dt] += x[start + i * dx];
}

function maxRow(
  x: ArrayOfNumbers,
  start: number,
  dx: number,
  totals: Float64Array | Int32Array,
  at: number,
  dt: number,
  n: number,
) {
  for (let i = 0; i < n; i++)
    totals[at + i * dt] = Math.max(totals[at + i * dt], x[start + i * dx]);
}

/** A view of `totals` with the shape of the input: stride 0 along each reduced axis. */
function repeated(
  totals: Float64Array | Int32Array,
  shape: readonly number[],
  kept: number,
): Strided {
  const array = contiguous(totals, shape.slice(0, kept));
  const strides = shape.map((_, axis) => (axis < kept ? array.stride[axis] : 0));
  return strided({ buffer: wrap(totals), shape, strides, offset: 0 });
}

/** Both arrays with their axes sorted by the input's strides, from large to small. */
function inMemoryOrder(input: Strided, output: Strided): [Strided, Strided] {
  const order = input.stride
    .map((_, axis) => axis)
    .sort((p, q) => input.stride[q] - input.stride[p]);
  return [input.transpose(...order), output.transpose(...order)];
}

/** The position of the first largest value along the last axis; NaN counts as largest. */
function argmax(x: Strided, shape: readonly number[]): CpuBuffer {
  const out = new Int32Array(sizeOf(shape));
  const last = x.dimension - 1;
  const length = x.shape[last];
  const stride = x.stride[last];
  const rows = rowsOf([x.hi(...shape, 1), contiguous(out, [...shape, 1])]);
  const [dx, dout] = rows.strides;
  rows.each(([start, at]) => {
    for (let i = 0; i < rows.length; i++) {
      let best = 0;
      let largest = x.data[start + i * dx];
      for (let j = 1; j < length; j++) {
        const value = x.data[start + i * dx + j * stride];
        if (value > largest || (Number.isNaN(value) && !Number.isNaN(largest))) {
          largest = value;
          best = j;
        }
      }
      out[at + i * dout] = best;
    }
  });
  return wrap(out);
}
