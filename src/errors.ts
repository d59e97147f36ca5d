/** Bad input from outside: a shape, a dtype, an option or a file. The message names what came, what was expected and what to do. */
export class MemgradError extends Error {
  override name = 'MemgradError';
}

/** A backend has no room for a result. The message says what is live; what there was before is untouched. */
export class OutOfMemory extends MemgradError {
  override name = 'OutOfMemory';
}

/** Throws `MemgradError` unless the option `name` of `where` is a whole number from `least` to `most`. */
export function requireWhole(
  where: string,
  name: string,
  value: number,
  least = 1,
  most = Infinity,
): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const expected = most === Infinity ? `>= ${least}` : `from ${least} to ${most}`;
  throw new MemgradError(`${where}: ${name} must be a whole number ${expected}, got ${value}.`);
}
