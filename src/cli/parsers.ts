/** Parsers of option values. Commander adds the name of the option to their errors. */
import { InvalidArgumentError } from 'commander';

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

export const positive: Range = {
  accepts: (value) => value > 0 && value <= 1000,
  says: 'a number above 0, at most 1000',
};
export const learningRate: Range = {
  accepts: (value) => value > 0 && value < 1000,
  says: 'a number above 0 and below 1000',
};
export const notNegative: Range = {
  accepts: (value) => value >= 0 && value < 1000,
  says: 'a number from 0 to less than 1000',
};
export const rateBelowOne: Range = {
  accepts: (value) => value >= 0 && value < 1,
  says: 'a number from 0 to less than 1',
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
export function or<Word extends string>(
  word: Word,
  read: (text: string) => number,
): (text: string) => number | Word {
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
export function orInfinity(word: string, read: (text: string) => number): (text: string) => number {
  const parse = or(word, read);
  return (text) => {
    const value = parse(text);
    return typeof value === 'number' ? value : Infinity;
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

/** Two numbers in [0, 1), separated by a comma. */
export function betas(text: string): readonly [number, number] {
  const values = text.split(',').map(decimal);
  if (values.length === 2 && values.every(rateBelowOne.accepts)) return [values[0], values[1]];
  throw new InvalidArgumentError('Expected two numbers from 0 to less than 1, such as 0.9,0.98.');
}

/** One or more values that `read` accepts, separated by commas. */
export function list(read: (text: string) => number): (text: string) => readonly number[] {
  return (text) => text.split(',').map(read);
}

/** Accepts START:BY or START:BY:AT. */
export function curriculum(text: string): { start: number; by: number; at: number } {
  const parts = text.split(':');
  const [start, by] = parts.map((part) => (/^\d{1,9}$/.test(part) ? Number(part) : Number.NaN));
  const at = parts.length === 3 ? decimal(parts[2]) : 0.97;
  const fits = parts.length === 2 || parts.length === 3;
  if (fits && start >= 1 && by >= 1 && shareAboveZero.accepts(at)) return { start, by, at };
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
