/** A run in a folder on disk. For Node only: nothing that a browser loads imports this file. */
import {
  access,
  constants,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MemgradError } from '../../errors.js';
import { requireThat } from '../../options.js';
import { requireFile, requireName, requireSize } from '../bytes.js';
import { CONFIG_FILE, requireEmpty } from '../files.js';
import type { RunLock, RunStorage } from '../storage.js';
import { explained } from './explained.js';
import { isLock, lockFolder } from './folder-lock.js';

const { O_RDWR, O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK = 0 } = constants;
/** Like the flag 'w', but doesn't block on a pipe. */
const BEGIN = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK;

/** Keeps the files of a run in `folder`. */
export class FolderStorage implements RunStorage {
  /** Throws `MemgradError` unless `folder` is a path. */
  constructor(readonly folder: string) {
    requireThat(typeof folder === 'string' && folder, 'FolderStorage: folder', 'a path', folder);
  }

  /**
   * Makes the folder if it doesn't exist. Throws `MemgradError` when it cannot be made or written
   * to.
   */
  async make(): Promise<void> {
    await explained(`make the folder '${this.folder}'`, async () => {
      await makeFolder(resolve(this.folder));
      await access(this.folder, constants.W_OK);
    });
  }

  /**
   * Prepares the folder for a new run, so errors appear before training starts. Throws
   * `MemgradError` as `make` does, and when the folder isn't empty.
   */
  async prepare(): Promise<void> {
    await this.make();
    const names = await explained(`read the folder '${this.folder}'`, () => readdir(this.folder));
    if (names.includes(CONFIG_FILE)) {
      throw new MemgradError(
        `'${this.folder}' already holds a run, which is not overwritten; resume it with --resume, choose another folder or delete it.`,
      );
    }
    requireEmpty(
      `'${this.folder}'`,
      names.filter((name) => !isLock(name)),
    );
  }

  lock(): Promise<RunLock> {
    return lockFolder(this.folder);
  }

  async list(): Promise<string[]> {
    return explained(`read the folder '${this.folder}'`, async () => {
      const names: string[] = [];
      for (const name of await readdir(this.folder)) {
        if (isLock(name)) continue;
        const path = join(this.folder, name);
        const inside = await explained(`read the folder '${path}'`, () => insideOf(path));
        names.push(...(inside === 'a file' ? [name] : inside.map((file) => `${name}/${file}`)));
      }
      return names.sort();
    });
  }

  async read(name: string, most = Infinity): Promise<Uint8Array> {
    return readWhole(this.#path(name), 'name the folder of a run', most);
  }

  /**
   * Writes a temporary file next to it, flushes and renames it: a reader sees the old file or the
   * new one, never a part.
   */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    requireFile('FolderStorage.write', name, bytes, 0);
    const path = this.#path(name);
    await explained(`write '${path}'`, async () => {
      if (name.includes('/')) await makeFolder(dirname(resolve(path)));
      await replaceFile(path, bytes, `${path}.tmp`); // a fixed name, so a file that a crash left is overwritten
    });
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    requireFile('FolderStorage.append', name, bytes, start);
    const path = this.#path(name);
    await explained(`write '${path}'`, async () => {
      const found = await stat(path).catch(() => undefined);
      if (found && !found.isFile()) {
        throw new MemgradError(`Cannot write '${path}': it is not a file; move it away.`);
      }
      const { size = 0 } = found ?? {};
      if (size < start) {
        throw new MemgradError(
          `'${path}' has ${size} bytes, but ${start} were written to it; copy the folder again.`,
        );
      }
      await flushed(path, size > 0 ? O_RDWR : BEGIN, async (file) => {
        await file.truncate(start);
        for (let done = 0; done < bytes.length; ) {
          done += (await file.write(bytes, done, bytes.length - done, start + done)).bytesWritten;
        }
      });
    });
  }

  async size(name: string): Promise<number> {
    const path = this.#path(name);
    return explained(`read '${path}'`, async () => (await statFile(path)).size);
  }

  async readPart(name: string, start: number, end: number): Promise<Uint8Array> {
    const path = this.#path(name);
    return explained(`read '${path}'`, async () => {
      const file = await open(path);
      try {
        const bytes = new Uint8Array(end - start);
        for (let done = 0; done < bytes.length; ) {
          const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
          if (bytesRead === 0) {
            throw new MemgradError(
              `'${path}' ends before byte ${end}; another program is changing it.`,
            );
          }
          done += bytesRead;
        }
        return bytes;
      } finally {
        await file.close();
      }
    });
  }

  #path(name: string): string {
    requireName('FolderStorage', name);
    return join(this.folder, name);
  }

  /** Of a linked folder only the link is removed, not the files behind it. */
  async remove(name: string): Promise<void> {
    const path = this.#path(name);
    const outer = name.includes('/') ? dirname(path) : undefined;
    await explained(`remove '${path}'`, async () => {
      if (outer && (await lstat(outer).catch(() => undefined))?.isSymbolicLink()) {
        return rm(outer, { force: true });
      }
      await rm(path, { force: true });
      if (outer) await rmdir(outer).catch(() => {}); // it has more files
    });
  }
}

/**
 * The names in a folder, also behind a link; empty if it was removed meanwhile. A dangling link
 * counts as a file.
 */
async function insideOf(path: string): Promise<string[] | 'a file'> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ELOOP') return 'a file';
    if (code !== 'ENOENT') throw error;
    return (await lstat(path).catch(() => undefined)) ? 'a file' : [];
  }
}

/** Opens a file, calls `use` on it, flushes it to the disk and closes it. */
async function flushed(
  path: string,
  flags: number,
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags);
  try {
    await use(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Flushes a folder, which makes a rename in it durable. Where folders cannot be opened, the system
 * does this.
 */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/** Writes and flushes `temporary`, and renames it to `path`. Removes it if that fails. */
export async function replaceFile(
  path: string,
  bytes: Uint8Array,
  temporary: string,
): Promise<void> {
  try {
    await flushed(temporary, BEGIN, (file) => file.writeFile(bytes));
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}); // keeps the first error
    throw error;
  }
}

/**
 * Reads the file at `path`. Throws `MemgradError` where there is none, or one of more than `most`
 * bytes; `advice` is the end of the message.
 */
export async function readWhole(
  path: string,
  advice: string,
  most = Infinity,
): Promise<Uint8Array> {
  return explained(`read '${path}'`, async () => {
    const { size } = await statFile(path, advice);
    requireSize(path, size, most, advice);
    return readFile(path);
  });
}

/** The status of a plain file. Throws for a pipe or a device, which would block or never end. */
async function statFile(path: string, advice = 'move it away') {
  const found = await stat(path).catch(async (error) => {
    const link = await lstat(path).catch(() => undefined);
    if (!link?.isSymbolicLink() || error.code !== 'ENOENT') throw error;
    throw new MemgradError(
      `Cannot read '${path}': it is a link that leads nowhere; put back what it leads to, or remove the link.`,
    );
  });
  if (found.isFile()) return found;
  throw new MemgradError(`Cannot read '${path}': it is not a file; ${advice}.`);
}

/**
 * Like `mkdir` with `recursive`, which never ends on Node 20 where a parent exists but cannot hold
 * files, such as /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path);
}
