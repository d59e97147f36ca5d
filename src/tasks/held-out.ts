/** Which sequences training never sees. */
import type { Key } from '../autograd/index.js';
import type { Split } from './task.js';

/** Fewer different sequences than this can't be held apart: some split might have none. */
const ENOUGH = 1024;

/**
 * A sequence that `draw` makes, drawn again until it belongs to `split`. Where there are fewer than
 * 1024 different ones (`variety`), all belong to both splits.
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

/** Whether a sequence is one of the sixteenth that training never sees, by its hash (FNV-1a). */
export function isHeldOut(tokens: Int32Array): boolean {
  let hash = 0x811c9dc5;
  for (const token of tokens) hash = Math.imul(hash ^ token, 0x01000193);
  return (hash ^ (hash >>> 15)) % 16 === 0;
}
