/** Values of variables, as text. */
import type { Nested } from '../autograd/index.js';
import { Source } from './source.js';

/** Reads `text` such as `w=0.5, b=[1, 2]`: numbers and lists of numbers by name. Throws `MemgradError`. */
export function parseValues(text: string): Map<string, Nested> {
  const source = new Source(text);
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
        throw source.refuse(part, 'is no value of a variable; write name=value');
      }
      if (part.operator !== '=') throw source.refuse(part, 'has to be written with =');
      const value = source.literal(part.right);
      if (typeof value !== 'number' && !Array.isArray(value)) {
        throw source.refuse(part.right, 'is no number and no list of numbers');
      }
      values.set(part.left.name, value as Nested);
    }
  }
  return values;
}

/** A value as it is written: `[1, 2]`. */
export function writeValue(value: Nested): string {
  return typeof value === 'number' ? `${value}` : `[${value.map(writeValue).join(', ')}]`;
}

/** Values as `parseValues` reads them: `w=0.5, b=[1, 2]`. */
export function writeValues(values: Iterable<readonly [name: string, value: Nested]>): string {
  return [...values].map(([name, value]) => `${name}=${writeValue(value)}`).join(', ');
}
