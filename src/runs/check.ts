/** Checks of values from outside. A value that passes has the type that the check declares. */
import { describe, MemgradError, shownPath } from '../errors.js';
import { requireThat, suggest } from '../options.js';

/** Returns `value` with its type, or throws a `MemgradError` that names `path`. */
export type Check<T> = (value: unknown, path: string) => T;

/** A whole number from `least` to `most`. */
export function whole(least: number, most: number): Check<number> {
  return (value, path) =>
    Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most
      ? (value as number)
      : refuse(
          path,
          value,
          least === most ? `${least}` : `a whole number from ${least} to ${most}`,
        );
}

/** A number in [least, most); with `open`, in (least, most]. */
export function real(least: number, most: number, { open = false } = {}): Check<number> {
  return (value, path) => {
    const fits =
      typeof value === 'number' &&
      (open ? value > least && value <= most : value >= least && value < most);
    return fits
      ? value
      : refuse(path, value, `a number in ${open ? `(${least}, ${most}]` : `[${least}, ${most})`}`);
  };
}

/** One of `choices`. */
export function oneOf<const Choices extends readonly string[]>(
  choices: Choices,
): Check<Choices[number]> {
  return (value, path) =>
    choices.includes(value as string)
      ? (value as string)
      : refuse(path, value, choices.join(' or '));
}

/** `true` or `false`. */
export const flag: Check<boolean> = (value, path) =>
  typeof value === 'boolean' ? value : refuse(path, value, 'true or false');

/** A text of at most `most` characters. */
export function text(most: number): Check<string> {
  return (value, path) =>
    typeof value === 'string' && value.length <= most
      ? value
      : refuse(path, value, `a text of at most ${most} characters`);
}

/** Accepts what `check` accepts, and null. */
export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, path) => (value === null ? null : check(value, path));
}

/** Accepts what `check` accepts; a missing value becomes `value`. */
export function orDefault<T, D>(check: Check<T>, value: D): Check<T | D> {
  return (given, path) => (given === undefined ? value : check(given, path));
}

/** A list of items that `check` accepts. */
export function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((item, i) => check(item, `${path}[${i}]`))
      : refuse(path, value, 'a list');
}

/** An object with any names and values that `check` accepts. */
export function dictionary<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, path) => {
    if (!isObject(value)) refuse(path, value, 'an object');
    const items = Object.entries(value as object).map(([name, item]) => [
      name,
      check(item, `${path}[${JSON.stringify(name).slice(0, 60)}]`),
    ]);
    return Object.fromEntries(items);
  };
}

/** A list of two. */
export function pair<T>(check: Check<T>): Check<readonly [T, T]> {
  return (value, path) =>
    Array.isArray(value) && value.length === 2
      ? [check(value[0], `${path}[0]`), check(value[1], `${path}[1]`)]
      : refuse(path, value, 'a list of two');
}

type Fields = Record<string, Check<unknown>>;

/** The fields that may be left out: those whose check then returns undefined. */
type Optional<F extends Fields> = {
  [Name in keyof F]: undefined extends ReturnType<F[Name]> ? Name : never;
}[keyof F];

/** The type that `object(fields)` returns. */
export type Checked<F extends Fields> = {
  readonly [Name in Exclude<keyof F, Optional<F>>]: ReturnType<F[Name]>;
} & { readonly [Name in Optional<F>]?: ReturnType<F[Name]> };

/**
 * An object with exactly these fields; with `others`, unknown fields are dropped. Returns a new
 * object, so no other property of `value` gets in.
 */
export function object<F extends Fields>(fields: F, { others = false } = {}): Check<Checked<F>> {
  return (value, path) => {
    if (!isObject(value)) refuse(path, value, `an object with ${Object.keys(fields).join(', ')}`);
    const given = value as Record<string, unknown>;
    const unknown = Object.keys(given).find((name) => !Object.hasOwn(fields, name));
    if (unknown !== undefined && !others) {
      throw new MemgradError(
        `${shownPath(path.replace(/:$/, ''))} has the field ${describe(unknown)}, which is not known; ${suggest(unknown, Object.keys(fields))}.`,
      );
    }
    const checked = Object.entries(fields).map(([name, check]) => {
      const field = `${path}${path.endsWith(':') ? ' ' : '.'}${name}`;
      return [name, check(Object.hasOwn(given, name) ? given[name] : undefined, field)];
    });
    return Object.fromEntries(checked.filter(([, field]) => field !== undefined));
  };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws `MemgradError` unless `origin`, the beginning of messages, is a string. */
export function requireOrigin(where: string, origin: unknown): void {
  requireThat(typeof origin === 'string', `${where}: the name for messages`, 'a string', origin);
}

/** Throws the error that all checks share. */
export function refuse(path: string, value: unknown, expected: string): never {
  const came = value === undefined ? 'is missing' : `is ${describe(value)}`;
  throw new MemgradError(
    `${shownPath(path.replace(/:$/, ''))} ${came}, but ${expected} was expected.`,
  );
}
