/** A run as one file, to download and upload: a tar archive, which every system can unpack. */
import { describe, MemgradError } from '../errors.js';
import { type OwnBytes, requireBytes } from '../safetensors/bytes.js';
import { CONFIG_FILE, METRICS_FILE, stepOf, TEXT_FILE, TOKENIZER_FILE } from './files.js';
import { type RunStorage, requireStorage } from './storage.js';
import { BLOCK, padded, refuseArchive, tarEntries, tarHeader } from './tar.js';

/** Whether a run may contain a file of this name; no other is packed or unpacked. */
function belongs(name: string): boolean {
  const finished = stepOf(name) !== undefined && !name.endsWith('.tmp');
  return finished || [CONFIG_FILE, METRICS_FILE, TEXT_FILE, TOKENIZER_FILE].includes(name);
}

/**
 * Packs all files of a run into a tar archive. Throws `MemgradError` unless `storage` is a storage,
 * and any error of the storage.
 */
export async function packRun(storage: RunStorage): Promise<OwnBytes> {
  requireStorage('packRun', storage);
  const files: [name: string, bytes: Uint8Array][] = [];
  for (const name of (await storage.list()).filter(belongs)) {
    files.push([name, await storage.read(name)]);
  }
  const length = files.reduce((sum, [, bytes]) => sum + BLOCK + padded(bytes.length), 2 * BLOCK);
  const archive = new Uint8Array(length); // two empty blocks mark the end
  let position = 0;
  for (const [name, bytes] of files) {
    archive.set(tarHeader(name, bytes.length), position);
    archive.set(bytes, position + BLOCK);
    position += BLOCK + padded(bytes.length);
  }
  return archive;
}

/**
 * Unpacks an archive of `packRun`, or one that `tar` made of a run's folder (ustar, pax or GNU,
 * from inside or outside the folder, not compressed), into an empty storage. Files that don't
 * belong to a run are skipped. The whole archive is checked before the first file is written.
 * Throws `MemgradError` for an archive with no run or several, for one that is truncated or
 * damaged, and for links, names that lead out of the folder, and duplicate files.
 */
export async function unpackRun(storage: RunStorage, archive: Uint8Array): Promise<void> {
  requireStorage('unpackRun', storage);
  requireBytes('unpackRun', archive);
  if ((await storage.list()).length > 0) {
    throw new MemgradError(
      'The storage to unpack the run into is not empty, but it must be; choose another one.',
    );
  }
  const files = runIn(archive);
  // The configuration is written last: without it there is no run yet.
  const config = files.get(CONFIG_FILE) as Uint8Array;
  files.delete(CONFIG_FILE);
  for (const [name, bytes] of files) await storage.write(name, bytes);
  await storage.write(CONFIG_FILE, config);
}

/** The files of the run in `archive`, by their names in the run's folder. */
function runIn(archive: Uint8Array): Map<string, Uint8Array> {
  const folders = new Map<string, Map<string, Uint8Array>>();
  for (const { name, kind, bytes } of tarEntries(archive)) {
    if (kind === 'link') {
      throw new MemgradError(
        `The archive has a link, ${describe(name)}, but links are not followed; pack the run with 'tar -h --hard-dereference', which stores what they lead to.`,
      );
    }
    const parts = name.split('/');
    const count = [2, 1].find((count) => belongs(parts.slice(-count).join('/')));
    if (kind === 'folder' || count === undefined) continue;
    if (kind === 'other') refuseArchive(`has ${describe(name)}, which is not an ordinary file`);
    const folder = parts.slice(0, -count).join('/');
    const files = folders.get(folder) ?? new Map<string, Uint8Array>();
    const own = parts.slice(-count).join('/');
    if (files.has(own)) refuseArchive(`has the file ${describe(name)} twice`);
    folders.set(folder, files.set(own, bytes));
  }
  const depth = (folder: string) => (folder === '' ? 0 : folder.split('/').length);
  const [run, other] = [...folders]
    .filter(([, files]) => files.has(CONFIG_FILE))
    .sort(([a], [b]) => depth(a) - depth(b));
  if (run === undefined) refuseArchive(`has no ${CONFIG_FILE}, so it is no run`);
  if (other !== undefined && depth(other[0]) === depth(run[0])) {
    throw new MemgradError(
      `The archive has several runs, in ${describe(run[0])} and ${describe(other[0])}, but one was expected; pack the folder of one.`,
    );
  }
  return run[1];
}
