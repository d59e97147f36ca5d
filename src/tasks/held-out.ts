/** Which sequences are held out from training. */
import type { Key } from '../autograd/index.js';
import type { Split } from './task.js';

/** With fewer different sequences than this none are held out: a split might be empty. */
const ENOUGH = 1024;

/**
 * Draws sequences until one belongs to `split`. With fewer than 1024 different ones (`variety`),
 * all belong to both splits.
 */
export function drawFrom(
  split: Split,
  variety: number,
  key: Key,
  draw: (key: Key) => Int32Array,
): Int32Array {
  for (let attempt = 0; ; attempt++) {
    const sequence = draw(key.fold(attempt));
    if (variety < ENOUGH || isHeldOut(sequence) === (split === 'test')) return sequence;
  }
}

/** Whether a sequence is in the sixteenth that is held out from training, by its hash (FNV-1a). */
export function isHeldOut(tokens: Int32Array): boolean {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193);
  return (hash ^ (hash >>> 15)) % 16 === 0;
}
