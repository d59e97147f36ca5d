import { existsSync } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { modelNames } from '../../src/models/index.js';
import type { RunConfig } from '../../src/runs/index.js';
import { optimizerNames } from '../../src/training/index.js';
import { events, inFolder, memgrad, refused, refusedTogether, tiny, together } from './spawn.js';

const test = suite('command line');

/** The losses of the steps in a JSON output. */
const losses = (stdout: string) =>
  events(stdout)
    .filter(({ event }) => event === 'step')
    .map(({ loss }) => loss);

test('--help of each command has examples and the common options', async () => {
  const commands = 'demo train eval sample inspect tasks gradcheck parity'.split(' ');
  const all = await together(commands.map((command) => [command, '--help']));
  for (const [i, { code, stdout, stderr }] of all.entries()) {
    assert.is(code, 0);
    assert.is(stderr, '');
    for (const part of ['--json', '--seed', '--backend', `$ memgrad ${commands[i]}`]) {
      assert.ok(stdout.includes(part), `${commands[i]}: ${part}`);
    }
    assert.ok(
      stdout.split('\n').every((line) => line.length <= 80),
      '80 columns',
    );
  }
});

test('--version is that of the package', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8'));
  assert.is((await memgrad(['--version'])).stdout, `${version}\n`);
});

test('without a command it explains itself and exits with 2', async () => {
  const { code, stderr } = await memgrad([]);
  assert.is(code, 2);
  assert.match(stderr, 'memgrad demo');
});

test('a run is trained, saved and evaluated again with the same result', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'a', 'run');
    const { code, stdout, stderr } = await memgrad([
      'train',
      ...tiny,
      '--steps',
      '3',
      '--json',
      '--out',
      out,
    ]);
    assert.is(code, 0, stderr);
    assert.is(stderr, '');
    const all = events(stdout);
    assert.equal(
      all.map(({ event }) => event),
      ['start', 'step', 'step', 'step', 'trained', 'saved', 'evaluation'],
    );
    assert.equal((await readdir(out)).sort(), ['config.json', 'metrics.jsonl', 'step-3']);

    const again = events((await memgrad(['eval', out, '--samples', '4', '--json'])).stdout);
    const { event, ...first } = all[6];
    assert.is(event, 'evaluation');
    assert.equal(again, [{ event, step: 3, ...first }]);

    const shown = await memgrad(['eval', out, '--samples', '4']);
    assert.match(shown.stdout, 'trained for 3 steps');
    assert.match(shown.stdout, 'right answer');
    assert.not.ok(shown.stdout.includes('\u001b'), 'no escape codes where there is no terminal');

    const overwriting = await memgrad(['train', ...tiny, '--steps', '3', '--out', out]);
    assert.match(refused(overwriting), 'already holds a run');
  }));

test('the same seed gives the same numbers, another one others', async () => {
  const run = (seed: string) =>
    memgrad(['train', ...tiny, '--dropout', '0.1', '--steps', '2', '--json', '--seed', seed]);
  const [one, two, three] = await Promise.all([run('1'), run('1'), run('2')]);
  assert.is(losses(one.stdout).length, 2);
  assert.equal(losses(one.stdout), losses(two.stdout));
  assert.not.equal(losses(one.stdout), losses(three.stdout));
});

test('each model trains with the settings of the paper, cut gradients and a curriculum', async () => {
  const more = '--preset paper --bptt-depth 1 --curriculum 1:1:0.01 --steps 12 --json'.split(' ');
  const all = await together(
    modelNames.map((name) => ['train', ...tiny, ...more, '--model', name]),
  );
  for (const [i, { code, stdout, stderr }] of all.entries()) {
    assert.is(code, 0, stderr);
    const { model, training } = events(stdout)[0].config as RunConfig;
    assert.equal([model.name, training.optimizer.name], [modelNames[i], 'adam']);
    assert.is(losses(stdout).length, 12);
  }
});

test('an option that the model or the optimiser does not read is noted', async () => {
  const notes: Record<string, readonly string[]> = {
    '--steps 1 --model transformer-xl --optimizer sgd --betas 0.9,0.9': [
      '--memory-tokens has no effect here; it is for rmt, mem-transformer, transformer-xl-rmt.',
      '--betas has no effect here; it is for adam, adamw, muon.',
    ],
    '--steps 1 --write-tokens own --memory-init repeated': [],
  };
  const calls = Object.keys(notes).map((args) => ['train', ...tiny, ...args.split(' '), '--json']);
  const printed = (await together(calls)).map(({ stdout }) =>
    events(stdout).flatMap(({ event, note }) => (event === 'note' ? [note] : [])),
  );
  assert.equal(printed, Object.values(notes));
});

