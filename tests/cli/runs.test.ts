/** Runs from the command line: resumed, killed, looked into. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MODEL_FILE, OPTIMIZER_FILE, STATE_FILE } from '../../src/runs/index.js';
import { withoutSpeed } from '../runs/helpers.js';
import { events, inFolder, memgrad, refused, tiny, together } from './spawn.js';

const test = suite('runs from the command line');

/** A run with all that has a state, saved at every step, so that a kill often comes in the middle of a save. */
const STEPS = process.env.MEMGRAD_LONG ? 150 : 80;
const eventful = [
  ...tiny,
  ...`--steps ${STEPS} --save-every 1 --dropout 0.1 --schedule plateau --curriculum 1:1:0.01 --json`.split(
    ' ',
  ),
];

/** The files of a finished run that must be the same to the bit. */
async function bits(out: string): Promise<Record<string, string>> {
  const file = (name: string) => readFile(join(out, `step-${STEPS}`, name));
  return {
    model: (await file(MODEL_FILE)).toString('hex'),
    optimizer: (await file(OPTIMIZER_FILE)).toString('hex'),
    state: (await file(STATE_FILE)).toString().replace(/"seconds": .*/, ''),
    metrics: withoutSpeed(await readFile(join(out, 'metrics.jsonl'))),
  };
}

/** The bits of a run that nothing ended before its time. */
let expected: Record<string, string>;
test.before(() =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    assert.is((await memgrad(['train', ...eventful, '--out', out])).code, 0);
    expected = await bits(out);
  }),
);

/** Kills `memgrad train` at a random moment after it has begun; whether it was still running then. */
async function trainAndKill(args: readonly string[], within: number): Promise<boolean> {
  let begun = false;
  const { code } = await memgrad(['train', ...args], (printed, child) => {
    if (begun || !printed.includes('"event":"start"')) return;
    begun = true;
    setTimeout(() => child.kill('SIGKILL'), Math.random() * within);
  });
  assert.ok(begun, 'it said that it starts');
  return code === null;
}

test('a folder that a process trains in is refused to others, and is free once it is gone', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    let second: Promise<string> | undefined;
    await memgrad(['train', ...eventful, '--out', out], (printed, child) => {
      if (second || !printed.includes('"step":1,')) return;
      second = memgrad(['train', '--resume', out]).then(refused);
      second.catch(() => {}).finally(() => child.kill('SIGKILL'));
    });
    assert.match(await (second as Promise<string>), /is being trained by process \d+; wait for it/);
    const { code, stderr } = await memgrad(['train', '--resume', out, '--samples', '4', '--json']);
    assert.is(code, 0, stderr);
    assert.not.ok((await readdir(out)).includes('process.lock'));

    // Nobody here can tell whether a process of another machine still runs.
    await writeFile(join(out, 'process.lock'), `${process.pid} elsewhere\n`);
    const more = ['--resume', out, '--steps', String(STEPS + 1), '--samples', '4', '--json'];
    assert.is((await memgrad(['train', ...more])).code, 0);
  }));

const KILLS = process.env.MEMGRAD_LONG ? 300 : 4;

test(`killed ${KILLS} times at random moments, a run resumes each time and ends with the same bits`, () =>
  inFolder(async (folder) => {
    let kills = 0;
    for (let run = 0; kills < KILLS; run++) {
      const out = join(folder, `run-${run}`);
      const again = ['--resume', out, '--samples', '4', '--json'];
      let args: readonly string[] = [...eventful, '--out', out];
      while (kills < KILLS && (await trainAndKill(args, 250))) {
        kills++;
        args = again;
      }
      const { code, stderr } = await memgrad(['train', ...again]);
      assert.is(code, 0, stderr);
      assert.equal(await bits(out), expected, `run ${run}`);
    }
  }));

test('stopped by a signal and resumed, a run ends with the same bits', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const args = code === 130 ? [...eventful, '--out', out] : ['--resume', out, '--json'];
      let steps = 0;
      let sent = false;
      const ended = await memgrad(['train', ...args], (printed, child) => {
        steps = printed.split('"event":"step"').length - 1;
        if (!sent && steps >= 10) sent = child.kill(signal); // a second one would end it at once
      });
      assert.is(ended.code, code);
      assert.ok(steps < STEPS - 10);
    }
    assert.is((await memgrad(['train', '--resume', out, '--samples', '4'])).code, 0);
    assert.equal(await bits(out), expected);
  }));

