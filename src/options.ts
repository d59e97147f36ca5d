/** Checks the arguments and options of public functions. */
import { describe, isList, isPlain, MemgradError } from './errors.js';

/** A condition on a value, in words and as a test, and whether the value is required. */
export type Kind = readonly [expected: string, fits: (value: never) => unknown, needed?: boolean];

/**
 * All options of `T` by name, with their kinds, or 1 for options checked elsewhere. A table that
 * lacks an option, or has one too many, does not compile.
 */
export type OptionNames<T> = { readonly [Name in keyof Required<T>]: 1 | Kind };

/**
 * Throws `MemgradError` unless `options` is undefined or an object whose names are all in `known`,
 * with values of the right kinds. For an unknown name, the message suggests the nearest option:
 * `learningRate` for `lr`.
 */
export function checkOptions<T extends object>(
  where: string,
  options: T | undefined,
  known: OptionNames<T>,
): void {
  checkNames(where, options, known);
  checkValues(where, options ?? {}, known);
}

/**
 * Throws `MemgradError` for the first of `values` that isn't of its kind, or is required but
 * undefined.
 */
export function checkValues(where: string, values: object, kinds: object): void {
  for (const name in kinds) {
    const kind: 1 | Kind = kinds[name as never];
    const value = values[name as never];
    if (kind === 1 || (value === undefined && !kind[2])) continue;
    check(`${where}: ${name}`, value, kind);
  }
}

/** Throws `MemgradError` unless `value` is of this kind; `what` is its name in the message. */
export function check(what: string, value: unknown, kind: Kind): void {
  requireThat(kind[1](value as never), what, kind[0], value);
}

/** Throws `MemgradError` unless `fits`: "`what` must be `expected`, got `value`." */
export function requireThat(fits: unknown, what: string, expected: string, value: unknown): void {
  if (!fits) throw new MemgradError(`${what} must be ${expected}, got ${describe(value)}.`);
}

/** Throws `MemgradError` unless `tokens` is a list of whole numbers from 0 to `vocabulary` - 1. */
export function requireTokens(
  where: string,
  tokens: ArrayLike<number>,
  vocabulary = 2 ** 31,
): void {
  requireThat(isList(tokens), `${where}: tokens`, 'a list or typed array', tokens);
  const kind = whole(0, vocabulary - 1);
  const [, fits] = kind;
  for (let i = 0; i < tokens.length; i++) {
    if (!fits(tokens[i] as never)) check(`${where}: a token`, tokens[i], kind);
  }
}

/** Throws `MemgradError` unless `options` is undefined or an object whose names are all in `known`. */
export function checkNames(where: string, options: unknown, known: object): void {
  if (options === undefined) return;
  // A Map or a promise must not pass as an object without options.
  const isObject = Object.prototype.toString.call(options) === '[object Object]';
  let unknown: string | undefined;
  if (isObject) {
    for (const name in options as object) if (!Object.hasOwn(known, name)) unknown ??= name;
    if (unknown === undefined) return;
  }
  const names = Object.keys(known);
  if (isObject && isPlain(options as object)) refuseName(where, 'option', unknown, names);
  // For example, a tensor in place of options.
  throw new MemgradError(
    `${where}: expected ${names.length > 0 ? `an object of options (${names.join(', ')})` : 'no options'}, got ${describe(options)}.`,
  );
}

/**
 * Throws `MemgradError` for an unknown `name` of `what` kind; the message suggests the nearest name
 * in `known`.
 */
export function refuseName(
  where: string,
  what: string,
  name: unknown,
  known: readonly string[],
): never {
  const shown = describe(name);
  throw new MemgradError(`${where}: there is no ${what} ${shown}; ${suggest(shown, known)}.`);
}

/**
 * Returns the end of a message: `did you mean 'learningRate'? Known are ...`, or `choose from ...`
 * if no name is near.
 */
export function suggest(name: string, known: readonly string[]): string {
  const best = nearest(name, known);
  if (known.length === 0) return 'there are none to choose from';
  const all = known.join(', ');
  return best === undefined ? `choose from ${all}` : `did you mean '${best}'? Known are ${all}`;
}

/**
 * Returns the name in `known` that `name` abbreviates, spells in another case, or mistypes;
 * undefined if none is near.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const wanted = plain(name.slice(0, 60));
  let best: string | undefined;
  let least = Math.max(wanted.length, 3) / 2.5;
  for (const candidate of known) {
    const distance = distanceOf(wanted, plain(candidate));
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

function distanceOf(wanted: string, candidate: string): number {
  if (wanted.length > 1 && candidate.startsWith(wanted)) return candidate === wanted ? 0 : 0.25;
  return abbreviates(wanted, candidate) ? 0.5 : edits(wanted, candidate);
}

/** Normalises a name: `num_mem_tokens` and `numMemTokens` are equal. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/**
 * Whether both start with the same letter and `long` contains the letters of `short` in order: `lr`
 * in `learningrate`.
 */
function abbreviates(short: string, long: string): boolean {
  if (short.length < 2 || short[0] !== long[0]) return false;
  let found = 0;
  for (const letter of long) if (letter === short[found]) found++;
  return found === short.length;
}

/** The Levenshtein distance: how many letters to insert, remove or replace. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(replaced, above[j] + 1, row[j - 1] + 1);
    }
  }
  return row[b.length];
}

/** The same kind, but required. */
export const needed = ([expected, fits]: Kind): Kind => [expected, fits, true];

/** A whole number from `least` to `most`. */
export const whole = (least = 1, most = Infinity): Kind => [
  `a whole number ${most === Infinity ? `>= ${least}` : `from ${least} to ${most}`}`,
  (value: number) => Number.isSafeInteger(value) && value >= least && value <= most,
];

/** A number. */
export const number: Kind = ['a number', (value) => typeof value === 'number'];

/** A finite number. */
export const finite: Kind = ['a finite number', Number.isFinite];

/** A finite number >= 0, and less than `below`. */
export const positive = (below = Infinity): Kind => [
  below === Infinity ? 'a finite number >= 0' : `a number in [0, ${below})`,
  (value: number) => typeof value === 'number' && value >= 0 && value < below,
];

/** A number above 0, at most 1. */
export const share: Kind = [
  'a number in (0, 1]',
  (value) => typeof value === 'number' && value > 0 && value <= 1,
];

/** The same kind, but also Infinity, for no limit. */
export const orInfinity = ([expected, fits]: Kind): Kind => [
  `${expected}, or Infinity`,
  (value) => value === Infinity || fits(value),
];

/** One of `choices`. */
export const oneOf = (choices: readonly unknown[]): Kind => [
  `one of ${choices.join(', ')}`,
  (value) => choices.includes(value),
];

/** `true` or `false`. */
export const flag: Kind = ['true or false', (value) => typeof value === 'boolean'];

/** A value with the method `name`; `expected` describes it in messages. */
export const having = (name: string, expected: string): Kind => [
  expected,
  (value) => typeof value?.[name] === 'function',
];

/** A backend. */
export const backendKind = having('upload', 'the result of await loadBackend(name)');

/** A function. */
export const callable: Kind = ['a function', (value) => typeof value === 'function'];
