/**
 * Locks a run in the browser: two tabs that train it at once would remove each other's checkpoints.
 */
import { MemgradError } from '../errors.js';
import type { RunLock } from './storage.js';

/** Locks that this page has released, until the browser confirms it. */
const leaving = new Map<string, Promise<unknown>>();

/**
 * Locks the run `name` of this origin by the browser's Web Locks, which are released whenever the
 * page or Worker ends. Throws `MemgradError` while another page or Worker has the lock. A browser
 * without Web Locks (Safari before 15.4, pages over http) cannot lock, and `note` says so.
 */
export async function lockInBrowser(name: string): Promise<RunLock> {
  const locks = globalThis.navigator?.locks;
  const check = async () => {};
  if (!locks) {
    const note = `This browser cannot lock '${name}': train it in one tab at a time.`;
    return { note, check, release() {} };
  }
  await leaving.get(name);
  return new Promise<RunLock>((resolve, reject) => {
    const held: Promise<unknown> = locks.request(
      `memgrad run ${name}`,
      { ifAvailable: true },
      (lock) => {
        if (lock) {
          return new Promise<void>((end) => {
            const release = () => {
              leaving.set(name, held);
              end();
            };
            resolve({ check, release });
          });
        }
        throw new MemgradError(
          `'${name}' is being trained by another tab or Worker; close that one, or wait for it.`,
        );
      },
    );
    held.catch(reject);
  });
}
