/** Reads the files of a corpus, from an installed package or from a folder that the user names. */
import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MemgradError } from 'memgrad';
import { shownPath } from 'memgrad/cli';

/** Files installed by a package. */
export interface PackageFiles {
  /** For messages. */
  readonly corpus: string;
  /**
   * A folder, or a folder inside an npm package, which is resolved from the working directory
   * upwards.
   */
  readonly folder: string | { readonly npm: string; readonly path: string };
  /**
   * Their names in order, or a pattern of the names; files that match it are sorted by the first
   * number in the name.
   */
  readonly names: readonly string[] | RegExp;
  /** The hash of all files in order: for each, its name, a zero byte and its bytes. */
  readonly sha256: string;
  /** The command that installs the package. */
  readonly install: string;
}

/** A file of a corpus. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Reads the files of a package. Throws `MemgradError` if they are missing or have another hash. */
export async function readPackage(files: PackageFiles): Promise<NamedFile[]> {
  const { corpus, sha256, install } = files;
  let found: NamedFile[];
  let folder: string;
  try {
    folder = folderOf(files.folder);
    const names = Array.isArray(files.names)
      ? files.names
      : (await readdir(folder)).filter((name) => (files.names as RegExp).test(name)).sort(byNumber);
    found = await Promise.all(
      names.map(async (name) => ({ name, bytes: await readBytes(join(folder, name)) })),
    );
  } catch (cause) {
    throw new MemgradError(`The corpus '${corpus}' is not installed; install it: ${install}`, {
      cause,
    });
  }
  const sum = sumOf(found);
  if (sum === sha256) return found;
  throw new MemgradError(
    `The ${found.length} files of the corpus '${corpus}' in '${shownPath(folder)}' have the SHA-256 ${sum}, but ${sha256} was expected; install them again: ${install}`,
  );
}

/** Computes the SHA-256 of `PackageFiles`. */
export function sumOf(files: readonly NamedFile[]): string {
  const hash = createHash('sha256');
  for (const { name, bytes } of files) hash.update(`${name}\0`).update(bytes);
  return hash.digest('hex');
}

/**
 * Reads the published files of a corpus. Throws `MemgradError`, with all names, for the first that
 * can't be read.
 */
export async function readPublished(
  corpus: string,
  folder: string,
  names: readonly string[],
): Promise<Uint8Array[]> {
  const needs = `the corpus '${corpus}' needs a folder with ${names.join(', ')}, as published`;
  return Promise.all(
    names.map(async (name) => {
      try {
        return await readBytes(join(folder, name));
      } catch (cause) {
        const reason = cause instanceof MemgradError ? `: ${cause.message}` : '';
        throw new MemgradError(
          `Cannot read '${shownPath(join(folder, name))}'${reason}; ${needs}.`,
          {
            cause,
          },
        );
      }
    }),
  );
}

const AT_ONCE = 2 ** 30; // bytes; a single read, and so readFile, returns at most 2 GiB

/**
 * Reads a whole file, even beyond 2 GiB. Throws `MemgradError` for anything but a file, and if
 * there isn't enough memory.
 */
export async function readBytes(path: string, atOnce = AT_ONCE): Promise<Uint8Array> {
  const status = await stat(path);
  if (!status.isFile()) throw new MemgradError('it is not a file'); // opening a pipe would wait for its writer
  const file = await open(path);
  try {
    const bytes = roomFor(status.size);
    let read = 0;
    while (read < bytes.length) {
      const length = Math.min(atOnce, bytes.length - read);
      const { bytesRead } = await file.read(bytes, read, length, read);
      if (bytesRead === 0) break;
      read += bytesRead;
    }
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}

function roomFor(size: number): Buffer {
  try {
    return Buffer.from(new ArrayBuffer(size));
  } catch (cause) {
    throw new MemgradError(`memory has no room for its ${size} bytes`, { cause });
  }
}

function folderOf(folder: PackageFiles['folder']): string {
  if (typeof folder === 'string') return folder;
  const { resolve } = createRequire(join(process.cwd(), 'any-file'));
  return join(dirname(resolve(`${folder.npm}/package.json`)), folder.path);
}

/** Sorts `chapter_2` before `chapter_10`, and equal numbers by name. */
function byNumber(one: string, other: string): number {
  const number = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0);
  return number(one) - number(other) || (one < other ? -1 : 1);
}
