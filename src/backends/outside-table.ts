/** What backends that can see an index say of a bad one. */
import { MemgradError } from '../errors.js';

/** The error of `gather`, `scatterAdd` and `crossEntropy` for an index outside a table of `rows` rows. */
export function outsideTable(name: string, index: number, position: number, rows: number) {
  return new MemgradError(
    `${name}: index ${index} at position ${position} is outside the table of ${rows} rows; indices run from 0 to ${rows - 1}.`,
  );
}
