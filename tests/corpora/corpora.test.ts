/** Corpora: made-up ones in the formats that the real ones are published in. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytePairs } from '../../src/corpora/bpe.js';
import { hyperpartisan, speeches } from '../../src/corpora/documents.js';
import { type PackageFiles, sumOf } from '../../src/corpora/files.js';
import { plainText } from '../../src/corpora/markup.js';
import { dictionary, enwik8, mobyDick, treasury, wikitext103 } from '../../src/corpora/texts.js';
import { MemgradError } from '../../src/errors.js';
import type { TextParts } from '../../src/tasks/index.js';
import { inFolder } from '../cli/spawn.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const whole = ({ train, validation, test }: TextParts) =>
  new TextDecoder().decode(Buffer.concat([train, validation, test]));

/** Writes a made-up package and describes it. */
async function makePackage(
  folder: string,
  contents: Record<string, string | Uint8Array>,
  names: PackageFiles['names'] = Object.keys(contents),
): Promise<PackageFiles> {
  const files = Object.entries(contents).map(([name, content]) => ({
    name,
    bytes: typeof content === 'string' ? bytes(content) : content,
  }));
  for (const { name, bytes } of files) await writeFile(join(folder, name), bytes);
  return { corpus: 'made-up', folder, names, sha256: sumOf(files), install: 'get made-up' };
}

async function refused(call: () => Promise<unknown>, message: RegExp): Promise<void> {
  const error = await call().then(
    () => assert.unreachable('expected to be refused'),
    (error: unknown) => error,
  );
  assert.instance(error, MemgradError);
  assert.match((error as Error).message, message);
}

test('chapters in the order of their numbers, whatever else lies beside them', () =>
  inFolder(async (folder) => {
    const chapters = { 'chapter_2.txt': 'two ', 'chapter_10.txt': 'ten' };
    const files = await makePackage(folder, chapters, /^chapter_\d+\.txt$/);
    await writeFile(join(folder, 'data.txt'), 'all of it');
    assert.is(whole(await mobyDick(files)), 'two ten');
  }));

test('a dictionary that is gzipped', () =>
  inFolder(async (folder) => {
    const text = 'Largo \\Lar"go\\, a. & adv. '.repeat(20);
    const files = await makePackage(folder, { 'made-up.dict.dz': gzipSync(text) });
    const parts = await dictionary(files);
    assert.is(whole(parts), text);
    assert.is(parts.test.length, Math.round(text.length * 0.05));
  }));

test('a book of compressed blocks', () =>
  inFolder(async (folder) => {
    const texts = ['<div sID="a"/>Blessed &amp; <hi>glad</hi><div eID="a"/>', 'is the man.'];
    const blocks = texts.map((text) => deflateSync(text));
    const index = new Uint8Array(36); // the second of three blocks is empty
    const view = new DataView(index.buffer);
    const entry = (at: number, ...values: number[]) => {
      values.forEach((value, i) => {
        view.setUint32(12 * at + 4 * i, value, true);
      });
    };
    entry(0, 0, blocks[0].length, texts[0].length);
    entry(2, blocks[0].length, blocks[1].length, texts[1].length);
    const contents = { 'ot.czs': index, 'ot.czz': Buffer.concat(blocks) };
    assert.is(
      whole(await treasury(await makePackage(folder, contents))),
      'Blessed & glad\nis the man.',
    );
    entry(2, blocks[0].length, blocks[1].length, 5);
    const wrong = await makePackage(folder, { ...contents, 'ot.czs': index });
    await refused(() => treasury(wrong), /Block 2 .* has 11 bytes, but its index says 5/);
  }));

test('speeches by party: no president is in two parts', () =>
  inFolder(async (folder) => {
    const contents: Record<string, string> = { '1800_john_adams_f.txt': 'too early' };
    for (let i = 0; i < 40; i++) {
      const [party, president] = [i % 2 === 0 ? 'd' : 'r', `name_${Math.floor(i / 4)}_${i % 2}`];
      contents[`${1860 + i}_${president}_${party}.txt`] = `${party} ${president}`;
    }
    contents['1910_no_party_nu.txt'] = 'neither';
    const files = await makePackage(folder, contents, /^\d{4}_.*\.txt$/);
    const drawn = await Promise.all([0, 0, 1].map((seed) => speeches(seed, files)));
    for (const { documents, classes } of drawn) {
      assert.equal(classes, ['Democratic', 'Republican']);
      assert.is(documents.length, 40);
      const parts = new Map<string, string>();
      for (const { text, class: kind, part } of documents) {
        const [party, president] = new TextDecoder().decode(text).split(' ');
        assert.is(kind, party === 'd' ? 0 : 1);
        assert.is(parts.get(president) ?? part, part);
        parts.set(president, part);
      }
      const count = (wanted: string) =>
        [...parts.values()].filter((part) => part === wanted).length;
      assert.equal([count('test'), count('validation'), count('train')], [4, 2, 14]);
    }
    assert.equal(drawn[0], drawn[1]);
    assert.not.equal(drawn[0], drawn[2]);
  }));