test('--config trains as a configuration says, --resume with --steps goes further', () =>
  inFolder(async (folder) => {
    const [first, second, third] = ['first', 'second', 'third'].map((name) => join(folder, name));
    const config = join(first, 'config.json');
    const model = (out: string, step = 3) => readFile(join(out, `step-${step}`, MODEL_FILE), 'hex');
    const fresh = ['train', ...tiny, '--schedule', 'constant'];
    const [, same, other, finished] = await together([
      [...fresh, '--steps', '3', '--out', first],
      ['train', '--config', config, '--samples', '4', '--out', second],
      ['train', '--config', config, '--seed', '9', '--json', '--samples', '4'],
      ['train', '--resume', first, '--samples', '4'],
    ]);
    assert.is(same.code, 0, same.stderr);
    assert.is(await model(first), await model(second));
    assert.match(same.stdout, `memgrad eval ${second}`);
    assert.is((events(other.stdout)[0].config as { seed: number }).seed, 9);
    assert.match(finished.stdout, 'Nothing is left to train; raise --steps to go on.');

    const further = ['train', '--resume', first, '--samples', '4', '--steps'];
    const [more] = await together([
      [...further, '5'],
      [...fresh, '--steps', '5', '--out', third],
    ]);
    assert.match(more.stdout, 'going on after step 3');
    assert.match(more.stdout, 'Trained for 5 steps');
    assert.is(await model(first, 5), await model(third, 5));
    const elsewhere = await memgrad([...further, '6', '--backend', 'cpu']);
    assert.match(elsewhere.stdout, 'Note: this run was begun on wasm');
  }));

test('a run that reached its --stop-at says so, and --resume with a higher one goes on', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    const [low, high] = ['--stop-at 0.001 --symbols 2 --steps 100', '--stop-at 1 --steps 52'];
    await memgrad(['train', ...tiny, ...low.split(' '), '--out', out]);
    const reached = await memgrad(['train', '--resume', out, '--samples', '4']);
    assert.match(reached.stdout.replace(/\s+/g, ' '), /accuracy has reached 0.1%; raise --stop-at/);
    const more = await memgrad(['train', '--resume', out, ...high.split(' '), '--samples', '4']);
    assert.match(more.stdout, 'Trained for 52 steps');
    const { training } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    assert.equal([training.steps, training.stopAt], [52, 1]);
  }));

test('a folder of another version is refused in one sentence', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    await memgrad(['train', ...tiny, '--steps', '1', '--out', out]);
    const config = join(out, 'config.json');
    const text = await readFile(config, 'utf8');
    await writeFile(config, text.replace('"version": 2', '"version": 1'));
    for (const ended of await together([
      ['train', '--resume', out],
      ['eval', out],
      ['sample', out],
    ])) {
      assert.match(
        refused(ended),
        /version is 1, but this memgrad reads version 2 only; use the memgrad that wrote it/,
      );
    }
  }));

test('inspect and sample show what is in a run', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    await memgrad(['train', ...tiny, '--steps', '2', '--out', out]);
    const file = join(out, 'step-2', MODEL_FILE);
    const [shown, listed, sampled] = await together([
      ['inspect', file],
      ['inspect', file, '--json'],
      ['sample', out, '--samples', '2'],
    ]);
    assert.match(shown.stdout, /15 tensors, 444 values/);
    assert.match(shown.stdout, /decoder\.embedding +12x8 +-0\.\d+ +0\.\d+/);
    assert.ok(
      shown.stdout.split('\n').every((line) => line.length <= 80),
      '80 columns',
    );
    assert.match(shown.stdout, 'step: 2');
    const [head, ...rows] = events(listed.stdout);
    assert.equal(head.metadata, { format: 'memgrad', step: '2', version: '2' });
    assert.is(rows.length, head.tensors);
    const bias = rows.find(({ name }) => name === 'decoder.finalNorm.weight');
    assert.ok(bias && (bias.least as number) <= (bias.mean as number), JSON.stringify(bias));

    assert.is(sampled.stdout.split('right answer').length, 3);
    const draw = (seed: string) =>
      memgrad(['sample', out, '--json', '--temperature', '1', '--top-k', '5', '--seed', seed]);
    const [one, again, two] = await Promise.all([draw('1'), draw('1'), draw('2')]);
    assert.is(one.stdout, again.stdout);
    assert.is.not(one.stdout, two.stdout);
    assert.is(String(events(one.stdout)[0].sampled).length, 8);
    assert.equal((await readdir(out)).sort(), ['config.json', 'metrics.jsonl', 'step-2']);
  }));

test('a loss that is not finite ends with one sentence that says where, or is skipped', () =>
  inFolder(async (folder) => {
    const wild = [
      ...tiny,
      ...'--optimizer sgd --learning-rate 999 --weight-decay 900 --clip none --schedule constant --warm-up 0'.split(
        ' ',
      ),
    ];
    const out = join(folder, 'run');
    const stopped = await memgrad(['train', ...wild, '--steps', '60', '--out', out]);
    assert.is(stopped.code, 2);
    assert.match(
      stopped.stderr,
      /^error: train: step \d+ has loss .*no parameter was changed\. The first value that is not finite was made by \w+.* in segments\.\d.*\n$/,
    );
    const last = Number(/step (\d+)/.exec(stopped.stderr)?.[1]) - 1;
    assert.match((await readdir(out)).join(), `step-${last}`, 'what was learnt before is saved');
    const skipping = [
      'train',
      ...wild,
      '--steps',
      String(last + 3),
      '--non-finite',
      'skip',
      '--json',
    ];
    const { code, stdout } = await memgrad(skipping);
    assert.is(code, 0);
    const steps = events(stdout).filter(({ event }) => event === 'step');
    assert.is(steps.length, last + 3);
    assert.equal(
      steps.map(({ skipped }) => skipped !== undefined),
      steps.map((_, i) => i >= last),
    );
  }));

test.run();
