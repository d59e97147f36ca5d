/** Values of variables, as text. */
import type { AnyNode } from 'acorn';
import type { Nested } from '../autograd/index.js';
import { Source } from './source.js';

/** Reads `text` such as `w=0.5, b=[1, 2]`: numbers and lists of numbers by name. Throws `MemgradError` with the position of anything else. */
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
    if (parts.length === 0) throw source.refuse(statement, 'is no value, such as w=0.5');
    for (const part of parts) {
      if (part.type !== 'AssignmentExpression' || part.left.type !== 'Identifier') {
        const [last] = [...values.keys()].slice(-1);
        throw source.refuse(
          part,
          part.type === 'Literal' && last !== undefined
            ? `has no name; write ${last}=[1, 2] for a list, and ${last}=1.2 for a decimal number`
            : 'is no value of a variable; write name=value',
        );
      }
      const { name } = part.left;
      if (part.operator !== '=') throw source.refuse(part, 'has to be written with =');
      if (values.has(name))
        throw source.refuse(part, `gives ${name} a second value; leave one out`);
      values.set(name, valueAt(source, part.right));
    }
  }
  return values;
}

/** Reads the value of one variable, such as `0.5` or `[1, 2]`. Throws `MemgradError`, which names the variable. */
export function parseValue(name: string, text: string): Nested {
  const source = new Source(text, `the value of ${name}`);
  const [statement, ...others] = source.statements();
  if (!statement) throw source.refuseAll('is empty; write a number or a list, such as [1, 2]');
  if (statement.type !== 'ExpressionStatement' || others.length > 0) {
    throw source.refuseAll('is no number and no list of numbers');
  }
  if (statement.expression.type === 'SequenceExpression') {
    throw source.refuseAll('has commas; write [1, 2] for a list, and 1.2 for a decimal number');
  }
  return valueAt(source, statement.expression);
}

/** The number or list at `node`; every list of a level has the same length. */
function valueAt(source: Source, node: AnyNode): Nested {
  const value = source.literal(node);
  if (typeof value === 'number') return value;
  if (!Array.isArray(value)) throw source.refuse(node, 'is no number and no list of numbers');
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

/** A value as it is written: `[1, 2]`. */
export function writeValue(value: Nested): string {
  return typeof value === 'number' ? `${value}` : `[${value.map(writeValue).join(', ')}]`;
}

/** Values as `parseValues` reads them: `w=0.5, b=[1, 2]`. */
export function writeValues(values: Iterable<readonly [name: string, value: Nested]>): string {
  return [...values].map(([name, value]) => `${name}=${writeValue(value)}`).join(', ');
}