test('Hyperpartisan news by its published files', () =>
  inFolder(async (folder) => {
    const ids = Array.from({ length: 20 }, (_, i) => String(i).padStart(7, '0'));
    const articles = ids.map(
      (id) =>
        `<article id="${id}" published-at="2018-01-01" title="Title &quot;${id}&quot;"><p>One &amp; two.</p>\n<p>Three <a href="x">links</a>.</p></article>`,
    );
    const labels = ids.map(
      (id, i) =>
        `<article hyperpartisan="${i % 4 === 0}" id="${id}" labeled-by="article" url="http://a.b"/>`,
    );
    const write = (name: string, lines: string[]) =>
      writeFile(
        join(folder, `${name}-training-byarticle-20181122.xml`),
        `<?xml version="1.0"?><articles>\n${lines.join('\n')}\n</articles>`,
      );
    await write('articles', articles);
    await write('ground-truth', labels);
    const { documents, classes } = await hyperpartisan(folder, 3);
    assert.equal(classes, ['mainstream', 'hyperpartisan']);
    const parts = documents.map(({ part }) => part);
    assert.equal(
      ['train', 'validation', 'test'].map((part) => parts.filter((p) => p === part).length),
      [16, 2, 2],
    );
    assert.is(documents.filter((document) => document.class === 1).length, 5);
    for (const { text, class: kind } of documents) {
      const [title, ...body] = new TextDecoder().decode(text).split('\n');
      assert.is(Number(/Title "(\d+)"/.exec(title)?.[1]) % 4 === 0, kind === 1);
      assert.equal(body, ['One & two.', 'Three links .']);
    }
    await write('ground-truth', labels.slice(1));
    await refused(() => hyperpartisan(folder, 3), /an article '0000000' for which .* no label/);
  }));

test('WikiText-103 and enwik8 by their published files', () =>
  inFolder(async (folder) => {
    const parts = { train: 'wiki.train.tokens', validation: 'wiki.valid.tokens' };
    for (const [part, name] of Object.entries(parts)) await writeFile(join(folder, name), part);
    await refused(
      () => wikitext103(folder),
      /wiki\.test\.tokens'; the corpus 'wikitext-103' needs a folder with wiki\.train\.tokens/,
    );
    await writeFile(join(folder, 'wiki.test.tokens'), 'test');
    assert.is(whole(await wikitext103(folder)), 'trainvalidationtest');
    await mkdir(join(folder, 'other'));
    await refused(() => enwik8(join(folder, 'other')), /needs a folder with enwik8, as published/);
    await writeFile(join(folder, 'enwik8'), 'x'.repeat(100));
    assert.is((await enwik8(folder)).train.length, 90);
  }));

test('what is missing or changed is said in a sentence with the install command', () =>
  inFolder(async (folder) => {
    const files = await makePackage(folder, { 'chapter_1.txt': 'Call me Ishmael.' });
    await refused(
      () => mobyDick({ ...files, folder: join(folder, 'no') }),
      /^The corpus 'made-up' is not installed; install it: get made-up$/,
    );
    await refused(
      () => mobyDick({ ...files, folder: { npm: '@no/such-package', path: 'data' } }),
      /is not installed; install it: get made-up$/,
    );
    await writeFile(join(folder, 'chapter_1.txt'), 'Call me Ahab.');
    await refused(
      () => mobyDick(files),
      /have the SHA-256 [0-9a-f]{64}, but .* install them again/,
    );
  }));

test('text without tags', () => {
  assert.is(
    plainText(' <b>a</b>  b&#33;&#x21; &nope; &lt;p&gt;\n\n <br/>c '),
    'a b!! &nope; <p>\nc',
  );
  assert.is(plainText('&#99999999;'), '&#99999999;');
});

test('byte pairs, there and back', async () => {
  const tokenizer = await bytePairs();
  assert.is(tokenizer.vocabulary, 50257);
  const tokens = tokenizer.encode(bytes('hello world'));
  assert.equal([...tokens], [31373, 995]); // as GPT-2 has them
  assert.is(tokenizer.decode(tokens), 'hello world');
  await refused(() => bytePairs('no-such-library'), /install it: npm install gpt-tokenizer@4/);
});

test.run();
