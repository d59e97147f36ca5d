/** Reference counts of buffers, and a ledger of live buffers by the operation that made them. */
import type { Backend, DeviceBuffer } from '../backends/backend.js';
import { OutOfMemory } from '../errors.js';
import { context } from './context.js';

/** A buffer on a backend, shared by all tensors with the same values (reshape, stopGradient). */
export class Storage {
  /** A freed tensor has a text here. */
  declare readonly end?: undefined;
  #references = 1;
  /** The entry of its origin in the ledger. */
  readonly #use: MemoryUse;

  constructor(
    readonly backend: Backend,
    readonly buffer: DeviceBuffer,
    /** The operation that made it. */
    readonly origin: string,
  ) {
    let use = ledger.get(origin);
    if (!use) {
      use = { buffers: 0, bytes: 0 };
      ledger.set(origin, use);
    }
    this.#use = use;
    count(use, 1, this.bytes);
    if (!context().scope) warnOfMany();
  }

  get bytes(): number {
    return this.buffer.size * (this.buffer.dtype === 'float64' ? 8 : 4);
  }

  share(): this {
    this.#references++;
    return this;
  }

  release(): void {
    if (--this.#references > 0) return;
    count(this.#use, -1, -this.bytes);
    this.backend.free(this.buffer);
  }
}

/** The number of live buffers, and their bytes. */
export interface MemoryUse {
  buffers: number;
  bytes: number;
}

/** The live buffers by origin; entries stay when none is left. */
const ledger = new Map<string, MemoryUse>();
/** The number of live buffers. */
export let liveBuffers = 0;
let liveBytes = 0;
let peakBytes = 0;
const MANY = 10_000;
/** Outside scopes, the number of live buffers at which to warn, once. */
let alarm = MANY;

function count(use: MemoryUse, buffers: number, bytes: number): void {
  use.buffers += buffers;
  use.bytes += bytes;
  liveBuffers += buffers;
  liveBytes += bytes;
  if (liveBytes > peakBytes) peakBytes = liveBytes;
}

/**
 * At the end of an outermost scope, when `before` buffers were live at its start. A scope leaves a
 * thousand buffers behind on purpose, such as the predictions of as many segments.
 */
export function endScopes(before: number): void {
  if (liveBuffers - before > 1000) alarm = Math.max(alarm, liveBuffers + MANY);
  warnOfMany();
}

function warnOfMany(): void {
  if (liveBuffers < alarm) return;
  console.warn(
    `memgrad: ${liveBuffers} buffers are live, most made by ${makers('buffers')}. In a loop, make tensors inside scope(() => ...).`,
  );
  alarm = Infinity;
}

/** Returns the peak of live bytes since the start or the last `resetPeakMemory`. */
export function peakMemory(): number {
  return peakBytes;
}

/** Restarts the measurement of `peakMemory` from the bytes that are live now. */
export function resetPeakMemory(): void {
  peakBytes = liveBytes;
}

/**
 * Returns the live buffers, in total and by the operation that made them. If a number grows from
 * step to step, something keeps the results of that operation.
 */
export function memoryReport(): MemoryUse & { byOperation: Record<string, MemoryUse> } {
  const total: MemoryUse = { buffers: 0, bytes: 0 };
  const byOperation: Record<string, MemoryUse> = {};
  for (const [origin, use] of ledger) {
    if (use.buffers === 0) continue;
    total.buffers += use.buffers;
    total.bytes += use.bytes;
    byOperation[origin] = { ...use };
  }
  return { ...total, byOperation };
}

/** Adds what is live to an out-of-memory error; returns any other error unchanged. */
export function explained(error: unknown): unknown {
  if (!(error instanceof OutOfMemory || error instanceof RangeError)) return error;
  const what = error instanceof OutOfMemory ? error.message : 'out of memory on this machine.';
  const most = makers('bytes');
  return new OutOfMemory(most ? `${what} Most live memory was allocated by ${most}.` : what);
}

/**
 * Runs `make`, which allocates memory. If it fails for lack of memory, the error says what is live.
 */
export function allocating<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw explained(error);
  }
}

/** The three operations with the most live results, by number or size. */
function makers(by: keyof MemoryUse): string {
  const live = [...ledger].filter(([, { buffers }]) => buffers > 0);
  const most = live.sort(([, a], [, b]) => b[by] - a[by]).slice(0, 3);
  return most
    .map(
      ([origin, { buffers, bytes }]) =>
        `${origin} (${buffers} buffers, ${(bytes / 2 ** 20).toFixed(1)} MiB)`,
    )
    .join(', ');
}
