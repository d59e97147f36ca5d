/** A run in memory only, for pages without storage and for tests. */
import { describe, MemgradError, shownPath } from '../errors.js';
import { check, orInfinity, whole } from '../options.js';
import { requireFile, requireName, requireSize } from './bytes.js';
import type { RunStorage } from './storage.js';

/**
 * Keeps the files of a run in memory, by name. Throws `MemgradError` unless `files` has pairs of a
 * name and bytes.
 */
export class MemoryStorage implements RunStorage {
  readonly files: Map<string, Uint8Array>;

  constructor(files: Iterable<readonly [string, Uint8Array]> = []) {
    if (typeof files?.[Symbol.iterator] !== 'function') {
      throw new MemgradError(
        `new MemoryStorage: expected files as a Map of bytes by name, got ${describe(files)}.`,
      );
    }
    this.files = new Map();
    for (const pair of files) {
      const [name, bytes]: readonly unknown[] = Array.isArray(pair) ? pair : [pair];
      requireFile('new MemoryStorage', name, bytes, 0);
      this.files.set(name as string, bytes as Uint8Array);
    }
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()].sort();
  }

  async read(name: string, most = Infinity): Promise<Uint8Array> {
    requireName('MemoryStorage.read', name);
    check('MemoryStorage.read: most', most, orInfinity(whole(0)));
    const bytes = this.files.get(name);
    if (!bytes) {
      throw new MemgradError(`Cannot read '${shownPath(name)}': there is no such file.`);
    }
    requireSize(name, bytes.length, most);
    return bytes;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    requireFile('MemoryStorage.write', name, bytes, 0);
    this.files.set(name, bytes);
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    requireFile('MemoryStorage.append', name, bytes, start);
    const before = this.files.get(name) ?? new Uint8Array();
    if (before.length < start) {
      throw new MemgradError(
        `'${name}' has ${before.length} bytes, but ${start} were written to it; load the run again.`,
      );
    }
    const whole = new Uint8Array(start + bytes.length);
    whole.set(before.subarray(0, start));
    whole.set(bytes, start);
    this.files.set(name, whole);
  }

  async remove(name: string): Promise<void> {
    this.files.delete(name);
  }
}
