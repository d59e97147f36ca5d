/** A run as one file, to download and to upload: a tar archive, which every system can unpack. */
import { MemgradError } from '../errors.js';
import { CONFIG_FILE, METRICS_FILE, stepOf } from './files.js';
import type { RunStorage } from './storage.js';

/** Tar is made of blocks of this size: one to describe a file, then its bytes, padded with zeros. */
const BLOCK = 512;
const CHECK_WHOLE = 'check that it is a run that memgrad packed, and was copied whole';

/** Whether a run has files of this name; no other gets in or out. */
function belongs(name: string): boolean {
  const finished = stepOf(name) !== undefined && !name.endsWith('.tmp');
  return name === CONFIG_FILE || name === METRICS_FILE || finished;
}

/** Bytes in a buffer of their own. `Uint8Array` has a type parameter for this from TypeScript 5.7 on alone. */
export type OwnBytes = ReturnType<Uint8Array['slice']>;

/** All files of a run as a tar archive. */
export async function packRun(storage: RunStorage): Promise<OwnBytes> {
  const files: [name: string, bytes: Uint8Array][] = [];
  for (const name of (await storage.list()).filter(belongs)) {
    files.push([name, await storage.read(name)]);
  }
  const length = files.reduce((sum, [, bytes]) => sum + BLOCK + padded(bytes.length), 2 * BLOCK);
  const archive = new Uint8Array(length); // the last two blocks stay empty: the end
  let position = 0;
  for (const [name, bytes] of files) {
    archive.set(header(name, bytes.length), position);
    archive.set(bytes, position + BLOCK);
    position += BLOCK + padded(bytes.length);
  }
  return archive;
}

/**
 * Unpacks an archive of `packRun` (or of `tar`, of the same files) into an empty storage. All of it
 * is checked before the first file is written. Throws `MemgradError` for anything else.
 */
export async function unpackRun(storage: RunStorage, archive: Uint8Array): Promise<void> {
  if ((await storage.list()).length > 0) {
    throw new MemgradError(
      'The place to unpack the run into is not empty, but it must be; choose another one.',
    );
  }
  const files = entries(archive);
  if (!files.has(CONFIG_FILE)) {
    throw new MemgradError(`The archive has no ${CONFIG_FILE}, so it is no run; ${CHECK_WHOLE}.`);
  }
  // The configuration comes last: without it there is no run yet.
  files.set(CONFIG_FILE, take(files, CONFIG_FILE));
  for (const [name, bytes] of files) await storage.write(name, bytes);
}

function take<T>(map: Map<string, T>, name: string): T {
  const value = map.get(name) as T;
  map.delete(name);
  return value;
}

function entries(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (let position = 0; ; ) {
    const block = archive.subarray(position, position + BLOCK);
    if (block.length < BLOCK) {
      throw new MemgradError(
        `The archive ends at byte ${archive.length} without its last block; ${CHECK_WHOLE}.`,
      );
    }
    if (block.every((byte) => byte === 0)) return files;
    if (octal(block, 148, 8) !== checksum(block)) {
      throw new MemgradError(
        `The archive has a damaged header at byte ${position}; ${CHECK_WHOLE}.`,
      );
    }
    const name = text(block, 0, 100).replace(/^\.\//, '');
    const size = octal(block, 124, 12);
    const kind = text(block, 156, 1);
    const end = position + BLOCK + size;
    if (end > archive.length) {
      throw new MemgradError(
        `The archive claims ${size} bytes at byte ${position}, but has ${archive.length} in all; ${CHECK_WHOLE}.`,
      );
    }
    position += BLOCK + padded(size);
    if (kind === '5') continue; // a folder, as `tar` writes it
    if ((kind !== '0' && kind !== '') || !belongs(name) || files.has(name)) {
      throw new MemgradError(
        `The archive has an entry ${JSON.stringify(name).slice(0, 80)} that no run has, or has once only; ${CHECK_WHOLE}.`,
      );
    }
    files.set(name, archive.subarray(end - size, end));
  }
}

/** The header of a file (POSIX ustar). */
function header(name: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, value: string) => block.set(new TextEncoder().encode(value), at);
  put(0, name);
  put(100, '0000644\0'); // mode
  put(108, '0000000\0'); // owner
  put(116, '0000000\0');
  put(124, `${size.toString(8).padStart(11, '0')}\0`);
  put(136, '00000000000\0'); // time: none, so that the same run gives the same archive
  put(156, '0');
  put(257, 'ustar\x0000');
  put(148, `${checksum(block).toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** The sum of a header's bytes, those of the sum itself counted as spaces. */
function checksum(block: Uint8Array): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function text(block: Uint8Array, start: number, length: number): string {
  const bytes = block.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

/** NaN for what is no octal number. */
function octal(block: Uint8Array, start: number, length: number): number {
  const digits = text(block, start, length).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
