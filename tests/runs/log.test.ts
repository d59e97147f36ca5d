/** A log that is lost, cut, damaged or large never locks a run. */
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { METRICS_FILE, readMetrics, TrainingRun } from '../../src/runs/index.js';
import { FolderStorage } from '../../src/runs/node/folder-storage.js';
import {
  configOf,
  contents,
  failure,
  inFolder,
  MemoryStorage,
  savedRun,
  train,
  withoutSpeed,
} from './helpers.js';

const test = suite('log');
const config = configOf('rmt', { steps: 8, saveEvery: 4, curriculum: null });

const damages: [what: string, change: (text: string) => string | undefined, lost: number][] = [
  ['missing', () => undefined, 4],
  ['empty', () => '', 4],
  ['cut in its last line', (text) => text.slice(0, -2), 1],
  ['cut in its first line', (text) => text.slice(0, 40), 4],
  ['with a bad line', (text) => text.replace('"step":2', '"step":"2"'), 1],
  ['with a line twice', (text) => text.replace(/(.*\n)(.*\n)/, '$1$1$2'), 0],
  ['with lines in another order', (text) => text.replace(/(.*\n)(.*\n)/, '$2$1'), 1],
  ['with a line that is no JSON', (text) => text.replace('{', '['), 1],
  ['with zeros of a crash', (text) => `${text}${'\0'.repeat(5000)}`, 0],
  ['that is another file', () => 'hello\nworld\n', 4],
  ['with Windows line ends', (text) => text.replaceAll('\n', '\r\n'), 0],
];
for (const [what, change, lost] of damages) {
  test(`a run whose log is ${what} goes on to the same parameters, and says once what is lost`, async () => {
    const whole = contents(await savedRun(config), 8);
    const storage = new MemoryStorage();
    const first = await TrainingRun.start(config, { storage });
    await train(first, 4);
    first.dispose();
    const text = change(new TextDecoder().decode(storage.files.get(METRICS_FILE)));
    if (text === undefined) storage.files.delete(METRICS_FILE);
    else storage.files.set(METRICS_FILE, new TextEncoder().encode(text));

    const run = await TrainingRun.resume(storage);
    assert.is(run.step, 4);
    assert.is(run.notes.length, lost > 0 ? 1 : 0, run.notes.join());
    if (lost > 0) assert.match(run.notes[0], `lacks ${lost} of the last 4 steps`);
    await train(run);
    run.dispose();
    const { model, optimizer, metrics } = contents(storage, 8);
    assert.equal([model, optimizer], [whole.model, whole.optimizer]);
    assert.ok(metrics.endsWith(whole.metrics.split('\n').slice(4).join('\n')), 'the rest is there');
  });
}

test('a log that is cut while the run trains costs its lines and nothing else', () =>
  inFolder(async (folder) => {
    const run = await TrainingRun.start(config, { storage: new FolderStorage(folder) });
    await train(run, 4);
    await truncate(join(folder, METRICS_FILE), 10);
    await train(run);
    assert.match(run.notes.join(), /was truncated while the run trained/);
    assert.is(run.step, 8);
    run.dispose();
    const lines = (await readFile(join(folder, METRICS_FILE), 'utf8')).trim().split('\n');
    assert.equal(
      lines.map((line) => JSON.parse(line).step),
      [5, 6, 7, 8],
    );
    const again = await TrainingRun.resume(new FolderStorage(folder));
    assert.is(again.step, 8);
    again.dispose();
  }));

