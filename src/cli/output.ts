/** The output of a command: text for people, or one JSON object per line for programs. */
import { stripVTControlCharacters } from 'node:util';
import type { createLogUpdate } from 'log-update';
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

/**
 * Standard output. `print` and `live` print text for people, `event` and `line` JSON for programs.
 */
export class Output {
  readonly columns = Math.min(process.stdout.columns || 80, WIDEST);
  /** `hasColors` respects NO_COLOR, TERM=dumb and the like. */
  readonly coloured = process.stdout.isTTY && process.stdout.hasColors();
  readonly #changing: ReturnType<typeof createLogUpdate> | undefined;
  #lastLive = -Infinity;

  /** `changing` rewrites the progress line of a terminal; without it, lines are printed. */
  constructor(
    readonly json: boolean,
    changing?: ReturnType<typeof createLogUpdate>,
  ) {
    this.#changing = changing;
  }

  /** Prints lines for people. */
  print(text = ''): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** Prints a part of a line, for people. On a terminal, control characters become U+FFFD. */
  write(text: string, colour?: Colour): void {
    if (this.json) return;
    const safe = process.stdout.isTTY ? text.replace(/[^\P{Cc}\t\r\n]/gu, '\ufffd') : text;
    process.stdout.write(colour ? this.colour(colour, safe) : safe);
  }

  /** Prints an event for programs. */
  event(event: string, fields: object): void {
    this.line({ event, ...fields });
  }

  /**
   * Prints an object for programs without an event name, for commands whose objects are all of one
   * kind.
   */
  line(fields: object): void {
    if (this.json) process.stdout.write(`${JSON.stringify(fields)}\n`);
  }

  /**
   * Shows the progress of a command in one line. On a terminal it replaces the previous one;
   * elsewhere a line is printed now and then.
   */
  live(line: () => string): void {
    const now = performance.now();
    if (this.json || now - this.#lastLive < (this.#changing ? REDRAW_MS : PLAIN_MS)) return;
    this.#lastLive = now;
    if (this.#changing) this.#changing(this.#fitted(line()));
    else this.print(line());
  }

  /** Ends the progress line: `text`, if given, replaces it. */
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

  /**
   * Fits a line in the terminal's width. A line that is too long is truncated and loses its
   * colours.
   */
  #fitted(line: string): string {
    const width = (process.stdout.columns || 80) - 1;
    const plain = stripVTControlCharacters(line);
    return plain.length <= width ? line : fit(plain, width);
  }
}

/**
 * Opens standard output. Loads log-update for a terminal only, since its regular expressions of
 * characters take a quarter of a command's start.
 */
export async function openOutput(json: boolean): Promise<Output> {
  if (json || !process.stdout.isTTY) return new Output(json);
  const { createLogUpdate } = await import('log-update');
  return new Output(json, createLogUpdate(process.stdout, { showCursor: true }));
}
