/**
 * Parses an expression in JavaScript's syntax into a list of instructions, in order of computation.
 */
import type { AnyNode, CallExpression, Expression, Node } from 'acorn';
import type { Nested } from '../autograd/index.js';
import type { OperationName } from '../autograd/operations/table.js';
import { MemgradError } from '../errors.js';
import { suggest } from '../options.js';
import { fits, type Kind, kindOf, says } from './kinds.js';
import { MOST_OPERATIONS } from './limits.js';
import { describe, explainable, isOperation } from './operations.js';
import { numbers, Source, tooDeep } from './source.js';

/**
 * An argument of an operation: the index of the instruction that computes it, several of these, or
 * a literal.
 */
export type Argument =
  | { readonly computed: number }
  | { readonly list: readonly number[] }
  | { readonly plain: unknown };

/** An instruction, which uses only the results of earlier ones. */
export interface Instruction {
  /** The assigned name, if there is one. */
  name: string | undefined;
  readonly does:
    | { readonly kind: 'variable'; readonly variable: string }
    | { readonly kind: 'constant'; readonly value: Nested }
    | {
        readonly kind: 'operation';
        readonly operation: OperationName;
        /** The arguments and options by name. */
        readonly arguments: ReadonlyMap<string, Argument>;
        /** The names of all options of the operation. */
        readonly options: readonly string[];
      };
  /** For a variable or constant: whether it holds whole numbers. Undefined until it is used. */
  whole?: boolean;
  /** The range of its source in the text. */
  readonly start: number;
  readonly end: number;
}

/** A parsed expression. */
export interface Program {
  readonly text: string;
  readonly instructions: readonly Instruction[];
  /** The variables, in the order of their first use. */
  readonly variables: readonly string[];
  /** The index of the instruction of the last statement. */
  readonly result: number;
}

const binary: Readonly<Record<string, OperationName>> = {
  '+': 'add',
  '-': 'sub',
  '*': 'mul',
  '/': 'div',
  '**': 'pow',
  '==': 'equal',
  '!=': 'notEqual',
  '<': 'less',
  '<=': 'lessEqual',
  '>': 'greater',
  '>=': 'greaterEqual',
};

/**
 * Parses `text`: statements of assignments and calls; the last one is the result. Throws
 * `MemgradError` with the position of anything else.
 */
export function parse(text: string): Program {
  const reader = new Reader(text);
  if (text.trim() === '') {
    throw new MemgradError('explain: the expression is empty; write one such as tanh(w * x + b).');
  }
  try {
    return reader.program();
  } catch (error) {
    throw error instanceof RangeError ? tooDeep() : error; // the stack overflowed
  }
}

/**
 * Returns the variables of an expression, in the order of their first use. Throws like `explain`.
 */
export function variablesOf(expression: string): readonly string[] {
  return parse(expression).variables;
}

class Reader extends Source {
  readonly #instructions: Instruction[] = [];
  readonly #names = new Map<string, number>();

  program(): Program {
    const statements = this.statements().filter(({ type }) => type !== 'EmptyStatement');
    let result = -1;
    for (const statement of statements) {
      if (statement.type !== 'ExpressionStatement') throw this.refuse(statement);
      result = this.#statement(statement.expression);
    }
    if (result < 0) throw new MemgradError('explain: the text has no expression; write one.');
    const instructions = this.#instructions;
    const variables = instructions.flatMap(({ does }) =>
      does.kind === 'variable' ? [does.variable] : [],
    );
    return { text: this.text, instructions, variables, result };
  }

