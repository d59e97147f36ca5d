/** Learns the merges of byte pair encoding from a text. */
import { Heap, type MergeTable } from './merges.js';

/** Merges are learnt from words of at most this many bytes together; more would not fit in memory. */
const MOST_BYTES = 2 ** 26;

/** Pairs are looked up by first * PAIR + second. */
const PAIR = 2 ** 20;

/** A pair and how often it occurred when it was queued. */
interface Queued {
  readonly pair: number;
  readonly count: number;
}

/**
 * Returns the tokens of a byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909): all bytes,
 * then the most frequent pair of neighbours, again and again, until there are `most` tokens or no
 * pair occurs twice. Of equally frequent pairs, the one with the earlier first token comes first,
 * then the one with the earlier second. `counts` has the words of the text and how often each
 * occurs; pairs don't cross their borders. Takes time n log n.
 */
export function learnMerges(counts: ReadonlyMap<string, number>, most: number): MergeTable {
  const words = encoded(counts);
  const { tokens, times } = words;
  const length = tokens.length;
  // A token starts at each `start` whose token isn't negative, and ends before next[start].
  const next = Int32Array.from(tokens, (_, start) => start + 1);
  const previous = Int32Array.from(tokens, (_, start) => start - 1);
  const pairs = new Map<number, number>();
  const places = new Map<number, number[]>();
  let ready = false;
  const heap = new Heap<Queued>((a, b) => b.count - a.count || a.pair - b.pair);
  const pairAt = (start: number) => {
    const after = next[start];
    const whole = start >= 0 && after < length && tokens[start] >= 0 && tokens[after] >= 0;
    return whole ? tokens[start] * PAIR + tokens[after] : -1;
  };
  /** Counts the pair at `start` anew, or with a negative sign no longer. */
  const recount = (start: number, sign: 1 | -1) => {
    const pair = pairAt(start);
    if (pair < 0) return;
    const count = (pairs.get(pair) ?? 0) + sign * times[start];
    pairs.set(pair, count);
    if (sign < 0) return;
    const known = places.get(pair);
    if (known) known.push(start);
    else places.set(pair, [start]);
    if (ready) heap.push({ pair, count });
  };
  for (let start = 0; start < length; start++) recount(start, 1);
  ready = true;
  for (const [pair, count] of pairs) heap.push({ pair, count });

  const table: (readonly number[])[] = Array.from({ length: 256 }, (_, byte) => [byte]);
  const known = new Map(table.map((bytes, token) => [bytes.join(), token]));
  for (let best = heap.pop(); best !== undefined && table.length < most; best = heap.pop()) {
    const { pair, count } = best;
    const now = pairs.get(pair) ?? 0;
    if (now < 2) continue;
    if (now !== count) {
      if (now < count) heap.push({ pair, count: now }); // a higher count was queued when it rose
      continue;
    }
    const [first, second] = [Math.floor(pair / PAIR), pair % PAIR];
    const bytes = [...table[first], ...table[second]];
    const token = known.get(bytes.join()) ?? table.length; // ab + c may be a token already, a + bc
    if (token === table.length) {
      table.push(bytes);
      known.set(bytes.join(), token);
    }
    const starts = places.get(pair) as number[];
    places.delete(pair);
    for (const start of starts.sort((a, b) => a - b)) {
      if (pairAt(start) !== pair) continue; // one of the two was merged already
      const [before, middle] = [previous[start], next[start]];
      recount(before, -1);
      recount(start, -1);
      recount(middle, -1);
      tokens[start] = token;
      tokens[middle] = -1;
      next[start] = next[middle];
      if (next[start] < length) previous[next[start]] = start;
      recount(before, 1);
      recount(start, 1);
    }
  }
  return table;
}

/**
 * The bytes of all words in one array, a negative number after each word, and how often the word at
 * each position occurs.
 */
function encoded(counts: ReadonlyMap<string, number>): { tokens: Int32Array; times: Float64Array } {
  const encoder = new TextEncoder();
  const words: [bytes: Uint8Array, count: number][] = [];
  let length = 0;
  for (const [word, count] of counts) {
    const bytes = encoder.encode(word);
    if (length + bytes.length + 1 > MOST_BYTES) break;
    length += bytes.length + 1;
    words.push([bytes, count]);
  }
  const tokens = new Int32Array(length).fill(-1);
  const times = new Float64Array(length);
  let at = 0;
  for (const [bytes, count] of words) {
    tokens.set(bytes, at);
    times.fill(count, at, at + bytes.length);
    at += bytes.length + 1;
  }
  return { tokens, times };
}
