/** Where a command prints: text for a person, or one JSON object a line for a program. */
import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';
import { fit } from './format.js';

export type Colour = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim';

const codes: Record<Colour, readonly [number, number]> = {
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  bold: [1, 22],
  dim: [2, 22],
};

const WIDEST = 100; // longer lines are hard to read
const REDRAW_MS = 80;
const PLAIN_MS = 2000;

/** Standard output. Of `print`, `live` and `event`, a person gets the first two and a program the last. */
export class Output {
  readonly columns = Math.min(process.stdout.columns || 80, WIDEST);
  /** NO_COLOR, TERM=dumb and the like are looked at by `hasColors`. */
  readonly coloured = process.stdout.isTTY && process.stdout.hasColors();
  readonly #changing = process.stdout.isTTY
    ? createLogUpdate(process.stdout, { showCursor: true })
    : undefined;
  #lastLive = -Infinity;

  constructor(readonly json: boolean) {}

  /** Lines for a person. */
  print(text = ''): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** An object for a program. */
  event(event: string, fields: object): void {
    this.line({ event, ...fields });
  }

  /** An object for a program that is no event, where all of a command's output is of one kind. */
  line(fields: object): void {
    if (this.json) process.stdout.write(`${JSON.stringify(fields)}\n`);
  }

  /** The line that tells how far a command is. It replaces the one before on a terminal; elsewhere one is printed now and then. */
  live(line: () => string): void {
    const now = performance.now();
    if (this.json || now - this.#lastLive < (this.#changing ? REDRAW_MS : PLAIN_MS)) return;
    this.#lastLive = now;
    if (this.#changing) this.#changing(this.#fitted(line()));
    else this.print(line());
  }

  /** Ends the changing line: `text` stays in its place, or nothing. */
  settle(text?: string): void {
    this.#lastLive = -Infinity;
    if (this.json) return;
    this.#changing?.clear();
    this.#changing?.done();
    if (text !== undefined) this.print(text);
  }

  colour(colour: Colour, text: string): string {
    const [on, off] = codes[colour];
    return this.coloured ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }

  /** One line at most; where it is too long, it loses its end and its colours. */
  #fitted(line: string): string {
    const width = (process.stdout.columns || 80) - 1;
    const plain = stripVTControlCharacters(line);
    return plain.length <= width ? line : fit(plain, width);
  }
}
