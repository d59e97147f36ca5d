/** One process to a run folder: two that train in it at once would remove each other's checkpoints. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MemgradError } from '../errors.js';
import { explained } from '../runs/node-storage.js';

const LOCK_FILE = 'process.lock';

/**
 * Takes `folder` for this process; gives what lets go of it. Throws `MemgradError` while another
 * process of this machine has it. What a process left that is gone is taken over, and so is what
 * one of another machine left: whether it still runs can't be seen from here.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, LOCK_FILE);
  const own = `${process.pid} ${hostname()}\n`;
  await explained(`write '${path}'`, async () => {
    try {
      await writeFile(path, own, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const [, pid, host] = /^(\d{1,10}) (.*)\n/.exec(await readFile(path, 'utf8')) ?? [];
      if (host === hostname() && Number(pid) !== process.pid && isRunning(Number(pid))) {
        throw new MemgradError(
          `'${folder}' is being trained by process ${pid}; wait for it or stop it, or delete '${path}' if that is another program.`,
        );
      }
      await writeFile(path, own);
    }
  });
  return () => rm(path, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
