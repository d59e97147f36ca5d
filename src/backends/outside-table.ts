/** The error for an index out of range, on backends that can read the indices. */
import { MemgradError } from '../errors.js';

/**
 * Returns the error of `gather`, `scatterAdd` and `crossEntropy` for an index outside a table of
 * `rows` rows.
 */
export function outsideTable(name: string, index: number, position: number, rows: number) {
  return new MemgradError(
    `${name}: index ${index} at position ${position} is outside the table of ${rows} rows; indices run from 0 to ${rows - 1}.`,
  );
}
