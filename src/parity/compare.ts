/** Our numbers beside the reference's. */
import { MemgradError } from '../errors.js';
import type { HostArray } from '../models/index.js';
import type { FixtureTensor } from './fixture.js';

/** One field of a fixture. */
export interface ParityRow {
  readonly field: string;
  /** The largest absolute difference. */
  readonly maxAbs: number;
  /** The same, relative to the largest value of the field; where all of them are 0, `maxAbs` itself. */
  readonly maxRel: number;
  readonly pass: boolean;
}

/** Compares row-major values in the fixture's order. Throws `MemgradError` where their number differs. */
export function compare(
  field: string,
  ours: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): ParityRow {
  if (ours.length !== expected.length) {
    throw new MemgradError(
      `${field} has ${expected.length} values, but the model that the configuration describes gives ${ours.length}; the two do not belong together.`,
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

/** Values that are batch first, [batch, time, ...], in the time-major order of fixtures. */
export function timeMajor({ shape, data }: HostArray): Float64Array {
  const [batch, time, ...rest] = shape;
  const width = rest.reduce((product, length) => product * length, 1);
  return Float64Array.from(data, (_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    const [at, sequence] = [Math.floor(row / batch), row % batch];
    return data[(sequence * time + at) * width + column];
  });
}

/** One row for each of the reference's tensors; null there stands for zeros. */
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
