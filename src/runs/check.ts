/** Checks of values from outside. A value that passes has the type that the check declares. */
import { describe, MemgradError, shownPath } from '../errors.js';
import { type Kind, requireThat, suggest } from '../options.js';

/**
 * Returns `value` with its type, or throws a `MemgradError` that names `path`. The properties tell
 * what passes, for help texts, parsers and defaults.
 */
export interface Check<T> {
  (value: unknown, path: string): T;
  /** The expected value in words, of a check of one value. */
  readonly expected?: string;
  /** All values that pass, if they are names. */
  readonly choices?: readonly string[];
  /** Whether it expects a list. */
  readonly isList?: boolean;
  /** The fields of an object. */
  readonly fields?: Fields;
  /** How the field is chosen. */
  readonly setting?: Setting;
}

/** How a field of a configuration is chosen. */
export interface Setting {
  /** The value unless a preset or the user chooses another. */
  readonly default?: unknown;
  /** The option of `memgrad train`; without it only files and code choose the field. */
  readonly flag?: string;
  /** The help of `flag`, without the default. */
  readonly help?: string;
  /** The help of the flag that turns it off. */
  readonly off?: string;
  /** The default in words, where the value itself says little. */
  readonly otherwise?: string;
  /** The word that means null. */
  readonly none?: string;
  /** Whether it may change when a run is resumed. */
  readonly changes?: true;
}

/** The same check, and how its field is chosen. */
export function setting<T>(check: Check<T>, setting: Setting): Check<T> {
  const same = like(check, (value, path) => check(value, path));
  return Object.assign(same, { setting });
}

/** A check of one value. */
function one<T>(expected: string, fits: (value: unknown) => boolean): Check<T> {
  const check = (value: unknown, path: string) =>
    fits(value) ? (value as T) : refuse(path, value, expected);
  return Object.assign(check, { expected });
}

/** Accepts what `kind` accepts. */
export function ofKind<T>([expected, fits]: Kind): Check<T> {
  return one(expected, (value) => Boolean(fits(value as never)));
}

/** A whole number from `least` to `most`. */
export function whole(least: number, most: number): Check<number> {
  return one(
    least === most ? `${least}` : `a whole number from ${least} to ${most}`,
    (value) =>
      Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most,
  );
}

/** A number in [least, most); with `open`, in (least, most]. */
export function real(least: number, most: number, { open = false } = {}): Check<number> {
  return one(
    `a number ${open ? `above ${least}, at most ${most}` : `from ${least} to less than ${most}`}`,
    (value) =>
      typeof value === 'number' &&
      (open ? value > least && value <= most : value >= least && value < most),
  );
}

/** One of `choices`. */
export function oneOf<const Choices extends readonly string[]>(
  choices: Choices,
): Check<Choices[number]> {
  const check = one<Choices[number]>(choices.join(' or '), (value) =>
    choices.includes(value as string),
  );
  return Object.assign(check, { choices });
}

/** `true` or `false`. */
export const flag: Check<boolean> = one('true or false', (value) => typeof value === 'boolean');

/** A text of at most `most` characters. */
export function text(most: number): Check<string> {
  return one(
    `a text of at most ${most} characters`,
    (value) => typeof value === 'string' && value.length <= most,
  );
}

/** Accepts what `check` accepts, and null. */
export function orNull<T>(check: Check<T>): Check<T | null> {
  return like(check, (value, path) => (value === null ? null : check(value, path)));
}

/** Accepts what `check` accepts; a missing value becomes `value`. */
export function orDefault<T, D>(check: Check<T>, value: D): Check<T | D> {
  return like(check, (given, path) => (given === undefined ? value : check(given, path)));
}

/** Accepts what `check` accepts; the field may be missing. */
export function optional<T>(check: Check<T>): Check<T | undefined> {
  return orDefault(check, undefined);
}

/** `other` with the properties of `check`. */
function like<T>(check: Check<unknown>, other: Check<T>): Check<T> {
  const { expected, choices, isList, fields, setting } = check;
  return Object.assign(other, { expected, choices, isList, fields, setting });
}

/** A list of items that `check` accepts. */
export function list<T>(check: Check<T>): Check<readonly T[]> {
  const items: Check<readonly T[]> = (value, path) =>
    Array.isArray(value)
      ? value.map((item, i) => check(item, `${path}[${i}]`))
      : refuse(path, value, 'a list');
  return Object.assign(items, { expected: `a list, each ${check.expected}`, isList: true });
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

/** A list of two; `expected` describes both for those who write them. */
export function pair<T>(check: Check<T>, expected?: string): Check<readonly [T, T]> {
  const both: Check<readonly [T, T]> = (value, path) =>
    Array.isArray(value) && value.length === 2
      ? [check(value[0], `${path}[0]`), check(value[1], `${path}[1]`)]
      : refuse(path, value, 'a list of two');
  return Object.assign(both, { expected, isList: true });
}

/** The checks of an object's fields. */
export type Fields = Record<string, Check<unknown>>;

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
  const check: Check<Checked<F>> = (value, path) => {
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
  return Object.assign(check, { fields });
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