test('every optimiser trains, by its own rate unless another is given', async () => {
  const given = '--optimizer sgd --momentum 0.9 --nesterov --learning-rate 0.5';
  const choices = [...optimizerNames.map((name) => `--optimizer ${name}`), given];
  const calls = choices.map((args) => [
    'train',
    ...tiny,
    '--steps',
    '2',
    '--json',
    ...args.split(' '),
  ]);
  const optimizers = (await together(calls)).map(({ code, stdout, stderr }) => {
    assert.is(code, 0, stderr);
    assert.is(losses(stdout).length, 2);
    return (events(stdout)[0].config as RunConfig).training.optimizer;
  });
  const { betas: _, ...last } = optimizers.pop() as RunConfig['training']['optimizer'];
  const options = { learningRate: 0.5, weightDecay: 0, momentum: 0.9, nesterov: true };
  assert.equal(last, { name: 'sgd', ...options });
  const own = { sgd: 1e-3, rmsprop: 1e-2, adafactor: 1e-2 };
  assert.equal(
    Object.fromEntries(optimizers.map(({ name, learningRate }) => [name, learningRate])),
    {
      ...{ adam: 2e-3, adamw: 2e-3, muon: 2e-3 },
      ...own,
    },
  );
});

test('options that do not go together are refused before there is a folder', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    const wrong: Record<string, RegExp> = {
      '--optimizer sgd --nesterov': /momentum must be a number > 0 with nesterov/,
      '--curriculum 2:1 --cuts 9,10': /each of cuts must be shorter than the one before/,
      '--task memorize --kept 3 --curriculum 2:1': /memorize: length must be/,
      '--length 4096 --copies 64 --batch-size 4096': /takes .* of memory on wasm or more/,
      '--threads 2 --backend cpu': /the backend 'cpu' has no option "threads"/,
    };
    const calls = Object.keys(wrong).map((args) => ['train', ...args.split(' '), '--out', out]);
    for (const [i, ended] of (await together(calls)).entries()) {
      assert.match(refused(ended), Object.values(wrong)[i]);
      assert.not.ok(existsSync(out), calls[i].join(' '));
    }
  }));

test('--cuts, --init, --write-tokens, --clip none and --bptt-depth full are in the configuration', async () => {
  const [cuts, none] = (
    await together(
      [
        '--curriculum 1:1:0.01 --cuts 9,6 --init wide --write-tokens own',
        '--clip none --bptt-depth full',
      ].map((args) => ['train', ...tiny, ...args.split(' '), '--steps', '1', '--json']),
    )
  ).map(({ code, stdout, stderr }) => {
    assert.is(code, 0, stderr);
    return events(stdout)[0].config as RunConfig;
  });
  const { init, writeTokens } = cuts.model.config;
  assert.equal([init, writeTokens], ['wide', 'own']);
  assert.equal(cuts.training.curriculum, { start: 1, by: 1, cuts: [9, 6], at: 0.01 });
  assert.equal([none.training.clip, none.training.bpttDepth], [null, null]);
});

test('--stop-at ends training early', async () => {
  const more = '--stop-at 0.001 --symbols 2 --steps 100 --json'.split(' ');
  const { stdout } = await memgrad(['train', ...tiny, ...more]);
  assert.is(losses(stdout).length, 50, 'the most steps that are judged together');
});

test('plain lines where there is no terminal', async () => {
  const { code, stdout, stderr } = await memgrad(['train', ...tiny, '--steps', '2']);
  assert.is(code, 0, stderr);
  assert.not.ok(stdout.includes('\u001b'));
  assert.match(stdout, 'step 1/2');
  assert.match(stdout, 'Trained for 2 steps');
  assert.match(stdout, 'given answer');
});

test('tasks shows each task with its chance level', async () => {
  const [shown, listed] = await together([['tasks'], ['tasks', '--json', '--seed', '3']]);
  assert.match(shown.stdout, /copy: .*prompt .*answer .*chance +10\.0%/s);
  const [copy] = events(listed.stdout);
  assert.is(copy.name, 'copy');
  assert.is(copy.chance, 0.1);
  assert.is(copy.answer, `${String(copy.prompt).slice(0, -1)}`.repeat(2));
});

test('gradcheck checks the operations that it is given', async () => {
  const [{ code, stdout }, listed] = await together([
    ['gradcheck', 'relu', 'exp'],
    ['gradcheck', 'exp', '--json'],
  ]);
  assert.is(code, 0);
  // relu runs a fused operation, its gradient; exp runs none.
  assert.match(stdout, /relu .* own .* ok .*\n.*relu .* definition .* ok .*\n.*exp .* own .* ok/);
  assert.not.match(stdout, /exp .* definition/);
  assert.match(stdout, 'of 2 operations:');
  const all = events(listed.stdout);
  assert.equal(all.at(-1), { event: 'result', operations: 1, checks: all.length - 1, failed: 0 });
});

