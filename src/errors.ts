/** Bad input from outside: a shape, a dtype, an option or a file. The message names what came, what was expected and what to do. */
export class MemgradError extends Error {
  override name = 'MemgradError';
}

/** A backend has no room for a result. The message says what is live; what there was before is untouched. */
export class OutOfMemory extends MemgradError {
  override name = 'OutOfMemory';
}

/** A step, or the parameters that it made, hold a number that is not finite. */
export class NotFinite extends MemgradError {
  override name = 'NotFinite';
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
  throw new MemgradError(
    `${where}: ${name} must be a whole number ${expected}, got ${describe(value)}.`,
  );
}

/** Throws `MemgradError` unless the option `name` of `where` is left out, true or false. */
export function requireFlag(where: string, name: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw new MemgradError(`${where}: ${name} must be true or false, got ${describe(value)}.`);
}

/** Throws `MemgradError` unless `f`, which `where` calls, is a function. */
export function requireFunction(where: string, f: unknown): void {
  if (typeof f === 'function') return;
  throw new MemgradError(`${where}: expected a function, got ${describe(f)}.`);
}

/** Throws `MemgradError` unless the argument `name` of `where` is a finite number. */
export function requireNumber(where: string, name: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value)) return;
  throw new MemgradError(`${where}: ${name} must be a finite number, got ${describe(value)}.`);
}

/**
 * A value that came from outside, for a message: short whatever it is, since data must not choose
 * the size of our messages.
 */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return cut(JSON.stringify(value), '"');
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return cut(String(value));
  if (Array.isArray(value)) return `a list of ${value.length}`;
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (ArrayBuffer.isView(value) && 'length' in value) return `${kind} of ${value.length}`;
  const made = Object.getPrototypeOf(value)?.constructor?.name;
  if (kind !== 'Object') return kind;
  return typeof made === 'string' && made !== kind ? `a ${cut(made)}` : 'an object';
}

function cut(text: string, end = ''): string {
  return text.length > 60 ? `${text.slice(0, 57)}...${end}` : text;
}

/** Throws `MemgradError` unless `fits`: `what` must be `expected`, and is `value`. */
export function requireThat(fits: unknown, what: string, expected: string, value: unknown): void {
  if (!fits) throw new MemgradError(`${what} must be ${expected}, got ${describe(value)}.`);
}

/** Throws `MemgradError` unless `tokens` is a list of whole numbers from 0 to `vocabulary` - 1. */
export function requireTokens(
  where: string,
  tokens: ArrayLike<number>,
  vocabulary = 2 ** 31,
): void {
  const isList = Array.isArray(tokens) || (ArrayBuffer.isView(tokens) && 'length' in tokens);
  requireThat(isList, `${where}: tokens`, 'a list or typed array', tokens);
  for (let i = 0; i < tokens.length; i++) {
    requireWhole(where, 'a token', tokens[i], 0, vocabulary - 1);
  }
}
