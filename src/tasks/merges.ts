/** The merges of byte pair encoding. */

/**
 * A table of tokens, each a string or bytes that aren't UTF-8. The index of a token is also the
 * rank of its merge.
 */
export type MergeTable = readonly (string | readonly number[])[];

/** Merges pairs of neighbours that form a token, lowest rank first, in time n log n. */
export class Merges {
  /** The bytes of each token. */
  readonly bytes: readonly Uint8Array[];
  /** Tokens by their bytes, as a string with one character per byte. */
  readonly #tokens: ReadonlyMap<string, number>;

  constructor(table: MergeTable) {
    this.bytes = table.map((token) =>
      typeof token === 'string' ? new TextEncoder().encode(token) : Uint8Array.from(token),
    );
    this.#tokens = new Map(this.bytes.map((bytes, token) => [binary(bytes), token]));
  }

  /** Returns the tokens of a word. */
  encode(word: string): number[] {
    const text = binary(new TextEncoder().encode(word));
    const length = text.length;
    // A part of the text starts at each `start` and ends before next[start]; merged[start] is the
    // token of this part joined with the next one, or -1.
    const next = new Int32Array(length + 1);
    const previous = new Int32Array(length + 1);
    const merged = new Int32Array(length + 1).fill(-1);
    const heap = new Heap<number>((one, other) => one - other);
    const queue = (start: number) => {
      const middle = next[start];
      const token = middle < length ? this.#tokens.get(text.slice(start, next[middle])) : undefined;
      merged[start] = token ?? -1;
      if (token !== undefined) heap.push(token * 2 ** 32 + start); // the lowest rank, then the leftmost
    };
    for (let start = 0; start <= length; start++) {
      next[start] = start + 1;
      previous[start] = start - 1;
    }
    for (let start = 0; start < length; start++) queue(start);
    for (let least = heap.pop(); least !== undefined; least = heap.pop()) {
      const start = least % 2 ** 32;
      if (merged[start] !== Math.floor(least / 2 ** 32)) continue; // one of the two was merged already
      const middle = next[start];
      merged[middle] = -1;
      next[start] = next[middle];
      previous[next[start]] = start;
      queue(start);
      if (start > 0) queue(previous[start]);
    }
    const tokens: number[] = [];
    for (let start = 0; start < length; start = next[start]) {
      tokens.push(this.#tokens.get(text.slice(start, next[start])) as number);
    }
    return tokens;
  }
}

/** A string with one character for each byte. */
function binary(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}

/** A priority queue: `compare` is negative where its first argument comes out earlier. */
export class Heap<Item> {
  readonly #items: Item[] = [];

  constructor(readonly compare: (one: Item, other: Item) => number) {}

  push(item: Item): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.compare(items[parent], item) <= 0) break;
      items[at] = items[parent];
      at = parent;
    }
    items[at] = item;
  }

  /** Removes and returns the first item; undefined if there is none. */
  pop(): Item | undefined {
    const items = this.#items;
    const first = items[0];
    const item = items.pop();
    if (item === undefined || items.length === 0) return first;
    let at = 0;
    for (let child = 1; child < items.length; child = 2 * at + 1) {
      if (child + 1 < items.length && this.compare(items[child + 1], items[child]) < 0) child++;
      if (this.compare(items[child], item) >= 0) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = item;
    return first;
  }
}
