/**
 * Tar archives: POSIX ustar and pax, and the variants of GNU tar and macOS. An archive is hostile
 * until every number in it is checked; nothing is copied out of it here.
 *
 * @see POSIX.1-2017, pax: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
 */
import { describe, MemgradError } from '../errors.js';

/** Size of tar's blocks: one that describes a file, then its bytes, padded with zeros. */
export const BLOCK = 512;
/** No run has longer names or records. */
const MOST_EXTRA = 1_000_000;
const CHECK_WHOLE = 'check that it is a run packed by memgrad or tar, and that it was copied whole';

/** One file, folder or link of an archive. */
export interface TarEntry {
  /** Without '.' parts and '/' at its ends; never leads out of the folder. */
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  readonly bytes: Uint8Array;
}

/** Throws the error for an invalid archive. */
export function refuseArchive(what: string): never {
  throw new MemgradError(`The archive ${what}; ${CHECK_WHOLE}.`);
}

/**
 * Iterates over the entries of an archive, up to its end mark. Throws `MemgradError` for one that
 * is truncated, damaged or hostile.
 */
export function* tarEntries(archive: Uint8Array): Generator<TarEntry> {
  requirePlain(archive);
  // Values that did not fit in a file's header, from an extra header before it.
  let next: { name?: string; size?: number } = {};
  for (let position = 0; ; ) {
    const block = archive.subarray(position, position + BLOCK);
    if (block.length < BLOCK) {
      refuseArchive(`ends at byte ${archive.length} without its last block`);
    }
    if (block.every((byte) => byte === 0)) return;
    if (numberIn(block, 148, 8) !== checksum(block)) {
      refuseArchive(`has a damaged header at byte ${position}`);
    }
    const type = text(block, 156, 1);
    const size = next.size ?? numberIn(block, 124, 12);
    const length = '3456'.includes(type || '0') ? 0 : size; // folders and devices have no bytes
    const start = position + BLOCK;
    if (!(start + length <= archive.length)) {
      refuseArchive(
        `claims ${length} bytes at byte ${position}, but has ${archive.length} bytes in all`,
      );
    }
    const bytes = archive.subarray(start, start + length);
    position = start + padded(length);
    if ('xgLK'.includes(type || '0')) {
      if (length > MOST_EXTRA) refuseArchive(`has a name of ${length} bytes`);
      // A g header holds for all files and names none; K is the target of a link.
      if (type === 'x') next = { ...next, ...records(bytes) };
      else if (type === 'L') next = { name: text(bytes, 0, length), ...next };
      continue;
    }
    const name = next.name ?? nameIn(block);
    next = {};
    yield { name: within(name), kind: kindOf(type, name), bytes };
  }
}

function kindOf(type: string, name: string): TarEntry['kind'] {
  if (type === '1' || type === '2') return 'link';
  if (type === '5' || name.endsWith('/')) return 'folder';
  return type === '' || type === '0' || type === '7' ? 'file' : 'other';
}

/** Removes empty and `.` parts. Throws for a name that leads out of the folder. */
function within(name: string): string {
  const parts = name.split(/[/\\]/);
  if (/^([/\\]|[a-z]:)/i.test(name) || parts.includes('..')) {
    refuseArchive(`has an entry ${describe(name)} that leads out of its folder`);
  }
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}

function nameIn(block: Uint8Array): string {
  const name = text(block, 0, 100);
  const prefix = text(block, 257, 6) === 'ustar' ? text(block, 345, 155) : ''; // GNU tar has other fields there
  return prefix === '' ? name : `${prefix}/${name}`;
}

/**
 * The name and size in pax records, such as `18 path=step-1/x
 * `; the number is the length of the record.
 */
function records(bytes: Uint8Array): { name?: string; size?: number } {
  const found: { name?: string; size?: number } = {};
  for (let position = 0; position < bytes.length; ) {
    const space = bytes.indexOf(0x20, position);
    const digits = text(bytes, position, Math.min(space - position, 8));
    const end = position + Number(/^[1-9]\d*$/.test(digits) ? digits : Number.NaN);
    const [key, ...rest] = text(bytes, space + 1, end - 1 - (space + 1)).split('=');
    if (!(end <= bytes.length) || bytes[end - 1] !== 0x0a || space > end || rest.length === 0) {
      refuseArchive(`has a damaged pax header (${describe(digits)})`);
    }
    const value = rest.join('=');
    if (key === 'path') found.name = value;
    if (key === 'size') found.size = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (key.startsWith('GNU.sparse.')) {
      throw new MemgradError(
        'The archive has sparse files, which are not supported; pack the run without --sparse.',
      );
    }
    position = end;
  }
  return found;
}

const compressions: Record<string, readonly number[]> = {
  gzip: [0x1f, 0x8b],
  zip: [0x50, 0x4b, 3, 4],
  bzip2: [0x42, 0x5a, 0x68],
  xz: [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};

function requirePlain(archive: Uint8Array): void {
  for (const [name, magic] of Object.entries(compressions)) {
    if (magic.some((byte, i) => archive[i] !== byte)) continue;
    throw new MemgradError(
      `The archive is compressed by ${name}, but a plain tar file was expected; unpack it, then pack it with 'tar -cf'.`,
    );
  }
}

/** The header of a file (POSIX ustar). */
export function tarHeader(name: string, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (at: number, value: string) => block.set(new TextEncoder().encode(value), at);
  put(0, name);
  put(100, '0000644\0'); // mode
  put(108, '0000000\0'); // owner
  put(116, '0000000\0');
  put(124, `${size.toString(8).padStart(11, '0')}\0`);
  put(136, '00000000000\0'); // time: 0, so equal runs give equal archives
  put(156, '0');
  put(257, 'ustar\x0000');
  put(148, `${checksum(block).toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** The sum of a header's bytes, with its checksum field counted as spaces. */
function checksum(block: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= 148 && at < 156 ? 32 : block[at];
  return sum;
}

/** `size` rounded up to whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

/** Decodes a field up to its first NUL. */
function text(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.slice(start, start + Math.max(length, 0));
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

/** Reads an octal number, or a large one in GNU's base 256. NaN for anything else. */
function numberIn(block: Uint8Array, start: number, length: number): number {
  if (block[start] === 0x80) {
    return block.subarray(start + 1, start + length).reduce((sum, byte) => sum * 256 + byte, 0);
  }
  const digits = text(block, start, length).trim();
  return /^[0-7]{1,12}$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
}