test('Ctrl-C ends training after its step, and what was learnt is saved', () =>
  inFolder(async (folder) => {
    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const out = join(folder, signal);
      let sent = false;
      const { code, stdout, stderr } = await memgrad(
        ['train', ...tiny, '--steps', '1000000', '--json', '--out', out],
        (printed, child) => {
          if (!sent && printed.includes('"step":2')) sent = child.kill(signal);
        },
      );
      assert.is(code, expected);
      assert.is(stderr, `memgrad: stopped by ${signal}\n`);
      const trained = events(stdout).find(({ event }) => event === 'trained');
      assert.is(trained?.interrupted, true);
      assert.match((await readdir(out)).join(), `step-${trained?.step}`);
      const [evaluation] = events(
        (await memgrad(['eval', out, '--samples', '2', '--json'])).stdout,
      );
      assert.is(evaluation.step, trained?.step);
    }
  }));

test('a reader that leaves early is no error', async () => {
  const { code, stderr } = await memgrad(
    ['train', ...tiny, '--steps', '1000000', '--json'],
    (_, child) => child.stdout?.destroy(),
  );
  assert.is(code, 0);
  assert.is(stderr, '');
});

/** Calls that the parser refuses, before a command begins. */
const misspelt: [args: string, message: RegExp][] = [
  ['train --lenght 3', /unknown option '--lenght' \(Did you mean --length\?\)/],
  ...Object.entries({
    lr: 'learning-rate',
    'lr=0.1': 'learning-rate',
    learning_rate: 'learning-rate',
    epochs: 'steps',
    batch: 'batch-size',
    bs: 'batch-size',
    wd: 'weight-decay',
    hidden: 'd-model',
    'num-layers': 'layers',
    'n-heads': 'heads',
    'seq-len': 'segment-length',
    gpu: 'backend',
    device: 'backend',
    output: 'out',
    save: 'out',
    optim: 'optimizer',
    warmup: 'warm-up',
  }).map(([name, meant]): [string, RegExp] => [
    `train --${name}`,
    new RegExp(`unknown option '--${name}' \\(Did you mean --${meant}\\?\\)`),
  ]),
  ['train --frobnicate', /unknown option '--frobnicate'$/m],
  ['train --toString 1', /unknown option '--toString'$/m],
  ['eval runs/x --gpu', /unknown option '--gpu' \(Did you mean --backend\?\)/],
  ['eval runs/x --lr 1', /unknown option '--lr'$/m],
  ['train spare', /too many arguments for 'train'/],
  ['train --model lstm', /--model.*'lstm'.*transformer, transformer-xl, rmt/],
  ['train --task paste', /--task.*'paste'.*copy/],
  ['train --backend abacus', /--backend.*'abacus'.*cpu/],
  ['train --threads 0', /--threads.*'0'.*whole number from 1 to 64, or auto/],
  ['train --threads all', /--threads.*'all'/],
  ['train --preset slow', /--preset.*'slow'.*fast, paper/],
  ['train --length', /--length.*argument missing/],
  ['train --length NaN', /--length.*'NaN'.*whole number from 1 to 4096/],
  ['train --length 0', /--length.*'0'/],
  ['train --length -3', /--length.*'-3'/],
  ['train --length 2.5', /--length.*'2.5'/],
  ['train --length 0x10', /--length.*'0x10'/],
  ['train --length 1e9', /--length.*'1e9'/],
  ['train --steps Infinity', /--steps.*'Infinity'/],
  ['train --d-model 1000000000', /--d-model.*16384/],
  ['train --learning-rate NaN', /--learning-rate.*'NaN'.*above 0/],
  ['train --learning-rate 0', /--learning-rate.*'0'/],
  ['train --learning-rate 1000', /--learning-rate.*'1000'.*below 1000/],
  ['train --dropout 1', /--dropout.*'1'.*less than 1/],
  ['train --betas 0.9', /--betas.*'0.9'.*two numbers/],
  ['train --betas 0.9,1', /--betas.*'0.9,1'/],
  ['train --clip -1', /--clip.*'-1'.*or none/],
  ['train --bptt-depth half', /--bptt-depth.*'half'.*or full/],
  ['train --stop-at 1.5', /--stop-at.*'1.5'/],
  ['train --curriculum 8', /--curriculum.*'8'.*START:BY/],
  ['train --curriculum 8:8:2', /--curriculum.*'8:8:2'/],
  ['train --task retrieval --queries some', /--queries.*'some'.*all, one/],
  ['train --curriculum 8:8 --cuts 12,', /--cuts.*'12,'.*whole number from 1/],
  ['train --init none', /--init.*'none'.*narrow, wide/],
  ['train --write-tokens no', /--write-tokens.*'no'.*carried, own/],
  ['train --seed -1', /--seed.*'-1'/],
  ['train --seed 9007199254740992', /--seed.*'9007199254740992'/],
  ['train --non-finite ignore', /--non-finite.*'ignore'.*stop, skip/],
  ['sample . --top-p 0', /--top-p.*'0'/],
  ['eval', /missing required argument 'folder'/],
  ['eval . --samples 0', /--samples.*'0'/],
  ['gradcheck relu --backend gpu', /--backend.*'gpu'/],
  ['tasks --seed x', /--seed.*'x'/],
];
test('the parser refuses them', async () => {
  await refusedTogether(misspelt.map(([args, message]) => [args.split(' '), message]));
});

