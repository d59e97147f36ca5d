/** One page to a run: two tabs that train it at once would remove each other's checkpoints. */
import { MemgradError } from '../errors.js';
import type { RunLock } from './storage.js';

/** The locks that this page has let go of, until the browser has heard of it. */
const leaving = new Map<string, Promise<unknown>>();

/**
 * Takes the run `name` of this origin by the Web Locks of the browser, which lets go of it when the
 * page or Worker ends, however it ends. Throws `MemgradError` while another one has it. A browser
 * without Web Locks (Safari before 15.4, pages that came by http) cannot lock, and a note says so.
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
