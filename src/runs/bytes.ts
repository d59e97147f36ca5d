/** Checks of the arguments of storages. */
import { describe, MemgradError } from '../errors.js';
import { check, whole } from '../options.js';
import { requireBytes } from '../safetensors/bytes.js';

/** Throws `MemgradError` unless `name` is a valid name of a run's file. */
export function requireName(where: string, name: unknown): void {
  const parts = typeof name === 'string' ? name.split('/') : [];
  if ([1, 2].includes(parts.length) && !parts.some((part) => /^\.{0,2}$/.test(part))) return;
  throw new MemgradError(
    `${where}: expected the name of a file, with one folder at most, got ${describe(name)}.`,
  );
}

/** Throws `MemgradError` if a file has more than `most` bytes; `advice` ends the message. */
export function requireSize(
  name: string,
  size: number,
  most: number,
  advice = 'check that it is a file of a run',
): void {
  if (size <= most) return;
  throw new MemgradError(
    `Cannot read '${name}': it has ${size} bytes, but at most ${most} are allowed; ${advice}.`,
  );
}

/** Throws `MemgradError` unless `bytes` may be written to the file `name` at offset `start`. */
export function requireFile(where: string, name: unknown, bytes: unknown, start: number): void {
  requireName(where, name);
  requireBytes(where, bytes);
  check(`${where}: start`, start, whole(0));
}
