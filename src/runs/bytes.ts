/** What the functions of this folder ask of their arguments. */
import { describe, MemgradError, requireWhole } from '../errors.js';

/** Whether `value` has `kind` as its class, such as Uint8Array. One of another realm (a frame, a test runner) counts. */
export function isA(kind: string, value: unknown): boolean {
  return Object.prototype.toString.call(value) === `[object ${kind}]`;
}

/** Throws `MemgradError` unless `bytes` is a Uint8Array. */
export function requireBytes(where: string, bytes: unknown): asserts bytes is Uint8Array {
  if (isA('Uint8Array', bytes)) return;
  const advice = isA('ArrayBuffer', bytes) ? 'pass new Uint8Array(buffer)' : 'pass its bytes';
  throw new MemgradError(
    `${where}: expected the file as a Uint8Array, got ${describe(bytes)}; ${advice}.`,
  );
}

/** Throws `MemgradError` unless `name` is of a file in a run, `bytes` are bytes and `start` is a place in it, as far as they are given. */
export function requireFile(
  where: string,
  name: unknown,
  bytes: unknown = new Uint8Array(),
  start = 0,
): void {
  const parts = typeof name === 'string' ? name.split('/') : [];
  if (!(parts.length === 1 || parts.length === 2) || parts.some((part) => /^\.{0,2}$/.test(part))) {
    throw new MemgradError(
      `${where}: expected the name of a file, with one folder at most, got ${describe(name)}.`,
    );
  }
  requireBytes(where, bytes);
  requireWhole(where, 'start', start, 0);
}
