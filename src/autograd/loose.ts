/**
 * Tensors that no scope frees: made outside of all, or returned by the outermost one. The garbage
 * collector notices which of them nobody refers to any more, and their buffers are freed then.
 */
import { nextTask } from '../next-task.js';
import type { Storage } from './storage.js';

/** What a loose tensor looks at. It must not refer to the tensor, which would then never be collected. */
export interface Held {
  storage: Storage;
}

/** An array of so many bytes tells the collector of as many that it doesn't know. */
const PRESSURE = 2 ** 25;
/** What a tensor takes beside its values, roughly. */
const OVERHEAD = 1024;
/** After so many new loose tensors, `data()` lets finalizers run. */
const TURN = 1000;

let registry: FinalizationRegistry<Held> | undefined;
let unseenBytes = 0;
let sinceTurn = 0;

/** Has `storage` released when `tensor` is collected, unless `unmake` comes first. */
export function loosen(tensor: object, storage: Storage): Held | undefined {
  if (typeof FinalizationRegistry === 'undefined') return undefined;
  registry ??= new FinalizationRegistry((held) => {
    try {
      held.storage.release();
    } catch {
      // A finalizer has no caller. The backend was closed, and its memory is gone with it.
    }
  });
  const held = { storage };
  registry.register(tensor, held, tensor);
  sinceTurn++;
  unseenBytes += storage.bytes + OVERHEAD;
  if (unseenBytes > PRESSURE) {
    unseenBytes = 0;
    try {
      new ArrayBuffer(PRESSURE); // never touched, so it costs no memory
    } catch {
      // No room for it: the collector knows.
    }
  }
  return held;
}

/** `tensor` was freed: its collection frees nothing. */
export function unmake(tensor: object): void {
  registry?.unregister(tensor);
}

/** Finalizers run between tasks, and a loop that awaits settled promises never ends its task. */
export function turnForFinalizers(): Promise<void> | undefined {
  if (sinceTurn < TURN) return undefined;
  sinceTurn = 0;
  return nextTask();
}
