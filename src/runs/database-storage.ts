/** A run in IndexedDB, which every browser has, also for pages over http. */
import { MemgradError } from '../errors.js';
import { explained } from './browser-errors.js';
import { requireSize } from './bytes.js';
import type { RunStorage } from './storage.js';

const DATABASE = 'memgrad';
/** Bytes by [run, file]. */
const FILES = 'files';

/** Keeps the files of a run under `name` in the database of the page's origin. */
export class DatabaseStorage implements RunStorage {
  constructor(readonly name: string) {}

  async list(): Promise<string[]> {
    return explained(`read the run '${this.name}'`, async () => {
      // In the order of keys, every list comes after every string.
      const all = IDBKeyRange.bound([this.name], [this.name, []]);
      const keys = await use('readonly', (files) => files.getAllKeys(all));
      return (keys ?? []).map((key) => (key as [string, string])[1]).sort();
    });
  }

  async read(name: string, most = Infinity): Promise<Uint8Array> {
    return explained(`read '${name}'`, async () => {
      const bytes = await use<Uint8Array | undefined>('readonly', (files) =>
        files.get([this.name, name]),
      );
      if (bytes === undefined) {
        throw new MemgradError(`Cannot read '${name}': there is no such file.`);
      }
      requireSize(name, bytes.length, most);
      return bytes;
    });
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    // A copy, since a view would be stored with its whole buffer.
    const copy = bytes.slice();
    await explained(`write '${name}'`, () =>
      use('readwrite', (files) => files.put(copy, [this.name, name])),
    );
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    let length = Infinity;
    await explained(`write '${name}'`, () =>
      use<Uint8Array | undefined>('readwrite', (files) => {
        const reading = files.get([this.name, name]);
        reading.onsuccess = () => {
          const before = reading.result ?? new Uint8Array();
          length = before.length;
          if (length < start) return;
          const whole = new Uint8Array(start + bytes.length);
          whole.set(before.subarray(0, start));
          whole.set(bytes, start);
          files.put(whole, [this.name, name]);
        };
        return reading;
      }),
    );
    if (length >= start) return;
    throw new MemgradError(
      `'${name}' has ${length} bytes, but ${start} were written to it; upload the run again.`,
    );
  }

  async remove(name: string): Promise<void> {
    await explained(`remove '${name}'`, () =>
      use('readwrite', (files) => files.delete([this.name, name])),
    );
  }
}

/**
 * Runs `action` in one transaction, which is on the disk when this resolves, or has no effect.
 * Returns undefined where nothing was ever written.
 */
async function use<T>(
  mode: 'readonly' | 'readwrite',
  action: (files: IDBObjectStore) => IDBRequest<T>,
): Promise<T | undefined> {
  const database = await open(mode === 'readwrite');
  if (database === undefined) return undefined;
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(FILES, mode, { durability: 'strict' });
      const request = action(transaction.objectStore(FILES));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** Opens the database. Returns undefined where there is none and `create` is false. */
function open(create: boolean): Promise<IDBDatabase | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    let missing = false;
    request.onupgradeneeded = () => {
      missing = !create;
      if (create) request.result.createObjectStore(FILES);
      else request.transaction?.abort();
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = (event) => {
      event.preventDefault(); // some browsers report an error of the page otherwise
      if (missing) resolve(undefined);
      else reject(request.error);
    };
  });
}
