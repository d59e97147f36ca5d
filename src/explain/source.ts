/** A text in JavaScript's syntax: its statements, what is written down in it, and errors that say where. */
import { type AnyNode, type Node, parse } from 'acorn';
import { MemgradError } from '../errors.js';
import { LONGEST, MOST_AXES } from './limits.js';

/** Names that are numbers. */
export const numbers: Readonly<Record<string, number>> = { PI: Math.PI, Infinity };

const LANGUAGE =
  'numbers, [lists], names, + - * / ** and comparisons, c ? a : b, operations of memgrad, and name = value';

/** `at character 5`, with the line where there are several. */
export function position(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  return text.trimEnd().includes('\n')
    ? `at line ${line}, character ${column}`
    : `at character ${column}`;
}

/** A text that is read. Throws where it is too long. */
export class Source {
  constructor(readonly text: string) {
    if (text.length > LONGEST) {
      throw new MemgradError(
        `explain: the text has ${text.length} characters, expected at most ${LONGEST}; explain a part of it.`,
      );
    }
  }

  /** The statements of the text. */
  statements() {
    try {
      return parse(this.text, { ecmaVersion: 2022, sourceType: 'script' }).body;
    } catch (error) {
      if (!(error instanceof SyntaxError) || !('pos' in error)) throw error;
      const what = error.message.replace(/ \(\d+:\d+\)$/, '');
      const at = Number(error.pos);
      throw new MemgradError(
        at >= this.text.trimEnd().length
          ? 'explain: the text ends too early; something is missing, such as a bracket.'
          : `explain: cannot read the text ${position(this.text, at)}: ${what[0].toLowerCase()}${what.slice(1)}.`,
      );
    }
  }

  /** An error that names what stands at `node` and where. */
  refuse(node: Node, why = `is not understood; write ${LANGUAGE}`): MemgradError {
    const source = this.text.slice(node.start, node.end).replace(/\s+/g, ' ');
    const short = source.length > 30 ? `${source.slice(0, 29)}…` : source;
    return new MemgradError(`explain: '${short}' ${position(this.text, node.start)} ${why}.`);
  }

  /** What is written down: numbers, lists, words, truth values. Undefined for anything else. */
  literal(node: AnyNode, depth = 0): unknown {
    if (node.type === 'Literal') {
      return ['number', 'string', 'boolean'].includes(typeof node.value) ? node.value : undefined;
    }
    if (node.type === 'Identifier') {
      return Object.hasOwn(numbers, node.name) ? numbers[node.name] : undefined;
    }
    if (node.type === 'UnaryExpression' && (node.operator === '-' || node.operator === '+')) {
      const value = this.literal(node.argument);
      return typeof value === 'number' ? (node.operator === '-' ? -value : value) : undefined;
    }
    if (node.type !== 'ArrayExpression') return undefined;
    if (depth === MOST_AXES) {
      throw this.refuse(node, `is a list in more than ${MOST_AXES} others, which is the most`);
    }
    const values = node.elements.map((element) =>
      element ? this.literal(element, depth + 1) : undefined,
    );
    return values.some((value) => typeof value !== 'number' && !Array.isArray(value))
      ? undefined
      : values;
  }
}
