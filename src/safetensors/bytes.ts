/** Checks of bytes from callers. */
import { describe, MemgradError } from '../errors.js';

/**
 * Bytes that own their buffer, as `new Blob([bytes])` and `fetch` require. `Uint8Array` has a type
 * parameter for this only since TypeScript 5.7.
 */
export type OwnBytes = ReturnType<Uint8Array['slice']>;

/**
 * Whether `value` is an instance of `kind`, such as Uint8Array. Instances from another realm (a
 * frame, a test runner) count.
 */
export function isA(kind: string, value: unknown): boolean {
  return Object.prototype.toString.call(value) === `[object ${kind}]`;
}

/** Throws `MemgradError` unless `bytes` is a Uint8Array. */
export function requireBytes(where: string, bytes: unknown): asserts bytes is Uint8Array {
  if (isA('Uint8Array', bytes)) return;
  const advice = isA('ArrayBuffer', bytes)
    ? 'pass new Uint8Array(buffer)'
    : 'pass the bytes of the file';
  throw new MemgradError(
    `${where}: expected bytes as a Uint8Array, got ${describe(bytes)}; ${advice}.`,
  );
}
