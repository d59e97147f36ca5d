/**
 * Helpers of all tokenizers: text as bytes, long texts in pieces, lists of tokens, bytes to
 * characters.
 */
import { describe, MemgradError } from '../errors.js';
import type { TokenDecoder } from './tokenizers.js';

/**
 * A text: a string, or bytes of UTF-8 (a `Uint8Array` such as Node's `Buffer`, an `ArrayBuffer`, or
 * another view of single bytes). A string is limited to 512 MB in Node; bytes are not.
 */
export type Text = string | Uint8Array | ArrayBuffer;

/**
 * The bytes of a text; an array's bytes are not copied. Throws `MemgradError` for anything else.
 */
export function bytesOf(where: string, text: Text): Uint8Array {
  if (typeof text === 'string') {
    return within(where, 'encode a shorter text', () => new TextEncoder().encode(text));
  }
  if (text instanceof Uint8Array) return text;
  const view: unknown = text;
  if (ArrayBuffer.isView(view)) {
    const single = !('BYTES_PER_ELEMENT' in view) || view.BYTES_PER_ELEMENT === 1;
    if (single) return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }
  const kind = Object.prototype.toString.call(view);
  if (kind === '[object ArrayBuffer]' || kind === '[object SharedArrayBuffer]') {
    return within(where, 'take a copy of it', () => new Uint8Array(view as ArrayBuffer));
  }
  throw new MemgradError(
    `${where}: expected a text, a string or bytes of UTF-8 as a Uint8Array, got ${describe(view)}.`,
  );
}

/**
 * Returns the result of `compute`, which may exceed the engine's limit for a string or an array.
 * Throws `MemgradError` then.
 */
export function within<T>(where: string, advice: string, compute: () => T): T {
  try {
    return compute();
  } catch (cause) {
    if (cause instanceof MemgradError) throw cause;
    const reason = cause instanceof Error ? cause.message : describe(cause);
    throw new MemgradError(`${where}: the engine refused (${reason}); ${advice}.`, { cause });
  }
}

/**
 * Decodes all `tokens` with a new decoder. Throws `MemgradError` unless they are a list of tokens.
 */
export function decoded(where: string, tokens: ArrayLike<number>, decoder: TokenDecoder): string {
  checkTokens(where, tokens);
  return within(where, 'decode fewer tokens at a time, with decoder()', () => {
    let text = '';
    for (let at = 0; at < tokens.length; at++) text += decoder.push(tokens[at]);
    return text + decoder.end();
  });
}

/** An array of zeros for `count` tokens. Throws `MemgradError` where it doesn't fit in memory. */
export function tokenArray(where: string, count: number): Int32Array {
  try {
    return new Int32Array(count);
  } catch (cause) {
    throw new MemgradError(
      `${where}: no room for ${count} tokens of 4 bytes each; encode a part of the text.`,
      { cause },
    );
  }
}

/** White space in ASCII. */
export function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

/** Length of a piece in bytes: small enough that a piece and its words stay in the cache. */
const PIECE = 2 ** 16;
/** Maximum length in bytes of a piece without a border. */
const LONGEST = 2 ** 22;

/**
 * Cuts a text into pieces of about 64 kB, as strings. `isBorder` returns whether a cut before the
 * byte at an index splits no token; it may only return true before an ASCII character. Where 4 MB
 * have no border, the cut is between two characters.
 */
export function* pieces(text: Uint8Array, isBorder: (at: number) => boolean): Iterable<string> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = Math.min(start + PIECE, text.length);
    const last = Math.min(start + LONGEST, text.length);
    while (end < last && !isBorder(end)) end++;
    if (end === last) end = characterStart(text, end);
    yield decoder.decode(text.subarray(start, end));
  }
}

/** `at`, or the start of the character around it, up to 3 bytes earlier. */
export function characterStart(text: Uint8Array, at: number): number {
  let start = at;
  while (start > at - 3 && start > 0 && (text[start] & 0xc0) === 0x80) start--;
  return (text[start] & 0xc0) === 0x80 ? at : start;
}

/** A copy of a string that keeps nothing else alive: a substring may keep the whole string. */
export function owned(part: string): string {
  return part.length < 13 ? part : new TextDecoder().decode(new TextEncoder().encode(part));
}

/** Collects tokens in typed arrays, since a list of so many numbers can abort the process. */
export class TokenList {
  readonly #where: string;
  readonly #full: Int32Array[] = [];
  #part: Int32Array = new Int32Array(2 ** 10);
  #used = 0;

  constructor(where: string) {
    this.#where = where;
  }

  push(token: number): void {
    if (this.#used === this.#part.length) {
      this.#full.push(this.#part);
      this.#part = tokenArray(this.#where, Math.min(2 * this.#used, 2 ** 20));
      this.#used = 0;
    }
    this.#part[this.#used++] = token;
  }

  /** Returns all tokens in one array. Throws `MemgradError` where it doesn't fit in memory. */
  join(): Int32Array {
    const parts = [...this.#full, this.#part.subarray(0, this.#used)];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const tokens = tokenArray(this.#where, length);
    let at = 0;
    for (const part of parts) {
      tokens.set(part, at);
      at += part.length;
    }
    return tokens;
  }
}

/** Throws `MemgradError` unless `token` is a whole number from 0 to `vocabulary` - 1. */
export function checkToken(where: string, token: unknown, vocabulary: number): void {
  if (Number.isInteger(token) && (token as number) >= 0 && (token as number) < vocabulary) return;
  throw new MemgradError(
    `${where}: there is no token ${describe(token)}; expected a whole number from 0 to ${vocabulary - 1}.`,
  );
}

/** Throws `MemgradError` unless `tokens` looks like a list of numbers. */
export function checkTokens(where: string, tokens: ArrayLike<number>): void {
  if (typeof tokens === 'object' && Number.isSafeInteger(tokens?.length) && tokens.length >= 0) {
    return;
  }
  throw new MemgradError(`${where}: expected a list of tokens, got ${describe(tokens)}.`);
}
