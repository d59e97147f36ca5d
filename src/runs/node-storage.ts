/** A run in a folder on disk. For Node alone: nothing that a browser loads imports this file. */
import { access, constants, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MemgradError } from '../errors.js';
import { CONFIG_FILE, MODEL_FILE } from './run.js';
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
    for (const name of [CONFIG_FILE, MODEL_FILE]) {
      const found = await stat(join(this.folder, name)).catch(() => undefined);
      if (!found) continue;
      throw new MemgradError(
        `'${this.folder}' already holds a run (${name}), which is not overwritten; choose another folder or delete it.`,
      );
    }
  }

  async read(name: string): Promise<Uint8Array> {
    return readWhole(join(this.folder, name), 'name the folder of a run');
  }

  /** Written beside, flushed and renamed: a reader sees the old file or the new one, never half of one. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.folder, name);
    const beside = join(this.folder, `.${name}.${process.pid}.tmp`);
    await explained(`write '${path}'`, async () => {
      try {
        const file = await open(beside, 'w');
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(beside, path);
      } catch (error) {
        await rm(beside, { force: true }).catch(() => {}); // the first failure is the one to tell
        throw error;
      }
    });
  }
}

/** The file at `path`. Throws `MemgradError` where there is none; `advice` says what to do instead. */
export async function readWhole(path: string, advice: string): Promise<Uint8Array> {
  return explained(`read '${path}'`, async () => {
    // A pipe or a device would block, or never end.
    if (!(await stat(path)).isFile()) {
      throw new MemgradError(`Cannot read '${path}': it is not a file; ${advice}.`);
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
  EACCES: 'permission was denied',
  EPERM: 'permission was denied',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links run in a circle',
  EMFILE: 'too many files are open',
  EIO: 'the disk reported an error',
  ERR_FS_FILE_TOO_LARGE: 'it is larger than 2 GiB',
  ERR_INVALID_ARG_VALUE: 'the name is not one that a file can have',
};

/** Runs `action`; what the file system refuses becomes one sentence. */
async function explained<T>(what: string, action: () => Promise<T>): Promise<T> {
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
