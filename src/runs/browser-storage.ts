/** A run in a browser: in its own file system, or in its database. */
import { describe, MemgradError } from '../errors.js';
import type { OwnBytes } from '../safetensors/bytes.js';
import { requireFile, requireName } from './bytes.js';
import { DatabaseStorage } from './database-storage.js';
import { OriginFolder, originFiles } from './origin-folder.js';
import type { RunLock, RunStorage } from './storage.js';
import { lockInBrowser } from './web-lock.js';

/**
 * Keeps the files of a run under `name`, visible only to pages of the same origin: in the
 * origin-private file system, or in IndexedDB where that file system is missing (a page over http)
 * or cannot be written to (Safari before 26). A run stays where it was begun, so a newer browser
 * also finds a run in IndexedDB.
 *
 * The constructor throws `MemgradError` for a name that no folder can have; the methods throw it
 * where the browser supports neither.
 */
export class OriginStorage implements RunStorage {
  readonly name: string;
  #storage?: Promise<RunStorage>;

  constructor(name: string) {
    if (typeof name !== 'string' || !/^[^/\\]{1,200}$/.test(name) || /^\.\.?$/.test(name)) {
      throw new MemgradError(
        `new OriginStorage: expected a name such as 'run', without slashes, got ${describe(name)}.`,
      );
    }
    this.name = name;
  }

  /** One page or Worker of this origin at a time. */
  lock(): Promise<RunLock> {
    return lockInBrowser(this.name);
  }

  async list(): Promise<string[]> {
    return (await this.#opened()).list();
  }

  async read(name: string, most = Infinity): Promise<OwnBytes> {
    requireName('OriginStorage.read', name);
    return (await this.#opened()).read(name, most) as Promise<OwnBytes>; // both read into a new buffer
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    requireFile('OriginStorage.write', name, bytes, 0);
    await (await this.#opened()).write(name, bytes);
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    requireFile('OriginStorage.append', name, bytes, start);
    await (await this.#opened()).append(name, bytes, start);
  }

  async remove(name: string): Promise<void> {
    requireName('OriginStorage.remove', name);
    await (await this.#opened()).remove(name);
  }

  #opened(): Promise<RunStorage> {
    this.#storage ??= storageOf(this.name).catch((error) => {
      this.#storage = undefined; // access that was refused may be granted later
      throw error;
    });
    return this.#storage;
  }
}

async function storageOf(name: string): Promise<RunStorage> {
  const { readable, writable } = originFiles();
  const hasDatabase = typeof indexedDB !== 'undefined';
  if (!writable && !hasDatabase) {
    throw new MemgradError(
      `'${name}' cannot be kept: this page has neither files of its own nor IndexedDB; open it in another browser, or use new MemoryStorage() and download packRun(storage).`,
    );
  }
  const [folder, database] = [new OriginFolder(name), new DatabaseStorage(name)];
  if (readable && (await folder.list()).length > 0) return folder;
  if (hasDatabase && (!writable || (await database.list()).length > 0)) return database;
  return folder;
}
