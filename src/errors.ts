/**
 * Invalid input: a shape, a dtype, an option or a file. The message says what was passed, what was
 * expected, and what to do.
 */
export class MemgradError extends Error {
  override name = 'MemgradError';
}

/**
 * A backend has no memory for a result. The message says what is live; existing tensors are
 * unaffected.
 */
export class OutOfMemory extends MemgradError {
  override name = 'OutOfMemory';
}

/**
 * A training step computed a number that isn't finite, in its values or in the updated parameters.
 */
export class NotFinite extends MemgradError {
  override name = 'NotFinite';
}

/**
 * Describes a value for a message. The text is short for any value, so that data can't determine
 * the size of messages.
 */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return cut(JSON.stringify(value), '"');
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return cut(`${value}n`, 'n');
  if (typeof value !== 'object' || value === null) return cut(String(value));
  if (Array.isArray(value)) {
    // The keys of a long list would take memory.
    const more = value.length < 99 && Object.keys(value).length > value.length;
    return `a list of ${value.length}${more ? ' with properties' : ''}`;
  }
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (ArrayBuffer.isView(value) && 'length' in value) return `${kind} of ${value.length}`;
  const made = Object.getPrototypeOf(value)?.constructor?.name;
  if (kind !== 'Object') return kind;
  return typeof made === 'string' && made !== kind ? `a ${cut(made)}` : 'an object';
}

/** Limits a text to `most` characters, the last of which are then three dots, followed by `end`. */
export function cut(text: string, end = '', most = 60): string {
  return text.length > most ? `${text.slice(0, most - 3)}...${end}` : text;
}

/**
 * A path or name from outside, for a message. Paths and names of usual length are shown in full.
 */
export const shownPath = (path: string): string => cut(path, '', 300);

/** Whether `value` is an array or a typed array. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

/** Whether `value` is a plain object, from any window. */
export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
