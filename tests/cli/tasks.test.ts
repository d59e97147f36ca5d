/** The tasks on the command line. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { taskNames } from '../../src/tasks/index.js';
import { events, inFolder, memgrad, refused } from './spawn.js';

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

for (const name of taskNames) {
  test(`memgrad train --task ${name}, then eval, strictly and as the reference`, () =>
    inFolder(async (folder) => {
      const out = join(folder, 'run');
      const trained = await memgrad([
        ...['train', '--task', name, '--out', out, '--json'],
        ...small,
        ...short,
      ]);
      assert.is(trained.code, 0, trained.stderr);
      const { config } = events(trained.stdout)[0] as { config: { task: object } };
      assert.equal(config.task, { name, options: options[name] });
      for (const more of [[], ['--like-reference']]) {
        const { code, stdout, stderr } = await memgrad(['eval', out, '--samples', '2', ...more]);
        assert.is(code, 0, stderr);
        assert.match(stdout, /Guessing\s+gets/);
      }
    }));
}

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

const badCalls: [args: string, message: RegExp][] = [
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
for (const [args, message] of badCalls) {
  test(`memgrad ${args}`, async () => {
    assert.match(refused(await memgrad(args.split(' '))), message);
  });
}

test.run();
