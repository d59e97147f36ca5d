/** Reads JSON member by member, to refuse hostile text before it costs memory. */

/** Longer lists are refused without parsing; no tensor's shape is that long. */
const MOST_LIST_CHARACTERS = 10_000;
const MOST_SHOWN = 80;
const SPACE = /[ \t\n\r]*/y;
const SIZE = /^[ \t\n\r]*(?:0|[1-9]\d*)[ \t\n\r]*$/;

/**
 * Truncates a text to one printable line for a message: a hostile file must not determine the
 * length of our messages, nor send control characters to a terminal.
 */
export function cut(text: string): string {
  const short = text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN - 3)}...` : text;
  return short.replace(/\s+/g, ' ').replace(/\p{C}/gu, '\ufffd');
}

/** A cursor over JSON text. Its methods throw `SyntaxError` for invalid JSON. */
export class JsonScanner {
  #at = 0;

  constructor(readonly text: string) {
    this.#skipSpace();
  }

  /** The start of the next value, for `shown`. */
  get at(): number {
    return this.#at;
  }

  /** Whether the next value begins with `char`. */
  begins(char: string): boolean {
    return this.text[this.#at] === char;
  }

  /**
   * Reads an object. Calls `visit` for each name, to read its value. Calls `twice` for a repeated
   * name, which JSON.parse would hide.
   */
  members(visit: (name: string) => void, twice: (name: string) => never): void {
    const names = new Set<string>();
    this.#expect('{');
    if (!this.#take('}')) {
      do {
        const name = this.string();
        if (names.has(name)) twice(name);
        names.add(name);
        this.#expect(':');
        visit(name);
      } while (this.#take(','));
      this.#expect('}');
    }
  }

  /** Reads a string. */
  string(): string {
    const start = this.#at;
    if (!this.begins('"')) this.#fail();
    let end = start + 1;
    while (this.text.charCodeAt(end) !== 34) {
      if (end >= this.text.length) this.#fail();
      end += this.text.charCodeAt(end) === 92 ? 2 : 1;
    }
    this.#at = end + 1;
    this.#skipSpace();
    return JSON.parse(this.text.slice(start, end + 1)) as string;
  }

  /** Reads `null` and returns true, if it is the next value. */
  null(): boolean {
    if (!this.text.startsWith('null', this.#at)) return false;
    this.#at += 4;
    this.#skipSpace();
    return true;
  }

  /**
   * Reads a list of non-negative safe integers. For anything else it reads nothing and returns
   * undefined.
   */
  sizes(): number[] | undefined {
    if (!this.begins('[')) return undefined;
    const end = this.text.indexOf(']', this.#at);
    if (end < 0) this.#fail();
    if (end - this.#at > MOST_LIST_CHARACTERS) return undefined;
    const inside = this.text.slice(this.#at + 1, end);
    const parts = /^[ \t\n\r]*$/.test(inside) ? [] : inside.split(',');
    const sizes = parts.map((part) => (SIZE.test(part) ? Number(part) : Number.NaN));
    if (!sizes.every(Number.isSafeInteger)) return undefined;
    this.#at = end + 1;
    this.#skipSpace();
    return sizes;
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.#at < this.text.length) this.#fail();
  }

  /** The source text of the value that starts at `start`, truncated. */
  shown(start = this.#at): string {
    let depth = 0;
    let end = start;
    for (let inText = false; end < this.text.length && end - start <= MOST_SHOWN; end++) {
      const char = this.text[end];
      if (inText && char === '\\') end++;
      else if (char === '"') inText = !inText;
      else if (inText) continue;
      else if ('{['.includes(char)) depth++;
      else if (depth === 0 && ',:}]'.includes(char)) break;
      else if ('}]'.includes(char)) depth--;
    }
    return cut(this.text.slice(start, end).trim());
  }

  #skipSpace(): void {
    if (this.text.charCodeAt(this.#at) > 32) return; // most of the time
    SPACE.lastIndex = this.#at;
    SPACE.test(this.text);
    this.#at = SPACE.lastIndex;
  }

  #take(char: string): boolean {
    if (!this.begins(char)) return false;
    this.#at++;
    this.#skipSpace();
    return true;
  }

  #expect(char: string): void {
    if (!this.#take(char)) this.#fail();
  }

  #fail(): never {
    throw new SyntaxError(`unexpected text at character ${this.#at}`);
  }
}
