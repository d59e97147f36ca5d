/** A run in the origin-private file system of a browser. Pages and workers have it, where the page is secure. */
import { MemgradError } from '../errors.js';
import { explained } from './browser-errors.js';
import type { RunStorage } from './storage.js';

/** Whether this browser has files of an origin, and whether a page can write them: Safari before 26 can't. */
export function originFiles(): { readable: boolean; writable: boolean } {
  const { navigator, FileSystemFileHandle } = globalThis as Partial<typeof globalThis>;
  const readable = typeof navigator?.storage?.getDirectory === 'function';
  return {
    readable,
    writable: readable && typeof FileSystemFileHandle?.prototype.createWritable === 'function',
  };
}

/** Keeps the files of a run in the folder `name`, which only pages of the same origin see. */
export class OriginFolder implements RunStorage {
  constructor(readonly name: string) {}

  async list(): Promise<string[]> {
    return explained(`read the folder '${this.name}'`, async () => {
      const names: string[] = [];
      const visit = async (prefix: string, folder: FileSystemDirectoryHandle): Promise<void> => {
        for await (const [name, entry] of entriesOf(folder)) {
          if (entry instanceof FileSystemDirectoryHandle) await visit(`${name}/`, entry);
          // A new file is there, empty, before its bytes are: until then it doesn't count.
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
      if (file.size > most) {
        throw new MemgradError(
          `Cannot read '${name}': it has ${file.size} bytes, but at most ${most} are allowed; check that it is a file of a run.`,
        );
      }
      return new Uint8Array(await file.arrayBuffer());
    });
  }

  /** What is written goes to a file beside, which takes the place of the old one when it is closed. */
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
        `Cannot write '${name}': this browser reads the files of '${this.name}', but an older one than wrote them cannot write them; update it, or go on with a copy: unpackRun(new OriginStorage('copy'), await packRun(storage)).`,
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
        await file.abort().catch(() => {}); // the first failure is the one to tell
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

/** `entries()`, which the types of TypeScript's DOM library have in another one. */
function entriesOf(folder: FileSystemDirectoryHandle): AsyncIterable<[string, Entry]> {
  return (folder as unknown as { entries(): AsyncIterable<[string, Entry]> }).entries();
}
