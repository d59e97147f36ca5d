/** A text of one's own on the command line: trained, stopped, resumed, evaluated, sampled. */
import { spawn } from 'node:child_process';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MODEL_FILE, TEXT_FILE, textDefaults } from '../../src/runs/index.js';
import { events, inFolder, memgrad, refused, refusedTogether } from './spawn.js';

const test = suite('text on the command line');

const long = process.env.MEMGRAD_LONG ? test : () => {};

const verse = 'one fish, two fish;\nred fish, blüe fish 😀\n'.repeat(20);
const small =
  '--layers 1 --heads 1 --d-model 8 --d-head 4 --d-inner 8 --memory-tokens 2 --segment-length 16 --batch-size 2'.split(
    ' ',
  );

/** Runs `use` in a folder with `verse` in a file. */
function withText(
  use: (file: string, out: string, folder: string) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const file = join(folder, 'verse.txt');
    await writeFile(file, verse);
    await use(file, join(folder, 'run'), folder);
  });
}

/** Starts the command with `input` on its standard input. */
function withInput(args: readonly string[], input: string | Uint8Array) {
  const child = spawn(process.execPath, [resolve('dist/cli/main.js'), ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  child.stdin.end(input);
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((done) => {
    child.on('close', (code) => done({ code, stdout, stderr }));
  });
}

async function ok(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await memgrad(args);
  assert.is(code, 0, stderr);
  return stdout;
}

test('a text is learnt, stopped, resumed to the same bits, evaluated and sampled', () =>
  withText(async (file, out, folder) => {
    const train = ['train', '--text', file, ...small, '--save-every', '2'];
    const whole = join(folder, 'whole');
    const shown = await ok([...train, '--steps', '4', '--out', whole]);
    assert.match(shown, /Training rmt on text \(\d+ bytes, \d+ different tokens\)/);
    assert.match(shown, /Trained for 4 steps in 0:\d\d: loss [\d.]+, [\d.]+ bits per byte\./);
    assert.match(shown, /Held-out text: [\d.]+ bits per byte, over \d+ tokens\./);
    assert.not.match(shown, /NaN|accuracy/);
    assert.is(await readFile(join(whole, TEXT_FILE), 'utf8'), verse);

    await ok([...train, '--steps', '3', '--out', out]);
    await ok(['train', '--resume', out, '--steps', '4']);
    const bits = (run: string) => readFile(join(run, 'step-4', MODEL_FILE));
    assert.equal(await bits(out), await bits(whole));
    const again = join(folder, 'again');
    await ok(['train', '--config', join(whole, 'config.json'), '--out', again]);
    assert.equal(await bits(again), await bits(whole));

    const [evaluated] = events(await ok(['eval', out, '--json']));
    const [little] = events(await ok(['eval', out, '--json', '--samples', '2']));
    assert.is(little.tokens, 2 * 16);
    assert.ok((evaluated.tokens as number) > 2 * 16);
    assert.is(evaluated.step, 4);
    assert.ok((evaluated.bits as number) > 2 && (evaluated.bits as number) < 8);
    assert.match(await ok(['inspect', join(out, 'step-4/carried.safetensors')]), /states\.0/);

    const said = ['sample', out, '--prompt', 'red fish', '--length', '30'];
    const first = await ok(said);
    assert.ok(first.startsWith('red fish'));
    assert.is(await ok(said), first);
    assert.is.not(await ok([...said, '--seed', '1']), first);
    const narrow = await ok([...said, '--top-k', '1']);
    assert.is(await ok([...said, '--temperature', '0']), narrow);
    const [sample] = events(await ok([...said, '--json']));
    assert.is(`${sample.prompt}${sample.sampled}\n`, first);
    // Without a prompt, a passage of the held-out text.
    const passages = events(await ok(['sample', out, '--samples', '2', '--json']));
    assert.is(passages.length, 2);
    for (const { prompt } of passages) assert.ok(verse.includes(String(prompt)));
  }));

test('words and byte pairs, of every model, from standard input', () =>
  inFolder(async (folder) => {
    const models = 'transformer transformer-xl mem-transformer rmt transformer-xl-rmt'.split(' ');
    await Promise.all(
      models.map(async (model, i) => {
        const out = join(folder, model);
        const tokens = i % 2 ? ['words'] : ['pairs', '--vocabulary', '300'];
        const text = `\ufeff${verse}${verse}`;
        const args = ['train', '--text', '-', ...small, '--steps', '2', '--out', out];
        const { code, stdout, stderr } = await withInput(
          [...args, '--segment-length', '8', '--model', model, '--tokens', ...tokens],
          text,
        );
        assert.is(code, 0, stderr);
        assert.match(stdout, /Held-out text: perplexity [\d.]+, over/);
        assert.is(await readFile(join(out, TEXT_FILE), 'utf8'), text.slice(1));
        const said = await ok(['sample', out, '--prompt', 'red fish', '--length', '9']);
        assert.ok(said.startsWith('red fish'), said);
      }),
    );
  }));

test('a sample ends when its reader goes, or on a signal, within no character', () =>
  withText(async (file, out) => {
    await ok(['train', '--text', file, ...small, '--steps', '1', '--out', out]);
    const endless = ['sample', out, '--length', '1000000', '--temperature', '2'];
    const head = await memgrad(endless, (stdout, child) => {
      if (stdout.length > 100) child.stdout?.destroy();
    });
    assert.is(head.code, 0, head.stderr);
    assert.is(head.stderr, '');
    const parts: Buffer[] = [];
    const child = spawn(process.execPath, [resolve('dist/cli/main.js'), ...endless]);
    child.stdout.on('data', (data) => {
      parts.push(data);
      if (Buffer.concat(parts).length > 500) child.kill('SIGINT');
    });
    const signal = await new Promise((done) => {
      child.on('close', (code, name) => done(name ?? code));
    });
    assert.ok(signal === 'SIGINT' || signal === 130, String(signal));
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  }));

test('bad input is refused in a sentence, and nothing is written', () =>
  withText(async (file, out, folder) => {
    const at = (name: string) => join(folder, name);
    await writeFile(at('empty'), '');
    await writeFile(at('mark'), '\ufeff');
    await writeFile(at('short'), 'a few words');
    await writeFile(
      at('binary'),
      Uint8Array.from({ length: 5000 }, (_, i) => (i * 73) % 256),
    );
    await writeFile(at('latin'), Buffer.from('caf\u00e9 '.repeat(900), 'latin1'));
    await writeFile(at('huge'), '');
    await truncate(at('huge'), 2 ** 31); // sparse
    const before = await readdir(folder);
    const bad: [args: string, name: string | undefined, message: RegExp][] = [
      ['', 'missing', /missing': there is no such file/],
      ['', '.', /it is not a file; name a text/],
      ['', 'empty', /The text from '.*empty' is empty/],
      ['', 'mark', /is empty/],
      ['', 'huge', /at most 2 GiB|2147483648/],
      ['', 'short', /The text is too short|part has \d tokens/],
      ['--batch-size 99', 'verse.txt', /The text is too short: .* 99 paral/],
      ['--tokens words', 'binary', /has a zero byte at 0, so it has no words/],
      ['--tokens pairs', 'latin', /is not UTF-8 after byte 0, so it has no b/],
      ['--model lstm', 'verse.txt', /--model.*lstm/],
      ['--tokens chars', 'verse.txt', /--tokens.*chars/],
      ['--vocabulary 9', 'verse.txt', /--vocabulary is for words and byte/],
      ['--tokens words --end-of-text text', 'verse.txt', /for byte pairs/],
      ['--stop-at 0.9', 'verse.txt', /--stop-at is for the tasks/],
      ['--task copy', 'verse.txt', /--task is for the tasks of memgrad/],
      ['--bptt-depth full', 'verse.txt', /bpttDepth is null, but a whole/],
      ['--tokens words', undefined, /--tokens is for a text of your own.*--text FILE/],
    ];
    const call = (args: string, name?: string) => [
      ...['train', ...(name === undefined ? [] : ['--text', at(name)]), '--out', out],
      ...args.split(' ').filter(Boolean),
    ];
    await refusedTogether([
      ...bad.map(([args, name, message]) => [call(args, name), message] as const),
      [['train', '--resume', out, '--text', file], /--resume det/],
    ]);
    assert.equal(await readdir(folder), before);
    assert.match(refused(await withInput(['train', '--text', '-'], '')), /standard input is empty/);
  }));

long('a file of more than 512 MB, the longest string, is read as bytes', () =>
  withText(async (file, out) => {
    await truncate(file, 2 ** 29 + 2 ** 20); // sparse: zeros after the verse
    const sizes = [...small, '--segment-length', '256', '--samples', '4'];
    const shown = await ok(['train', '--text', file, ...sizes, '--steps', '1', '--out', out]);
    assert.match(shown, /Training rmt on text \(537,919,488 bytes, /);
  }),
);

test('prompts that cannot be continued are refused', () =>
  withText(async (file, out, folder) => {
    await ok(['train', '--text', file, ...small, '--steps', '1', '--out', out]);
    const words = join(folder, 'words');
    const inWords = ['--tokens', 'words', '--segment-length', '4', '--out', words];
    await ok(['train', '--text', file, ...small, '--steps', '1', ...inWords]);
    const copy = join(folder, 'copy');
    await ok(['train', ...small, '--steps', '1', '--samples', '1', '--out', copy]);
    await refusedTogether([
      [['sample', out, '--prompt', 'fiSh'], /has the character "S", which the vocab/],
      [['sample', words, '--prompt', 'red cat'], /has the word "cat", which the vocab/],
      [['sample', out, '--prompt', ''], /The prompt must be a text/],
      [['sample', copy, '--prompt', '1'], /--prompt is for runs on a text.*'copy'/],
      [['sample', copy, '--length', '1'], /--length is for runs on a text/],
    ]);
    await writeFile(join(out, TEXT_FILE), verse.replace('one', 'two'));
    const other = /The text has the SHA-256/;
    await refusedTogether([
      [['sample', out], other],
      [['eval', out], other],
      [['train', '--resume', out], other],
    ]);
    await rm(join(out, TEXT_FILE)); // a prompt needs the tokenizer only
    assert.ok((await ok(['sample', out, '--prompt', 'red', '--length', '3'])).startsWith('red'));
    const missing = refused(await memgrad(['sample', out]));
    assert.match(missing, /The run has no 'text\.txt'.*memgrad sample --prompt/);
    const page = join(folder, 'report.html');
    await ok(['report', out, '--samples', '0', '--out', page]);
    assert.match(await readFile(page, 'utf8'), /"step":1/);
    const model = join(out, 'step-1', MODEL_FILE);
    const bytes = await readFile(model);
    await writeFile(model, bytes.fill(0xff, 8 + Number(bytes.readBigUInt64LE()))); // NaN
    const broken = await memgrad(['sample', out, '--prompt', 'red']);
    assert.match(broken.stderr, /^error: sample: the largest of \d+ logits is NaN/);
    assert.is(broken.stdout, 'red\n', 'the error begins on a line of its own');
  }));

test('the help has examples of texts', async () => {
  const help = await ok(['train', '--help']);
  assert.match(help, /memgrad train --text book\.txt --out runs\/book/);
  const { model, training } = textDefaults;
  assert.match(help, new RegExp(`With --text, other defaults: --d-model ${model.dModel},`));
  assert.match(help.replace(/\s+/g, ' '), new RegExp(`--bptt-depth ${training.bpttDepth}\\.`));
  assert.match(await ok(['sample', '--help']), /memgrad sample runs\/book --prompt "Call me"/);
});

test.run();
