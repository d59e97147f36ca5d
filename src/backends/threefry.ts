/**
 * Threefry-2x32 with 20 rounds: a counter-based random number generator.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).
 *
 * The n-th number depends only on the key and on n. Every backend, and every replay of a forward
 * pass, therefore produces the same numbers without keeping any state. The generator needs only
 * 32-bit additions, rotations and exclusive-or, which GPUs have too.
 */
import type { RandomWords } from './backend.js';

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const PARITY = 0x1bd11bda;

/** Encrypts (`counterHi`, `counterLo`) under `key`; returns two 32-bit words. */
export function threefry(key: RandomWords, counterHi: number, counterLo: number): [number, number] {
  const schedule = [key.hi, key.lo, key.hi ^ key.lo ^ PARITY];
  let x = (counterHi + key.hi) | 0;
  let y = (counterLo + key.lo) | 0;
  for (let round = 0; round < 20; round++) {
    x = (x + y) | 0;
    const rotation = ROTATIONS[round % 8];
    y = ((y << rotation) | (y >>> (32 - rotation))) ^ x;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = (x + schedule[injection % 3]) | 0;
      y = (y + schedule[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
}

/** The first `size` words of the stream `key`: counter (i, 0) yields the words 2i and 2i + 1. */
export function randomWords(key: RandomWords, size: number): Uint32Array {
  const words = new Uint32Array(size);
  for (let i = 0; i < size; i += 2) {
    const [first, second] = threefry(key, i >>> 1, 0);
    words[i] = first;
    if (i + 1 < size) words[i + 1] = second;
  }
  return words;
}

/**
 * float32 in [0, 1) from the upper 24 bits of each word: exact in float32, hence equal everywhere.
 */
export function uniformFloats(key: RandomWords, size: number): Float32Array {
  const words = randomWords(key, size);
  const floats = new Float32Array(size); // Float32Array.from would first make a list of all words
  for (let i = 0; i < size; i++) floats[i] = (words[i] >>> 8) * 2 ** -24;
  return floats;
}