  #statement(node: Expression): number {
    if (node.type !== 'AssignmentExpression') return this.#value(node);
    if (node.operator !== '=' || node.left.type !== 'Identifier') throw this.refuse(node);
    const { name } = node.left;
    if (isOperation(name) || Object.hasOwn(numbers, name)) {
      throw this.refuse(node.left, 'already has a meaning; choose another name');
    }
    const at = this.#statement(node.right);
    const made = this.#instructions[at];
    // Variables and named results keep their first name.
    if (made.does.kind !== 'variable') made.name ??= name;
    this.#names.set(name, at);
    return at;
  }

  /** Returns the index of the instruction that computes `node`. */
  #value(node: Expression): number {
    const value = this.literal(node);
    if (typeof value === 'number' || Array.isArray(value)) {
      return this.#add({ kind: 'constant', value: value as Nested }, node);
    }
    switch (node.type) {
      case 'Identifier':
        return this.#read(node.name, node);
      case 'BinaryExpression': {
        const operation = Object.hasOwn(binary, node.operator) && binary[node.operator];
        if (!operation || node.left.type === 'PrivateIdentifier') {
          const hint = node.operator === '^' ? '; write ** for a power' : '';
          throw this.refuse(
            node,
            `has the operator ${node.operator}, which is not one of + - * / ** == != < <= > >=${hint}`,
          );
        }
        const [a, b] = [this.#use(node.left, 'tensor'), this.#use(node.right, 'tensor')];
        return this.#operation(operation, { a, b }, node);
      }
      case 'UnaryExpression':
        if (node.operator === '+') return this.#value(node.argument);
        if (node.operator !== '-') break;
        return this.#operation('neg', { x: this.#use(node.argument, 'tensor') }, node);
      case 'ConditionalExpression': {
        const condition = this.#use(node.test, 'integers');
        const [a, b] = [node.consequent, node.alternate].map((side) => this.#use(side, 'tensor'));
        return this.#operation('where', { condition, a, b }, node);
      }
      case 'CallExpression':
        return this.#call(node);
      case 'ArrayExpression':
        throw this.refuse(
          node,
          'is not understood: lists contain only numbers; write stack([a, b]) for a list of values',
        );
      case 'SequenceExpression':
        throw this.refuse(
          node,
          'has commas; write [1, 2] for a list, 1.5 for a decimal number, and ; between statements',
        );
    }
    throw this.refuse(node);
  }

  #read(name: string, node: Node): number {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    if (isOperation(name)) {
      throw this.refuse(node, `is an operation; call it as ${signature(name)}`);
    }
    if (name === 'NaN' || name === 'undefined') {
      throw this.refuse(node, 'is not a variable; choose another name');
    }
    const at = this.#add({ kind: 'variable', variable: name }, node);
    this.#instructions[at].name = name;
    this.#names.set(name, at);
    return at;
  }

  #call(node: CallExpression): number {
    const { callee } = node;
    if (callee.type !== 'Identifier' || !isOperation(callee.name)) {
      if (
        callee.type === 'Literal' ||
        (callee.type === 'Identifier' && this.#names.has(callee.name))
      ) {
        throw this.refuse(node, 'calls something that is not an operation; write * to multiply');
      }
      const { start, end } = callee;
      const name = this.text.slice(start, end).replace(/^Math\./, '');
      throw this.refuse(callee, `is not an operation; ${suggest(name, explainable)}`);
    }
    const operation = callee.name;
    const form = signature(operation);
    const { takes, options = [] } = describe(operation);
    const given = [...node.arguments];
    const last = given.at(-1);
    const named = last?.type === 'ObjectExpression' ? given.pop() : undefined;
    const least = takes.filter((name) => !name.endsWith('?')).length;
    if (given.length < least || given.length > takes.length) {
      const count = least === takes.length ? `${least}` : `${least} to ${takes.length}`;
      throw this.refuse(node, `has ${given.length} arguments, expected ${count}: ${form}`);
    }
    const found: Record<string, Argument> = {};
    given.forEach((argument, i) => {
      const name = takes[i].replace('?', '');
      found[name] = this.#argument(argument, kindOf(name), form);
    });
    if (named?.type === 'ObjectExpression') {
      for (const property of named.properties) {
        const name =
          property.type === 'Property' && !property.computed && property.key.type === 'Identifier'
            ? property.key.name
            : '';
        if (property.type !== 'Property' || !options.includes(name)) {
          throw this.refuse(property, `is not an option here: ${form}`);
        }
        found[name] = this.#argument(property.value, kindOf(name), form);
      }
    }
    return this.#operation(operation, found, node);
  }

  #argument(node: AnyNode, kind: Kind, expected: string): Argument {
    if (kind === 'tensor' || kind === 'integers') return this.#use(node as Expression, kind);
    if (kind === 'tensors') {
      if (node.type !== 'ArrayExpression') {
        throw this.refuse(node, `is not a list: ${expected} takes [a, b, ...]`);
      }
      const list = node.elements.map((element) => {
        if (!element) throw this.refuse(node, 'has a gap');
        return this.#use(element as Expression, 'tensor').computed;
      });
      return { list };
    }
    const plain = this.literal(node);
    if (!fits[kind](plain)) {
      throw this.refuse(node, `does not fit: ${expected} takes ${says[kind]}`);
    }
    return { plain };
  }

  /**
   * Returns the instruction of `node` as an argument. A leaf holds either whole numbers or values,
   * not both.
   */
  #use(node: Expression, kind: 'tensor' | 'integers'): { readonly computed: number } {
    const computed = this.#value(node);
    const leaf = this.#instructions[computed];
    if (leaf.does.kind !== 'operation') {
      const whole = kind === 'integers';
      if (leaf.whole !== undefined && leaf.whole !== whole) {
        throw this.refuse(
          node,
          'is used both as whole numbers (an index, a condition) and as a value; use two names',
        );
      }
      leaf.whole = whole;
    }
    return { computed };
  }

  #operation(operation: OperationName, args: Record<string, Argument>, node: Node): number {
    const { options = [] } = describe(operation);
    const does = {
      kind: 'operation' as const,
      operation,
      arguments: new Map(Object.entries(args)),
      options,
    };
    return this.#add(does, node);
  }

  #add(does: Instruction['does'], { start, end }: Node): number {
    if (this.#instructions.length === MOST_OPERATIONS) {
      throw new MemgradError(
        `explain: the expression has more than ${MOST_OPERATIONS} operations, variables and numbers; explain a part of it.`,
      );
    }
    this.#instructions.push({ name: undefined, does, start, end });
    return this.#instructions.length - 1;
  }
}

/** Writes the signature of an operation, such as `softmax(x, axis?)`. */
function signature(name: OperationName): string {
  const { takes, options } = describe(name);
  const parts = [...takes, ...(options ? [`{ ${options.map((o) => `${o}?`).join(', ')} }`] : [])];
  return `${name}(${parts.join(', ')})`;
}
