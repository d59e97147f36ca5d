/**
 * Tensors that no scope frees: made outside all scopes, or returned by the outermost one. Their
 * buffers are freed when the garbage collector finds them unreachable.
 */
import { nextTask } from '../next-task.js';
import type { Storage } from './storage.js';

/**
 * The storage of a loose tensor. It must not refer to the tensor, which would then never be
 * collected.
 */
export interface Held {
  storage: Storage;
}

/** An array of this size tells the collector about as many bytes that it can't see. */
const PRESSURE = 2 ** 25;
/** The approximate memory of a tensor besides its values. */
const OVERHEAD = 1024;
/** After this many new loose tensors, `data()` lets finalizers run. */
const TURN = 1000;

let registry: FinalizationRegistry<Held> | undefined;
let unseenBytes = 0;
let sinceTurn = 0;

/** Releases `storage` when `tensor` is collected, unless `unmake` is called first. */
export function loosen(tensor: object, storage: Storage): Held | undefined {
  if (typeof FinalizationRegistry === 'undefined') return undefined;
  registry ??= new FinalizationRegistry((held) => {
    try {
      held.storage.release();
    } catch {
      // A finalizer has no caller to report to. The backend was closed, and its memory freed.
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
      // Out of memory: the collector already knows.
    }
  }
  return held;
}

/** Unregisters `tensor`, which was freed explicitly. */
export function unmake(tensor: object): void {
  registry?.unregister(tensor);
}

/**
 * Yields to finalizers, which run between tasks: a loop that awaits settled promises never ends its
 * task.
 */
export function turnForFinalizers(): Promise<void> | undefined {
  if (sinceTurn < TURN) return undefined;
  sinceTurn = 0;
  return nextTask();
}
