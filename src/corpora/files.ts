/** Reading the files of a corpus: from where a package put them, or from a folder that the user names. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { MemgradError } from '../errors.js';

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

/** A file of a corpus. */
export interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Reads the files of a package. Throws `MemgradError` where they are missing or not the ones that are known. */
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
      names.map(async (name) => ({ name, bytes: await readFile(join(folder, name)) })),
    );
  } catch (cause) {
    throw new MemgradError(`The corpus '${corpus}' is not installed; install it: ${install}`, {
      cause,
    });
  }
  const sum = sumOf(found);
  if (sum === sha256) return found;
  throw new MemgradError(
    `The ${found.length} files of the corpus '${corpus}' in '${folder}' have the SHA-256 ${sum}, but ${sha256} was expected; install them again: ${install}`,
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
  return Promise.all(
    names.map(async (name) => {
      try {
        return await readFile(join(folder, name));
      } catch (cause) {
        throw new MemgradError(
          `Cannot read '${join(folder, name)}'; the corpus '${corpus}' needs a folder with ${names.join(', ')}, as published.`,
          { cause },
        );
      }
    }),
  );
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
