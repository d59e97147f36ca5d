/** A run that is kept nowhere else: for pages without files, and for tests. */
import { MemgradError } from '../errors.js';
import type { RunStorage } from './storage.js';

/** Keeps the files of a run in memory, by name. */
export class MemoryStorage implements RunStorage {
  readonly files: Map<string, Uint8Array>;

  constructor(files: Iterable<readonly [string, Uint8Array]> = []) {
    this.files = new Map(files);
  }

  async list(): Promise<string[]> {
    return [...this.files.keys()].sort();
  }

  async read(name: string, most = Infinity): Promise<Uint8Array> {
    const bytes = this.files.get(name);
    if (!bytes) throw new MemgradError(`Cannot read '${name}': there is no such file.`);
    if (bytes.length > most) {
      throw new MemgradError(
        `Cannot read '${name}': it has ${bytes.length} bytes, but at most ${most} are allowed; check that it is a file of a run.`,
      );
    }
    return bytes;
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.files.set(name, bytes);
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
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
