/** A text in JavaScript's syntax: its statements, its literals, and errors with positions. */
import { type AnyNode, type Node, parse, parseExpressionAt } from 'acorn';
import { describe, MemgradError } from '../errors.js';
import { LONGEST, MOST_AXES } from './limits.js';

/** The names of constants. */
export const numbers: Readonly<Record<string, number>> = { PI: Math.PI, Infinity };

const LANGUAGE =
  'numbers, [lists], names, + - * / ** and comparisons, c ? a : b, operations of memgrad, and name = value';

/** Characters that people copy from formulas, and their spelling here. */
const lookalikes: Readonly<Record<string, string>> = {
  '×': '*',
  '·': '*',
  '⋅': '*',
  '∗': '*',
  '÷': '/',
  '−': '-',
  '–': '-',
  '²': '** 2',
  '³': '** 3',
  '≤': '<=',
  '≥': '>=',
  '≠': '!=',
  '√': 'sqrt(x)',
  '#': '// before a comment',
};

/**
 * Formats a position: `at character 5`, with the line if there are several. A character outside the
 * basic plane counts as one.
 */
export function position(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n');
  const column = [...(lines.at(-1) as string)].length + 1;
  return text.trimEnd().includes('\n')
    ? `at line ${lines.length}, character ${column}`
    : `at character ${column}`;
}

/** Shortens a text to at most `most` characters on one line. */
export function shorten(text: string, most = 30): string {
  const letters = [...text.replace(/\s+/g, ' ')];
  return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
}

/**
 * A text to be parsed; errors call it `what`. Throws unless it is a string of at most `LONGEST`
 * characters.
 */
export class Source {
  constructor(
    readonly text: string,
    readonly what = 'the text',
  ) {
    if (typeof text !== 'string') {
      throw new MemgradError(`explain: ${what} must be a string, got ${describe(text)}.`);
    }
    if (text.length > LONGEST) {
      throw new MemgradError(
        `explain: ${what} has ${text.length} characters, expected at most ${LONGEST}; explain a part of it.`,
      );
    }
  }

  /**
   * Parses the statements of the text. Throws `MemgradError` with the position of a syntax error.
   */
  statements() {
    try {
      return parse(this.text, { ecmaVersion: 2022, sourceType: 'script' }).body;
    } catch (error) {
      if (error instanceof RangeError) throw tooDeep();
      if (!(error instanceof SyntaxError) || !('pos' in error)) throw error;
      if (error.message.startsWith('Not enough stack space')) throw tooDeep();
      throw this.#unreadable(Number(error.pos), error.message.replace(/ \(\d+:\d+\)$/, ''));
    }
  }

  /** Returns an error that quotes `node` and its position. */
  refuse(node: Node, why = `is not understood; write ${LANGUAGE}`): MemgradError {
    const source = shorten(this.text.slice(node.start, node.end));
    return new MemgradError(`explain: '${source}' ${this.#at(node.start)} ${why}.`);
  }

  /** Returns an error about the whole text. */
  refuseAll(why: string): MemgradError {
    return new MemgradError(`explain: ${this.what}, '${shorten(this.text)}', ${why}.`);
  }

  /**
   * Returns the value of a literal: a number, list, word or truth value; undefined for anything
   * else.
   */
  literal(node: AnyNode, depth = 0): unknown {
    if (node.type === 'Literal') {
      const { value, raw = '' } = node;
      if (typeof value === 'number') this.#checkNumber(node, value, raw);
      return ['number', 'string', 'boolean'].includes(typeof value) ? value : undefined;
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
      throw this.refuse(node, `is nested in more than ${MOST_AXES} lists, the maximum`);
    }
    const values = node.elements.map((element) =>
      element ? this.literal(element, depth + 1) : undefined,
    );
    return values.some((value) => typeof value !== 'number' && !Array.isArray(value))
      ? undefined
      : values;
  }

  /** Throws for numbers that JavaScript reads differently than they look. */
  #checkNumber(node: Node, value: number, raw: string): void {
    if (/^0\d/.test(raw)) {
      throw this.refuse(
        node,
        `begins with 0, as octal numbers do; write ${raw.replace(/^0+/, '')}`,
      );
    }
    if (value === Infinity) throw this.refuse(node, 'is larger than any number; write Infinity');
  }

  #at(offset: number): string {
    const where = position(this.text, offset);
    return this.what === 'the text' ? where : `${where} of ${this.what}`;
  }

  /**
   * Returns the error for a parser that stopped at `offset`, with a hint if the intention can be
   * guessed.
   */
  #unreadable(offset: number, said: string): MemgradError {
    const { text } = this;
    if (offset >= text.trimEnd().length) {
      return new MemgradError(
        `explain: ${this.what} ends too early; something is missing, such as a bracket.`,
      );
    }
    // The parser reports the position after a #.
    const at = text[offset - 1] === '#' ? offset - 1 : offset;
    const code = text.codePointAt(at) as number;
    const letter = String.fromCodePoint(code);
    const seen = /[\p{C}\p{Z}\p{M}]/u.test(letter)
      ? `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
      : letter;
    const sign = said === 'Unexpected token' && this.#signBefore(at);
    if (sign) return sign;
    const what = said.startsWith('Unexpected character')
      ? `unexpected character '${seen}'`
      : said === 'Unexpected token'
        ? `unexpected '${shorten(/^(\w+|\*\*|[<>=!]=?|.)/su.exec(text.slice(at))?.[0] ?? letter)}'`
        : `${said[0].toLowerCase()}${said.slice(1)}`;
    const hint = Object.hasOwn(lookalikes, letter)
      ? `; write ${lookalikes[letter]}`
      : said.startsWith('Identifier directly after number')
        ? "; write * between a number and a name, and don't begin a name with a digit"
        : '';
    return new MemgradError(
      `explain: cannot read ${this.what} ${position(text, at)}: ${what}${hint}.`,
    );
  }

  /**
   * Returns the error for a sign before a power, `-x ** 2`, which JavaScript rejects as ambiguous;
   * undefined otherwise.
   */
  #signBefore(offset: number): MemgradError | undefined {
    const { text } = this;
    if (!text.startsWith('**', offset)) return undefined;
    for (let start = offset - 1; start >= 0; start--) {
      if (text[start] !== '-' && text[start] !== '+') continue;
      const signed = text.slice(start, offset).trimEnd();
      try {
        const { type, end } = parseExpressionAt(signed, 0, { ecmaVersion: 2022 });
        if (type !== 'UnaryExpression' || end !== signed.length) continue;
      } catch {
        continue; // this sign belongs to a shorter operand
      }
      const operand = shorten(signed.slice(1).trim());
      const power = /^\*\*\s*([\w.]+)(?!\s*[\w.([])/.exec(text.slice(offset))?.[1] ?? '…';
      return new MemgradError(
        `explain: '${shorten(signed)}' ${this.#at(start)} has a sign before a power, which can mean two things; write ${text[start]}(${operand} ** ${power}) or (${text[start]}${operand}) ** ${power}.`,
      );
    }
    return undefined;
  }
}

/** Returns the error for a text that is nested too deeply for the stack. */
export function tooDeep(): MemgradError {
  return new MemgradError('explain: the text is nested too deeply; explain a part of it.');
}
