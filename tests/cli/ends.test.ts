/** How a training ends before its time: by a signal, an output that nobody takes, a disk that fails. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Ended, inFolder, memgrad, tiny } from './spawn.js';

const test = suite('ends');
/** Far more steps than it takes, and no save before the end. */
const long = [...tiny, '--steps', '1000000', '--save-every', '1000000'];

/** Runs a line of a shell, where `memgrad` is the command. */
async function shell(line: string): Promise<Ended> {
  const main = `"${process.execPath}" "${resolve('dist/cli/main.js')}"`;
  const child = spawn('bash', ['-c', `memgrad() { ${main} "$@"; }; set -o pipefail; ${line}`]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => (stdout += data));
  child.stderr.on('data', (data) => (stderr += data));
  return new Promise((done) => child.on('close', (code) => done({ code, stdout, stderr })));
}

/** The step of the last checkpoint in `folder`. */
async function lastStep(folder: string): Promise<number> {
  const names = await readdir(folder);
  return Math.max(0, ...names.map((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0)));
}

test('each signal saves, and ends with its own code', () =>
  inFolder(async (folder) => {
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const out = join(folder, signal);
      let sent = false;
      const ended = await memgrad(['train', ...long, '--json', '--out', out], (printed, child) => {
        if (sent || !printed.includes('"step":5,')) return;
        sent = child.kill(signal);
        child.kill(signal); // as npm does beside the terminal; a shell sends SIGHUP twice
      });
      assert.is(ended.code, code, ended.stderr);
      assert.is(ended.stderr, `memgrad: stopped by ${signal}\n`);
      assert.ok((await lastStep(out)) >= 5);
      assert.not.ok((await readdir(out)).includes('process.lock'));
    }
  }));

test('a second Ctrl-C ends at once, within a long step too', () =>
  inFolder(async (folder) => {
    const wide = '--d-model 512 --d-inner 2048 --heads 8 --d-head 64 --layers 1 --batch-size 512';
    const out = join(folder, 'run');
    const child = spawn(
      process.execPath,
      [resolve('dist/cli/main.js'), 'train', ...wide.split(' '), '--json', '--out', out],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    await new Promise((started) => child.stdout.once('data', started));
    const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));
    await wait(3000); // in the first step, which takes a minute; a busy machine needs a second to begin it
    const asked = performance.now();
    const ended = new Promise<string>((done) => child.on('exit', (_, signal) => done(`${signal}`)));
    child.kill('SIGINT');
    await wait(1500);
    assert.is(child.exitCode ?? child.signalCode, null, 'the first one waits for the step');
    child.kill('SIGINT');
    assert.is(await Promise.race([ended, wait(5000).then(() => 'it goes on')]), 'SIGINT');
    assert.ok(performance.now() - asked < 8000);
    child.kill('SIGKILL');
  }));

test('one Ctrl-C ends what computes on and has nothing to lose', async () => {
  const wide = '--d-model 512 --d-inner 2048 --heads 8 --d-head 64 --layers 1 --batch-size 2048';
  let sent = false;
  const args = ['train', ...wide.split(' '), '--checkpoint-segments'];
  const { code } = await memgrad(args, (printed, child) => {
    if (sent || !printed.includes('begins')) return;
    sent = true;
    // In the first segment, which takes many seconds; a busy machine needs two to begin it.
    setTimeout(() => child.kill('SIGINT'), 3000);
  });
  assert.is(code, null, 'by the signal itself, before the first of three segments is read');
});

test('a long step tells how far it is, and Ctrl-C ends it at its next segment', async () => {
  const many =
    '--model transformer --length 1024 --segment-length 1 --batch-size 1024 --checkpoint-segments';
  let sent = false;
  const { code, stdout, stderr } = await memgrad(
    ['train', ...many.split(' ')],
    (printed, child) => {
      if (!sent && printed.includes('% of it in')) sent = child.kill('SIGINT');
    },
  );
  assert.is(code, 130, stderr);
  assert.match(stdout, /step {3}1\/500 begins\nstep {3}1\/500 +\d+\.\d% of it in \d+:\d\d\n/);
  assert.match(
    stdout,
    /Stopped before the first step\.\nThe model is not kept; --out FOLDER saves a run\.\n$/,
  );
});

test('a command that saves nothing ends at once by any signal, however much it computes', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    assert.is((await memgrad(['train', ...tiny, '--steps', '1', '--out', out])).code, 0);
    const path = join(out, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    Object.assign(config.task.options, { length: 4096, copies: 64 });
    await writeFile(path, JSON.stringify(config));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      let sent = false;
      const ended = await memgrad(['eval', out], (printed, child) => {
        if (!sent && printed.includes('answering')) sent = child.kill(signal);
      });
      assert.is(ended.code, null, 'the signal itself');
      assert.not.match(ended.stdout, 'Held-out');
    }
  }));

test('a reader that goes away ends the training, which is saved first', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    const line = `memgrad train ${long.join(' ')} --json --out ${out} | head -n 4`;
    const { code, stdout, stderr } = await shell(line);
    assert.is(code, 0, stderr);
    assert.is(stderr, '');
    assert.is(stdout.trim().split('\n').length, 4);
    assert.ok((await lastStep(out)) >= 3);
    assert.is((await shell('memgrad tasks | head -n 1')).stderr, '');
  }));

