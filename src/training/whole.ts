/** The check that counts and lengths share. */
import { MemgradError } from '../errors.js';

/** Throws `MemgradError` unless the option `name` of `where` is a whole number >= `least`. */
export function requireWhole(where: string, name: string, value: number, least = 1): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new MemgradError(`${where}: ${name} must be a whole number >= ${least}, got ${value}.`);
  }
}
