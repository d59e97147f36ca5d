/** Batched matrix product, with either side transposed. */
import type { MatmulSpec } from '../backend.js';
import { sizeOf } from '../layout.js';
import { skipZeros } from '../skip-zeros.js';
import { allocate, type CpuBuffer, contiguous, strided, wrap } from './buffer.js';
import { rowsOf } from './rows-of.js';

export function matmul(a: CpuBuffer, b: CpuBuffer, spec: MatmulSpec): CpuBuffer {
  const { m, n, k, batch } = spec;
  const out = wrap(allocate(a.dtype, sizeOf(batch) * m * n));
  const batchStridesOut = contiguous(out.data, [...batch, m * n]).stride.slice(0, -1);
  // Walk over the first element of each matrix.
  const firstOf = (buffer: CpuBuffer, strides: readonly number[]) =>
    strided({ buffer, shape: batch, strides, offset: 0 });
  const matrices = rowsOf([
    firstOf(a, spec.batchStridesA),
    firstOf(b, spec.batchStridesB),
    firstOf(out, batchStridesOut),
  ]);
  const [da, db, dout] = matrices.strides;
  const panel = new Float64Array(k * n);
  const row = new Float64Array(n);
  let packed = -1;
  matrices.each(([startA, startB, startOut]) => {
    for (let i = 0; i < matrices.length; i++) {
      const atB = startB + i * db;
      if (packed !== atB) pack(b, atB, spec, panel);
      packed = atB;
      multiply(a, startA + i * da, panel, out, startOut + i * dout, spec, row);
      if (!spec.skipZeros) continue;
      const [step, inner] = spec.transposeA ? [1, m] : [k, 1];
      skipZeros(
        { data: a.data, start: startA + i * da, row: step, column: inner },
        { data: panel, start: 0, row: n, column: 1 },
        { data: out.data, start: startOut + i * dout, row: n, column: 1 },
        ...([m, k, n] as const),
      );
    }
  });
  return out;
}

/** Copies op(b), row-major [k, n], into `panel`. */
function pack(b: CpuBuffer, start: number, { n, k, transposeB }: MatmulSpec, panel: Float64Array) {
  const source = b.data;
  const size = k * n;
  if (!transposeB) {
    for (let i = 0; i < size; i++) panel[i] = source[start + i];
    return;
  }
  for (let j = 0; j < n; j++) {
    for (let p = 0; p < k; p++) panel[p * n + j] = source[start + j * k + p];
  }
}

/**
 * Multiplies one matrix: each output row is a sum of rows of `panel`, four at a time, in float64.
 */
function multiply(
  a: CpuBuffer,
  startA: number,
  panel: Float64Array,
  out: CpuBuffer,
  startOut: number,
  { m, n, k, transposeA }: MatmulSpec,
  row: Float64Array,
) {
  const x = a.data;
  const result = out.data;
  const stepRow = transposeA ? 1 : k;
  const stepInner = transposeA ? m : 1;
  for (let i = 0; i < m; i++) {
    row.fill(0);
    let p = 0;
    for (; p + 4 <= k; p += 4) {
      const at = startA + i * stepRow + p * stepInner;
      const x0 = x[at];
      const x1 = x[at + stepInner];
      const x2 = x[at + 2 * stepInner];
      const x3 = x[at + 3 * stepInner];
      const p0 = p * n;
      const p1 = p0 + n;
      const p2 = p1 + n;
      const p3 = p2 + n;
      for (let j = 0; j < n; j++) {
        row[j] += x0 * panel[p0 + j] + x1 * panel[p1 + j] + x2 * panel[p2 + j] + x3 * panel[p3 + j];
      }
    }
    for (; p < k; p++) {
      const value = x[startA + i * stepRow + p * stepInner];
      for (let j = 0; j < n; j++) row[j] += value * panel[p * n + j];
    }
    const to = startOut + i * n;
    for (let j = 0; j < n; j++) result[to + j] = row[j];
  }
}
