/** Several processes at one run: three that resume it, readers beside a training, a checkpoint that stands elsewhere. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { events, inFolder, memgrad, refused, tiny, together } from './spawn.js';

const test = suite('processes at one run');
const endless = [...tiny, ...'--steps 1000000 --save-every 1 --json'.split(' ')];
const ROUNDS = process.env.MEMGRAD_LONG ? 60 : 3;

test(`of three that resume a run after a kill, one trains and two are refused, in each of ${ROUNDS} rounds`, () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    const kill = (printed: string, child: { kill(signal: 'SIGKILL'): boolean }) => {
      if (printed.includes('"event":"step"')) child.kill('SIGKILL');
    };
    await memgrad(['train', ...endless, '--out', out], kill);
    for (let round = 0; round < ROUNDS; round++) {
      let ended = 0;
      const all = Array.from({ length: 3 }, async () => {
        let printed = '';
        let killing = false;
        const result = await memgrad(['train', '--resume', out, '--json'], (stdout, child) => {
          printed = stdout;
          if (killing || !stdout.includes('"event":"step"')) return;
          killing = true;
          const waiting = setInterval(() => {
            // The others have had their chance when they have ended; else they are in too.
            if (ended < 2) return;
            clearInterval(waiting);
            child.kill('SIGKILL');
          }, 20);
          setTimeout(() => {
            clearInterval(waiting);
            child.kill('SIGKILL');
          }, 60_000).unref();
        });
        ended++;
        return { ...result, trained: printed.includes('"event":"step"') };
      });
      const results = await Promise.all(all);
      assert.is(results.filter(({ trained }) => trained).length, 1, `round ${round}`);
      for (const { trained, code, stderr } of results) {
        if (trained) assert.is(code, null);
        else
          assert.match(stderr, /^error: .* is being trained by process \d+; wait for it [^\n]*\n$/);
      }
    }
    const names = await readdir(out);
    assert.equal(
      names.filter((name) => name.startsWith('process.lock')),
      ['process.lock'],
      'of those that were killed no draft stays',
    );
    const more = ['train', '--resume', out, '--steps', '1', '--samples', '4'];
    assert.is((await memgrad(more)).code, 0, 'and the run is whole');
  }));

test('eval and sample beside a training that saves at each step find a checkpoint every time', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    let reading: Promise<void> | undefined;
    const read = async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const commands = [
          ['eval', out, '--samples', '2'],
          ['eval', out, '--best', '--samples', '2'],
        ];
        for (const { code, stderr } of await Promise.all(commands.map((args) => memgrad(args)))) {
          assert.is(code, 0, stderr);
        }
      }
    };
    await memgrad(['train', ...endless, '--out', out], (printed, child) => {
      if (reading || !printed.includes('"step":2,')) return;
      reading = read();
      reading.catch(() => {}).finally(() => child.kill('SIGKILL'));
    });
    await reading;
  }));

test('a checkpoint behind a link is resumed, and stays where it is; a link to nowhere is refused', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    const elsewhere = join(folder, 'elsewhere');
    assert.is((await memgrad(['train', ...tiny, '--steps', '3', '--out', out])).code, 0);
    await rename(join(out, 'step-3'), elsewhere);
    await symlink(elsewhere, join(out, 'step-3'));
    const log = await readFile(join(out, 'metrics.jsonl'), 'utf8');

    const resume = (steps: number) =>
      memgrad(['train', '--resume', out, '--steps', `${steps}`, '--save-every', '1']);
    assert.match(refused(await resume(6)), '--resume determines what --save-every sets');
    for (const steps of ['4', '5', '6']) {
      const more = await memgrad(['train', '--resume', out, '--steps', steps, '--samples', '4']);
      assert.is(more.code, 0, more.stderr);
      assert.match(more.stdout, `going on after step ${Number(steps) - 1}`);
    }
    assert.ok((await readFile(join(out, 'metrics.jsonl'), 'utf8')).startsWith(log));
    assert.is((await readdir(elsewhere)).length, 3, 'nothing behind the link is removed');

    await rm(join(out, 'step-6'), { recursive: true });
    await symlink('nowhere', join(out, 'step-6'));
    const before = await readFile(join(out, 'metrics.jsonl'), 'utf8');
    for (const command of [
      ['train', '--resume', out],
      ['eval', out],
    ]) {
      assert.match(refused(await memgrad(command)), /'step-6' of the run is a file or a link that/);
    }
    assert.is(await readFile(join(out, 'metrics.jsonl'), 'utf8'), before);
  }));

test('a diverged run says how it goes on, and does', () =>
  inFolder(async (folder) => {
    const out = join(folder, "teacher's run");
    const wild =
      '--optimizer sgd --learning-rate 10 --weight-decay 10 --clip none --schedule constant --warm-up 0 --steps 60 --save-every 3';
    const stopped = await memgrad(['train', ...tiny, ...wild.split(' '), '--out', out]);
    assert.is(stopped.code, 2);
    const found =
      /has the checkpoints [\d, ]+: memgrad (train --resume) '.*' (--from best --learning-rate 1)\n$/;
    const [, ...parts] = found.exec(stopped.stderr) ?? [];
    assert.is(parts.length, 2, stopped.stderr);
    const [first, rest] = parts.map((part) => part.split(' '));
    const few = '--clip 1 --steps 8 --samples 4 --json'.split(' ');
    const more = await memgrad([...first, out, ...rest, ...few]);
    assert.is(more.code, 0, more.stderr);
    const { history, training } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    assert.is(training.optimizer.learningRate, 1);
    assert.equal(history.length, 1);
    assert.equal([history[0].learningRate, history[0].clip], [10, null]);

    assert.match(
      refused(await memgrad(['train', '--from', 'best'])),
      '--from best names a checkpoint',
    );
    const unknown = await memgrad(['train', '--resume', out, '--from', '7777']);
    assert.match(refused(unknown), 'The run has no checkpoint 7777; there are');
    const skipping = [...tiny, ...wild.split(' '), '--non-finite', 'skip', '--steps', '400'];
    assert.match(
      (await memgrad(['train', ...skipping])).stderr,
      /^error: All of the last 50 steps were skipped[^\n]*\n$/,
    );
  }));

test('a lost log is told once, and locks nothing', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    await memgrad(['train', ...tiny, '--steps', '3', '--out', out]);
    await rm(join(out, 'metrics.jsonl'));
    const resume = (steps: string) =>
      memgrad(['train', '--resume', out, '--steps', steps, '--samples', '4', '--json']);
    const notes = (stdout: string) => events(stdout).filter(({ event }) => event === 'note');
    assert.match(
      String(notes((await resume('60')).stdout)[0].note),
      'metrics.jsonl lacks 3 of the last 3 steps',
    );
    assert.equal(notes((await resume('61')).stdout), []);
  }));

test('what no memory holds is refused at once, in a sentence', () =>
  inFolder(async (folder) => {
    const hostile = [
      '--batch-size 4096 --length 4096 --copies 64',
      '--batch-size 4096 --length 4096 --copies 64 --backend cpu',
      '--batch-size 4096 --length 4096 --copies 64 --checkpoint-segments',
      '--batch-size 4096 --length 4096 --copies 64 --curriculum 8:8',
      '--length 4096 --copies 64 --segment-length 1',
      '--task reverse --length 4096 --batch-size 4096 --model transformer-xl',
      '--task memorize --length 4096 --batch-size 4096 --d-model 1024',
      '--task quadratic --batch-size 4096 --d-model 2048 --layers 8 --heads 8',
      '--task retrieval --batch-size 4096 --d-model 4096 --layers 4 --heads 8 --pairs 26',
    ];
    const started = performance.now();
    const out = join(folder, 'run');
    const calls = hostile.map((options) => ['train', ...options.split(' '), '--out', out]);
    for (const [i, ended] of (await together(calls)).entries()) {
      const message = /^error: A training step of this configuration takes [\d.]+ GiB/;
      assert.match(refused(ended), message, hostile[i]);
    }
    assert.ok(performance.now() - started < 20_000 * calls.length);
    assert.not.ok(existsSync(out));
    // A file from elsewhere says the same.
    const small = join(folder, 'small');
    await memgrad(['train', ...tiny, '--steps', '1', '--out', small]);
    const config = join(small, 'config.json');
    const text = await readFile(config, 'utf8');
    const huge = text
      .replace('"batchSize": 2', '"batchSize": 4096')
      .replace('"length": 4', '"length": 4096')
      .replace('"copies": 2', '"copies": 64');
    await mkdir(join(folder, 'copy'));
    await cp(small, join(folder, 'copy'), { recursive: true });
    await writeFile(join(folder, 'copy', 'config.json'), huge);
    for (const ended of await together([
      ['train', '--resume', join(folder, 'copy')],
      ['train', '--config', join(folder, 'copy', 'config.json')],
    ])) {
      assert.match(refused(ended), /of this configuration takes/);
    }
  }));

test.run();
