/** Parsers of option values. Commander adds the name of the option to their errors. */
import { InvalidArgumentError } from 'commander';
import { MemgradError } from '../errors.js';
import type { Check } from '../runs/check.js';

/** A whole number from `least` to `most`. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
  };
}

/** The ranges of numbers, and their descriptions in messages. */
export interface Range {
  accepts: (value: number) => boolean;
  says: string;
}

export const learningRate: Range = {
  accepts: (value) => value > 0 && value < 1000,
  says: 'a number above 0 and below 1000',
};
export const notNegative: Range = {
  accepts: (value) => value >= 0 && value < 1000,
  says: 'a number from 0 to less than 1000',
};
export const shareAboveZero: Range = {
  accepts: (value) => value > 0 && value <= 1,
  says: 'a number above 0, at most 1',
};

/** A decimal number in `range`. */
export function real(range: Range): (text: string) => number {
  return (text) => {
    const value = decimal(text);
    if (range.accepts(value)) return value;
    throw new InvalidArgumentError(`Expected ${range.says}.`);
  };
}

/** Accepts what `read` accepts, and `word`. */
export function or<Word extends string, T>(
  word: Word,
  read: (text: string) => T,
): (text: string) => T | Word {
  return (text) => {
    if (text === word) return word;
    try {
      return read(text);
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      throw new InvalidArgumentError(`${error.message.replace(/\.$/, '')}, or ${word}.`);
    }
  };
}

/**
 * Accepts what `read` accepts, and `word`, which becomes Infinity: commander would turn null into
 * an empty string.
 */
export function orInfinity(
  word: string,
  read: (text: string) => unknown,
): (text: string) => unknown {
  const parse = or(word, read);
  return (text) => {
    const value = parse(text);
    return value === word ? Infinity : value;
  };
}

/** Accepts `best`, or a step. */
export function checkpoint(most: number): (text: string) => 'best' | number {
  return (text) => {
    if (text === 'best') return text;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value <= most) return value;
    throw new InvalidArgumentError('Expected `best`, a step, or 0.');
  };
}

/** A number that one of `checks` accepts, or a list of numbers separated by commas. */
export function accepted(checks: readonly Check<unknown>[]): (text: string) => unknown {
  return (text) => {
    for (const check of checks) {
      const value = check.isList ? text.split(',').map(decimal) : decimal(text);
      try {
        return check(value, 'option');
      } catch (error) {
        if (!(error instanceof MemgradError)) throw error;
      }
    }
    throw new InvalidArgumentError(`Expected ${checks[0].expected}.`);
  };
}

/** Accepts START:BY or START:BY:AT. */
export function curriculum(text: string): { start: number; by: number; at?: number } {
  const parts = text.split(':');
  const [start, by] = parts.map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : Number.NaN));
  const at = parts.length === 3 ? decimal(parts[2]) : undefined;
  const fits = parts.length === 2 || (at !== undefined && shareAboveZero.accepts(at));
  if (fits && start >= 1 && by >= 1) return { start, by, at };
  throw new InvalidArgumentError(
    'Expected START:BY or START:BY:AT with two whole numbers of 1 or more and an accuracy above 0, at most 1, such as 8:8:0.97.',
  );
}

/**
 * Parses a plain decimal number; NaN for other notations, such as `0x10`, an empty text and
 * `Infinity`.
 */
function decimal(text: string): number {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}
