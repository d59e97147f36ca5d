/** The tasks on the command line. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { taskNames } from '../../src/tasks/index.js';
import { events, inFolder, memgrad, refusedTogether, together } from './spawn.js';

const small = '--layers 1 --heads 1 --d-model 8 --d-head 4 --d-inner 8 --memory-tokens 2'.split(
  ' ',
);
const short = '--steps 2 --batch-size 2 --samples 2 --segment-length 6'.split(' ');
const options = {
  copy: { length: 24, symbols: 10, copies: 2 },
  reverse: { length: 24, symbols: 10 },
  retrieval: { pairs: 4 },
  quadratic: { range: 100 },
  memorize: { length: 64, kept: 8, symbols: 10 },
};

test('every task trains, then eval, strictly and as the reference', () =>
  inFolder(async (folder) => {
    const all = await together(
      taskNames.flatMap((name) => {
        const out = join(folder, name);
        const evaluate = ['eval', out, '--samples', '2'];
        return [
          ['train', '--task', name, '--out', out, '--json', ...small, ...short],
          evaluate,
          [...evaluate, '--like-reference'],
        ];
      }),
    );
    for (const { code, stderr } of all) assert.is(code, 0, stderr);
    for (const [i, name] of taskNames.entries()) {
      const [trained, ...evaluated] = all.slice(3 * i, 3 * i + 3);
      const { config } = events(trained.stdout)[0] as { config: { task: object } };
      assert.equal(config.task, { name, options: options[name] });
      for (const { stdout } of evaluated) assert.match(stdout, /Guessing\s+gets/, name);
    }
  }));

test('tasks lists every one, with its metric', async () => {
  const listed = events((await memgrad(['tasks', '--json'])).stdout);
  assert.equal(
    listed.map(({ name, metric }) => [name, metric]),
    [
      ['copy', 'tokens'],
      ['reverse', 'tokens'],
      ['retrieval', 'tokens'],
      ['quadratic', 'answers'],
      ['memorize', 'tokens'],
    ],
  );
});

const bad: [args: string, message: RegExp][] = [
  [
    'train --task reverse --copies 2',
    /--copies is for copy, but the task is reverse; leave it out/,
  ],
  [
    'train --task retrieval --length 3',
    /--length is for copy, reverse, memorize, but the task is retrieval/,
  ],
  ['train --queries one', /--queries is for retrieval, but the task is copy/],
  ['train --task retrieval --pairs 27', /--pairs.*'27'.*from 1 to 26/],
  [
    'train --task memorize --length 4 --kept 5',
    /memorize: length must be a whole number from 5 to \d+, got 4/,
  ],
  ['train --task quadratic --range 1', /--range.*'1'.*from 2 to 100/],
];
test('options that a task has not, or whose values are wrong, are refused', async () => {
  await refusedTogether(bad.map(([args, message]) => [args.split(' '), message]));
});

test.run();
