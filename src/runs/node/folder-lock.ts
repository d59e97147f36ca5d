/** One process to a run folder: two that train in it at once would remove each other's checkpoints. For Node alone. */
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

/** The file that names the process which trains in a folder. */
export const LOCK_FILE = 'process.lock';

const HOST = hostname().replaceAll(/\s/g, '_');
const MOST_BYTES = 1000;
/** Where files cannot be linked a lock is empty for a moment, until its text is written. */
const YOUNG_MS = 2000;

/** The locks of this thread: whether each is still held. */
const own = new Map<string, boolean>();

/** Whether a file of a run folder is a lock, or one that is being made. */
export function isLock(name: string): boolean {
  return name === LOCK_FILE || name.startsWith(`${LOCK_FILE}.`);
}

/**
 * Takes `folder` for this process. Throws `MemgradError` while another process of this machine has
 * it. A lock is taken over when its process is gone, or is of another machine, where nobody can see
 * from here whether it still runs; that process then stops at its next `check`.
 */
export async function lockFolder(folder: string): Promise<RunLock> {
  const path = join(folder, LOCK_FILE);
  const text = `${process.pid} ${HOST} ${startOf(process.pid) ?? '-'} ${randomUUID()}\n`;
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
      if (now === undefined) return acquire(); // somebody has deleted the file
      throw new MemgradError(
        `'${folder}' was taken over by ${nameOf(now)}, so this process saves nothing more; give each process a folder of its own.`,
      );
    },
    release() {
      own.set(text, false);
      try {
        if (readLock(path) === text) unlinkSync(path);
      } catch {
        // What went wrong before is the failure to tell. A lock that stays is stale.
      }
    },
  };
}

/**
 * Gives `draft` the name of the lock. A stale lock may only be replaced by the one process that has
 * linked its file as the lock's successor, `process.lock.after-<id of the stale text>`. When that
 * process dies too, the right is its successor's. A text never comes twice, so a process that is late
 * finds another lock when it looks again, and leaves it alone.
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
    if (!(await linked(draft, next, text))) continue; // another was faster: see who
    const again = await successors(path);
    if (again.join('') === [...chain, text].join('')) return rename(next, path);
    await unlink(next);
  }
}

/** The text of the lock, and those of its successors, each the one after the last. */
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

/** Where the successor of the last lock in `chain` stands. */
function afterName(path: string, chain: readonly string[]): string {
  return `${path}.after-${idOf(chain.join('|'))}`;
}

function idOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Gives the file `draft` with `text` a second name, unless there is a file of that name. */
async function linked(draft: string, name: string, text: string): Promise<boolean> {
  try {
    try {
      await link(draft, name);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw error;
      await writeFile(name, text, { flag: 'wx' }); // this disk has no links
    }
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes what processes that are gone have left of locks they were making. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!/^process\.lock\.(new|after)-[0-9a-f]{16}$/.test(name)) continue;
    const path = join(folder, name);
    try {
      const text = readLock(path) ?? '';
      if (OWNER.exec(text)?.[2] === HOST && !isRunning(text)) await unlink(path);
    } catch {
      // It is not a lock, or not ours to remove.
    }
  }
}

function readLock(path: string): string | undefined;
function readLock(path: string, patient: boolean): string | null | undefined;
/**
 * The text of a lock; undefined where there is none; with `patient`, null for an empty one that is
 * young. Throws `MemgradError` for what is not a plain file, which is never waited for.
 */
function readLock(path: string, patient = false): string | null | undefined {
  // Non-blocking, since a pipe would wait for somebody to write into it.
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

/** Whether the process that wrote `text` still runs on this machine; false for any text that no process wrote. */
function isRunning(text: string): boolean {
  const held = own.get(text);
  if (held !== undefined) return held;
  const [, id, host, start] = OWNER.exec(text) ?? [];
  const pid = Number(id);
  if (host !== HOST || !(pid > 0)) return false;
  try {
    process.kill(pid, 0); // sends nothing
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  // Numbers of processes come again, their times of birth don't.
  const now = startOf(pid);
  if (start !== undefined && start !== '-' && now !== undefined) return now === start;
  return now !== 'gone' && pid !== process.pid;
}

/** When a process was born, as Linux tells it; 'gone' for one that only waits to be reaped; undefined where nothing tells. */
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
  return host === HOST ? `process ${pid}` : `process ${pid} of '${host.slice(0, 60)}'`;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
