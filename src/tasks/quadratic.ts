/** Quadratic equations, solved step by step, each step in a block of its own. */
import type { Key } from '../autograd/index.js';
import { requireTokens, whole } from '../options.js';
import { drawFrom } from './held-out.js';
import { type TaskOptions, withDefaults } from './options.js';
import { answerBatch, type Batch, checkDraw, type Split, type Task } from './task.js';

/** Options of quadratic equations. */
export interface QuadraticOptions {
  /** Roots lie from -range to range. Default 100, the maximum. */
  range?: number;
}

const PADDING = 0;
const BLOCK = 30; // tokens; shorter steps are padded
const STEPS = 5; // after the equation: canonical form, discriminant, two roots, answer
const CHARACTERS = '0123456789+-*/^=()xD;,';
const FIRST_CHARACTER = 2;
const LARGEST_FACTOR = 10;
const NO_ROOTS = 5; // one equation in this many has no real roots

/** a (x^2 + b x + c) = 0, with its real roots in order, if it has any. */
interface Equation {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly roots?: readonly [number, number];
}

function options(): TaskOptions<QuadraticOptions> {
  return { range: { kind: whole(2, 100), default: 100, help: 'largest root' } };
}

/**
 * Quadratic equations (RMT paper, section 4.1; format of its published code): six blocks of 30
 * tokens. The first is the equation. The model writes its canonical form, discriminant, first and
 * second root, and the answer, which alone is scored, as a whole. One equation in five has no real
 * roots; then everything after the discriminant is empty. All 180 tokens are inputs, six segments
 * of 30, and the target after the last is padding. Unlike the published code we count the very
 * first token of the solution too, since the model has to predict it.
 *
 * The published samples don't show how a coefficient of 0 is written (here: not at all, and as 0 in
 * the discriminant), or how equations without real roots are drawn (here: b and c uniformly from
 * the whole numbers in the range of equations with roots).
 */
export class Quadratic implements Task {
  static readonly summary = 'solve a quadratic equation step by step';
  /** The options with their defaults. */
  static readonly options = options;
  readonly name = 'quadratic';
  readonly metric = 'answers';
  readonly vocabulary = FIRST_CHARACTER + CHARACTERS.length;
  /** An empty answer is right where there are no real roots. */
  readonly chance = 1 / NO_ROOTS;
  readonly length: number;

  /** Throws `MemgradError` unless `range` is a whole number from 2 to 100. */
  constructor(given: QuadraticOptions = {}) {
    const { range } = withDefaults('quadratic', given, options());
    this.length = range;
  }

  batch(key: Key, size: number, split: Split): Batch {
    checkDraw(this.name, key, split);
    return answerBatch(
      size,
      (row) => {
        const drawn = drawFrom(split, this.#variety(), key.fold(row), (attempt) =>
          solution(this.#equation(attempt)),
        );
        return { prompt: drawn.subarray(0, BLOCK), answer: [...drawn.subarray(BLOCK), PADDING] };
      },
      BLOCK + 1,
    );
  }

  withLength(range: number): Quadratic {
    return new Quadratic({ range });
  }

  /** The text of the blocks, separated by spaces. */
  show(tokens: ArrayLike<number>): string {
    requireTokens(this.name, tokens);
    return Array.from(tokens, (token) => CHARACTERS[token - FIRST_CHARACTER] ?? ' ')
      .join('')
      .trim()
      .replace(/ +/g, ' ');
  }

  #equation(key: Key): Equation {
    const range = this.length;
    const [kind] = key.fold(0).integers(1, NO_ROOTS);
    // As in the published statistics, ±1 and ±10 are half as frequent as the factors between them.
    const [step] = key.fold(1).integers(1, 2 * (LARGEST_FACTOR - 1));
    const [sign] = key.fold(2).integers(1, 2);
    const a = (1 + Math.ceil(step / 2)) * (sign === 0 ? 1 : -1);
    if (kind === 0) {
      const b = between(key.fold(3), 1 - 2 * range, 2 * range - 1);
      return { a, b, c: between(key.fold(4), Math.floor((b * b) / 4) + 1, range * range) };
    }
    const pair = [3, 4].map((i) => between(key.fold(i), -range, range));
    const [low, high] = pair.sort((one, other) => one - other);
    return { a, b: -(low + high), c: low * high, roots: [low, high] };
  }

  /** A lower bound of the number of different equations. */
  #variety(): number {
    return this.length ** 2 * 2 * LARGEST_FACTOR;
  }
}

/** The tokens of all six blocks. */
export function solution(equation: Equation): Int32Array {
  const tokens = new Int32Array(BLOCK * (1 + STEPS));
  solutionText(equation).forEach((block, index) => {
    tokens.set(
      Array.from(block, (character) => FIRST_CHARACTER + CHARACTERS.indexOf(character)),
      index * BLOCK,
    );
  });
  return tokens;
}

/** The text of each block. */
function solutionText({ a, b, c, roots }: Equation): string[] {
  const discriminant = b * b - 4 * c;
  const start = [
    polynomial(a, a * b, a * c),
    polynomial(1, b, c),
    `D=${Math.abs(b)}^2-4*1*${c}=${discriminant}`,
  ];
  if (!roots) return start;
  const root = Math.sqrt(discriminant);
  const half = (sign: string, x: number) => `x=(${-b || 0}${sign}${root})/2=${x}`;
  return [
    ...start.slice(0, -1),
    `${start[2]}=${root}^2`,
    half('-', roots[0]),
    half('+', roots[1]),
    roots.join(','),
  ];
}

/** Formats a polynomial, such as `-4*x^2+392*x-2208=0`. */
function polynomial(...coefficients: readonly [number, number, number]): string {
  const powers = ['x^2', 'x', ''];
  const terms = coefficients.map((coefficient, i) => {
    if (coefficient === 0) return '';
    const size = Math.abs(coefficient);
    const text = powers[i] === '' ? String(size) : size === 1 ? powers[i] : `${size}*${powers[i]}`;
    return `${coefficient < 0 ? '-' : '+'}${text}`;
  });
  return `${terms.join('').replace(/^\+/, '')}=0`;
}

/** A whole number from `least` to `most`, inclusive. */
function between(key: Key, least: number, most: number): number {
  return least + key.integers(1, most - least + 1)[0];
}
