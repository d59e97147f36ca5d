/** Compares our numbers with the reference's. */
import { MemgradError } from 'memgrad';
import type { HostArray } from 'memgrad/models';
import type { FixtureTensor } from './fixture.js';

/** The comparison of one field of a fixture. */
export interface ParityRow {
  readonly field: string;
  /** The largest absolute difference. */
  readonly maxAbs: number;
  /**
   * The same, relative to the largest absolute value of the field; equals `maxAbs` if all values
   * are 0.
   */
  readonly maxRel: number;
  readonly pass: boolean;
}

/**
 * Compares row-major values in the fixture's order. Throws `MemgradError` if their counts differ.
 */
export function compare(
  field: string,
  ours: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): ParityRow {
  if (ours.length !== expected.length) {
    throw new MemgradError(
      `${field} has ${expected.length} values, but the configured model computes ${ours.length}; the two do not belong together.`,
    );
  }
  let largest = 0;
  let maxAbs = 0;
  for (let i = 0; i < ours.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const difference = Math.abs(ours[i] - expected[i]);
    maxAbs = Number.isNaN(difference) ? Infinity : Math.max(maxAbs, difference);
  }
  const maxRel = maxAbs / (largest || 1);
  return { field, maxAbs, maxRel, pass: maxRel <= tolerance };
}

/** Reorders batch-first values, [batch, time, ...], into the time-major order of fixtures. */
export function timeMajor({ shape, data }: HostArray): Float64Array {
  const [batch, time, ...rest] = shape;
  const width = rest.reduce((product, length) => product * length, 1);
  return Float64Array.from(data, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const [at, sequence] = [Math.floor(row / batch), row % batch];
    return data[(sequence * time + at) * width + column];
  });
}

/** Returns one row for each of the reference's tensors, where null means zeros. */
export function compareNamed(
  prefix: string,
  ours: Readonly<Record<string, HostArray>>,
  expected: Readonly<Record<string, FixtureTensor | null>>,
  tolerance: number,
): ParityRow[] {
  return Object.entries(expected).map(([name, tensor]) => {
    const field = `${prefix}.${name}`;
    const { data } = ours[name] ?? { data: [] };
    return compare(field, data, tensor?.data ?? new Float64Array(data.length), tolerance);
  });
}
