/** Models in files on disk. For Node only. */
import { access, constants, lstat, realpath, stat } from 'node:fs/promises';
import { MemgradError } from '../../errors.js';
import { requireThat } from '../../options.js';
import {
  load,
  type ParameterSource,
  type ParametersOf,
  type Restored,
  type RestoreOptions,
  type SaveOptions,
  save,
} from '../../training/index.js';
import { explained } from './explained.js';
import { readWhole, replaceFile } from './folder-storage.js';

let writes = 0;

/**
 * Writes what `save` returns to the file at `path`, whose folder must exist. A file of that name is
 * replaced as a whole: a crash leaves the old one or the new one, and perhaps a file that ends in
 * `.tmp`. A link is followed. Throws `MemgradError` as `save`
 * does, and where the file can't be written.
 */
export async function saveFile<P extends ParametersOf<P>>(
  model: ParameterSource<P>,
  path: string,
  options: SaveOptions = {},
): Promise<void> {
  requirePath('saveFile', path);
  const bytes = await save(model, options);
  await explained(`write '${path}'`, async () => {
    const target = await fileBehind(path);
    // A name of its own, since several calls may write the same file.
    await replaceFile(target, bytes, `${target}.${process.pid}-${++writes}.tmp`);
  });
}

/** The path of the file that `path` leads to. Throws where it is, or leads to, anything else. */
async function fileBehind(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (!found) {
    const link = await lstat(path).catch(() => undefined);
    if (!link) return path;
    throw new MemgradError(`Cannot write '${path}': it is a link that leads nowhere; remove it.`);
  }
  if (!found.isFile()) {
    throw new MemgradError(`Cannot write '${path}': it is not a file; name another.`);
  }
  await access(path, constants.W_OK);
  return realpath(path);
}

/**
 * Loads the file at `path` into `model`, as `load` does. Throws `MemgradError` where it can't be read,
 * and as `load` does; then nothing has changed.
 */
export async function loadFile<P extends ParametersOf<P>>(
  model: ParameterSource<P>,
  path: string,
  options: RestoreOptions = {},
): Promise<Restored> {
  requirePath('loadFile', path);
  return load(model, await readWhole(path, 'name a file that saveFile wrote'), options);
}

function requirePath(where: string, path: unknown): void {
  const isPath = typeof path === 'string' && path !== '';
  requireThat(isPath, `${where}: path`, 'the path of a file', path);
}