test('what is in the place of the log, but no file, is refused at once with a way out', () =>
  inFolder(async (folder) => {
    const first = await TrainingRun.start(config, { storage: new FolderStorage(folder) });
    await train(first, 4);
    first.dispose();
    const path = join(folder, METRICS_FILE);
    await rm(path);
    const ways: [string, () => unknown][] = [
      ['a link that leads nowhere', () => symlink('nowhere', path)],
      ['a link into no folder', () => symlink('/no/such/folder/log', path)],
      ['a link to itself', () => symlink(METRICS_FILE, path)],
      ['an endless device', () => symlink('/dev/zero', path)],
      ['an empty folder', () => mkdir(path)],
      ['a folder', async () => writeFile(join(await mkdir(path).then(() => path), 'x'), '')],
      ['a pipe', () => execFileSync('mkfifo', [path])],
    ];
    for (const [what, make] of ways) {
      await make();
      const before = await readdir(folder, { recursive: true });
      const message = await failure(TrainingRun.resume(new FolderStorage(folder)));
      assert.match(message, /^Cannot \w+ '[^']*metrics\.jsonl': it is /, what);
      assert.match(message, /To go on without metrics.jsonl, move it away/, what);
      assert.equal(await readdir(folder, { recursive: true }), before, what);
      await rm(path, { recursive: true });
    }
    const run = await TrainingRun.resume(new FolderStorage(folder));
    assert.equal([run.step, run.notes.length], [4, 1]);
    run.dispose();
  }));

test('a log of more than 2 GiB is read from its end', () =>
  inFolder(async (folder) => {
    const path = join(folder, METRICS_FILE);
    const first = await TrainingRun.start(config, { storage: new FolderStorage(folder) });
    await train(first, 4);
    first.dispose();
    const lines = await readFile(path);
    await rm(path);
    const file = await open(path, 'w'); // a hole of 2.5 GiB takes no room on the disk
    await file.truncate(2.5 * 2 ** 30);
    await file.close();
    await appendFile(path, '\n');
    const { size } = await stat(path);
    await appendFile(path, lines);
    // Behind them what a crash left: lines of steps that were not saved, and half a one.
    await appendFile(
      path,
      lines
        .toString()
        .replaceAll(/"step":(\d)/g, '"step":1$1')
        .repeat(2000),
    );
    await appendFile(path, '{"step":');

    const run = await TrainingRun.resume(new FolderStorage(folder));
    assert.equal([run.step, run.notes], [4, []]);
    assert.is((await stat(path)).size, size + lines.length);
    await train(run);
    run.dispose();
    const end = await new FolderStorage(folder).readPart(
      METRICS_FILE,
      size,
      (await stat(path)).size,
    );
    const whole = contents(await savedRun(config), 8);
    assert.is(withoutSpeed(end), whole.metrics);
  }));

test('a log is read in blocks as it is whole, wherever the borders fall', () =>
  inFolder(async (folder) => {
    const storage = await savedRun(config);
    const bytes = storage.files.get(METRICS_FILE) as Uint8Array;
    const long = '{'.padEnd(700_000, ' ');
    const text = new TextDecoder().decode(bytes);
    // Lines that cannot be read move what can be over the borders of blocks.
    for (let shift = 0; shift < 3000; shift += 500) {
      const shifted = text.replaceAll('\n', `\n${long.slice(0, 300_000 + shift)}\n`);
      await writeFile(join(folder, METRICS_FILE), shifted);
      const { readLog } = await import('../../src/runs/metrics.js');
      const expected = readMetrics(new TextEncoder().encode(shifted), 7, 5);
      assert.equal(await readLog(new FolderStorage(folder), 7, 5), expected);
      assert.equal(
        expected.last.map(({ step }) => step),
        [3, 4, 5, 6, 7],
      );
      assert.is(expected.lost, 0);
    }
  }));

test('a run that lost all its checkpoints is refused, not begun again', async () => {
  const storage = await savedRun(config);
  for (const name of storage.files.keys()) if (name.startsWith('step-')) storage.files.delete(name);
  const before = new Map(storage.files);
  assert.match(
    await failure(TrainingRun.resume(storage)),
    /metrics.jsonl has 8 steps, but the run has no checkpoint any more/,
  );
  assert.equal(storage.files, before);
  const run = await TrainingRun.resume(storage, { from: 0 });
  await train(run);
  run.dispose();
  assert.equal(contents(storage, 8), contents(await savedRun(config), 8));
});

test.run();
