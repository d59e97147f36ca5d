/** Corpora: made-up ones in the formats that the real ones are published in. */
import { mkdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hyperpartisan, speeches } from '../../experiments/corpora/documents.js';
import { type PackageFiles, readBytes, sumOf } from '../../experiments/corpora/files.js';
import { plainText } from '../../experiments/corpora/markup.js';
import {
  dictionary,
  enwik8,
  mobyDick,
  treasury,
  wikitext103,
} from '../../experiments/corpora/texts.js';
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
    const plain = await makePackage(folder, { 'made-up.dict.dz': text });
    await refused(() => dictionary(plain), /can't be decompressed \(.+\)/);
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
    await refused(() => hyperpartisan(folder, 3), /an article "0000000" for which .* no label/);
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

test('Hyperpartisan news that is damaged or hostile: a sentence, in a moment', () =>
  inFolder(async (folder) => {
    const write = (name: string, text: string | Uint8Array) =>
      writeFile(join(folder, `${name}-training-byarticle-20181122.xml`), text);
    const label = '<article id="1" hyperpartisan="true"/>';
    const other = '<article id="2" hyperpartisan="false"/>';
    const size = 5e6;
    const cases: [articles: string, labels: string, message: RegExp | string][] = [
      ['<article id="1">'.repeat(size / 16), label, /"1" does not end/],
      [`${'<article id="1">'.repeat(1000)}a</article>`, label, 'a'],
      ['<article '.repeat(size / 9), label, /tag <article at byte 0 that does not end/],
      ['<article id="1>'.repeat(size / 15), label, /no label/],
      [`<article ${'a'.repeat(size)}>`, label, /does not end/],
      ['<article id="1">cut off', label, /"1" does not end/],
      ['<article title="no id">a</article>', label, /article nothing for which/],
      ['<article id="1">a</article>', '<article id="1"/>', /label nothing, expected "true" or/],
      ['<article id="1">a</article>', '<article hyperpartisan="true"/>', /article nothing has/],
      ['<article id="1">a</article>', '<article '.repeat(size / 9), /does not end/],
      [`<article id="1">${'<br'.repeat(1e6)}</article>`, label, '<br'.repeat(1e6)],
      [`<article id="1">${'<div '.repeat(5e5)}>b</article>`, label, 'b'],
      [`<article id="1">${'<'.repeat(3e6)}</article>`, label, '<'.repeat(3e6)],
      [`<article id="1">${'&'.repeat(3e6)}</article>`, label, '&'.repeat(3e6)],
      [`<article id="1">&${'a'.repeat(3e6)}</article>`, label, `&${'a'.repeat(3e6)}`],
      [`<article id="1">&#${'9'.repeat(3e6)};</article>`, label, `&#${'9'.repeat(3e6)};`],
      [`<article id="1">${' \n'.repeat(1e6)}b</article>`, label, 'b'],
      ['<article data-id="2" title="a > b" id="1">c</article>', label, 'a > b\nc'],
      ['<article title="x id=" id="1">c</article>', label, 'x id=\nc'],
      ['<article id="1" title="d"/><article id="2">c</article>', `${label}${other}`, 'd\n'],
      ['<article id="1">a</article><article id="1">c</article>', label, /"1" appears twice/],
      ['<articles></articles>', label, /has no articles/],
      ['a'.repeat(2 ** 24 + 1), label, /has 16777217 bytes, expected at most 16777216/],
      ['<article id="1">a</article>', 'a'.repeat(2 ** 24 + 1), /^ground.* has 16777217 bytes/],
      ['<articles><article-list/><article id="1">c</article></articles>', label, '\nc'],
    ];
    for (const [articles, labels, expected] of cases) {
      await write('articles', articles);
      await write('ground-truth', labels);
      const cpu = process.cpuUsage();
      if (expected instanceof RegExp) {
        await refused(() => hyperpartisan(folder, 1), expected);
      } else {
        const { documents } = await hyperpartisan(folder, 1);
        const { text: bytes } = documents.find((document) => document.class === 1) ?? documents[0];
        const text = new TextDecoder().decode(bytes);
        assert.ok(text === expected || text === `\n${expected}`, text.slice(0, 80));
      }
      const { user, system } = process.cpuUsage(cpu);
      const what = `${articles.slice(0, 60)}: ${(user + system) / 1e6} s`;
      assert.ok(user + system < 3e6, what); // quadratic: minutes
    }
  }));

test('files are read in parts, and what is no file is refused', () =>
  inFolder(async (folder) => {
    const content = Buffer.from('abcdefghij'.repeat(10));
    await writeFile(join(folder, 'file'), content);
    for (const atOnce of [1, 7, 100, 1000]) {
      assert.equal(await readBytes(join(folder, 'file'), atOnce), content);
    }
    await writeFile(join(folder, 'empty'), '');
    assert.is((await readBytes(join(folder, 'empty'))).length, 0);
    await mkdir(join(folder, 'enwik8'));
    await refused(() => enwik8(folder), /enwik8': it is not a file; the corpus 'enwik8' needs/);
  }));

if (process.env.MEMGRAD_LONG) {
  test('a file of more than 2 GiB', () =>
    inFolder(async (folder) => {
      await writeFile(join(folder, 'enwik8'), '');
      await truncate(join(folder, 'enwik8'), 2 ** 31 + 10); // zeros, which take no place
      assert.is((await enwik8(folder)).train.length, Math.round(0.9 * (2 ** 31 + 10)));
      await truncate(join(folder, 'enwik8'), 2 ** 43);
      await refused(() => enwik8(folder), /memory has no room for its 8796093022208 bytes/);
    }));
}

test('text without tags', () => {
  assert.is(
    plainText(' <b>a</b>  b&#33;&#x21; &nope; &lt;p&gt;\n\n <br/>c '),
    'a b!! &nope; <p>\nc',
  );
  // what stands for no character stays as it is
  const names = ['#99999999', '#x110000', '#xD800', '#56320', '#0', '#12ab', '#x', 'constructor'];
  for (const name of [...names, '__proto__', 'toString', 'hasOwnProperty', '#1e9']) {
    assert.is(plainText(`&${name};`), `&${name};`);
  }
  assert.is(plainText('&#x10ffff;&#128512;&#X41;&#0000065;'), '\u{10ffff}😀AA');
  assert.is(plainText('<p>a</p>b<br/>c<div eID="x"/>d 1 < 2'), 'a\nb\nc\nd 1 < 2');
});

test.run();
