/** The run in a folder, for commands that read one. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { MemgradError, shownPath } from '../errors.js';
import { CONFIG_FILE } from '../runs/index.js';
import { FolderStorage } from '../runs/node/folder-storage.js';

/** Returns the storage of the run in `folder`. Throws `MemgradError` where there is none. */
export async function runIn(folder: string): Promise<FolderStorage> {
  try {
    await lstat(join(folder, CONFIG_FILE));
  } catch (error) {
    // Where it can't be read for another reason, the storage says why.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      throw new MemgradError(
        `There is no run in '${shownPath(folder)}'; name a folder that memgrad train --out wrote.`,
      );
    }
  }
  return new FolderStorage(folder);
}