/** Calls that a command refuses once it has begun. */
const badCalls: [args: string, message: RegExp][] = [
  ['train --d-model 16384 --d-inner 16384 --layers 128', /parameters or more/],
  ['train --d-head 3', /dHead.*even/],
  ['train --cuts 12', /--cuts 12 needs a curriculum/],
  ['train --out /dev/null', /a file of that name is in the way/],
  ['train --out /proc/run', /Cannot make the folder/],
  ['train --resume /no/such/folder', /config.json': there is no such file or folder/],
  ['train --resume runs/x --length 3', /--resume determines what --length sets/],
  ['train --resume runs/x --no-nesterov', /--resume determines what --no-nesterov sets/],
  ['train --resume runs/x --out y', /--resume determines what --out sets/],
  ['train --config c.json --model rmt', /--config determines what --model sets/],
  ['train --config package.json', /package.json has the field "name", which is not known/],
  ['train --config /dev/zero', /it is not a file; name a configuration/],
  ['inspect package.json', /safetensors file claims a header of/],
  ['inspect .', /it is not a file; name a safetensors file/],
  ['sample /no/such/folder', /There is no run in '\/no\/such\/folder'; name a folder that/],
  ['eval /no/such/folder', /There is no run in '\/no\/such\/folder'; name a folder that/],
  ['report package.json', /There is no run in 'package.json'/],
  ['gradcheck fold', /there is no operation "fold"/],
];
test('the commands refuse them', async () => {
  await refusedTogether(badCalls.map(([args, message]) => [args.split(' '), message]));
});

/** One of each kind: nothing that has begun may keep the process from its end. */
const ending: [args: string, message: RegExp][] = [
  ['trian', /unknown command 'trian' \(Did you mean train\?\)/],
  ['demo --steps 3', /unknown option '--steps'/],
  ['train --out /dev/null', /a file of that name is in the way/],
  ['inspect .', /it is not a file; name a safetensors file/],
  ['sample /no/such/folder', /There is no run in/],
  ['gradcheck fold', /there is no operation "fold"/],
];
for (const [args, message] of ending) {
  test(`memgrad ${args}`, async () => {
    assert.match(refused(await memgrad(args.split(' '))), message);
  });
}

test('a damaged run folder', () =>
  inFolder(async (folder) => {
    const out = join(folder, 'run');
    await memgrad(['train', ...tiny, '--steps', '1', '--out', out]);
    const files = {
      config: join(out, 'config.json'),
      model: join(out, 'step-1', 'model.safetensors'),
    };
    const config = await readFile(files.config);
    const model = await readFile(files.model);
    const damage: [file: string, bytes: Uint8Array | string, message: RegExp][] = [
      [files.model, model.subarray(0, model.length - 1), /model.safetensors|safetensors/],
      [files.model, '', /safetensors/],
      [files.config, config.subarray(0, 40), /config.json is not valid JSON/],
      [files.config, '[]', /config.json is a list of 0, but an object/],
      [
        files.config,
        config.toString().replace('"dModel": 8', '"dModel": 1000000000'),
        /config.json: model.config.dModel is 1000000000/,
      ],
    ];
    const calls: string[][] = [];
    for (const [i, [file, bytes]] of damage.entries()) {
      const copy = join(folder, `damaged-${i}`);
      await cp(out, copy, { recursive: true });
      await writeFile(join(copy, relative(out, file)), bytes);
      calls.push(['eval', copy]);
    }
    const ended = await together([...calls, ['eval', out, '--samples', '1']]);
    assert.is(ended.pop()?.code, 0);
    for (const [i, [, , message]] of damage.entries()) assert.match(refused(ended[i]), message);
  }));

test.run();
