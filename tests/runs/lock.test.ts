/** One training to a run: locks of processes, and what is in the way of one. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TrainingRun } from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node/folder-storage.js';
import { configOf, failure, inFolder, train } from './helpers.js';

const test = suite('lock');
const LOCK = 'process.lock';

/** The id of a process that has ended. */
async function goneId(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'exit');
  return child.pid as number;
}

test('a folder is locked until it is released, for this process too', () =>
  inFolder(async (folder) => {
    const lock = await new FolderStorage(folder).lock();
    assert.match(
      await failure(new FolderStorage(folder).lock()),
      `is being trained by process ${process.pid}; wait for it or stop it`,
    );
    await lock.check();
    assert.equal(await readdir(folder), [LOCK]);
    lock.release();
    lock.release();
    assert.equal(await readdir(folder), []);
    (await new FolderStorage(folder).lock()).release();
  }));

test('a lock is taken over when nobody holds it: ended, born again, empty, garbage, elsewhere', () =>
  inFolder(async (folder) => {
    const host = hostname().replaceAll(/\s/g, '_');
    const stale = {
      ended: `${await goneId()} ${host}\n`,
      'of an earlier version': `${process.pid} ${host}\n`,
      'with the number of a process that was born later': `${process.pid} ${host} 0-1 x\n`,
      'of a parent that was born later': `${process.ppid} ${host} 0-1 x\n`,
      empty: '',
      garbage: 'not a lock\0\n',
      large: 'x'.repeat(100_000),
      elsewhere: `${process.pid} elsewhere\n`,
    };
    for (const [what, text] of Object.entries(stale)) {
      await writeFile(join(folder, LOCK), text);
      const lock = await new FolderStorage(folder).lock();
      assert.match(await readFile(join(folder, LOCK), 'utf8'), `${process.pid} ${host} `, what);
      assert.equal(await readdir(folder), [LOCK], what);
      lock.release();
    }
  }));

test('a lock of a running process is respected, whether it says when it was born or not', () =>
  inFolder(async (folder) => {
    await writeFile(join(folder, LOCK), `${process.ppid} ${hostname()}\n`);
    assert.match(await failure(new FolderStorage(folder).lock()), `process ${process.ppid}`);
  }));

test('what is not a plain file is refused in a sentence, and nothing waits', () =>
  inFolder(async (folder) => {
    const path = join(folder, LOCK);
    const ways: (() => unknown)[] = [
      () => mkdir(path),
      () => symlink('nowhere', path),
      () => symlink('/dev/zero', path),
      () => execFileSync('mkfifo', [path]),
    ];
    for (const make of ways) {
      await make();
      assert.match(await failure(new FolderStorage(folder).lock()), 'is a plain file; delete it');
      assert.equal(await readdir(folder), [LOCK]);
      await rm(path, { recursive: true });
    }
  }));

test('a successor that died while it took a lock over is succeeded', () =>
  inFolder(async (folder) => {
    const dead = `${await goneId()} ${hostname().replaceAll(/\s/g, '_')} 0-1 x\n`;
    await writeFile(join(folder, LOCK), dead);
    // As a process leaves it that is killed between its two names.
    const first = await new FolderStorage(folder).lock();
    first.release();
    await writeFile(join(folder, LOCK), dead);
    const { createHash } = await import('node:crypto');
    const after = createHash('sha256').update(dead).digest('hex').slice(0, 16);
    await writeFile(join(folder, `${LOCK}.after-${after}`), dead.replace('x', 'y'));
    await writeFile(join(folder, `${LOCK}.new-${after}`), dead.replace('x', 'y'));
    const lock = await new FolderStorage(folder).lock();
    assert.equal(await readdir(folder), [LOCK], 'nothing of it is left');
    lock.release();
  }));

const ROUNDS = process.env.MEMGRAD_LONG ? 3000 : 100;

test(`of eight that take over one stale lock at once, one gets it, in each of ${ROUNDS} rounds`, () =>
  inFolder(async (folder) => {
    const dead = `${await goneId()} ${hostname().replaceAll(/\s/g, '_')} 0-1 `;
    for (let round = 0; round < ROUNDS; round++) {
      await writeFile(join(folder, LOCK), `${dead}${round}\n`);
      const all = Array.from({ length: 8 }, () => new FolderStorage(folder).lock());
      const settled = await Promise.allSettled(all);
      const locks = settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      assert.is(locks.length, 1, `round ${round}`);
      locks[0].release();
    }
    assert.equal(await readdir(folder), []);
  }));

test('a training whose lock another took saves nothing more, one whose lock was deleted takes it again', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(folder);
    const run = await TrainingRun.start(configOf('rmt', { steps: 6, saveEvery: 2 }), { storage });
    await rm(join(folder, LOCK));
    await train(run, 2);
    assert.ok((await readdir(folder)).includes(LOCK));
    await writeFile(join(folder, LOCK), '1 elsewhere\n');
    assert.match(await failure(train(run)), /was taken over by process 1 of 'elsewhere'/);
    run.dispose();
    assert.equal(await readdir(folder), ['config.json', 'metrics.jsonl', LOCK, 'step-2']);
    assert.is(await readFile(join(folder, LOCK), 'utf8'), '1 elsewhere\n');
  }));

test('a run lets go of its folder when it cannot begin', () =>
  inFolder(async (folder) => {
    const storage = new FolderStorage(folder);
    assert.match(await failure(TrainingRun.resume(storage)), /config.json': there is no such file/);
    await writeFile(join(folder, 'mine'), '');
    assert.match(await failure(TrainingRun.start(configOf(), { storage })), /there is "mine"/);
    assert.equal(await readdir(folder), ['mine']);
  }));

test.run();
