/**
 * Locks a run folder: two processes that train in it at once would remove each other's checkpoints.
 * For Node only.
 */
import { createHash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
} from 'node:fs';
import { link, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MemgradError } from '../../errors.js';
import type { RunLock } from '../storage.js';
import { explained } from './explained.js';

/** The file that names the process which trains in the folder. */
export const LOCK_FILE = 'process.lock';

/** The name of this machine, read when a lock needs it: Deno asks the user for permission. */
const thisHost = () => hostname().replaceAll(/\s/g, '_');
const MOST_BYTES = 1000;
/**
 * On disks without hard links, a new lock file is empty for a moment, until its text is written.
 */
const YOUNG_MS = 2000;

/** The locks of this thread, and whether each is still held. */
const own = new Map<string, boolean>();

/** Whether a file of a run folder is a lock, or a draft of one. */
export function isLock(name: string): boolean {
  return name === LOCK_FILE || name.startsWith(`${LOCK_FILE}.`);
}

/**
 * Locks `folder` for this process. Throws `MemgradError` while another process of this machine has
 * the lock. A lock is taken over when its process has ended, and when it is from another machine,
 * where its process can't be checked. If that process still runs, it stops at its next `check`.
 */
export async function lockFolder(folder: string): Promise<RunLock> {
  const path = join(folder, LOCK_FILE);
  const text = `${process.pid} ${thisHost()} ${startOf(process.pid) ?? '-'} ${randomUUID()}\n`;
  const acquire = () =>
    explained(`lock '${folder}'`, async () => {
      const draft = `${path}.new-${idOf(text)}`;
      await writeFile(draft, text, { flag: 'wx' });
      try {
        await take(folder, path, draft, text);
      } finally {
        await unlink(draft).catch(() => {});
      }
      own.set(text, true);
      await sweep(folder);
    });
  await acquire();
  return {
    async check() {
      const now = await explained(`read '${path}'`, async () => readLock(path));
      if (now === text) return;
      if (now === undefined) return acquire(); // the file was deleted
      throw new MemgradError(
        `'${folder}' was taken over by ${nameOf(now)}, so this process saves nothing more; give each process a folder of its own.`,
      );
    },
    release() {
      own.set(text, false);
      try {
        if (readLock(path) === text) unlinkSync(path);
      } catch {
        // Not thrown, so an earlier error stays the one that is reported. A lock that remains is
        // stale.
      }
    },
  };
}

/**
 * Gives `draft` the name of the lock. Only one process may replace a stale lock: the one that
 * linked its file as the lock's successor, `process.lock.after-<id of the stale text>`. If that
 * process ends too, its own successor gets the right. No two locks have the same text, so a late
 * process sees on its second look that the lock has changed, and leaves it alone.
 */
async function take(folder: string, path: string, draft: string, text: string): Promise<void> {
  for (;;) {
    if (await linked(draft, path, text)) return;
    const chain = await successors(path);
    if (chain.length === 0) continue; // released since
    const running = chain.find(isRunning);
    if (running !== undefined) {
      throw new MemgradError(
        `'${folder}' is being trained by ${nameOf(running)}; wait for it or stop it, or delete '${path}' if that is another program.`,
      );
    }
    const next = afterName(path, chain);
    if (!(await linked(draft, next, text))) continue; // another process was faster
    const again = await successors(path);
    if (again.join('') === [...chain, text].join('')) return rename(next, path);
    await unlink(next);
  }
}

/** The text of the lock and of its successors, in order. */
async function successors(path: string): Promise<string[]> {
  const texts: string[] = [];
  for (let at = path; ; at = afterName(path, texts)) {
    let text = readLock(at, true);
    for (; text === null; text = readLock(at, true)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (text === undefined) return texts;
    texts.push(text);
  }
}

/** The file name of the successor of the last lock in `chain`. */
function afterName(path: string, chain: readonly string[]): string {
  return `${path}.after-${idOf(chain.join('|'))}`;
}

function idOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Links the file `draft` with `text` to `name`. Returns false if a file of that name exists. */
async function linked(draft: string, name: string, text: string): Promise<boolean> {
  try {
    try {
      await link(draft, name);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw error;
      await writeFile(name, text, { flag: 'wx' }); // no hard links on this disk
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes drafts of locks that ended processes left. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^process\.lock\.(new|after)-[0-9a-f]{16}$/.test(name)) continue;
    const path = join(folder, name);
    try {
      const text = readLock(path) ?? '';
      if (OWNER.exec(text)?.[2] === thisHost() && !isRunning(text)) await unlink(path);
    } catch {
      // Not a lock, or one that this process may not remove.
    }
  }
}

function readLock(path: string): string | undefined;
function readLock(path: string, patient: boolean): string | null | undefined;
/**
 * The text of a lock; undefined where there is none. With `patient`, null for an empty lock that is
 * young. Throws `MemgradError` unless it is a plain file; it never waits.
 */
function readLock(path: string, patient = false): string | null | undefined {
  // Non-blocking, since opening a pipe would wait for a writer.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0);
  let file: number;
  try {
    file = openSync(path, flags);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (['ELOOP', 'EMLINK', 'ENXIO'].includes(codeOf(error) ?? '')) return refuseLock(path);
    throw error;
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) return refuseLock(path);
    const bytes = Buffer.alloc(MOST_BYTES);
    const text = bytes.toString('latin1', 0, readSync(file, bytes, 0, MOST_BYTES, 0));
    return patient && text === '' && Date.now() - found.mtimeMs < YOUNG_MS ? null : text;
  } finally {
    closeSync(file);
  }
}

function refuseLock(path: string): never {
  throw new MemgradError(
    `'${path}' is a folder, a link, a pipe or a device, but the lock of a run is a plain file; delete it.`,
  );
}

const OWNER = /^(\d{1,10}) (\S+)(?: (\S+) \S+)?\n$/;

/**
 * Whether the process that wrote `text` still runs on this machine; false for a text that no
 * process wrote.
 */
function isRunning(text: string): boolean {
  const held = own.get(text);
  if (held !== undefined) return held;
  const [, id, host, start] = OWNER.exec(text) ?? [];
  const pid = Number(id);
  if (host !== thisHost() || !(pid > 0)) return false;
  try {
    process.kill(pid, 0); // sends no signal
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  // Process ids are reused; with the start time they are unique.
  const now = startOf(pid);
  if (start !== undefined && start !== '-' && now !== undefined) return now === start;
  return now !== 'gone' && pid !== process.pid;
}

/**
 * The start time of a process, from Linux's /proc; 'gone' for a process that only waits to be
 * reaped, undefined where the system doesn't tell.
 */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // proc(5): state is the third, starttime the 22nd
    return 'ZX'.includes(fields[0]) ? 'gone' : `${boot}-${fields[19]}`;
  } catch {
    return undefined;
  }
}

function nameOf(text: string): string {
  const [, pid, host] = OWNER.exec(text) ?? [];
  if (pid === undefined) return 'another program';
  return host === thisHost() ? `process ${pid}` : `process ${pid} of '${host.slice(0, 60)}'`;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
