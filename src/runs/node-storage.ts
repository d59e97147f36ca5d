/** A run in a folder on disk. For Node alone: nothing that a browser loads imports this file. */
import {
  access,
  constants,
  type FileHandle,
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
import { MemgradError } from '../errors.js';
import { CONFIG_FILE } from './files.js';
import type { RunStorage } from './storage.js';

/** Keeps the files of a run in `folder`. */
export class FolderStorage implements RunStorage {
  constructor(readonly folder: string) {}

  /**
   * Makes the folder ready for a new run, so that what is wrong with it shows before training
   * starts: throws `MemgradError` when it cannot be made or written to, or already holds a run.
   */
  async prepare(): Promise<void> {
    await explained(`make the folder '${this.folder}'`, async () => {
      await makeFolder(resolve(this.folder));
      await access(this.folder, constants.W_OK);
    });
    if (!(await this.list()).includes(CONFIG_FILE)) return;
    throw new MemgradError(
      `'${this.folder}' already holds a run, which is not overwritten; go on with it by --resume, choose another folder or delete it.`,
    );
  }

  async list(): Promise<string[]> {
    return explained(`read the folder '${this.folder}'`, async () => {
      const names: string[] = [];
      for (const entry of await readdir(this.folder, { withFileTypes: true })) {
        if (!entry.isDirectory()) names.push(entry.name);
        else {
          const inside = await readdir(join(this.folder, entry.name));
          names.push(...inside.map((name) => `${entry.name}/${name}`));
        }
      }
      return names.sort();
    });
  }

  async read(name: string, most = Infinity): Promise<Uint8Array> {
    return readWhole(join(this.folder, name), 'name the folder of a run', most);
  }

  /** Written beside, flushed and renamed: a reader sees the old file or the new one, never half of one. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.folder, name);
    const beside = `${path}.tmp`; // the same after a crash, so that none is left over for ever
    await explained(`write '${path}'`, async () => {
      try {
        if (name.includes('/')) await makeFolder(dirname(resolve(path)));
        await flushed(beside, 'w', (file) => file.writeFile(bytes));
        await rename(beside, path);
        await flushFolder(dirname(path));
      } catch (error) {
        await rm(beside, { force: true }).catch(() => {}); // the first failure is the one to tell
        throw error;
      }
    });
  }

  async append(name: string, bytes: Uint8Array, start: number): Promise<void> {
    const path = join(this.folder, name);
    await explained(`write '${path}'`, async () => {
      const { size } = await stat(path).catch(() => ({ size: 0 }));
      if (size < start) {
        throw new MemgradError(
          `'${path}' has ${size} bytes, but ${start} were written to it; copy the folder again.`,
        );
      }
      await flushed(path, size > 0 ? 'r+' : 'w', async (file) => {
        await file.truncate(start);
        for (let done = 0; done < bytes.length; ) {
          done += (await file.write(bytes, done, bytes.length - done, start + done)).bytesWritten;
        }
      });
    });
  }

  async remove(name: string): Promise<void> {
    const path = join(this.folder, name);
    await explained(`remove '${path}'`, async () => {
      await rm(path, { force: true });
      if (name.includes('/')) await rmdir(dirname(path)).catch(() => {}); // there are more in it
    });
  }
}

/** Opens, uses, flushes to the disk and closes a file. */
async function flushed(
  path: string,
  flags: string,
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

/** A renamed file is on the disk when its folder is; where folders cannot be opened, the system sees to it. */
async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

/** The file at `path`. Throws `MemgradError` where there is none, or one of more than `most` bytes; `advice` says what to do instead. */
export async function readWhole(
  path: string,
  advice: string,
  most = Infinity,
): Promise<Uint8Array> {
  return explained(`read '${path}'`, async () => {
    // A pipe or a device would block, or never end.
    const found = await stat(path);
    if (!found.isFile()) {
      throw new MemgradError(`Cannot read '${path}': it is not a file; ${advice}.`);
    }
    if (found.size > most) {
      throw new MemgradError(
        `Cannot read '${path}': it has ${found.size} bytes, but at most ${most} are allowed; ${advice}.`,
      );
    }
    return readFile(path);
  });
}

/** `mkdir` with `recursive` never ends on Node 20 where a parent exists and yet cannot hold anything, as /proc. */
async function makeFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path);
}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EEXIST: 'a file of that name is in the way',
  EISDIR: 'it is a folder, not a file',
  EACCES: 'permission was denied; choose a folder that you may write to, or change its permissions',
  EPERM: 'permission was denied; choose a folder that you may write to, or change its permissions',
  EROFS: 'the disk is read-only; choose a folder on another one',
  ENOSPC: 'the disk is full; make room on it, then go on with --resume',
  EDQUOT: 'the disk quota is used up; make room, then go on with --resume',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links run in a circle',
  EMFILE: 'too many files are open',
  EIO: 'the disk reported an error',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
  ERR_INVALID_ARG_VALUE: 'the name is not one that a file can have',
};

/** Runs `action`; what the file system refuses becomes one sentence. */
export async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (cause instanceof MemgradError || code === undefined) throw cause;
    throw new MemgradError(`Cannot ${what}: ${reasons[code] ?? `the system said ${code}`}.`, {
      cause,
    });
  }
}
