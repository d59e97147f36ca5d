/** A run in the origin-private file system of a browser. Pages and workers have it, where the page is secure. */
import { MemgradError } from '../errors.js';
import type { RunStorage } from './storage.js';

/** Keeps the files of a run in the folder `name`, which only pages of the same origin see. */
export class OriginStorage implements RunStorage {
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
      await visit('', await this.#folder());
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
      await (await this.#folder()).removeEntry(outer, { recursive: true });
    });
  }

  async #put(name: string, bytes: Uint8Array, start: number, keep: boolean): Promise<void> {
    await explained(`write '${name}'`, async () => {
      const handle = await this.#handle(name, true);
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

  async #folder(): Promise<FileSystemDirectoryHandle> {
    const root = await navigator.storage.getDirectory();
    return root.getDirectoryHandle(this.name, { create: true });
  }

  async #split(name: string, create: boolean): Promise<[FileSystemDirectoryHandle, string]> {
    const [outer, inner] = name.split('/');
    const folder = await this.#folder();
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

const reasons: Record<string, string> = {
  NotFoundError: 'there is no such file',
  TypeMismatchError: 'a folder is in the way',
  QuotaExceededError: 'the browser gives this page no more room; delete old runs, then go on',
  NoModificationAllowedError: 'another tab is writing it; close that tab',
  SecurityError:
    'the browser keeps no files for this page; open it over https, and not in a private window',
};

async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if (cause instanceof MemgradError || !(cause instanceof DOMException)) throw cause;
    throw new MemgradError(`Cannot ${what}: ${reasons[cause.name] ?? cause.message}.`, { cause });
  }
}
