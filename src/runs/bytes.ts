/** What the functions of this folder ask of their arguments. */
import { describe, MemgradError, requireWhole } from '../errors.js';

/** Whether `value` has `kind` as its class, such as Uint8Array. One of another realm (a frame, a test runner) counts. */
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

/** Throws `MemgradError` unless `name` is of a file in a run. */
export function requireName(where: string, name: unknown): void {
  const parts = typeof name === 'string' ? name.split('/') : [];
  if ([1, 2].includes(parts.length) && !parts.some((part) => /^\.{0,2}$/.test(part))) return;
  throw new MemgradError(
    `${where}: expected the name of a file, with one folder at most, got ${describe(name)}.`,
  );
}

/** Throws `MemgradError` unless `bytes` may be written into the file `name`, from `start` on. */
export function requireFile(where: string, name: unknown, bytes: unknown, start: number): void {
  requireName(where, name);
  requireBytes(where, bytes);
  requireWhole(where, 'start', start, 0);
}
