/**
 * A run in the origin-private file system of a browser, which pages and workers have in secure
 * contexts.
 */
import { MemgradError } from '../errors.js';
import { explained } from './browser-errors.js';
import { requireSize } from './bytes.js';
import type { RunStorage } from './storage.js';

/**
 * Whether this browser has an origin-private file system, and whether a page can write to it, which
 * Safari before 26 can't.
 */
export function originFiles(): { readable: boolean; writable: boolean } {
  const { navigator, FileSystemFileHandle } = globalThis as Partial<typeof globalThis>;
  const readable = typeof navigator?.storage?.getDirectory === 'function';
  return {
    readable,
    writable: readable && typeof FileSystemFileHandle?.prototype.createWritable === 'function',
  };
}

/** Keeps the files of a run in the folder `name`, visible only to pages of the same origin. */
export class OriginFolder implements RunStorage {
  constructor(readonly name: string) {}

  async list(): Promise<string[]> {
    return explained(`read the folder '${this.name}'`, async () => {
      const names: string[] = [];
      const visit = async (prefix: string, folder: FileSystemDirectoryHandle): Promise<void> => {
        for await (const [name, entry] of entriesOf(folder)) {
          if (entry instanceof FileSystemDirectoryHandle) await visit(`${name}/`, entry);
          // A new file exists, empty, before its bytes are written; until then it doesn't count.
          else if ((await entry.getFile()).size > 0) names.push(prefix + name);
        }
      };
      const root = await this.#folder(false).catch((error) => {
        if ((error as DOMException).name !== 'NotFoundError') throw error;
      });
      if (root) await visit('', root);
      return names.sort();
    });
  }

  async read(name: string, most = Infinity): Promise<Uint8Array> {
    return explained(`read '${name}'`, async () => {
      const file = await (await this.#handle(name, false)).getFile();
      requireSize(name, file.size, most);
      return new Uint8Array(await file.arrayBuffer());
    });
  }

  /** The browser writes to a temporary file, which replaces the old one on closing. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    await this.#put(name, bytes, 0, false);
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    await this.#put(name, bytes, start, true);
  }

  async remove(name: string): Promise<void> {
    await explained(`remove '${name}'`, async () => {
      const [folder, file] = await this.#split(name, false);
      await folder.removeEntry(file);
      const left = await this.list();
      const [outer] = name.split('/');
      if (outer === name || left.some((other) => other.startsWith(`${outer}/`))) return;
      await (await this.#folder(false)).removeEntry(outer, { recursive: true });
    });
  }

  async #put(name: string, bytes: Uint8Array, start: number, keep: boolean): Promise<void> {
    if (!originFiles().writable) {
      throw new MemgradError(
        `Cannot write '${name}': this browser reads the files of '${this.name}', but it is older than the one that wrote them and cannot write to them; update it, or go on with a copy: unpackRun(new OriginStorage('copy'), await packRun(storage)).`,
      );
    }
    await explained(`write '${name}'`, async () => {
      const handle = await this.#handle(name, start === 0);
      const { size } = await handle.getFile();
      if (size < start) {
        throw new MemgradError(
          `'${name}' has ${size} bytes, but ${start} were written to it; upload the run again.`,
        );
      }
      const file = await handle.createWritable({ keepExistingData: keep });
      try {
        await file.truncate(start);
        await file.write({ type: 'write', position: start, data: bytes as BufferSource });
        await file.close();
      } catch (error) {
        await file.abort().catch(() => {}); // keeps the first error
        throw error;
      }
    });
  }

  async #folder(create: boolean): Promise<FileSystemDirectoryHandle> {
    const root = await navigator.storage.getDirectory();
    return root.getDirectoryHandle(this.name, { create });
  }

  async #split(name: string, create: boolean): Promise<[FileSystemDirectoryHandle, string]> {
    const [outer, inner] = name.split('/');
    const folder = await this.#folder(create);
    if (inner === undefined) return [folder, outer];
    return [await folder.getDirectoryHandle(outer, { create }), inner];
  }

  async #handle(name: string, create: boolean): Promise<FileSystemFileHandle> {
    const [folder, file] = await this.#split(name, create);
    return folder.getFileHandle(file, { create });
  }
}

type Entry = FileSystemDirectoryHandle | FileSystemFileHandle;

/** `entries()`, which TypeScript declares in another DOM library than `dom`. */
function entriesOf(folder: FileSystemDirectoryHandle): AsyncIterable<[string, Entry]> {
  return (folder as unknown as { entries(): AsyncIterable<[string, Entry]> }).entries();
}
