/** Parses and formats the values of variables. */
import type { AnyNode } from 'acorn';
import type { Nested } from '../autograd/index.js';
import { check, requireThat } from '../options.js';
import { MOST_AXES } from './limits.js';
import { Source, shorten } from './source.js';

/**
 * Parses text such as `w=0.5, b=[1, 2]`: numbers and lists of numbers by name. Throws
 * `MemgradError` with the position of anything else.
 */
export function parseValues(text: string): Map<string, Nested> {
  const source = new Source(text, 'the list of values');
  const values = new Map<string, Nested>();
  for (const statement of source.statements()) {
    const parts =
      statement.type !== 'ExpressionStatement'
        ? []
        : statement.expression.type === 'SequenceExpression'
          ? statement.expression.expressions
          : [statement.expression];
    if (parts.length === 0) throw source.refuse(statement, 'is not a value such as w=0.5');
    for (const part of parts) {
      if (part.type !== 'AssignmentExpression' || part.left.type !== 'Identifier') {
        const [last] = [...values.keys()].slice(-1);
        throw source.refuse(
          part,
          part.type === 'Literal' && last !== undefined
            ? `has no name; write ${last}=[1, 2] for a list, and ${last}=1.2 for a decimal number`
            : 'is not the value of a variable; write name=value',
        );
      }
      const { name } = part.left;
      if (part.operator !== '=') throw source.refuse(part, 'must be written with =');
      if (values.has(name))
        throw source.refuse(part, `gives ${name} a second value; leave one out`);
      values.set(name, valueAt(source, part.right));
    }
  }
  return values;
}

/**
 * Parses the value of one variable, such as `0.5` or `[1, 2]`. Throws `MemgradError` with the name
 * of the variable.
 */
export function parseValue(name: string, text: string): Nested {
  check('parseValue: name', name, ['a string', (name) => typeof name === 'string']);
  const source = new Source(text, `the value of ${shorten(name)}`);
  const [statement, ...others] = source.statements();
  if (!statement) throw source.refuseAll('is empty; write a number or a list, such as [1, 2]');
  if (statement.type !== 'ExpressionStatement' || others.length > 0) {
    throw source.refuseAll('is neither a number nor a list of numbers');
  }
  if (statement.expression.type === 'SequenceExpression') {
    throw source.refuseAll('has commas; write [1, 2] for a list, and 1.2 for a decimal number');
  }
  return valueAt(source, statement.expression);
}

/**
 * Returns the number or list at `node`. Throws unless all lists of a level have the same length.
 */
function valueAt(source: Source, node: AnyNode): Nested {
  const value = source.literal(node);
  if (typeof value === 'number') return value;
  if (!Array.isArray(value)) throw source.refuse(node, 'is neither a number nor a list of numbers');
  if (!isRegular(value)) {
    throw source.refuse(node, 'is uneven; all lists of a level must have the same length');
  }
  return value as Nested;
}

function isRegular(value: unknown): boolean {
  if (!Array.isArray(value)) return true;
  const shape = (inner: unknown): string =>
    Array.isArray(inner) ? `${inner.length} ${inner.length > 0 ? shape(inner[0]) : ''}` : '';
  return value.every((inner) => shape(inner) === shape(value[0]) && isRegular(inner));
}

/** Formats a value: `[1, 2]`. */
export function writeValue(value: Nested): string {
  requireThat(isNested(value), 'writeValue: value', 'a number or lists of numbers', value);
  const write = (one: Nested): string =>
    typeof one === 'number' ? `${one}` : `[${one.map(write).join(', ')}]`;
  return write(value);
}

/** Whether `value` is a number, or lists of numbers of at most `axes` levels. */
function isNested(value: unknown, axes = MOST_AXES): boolean {
  if (typeof value === 'number') return true;
  const isLists = Array.isArray(value) && axes > 0;
  return isLists && Array.from(value).every((inner) => isNested(inner, axes - 1));
}

/** Formats values for `parseValues`: `w=0.5, b=[1, 2]`. */
export function writeValues(values: Iterable<readonly [name: string, value: Nested]>): string {
  const isList = typeof Object(values)[Symbol.iterator] === 'function';
  requireThat(isList, 'writeValues: values', 'a Map or pairs of name and value', values);
  const written: string[] = [];
  for (const pair of values) {
    const [name, value] = (Array.isArray(pair) ? pair : []) as [string, Nested];
    requireThat(typeof name === 'string', 'writeValues: a pair', 'a name and its value', pair);
    written.push(`${name}=${writeValue(value)}`);
  }
  return written.join(', ');
}
