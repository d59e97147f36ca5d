/** Models in files on disk. For Node only. */
import { basename, dirname } from 'node:path';
import { requireThat } from '../../options.js';
import {
  load,
  type ParameterSource,
  type Restored,
  type RestoreOptions,
  type SaveOptions,
  save,
} from '../../training/index.js';
import { FolderStorage, readWhole } from './folder-storage.js';

/**
 * Writes what `save` returns to the file at `path`, whose folder must exist. A file of that name is
 * replaced as a whole: a crash leaves the old one or the new one. Throws `MemgradError` as `save`
 * does, and where the file can't be written.
 */
export async function saveFile(
  model: ParameterSource,
  path: string,
  options: SaveOptions = {},
): Promise<void> {
  requirePath('saveFile', path);
  const bytes = await save(model, options);
  await new FolderStorage(dirname(path)).write(basename(path), bytes);
}

/**
 * Loads the file at `path` into `model`, as `load` does. Throws `MemgradError` where it can't be read,
 * and as `load` does; then nothing has changed.
 */
export async function loadFile(
  model: ParameterSource,
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
