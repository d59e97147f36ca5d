/** The kinds of operation arguments, by name. */
import { MOST_AXES, MOST_VALUES } from './limits.js';

/** The kind of an argument: computed values, or literals. */
export type Kind =
  | 'tensor'
  | 'integers'
  | 'tensors'
  | 'number'
  | 'count'
  | 'numbers'
  | 'list'
  | 'lengths'
  | 'pairs'
  | 'boolean'
  | 'word';

const kinds: Readonly<Record<string, Kind>> = {
  condition: 'integers',
  indices: 'integers',
  targets: 'integers',
  mask: 'integers',
  tensors: 'tensors',
  axis: 'number',
  alpha: 'number',
  correction: 'number',
  delta: 'number',
  diagonal: 'number',
  shift: 'number',
  slope: 'number',
  start: 'number',
  end: 'number',
  fill: 'number',
  rows: 'count',
  depth: 'count',
  epsilon: 'number',
  rate: 'number',
  seed: 'number',
  groups: 'number',
  heads: 'number',
  ignoreIndex: 'number',
  labelSmoothing: 'number',
  axes: 'numbers',
  order: 'list',
  repeats: 'lengths',
  shape: 'lengths',
  amounts: 'pairs',
  padding: 'numbers',
  dilation: 'numbers',
  size: 'numbers',
  stride: 'numbers',
  keepDims: 'boolean',
  transposeA: 'boolean',
  transposeB: 'boolean',
  descending: 'boolean',
  dtype: 'word',
  equation: 'word',
  activation: 'word',
  reduction: 'word',
};

/** Returns the kind of the argument `name`; by default `tensor`. */
export function kindOf(name: string): Kind {
  return Object.hasOwn(kinds, name) ? kinds[name] : 'tensor';
}

/** The kinds of literals. */
export type Plain = Exclude<Kind, 'tensor' | 'integers' | 'tensors'>;

const isNumber = (value: unknown): value is number => typeof value === 'number';
const areNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every(isNumber);

/** Whether a literal fits each kind. Sizes are limited before anything is allocated. */
export const fits: Record<Plain, (value: unknown) => boolean> = {
  number: isNumber,
  count: (value) => isNumber(value) && value <= MOST_VALUES,
  numbers: (value) => isNumber(value) || areNumbers(value),
  list: areNumbers,
  lengths: (value) =>
    areNumbers(value) &&
    value.length <= MOST_AXES &&
    value.reduce((size, length) => size * Math.max(1, length), 1) <= MOST_VALUES,
  pairs: (value) =>
    Array.isArray(value) &&
    value.every((pair) => areNumbers(pair) && pair.length === 2 && pair.every((n) => n <= 16)),
  boolean: (value) => typeof value === 'boolean',
  word: (value) => typeof value === 'string',
};

/** What each kind expects, for errors. */
export const says: Record<Plain, string> = {
  number: 'a number',
  count: `a number up to ${MOST_VALUES}`,
  numbers: 'a number or a list of numbers',
  list: 'a list of numbers',
  lengths: `a list of at most ${MOST_AXES} lengths, for at most ${MOST_VALUES} values`,
  pairs: 'a [before, after] of at most 16 for each axis',
  boolean: 'true or false',
  word: "a word such as 'sum'",
};