test('a full disk under the output ends the training in a sentence, and it is saved first', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    for (const flags of ['', '--json']) {
      await rm(out, { recursive: true, force: true });
      const { code, stderr } = await shell(
        `memgrad train ${long.join(' ')} ${flags} --out ${out} > /dev/full`,
      );
      assert.is(code, 2);
      assert.match(stderr, /^error: Cannot write to standard output: the disk is full; [^\n]*\n$/);
      assert.ok((await lastStep(out)) >= 1);
    }
    const { code, stderr } = await shell('memgrad tasks > /dev/full');
    assert.is(code, 2);
    assert.match(stderr, /^error: Cannot write to standard output: the disk is full; make room/);
    assert.match(stderr, /then start again \(a saved run by --resume\)\.\n$/, 'no run to resume');
  }));

test('a process that may open few files says so, or works', async () => {
  const said: string[] = [];
  for (const most of [22, 24, 26, 28, 32]) {
    const { code, stderr } = await shell(`ulimit -n ${most}; memgrad tasks`);
    if (code === 2) said.push(stderr);
    else assert.is(code, 0, `${most} files: ${stderr}`);
  }
  // Later versions need no more files for memgrad than for Node itself, which begins with 22.
  if (Number(process.versions.node.split('.')[0]) < 22) assert.ok(said.length > 0);
  for (const line of said) {
    assert.match(line, /^error: [^\n]*too many files are open; allow more \(ulimit -n[^\n]*\n$/);
  }
});

/** Whether this user may mount disks. */
function mayMount(folder: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('a disk that becomes read-only, or full, is one sentence, and what was saved before goes on', () =>
  inFolder(async (folder) => {
    const disk = join(folder, 'disk');
    await mkdir(disk);
    if (!mayMount(disk)) return; // tests/runs/run.test.ts has the same without a disk
    try {
      const out = join(disk, 'run');
      const saving = [...tiny, '--steps', '1000000', '--save-every', '5', '--json', '--out', out];
      let done = false;
      const readOnly = await memgrad(['train', ...saving], (printed) => {
        if (done || !printed.includes('"step":12,')) return;
        try {
          execFileSync('mount', ['-o', 'remount,ro', disk], { stdio: 'ignore' });
          done = true;
        } catch {
          // A file is being written: it is tried again when the next step is printed.
        }
      });
      assert.is(readOnly.code, 2);
      assert.match(readOnly.stderr, /^error: Cannot \w+ '[^']+': the disk is read-only; [^\n]*\n$/);
      const refused = await memgrad(['train', '--resume', out]);
      assert.is(refused.code, 2);
      assert.match(refused.stderr, /^error: Cannot lock '[^']+': the disk is read-only; [^\n]*\n$/);
      execFileSync('mount', ['-o', 'remount,rw', disk]);
      await writeFile(join(disk, 'filler'), new Uint8Array(700_000));
      const full = await memgrad(['train', '--resume', out, '--json']);
      assert.is(full.code, 2);
      assert.match(full.stderr, /^error: Cannot \w+ '[^']+': the disk is full; [^\n]*\n$/);
      const saved = await lastStep(out);
      await rm(join(disk, 'filler'));
      const steps = String(saved + 3);
      const more = await memgrad(['train', '--resume', out, '--steps', steps, '--samples', '4']);
      assert.is(more.code, 0, more.stderr);
    } finally {
      execFileSync('umount', [disk]);
    }
  }));

test('train --out touches nothing that is not its own', () =>
  inFolder(async (folder) => {
    const theirs = join(folder, 'step-1000', 'model.safetensors');
    await mkdir(join(folder, 'step-1000'));
    await writeFile(theirs, 'dear to somebody');
    const { code, stderr } = await memgrad(['train', ...tiny, '--steps', '2', '--out', folder]);
    assert.is(code, 2);
    assert.match(stderr, /holds no run of memgrad, and is not empty: there is "step-1000"; choose/);
    assert.equal(await readdir(folder), ['step-1000']);

    // Put into a run that is there, it stays too; in the way of a checkpoint, it ends the training.
    const out = join(folder, 'run');
    const few = [...tiny, '--save-every', '1'];
    assert.is((await memgrad(['train', ...few, '--steps', '2', '--out', out])).code, 0);
    for (const step of [1000, 6]) {
      await mkdir(join(out, `step-${step}`));
      await writeFile(join(out, `step-${step}`, 'model.safetensors'), 'dear to somebody');
    }
    await writeFile(join(out, 'step-2', 'notes.json'), '{}');
    const more = await memgrad(['train', '--resume', out, '--steps', '5', '--samples', '4']);
    assert.is(more.code, 0, more.stderr);
    assert.equal(await readdir(join(out, 'step-2')), ['notes.json']);
    const blocked = await memgrad(['train', '--resume', out, '--steps', '7', '--samples', '4']);
    assert.is(blocked.code, 2);
    assert.match(blocked.stderr, /'step-6.model.safetensors' is in the way of a checkpoint/);
    for (const step of [1000, 6]) {
      const path = join(out, `step-${step}`, 'model.safetensors');
      assert.is(await readFile(path, 'utf8'), 'dear to somebody');
    }
    assert.is(await readFile(theirs, 'utf8'), 'dear to somebody');
  }));

test.run();
