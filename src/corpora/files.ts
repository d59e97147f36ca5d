/** Reading the files of a corpus: from where a package put them, or from a folder that the user names. */
import { createHash } from 'node:crypto';
import { open, readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, MemgradError, shownPath } from '../errors.js';
import { checkOptions, type Kind, needed, type OptionNames } from '../options.js';

/** Files that a package brings. */
export interface PackageFiles {
  /** For messages. */
  readonly corpus: string;
  /** A folder, or one inside a package of npm, which is looked for from the working folder upwards. */
  readonly folder: string | { readonly npm: string; readonly path: string };
  /** Their names in order, or what they look like: then they are in the order of the numbers in them. */
  readonly names: readonly string[] | RegExp;
  /** Of each name, a zero byte and the file, one after the other. */
  readonly sha256: string;
  /** The command that installs the package. */
  readonly install: string;
}

const text: Kind = needed([
  'a text of at most 300 characters',
  (value: unknown) => typeof value === 'string' && value.length <= 300,
]);
const KNOWN: OptionNames<PackageFiles> = {
  corpus: text,
  folder: needed([
    'the path of a folder or { npm, path }',
    (folder: PackageFiles['folder']) =>
      typeof folder === 'string' ||
      (typeof folder?.npm === 'string' && typeof folder.path === 'string'),
  ]),
  names: needed([
    'a list of file names or a pattern',
    (names: unknown) =>
      names instanceof RegExp ||
      (Array.isArray(names) &&
        names.length > 0 &&
        !Array.from(names).some((name) => typeof name !== 'string')),
  ]),
  sha256: text,
  install: text,
};

/** A file of a corpus. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Reads the files of a package. Throws `MemgradError` where they are missing or not the ones that are known. */
export async function readPackage(files: PackageFiles): Promise<NamedFile[]> {
  checkOptions('corpus', files, KNOWN);
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

/** The SHA-256 that `PackageFiles` asks for. */
export function sumOf(files: readonly NamedFile[]): string {
  const hash = createHash('sha256');
  for (const { name, bytes } of files) hash.update(`${name}\0`).update(bytes);
  return hash.digest('hex');
}

/**
 * Reads files that a corpus was published as. Throws `MemgradError` for the first that can't be
 * read, with the names of all.
 */
export async function readPublished(
  corpus: string,
  folder: string,
  names: readonly string[],
): Promise<Uint8Array[]> {
  const needs = `the corpus '${corpus}' needs a folder with ${names.join(', ')}, as published`;
  if (typeof folder !== 'string') {
    throw new MemgradError(`Expected the path of a folder, got ${describe(folder)}; ${needs}.`);
  }
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

const AT_ONCE = 2 ** 30; // bytes; one reading, and so readFile, returns at most 2 GiB

/** A whole file, of 2 GiB and more too. Throws `MemgradError` where memory has no room for it. */
export async function readBytes(path: string, atOnce = AT_ONCE): Promise<Uint8Array> {
  const status = await stat(path);
  if (!status.isFile()) throw new MemgradError('it is not a file'); // to open a pipe is to wait for it
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
  const { resolve } = createRequire(join(process.cwd(), 'here'));
  return join(dirname(resolve(`${folder.npm}/package.json`)), folder.path);
}

/** `chapter_2` before `chapter_10`; equal numbers by name. */
function byNumber(one: string, other: string): number {
  const number = (name: string) => Number(/\d+/.exec(name)?.[0] ?? 0);
  return number(one) - number(other) || (one < other ? -1 : 1);
}
