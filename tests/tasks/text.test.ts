/** Tokenizers, streams and documents. */
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Key } from '../../src/autograd/index.js';
import {
  ByteTokenizer,
  Classification,
  cutText,
  type Document,
  Language,
  WordTokenizer,
} from '../../src/tasks/index.js';

const bytes = (text: string) => new TextEncoder().encode(text);

test('bytes: what occurs, in the order of the values, there and back', () => {
  const tokenizer = new ByteTokenizer(bytes('cab'), bytes('bd'));
  assert.is(tokenizer.vocabulary, 4);
  assert.equal([...tokenizer.encode(bytes('abcd'))], [0, 1, 2, 3]);
  assert.throws(() => tokenizer.encode(bytes('abe')), /byte 101 at 2 does not occur/);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      const tokenizer = new ByteTokenizer(bytes(text));
      assert.is(tokenizer.decode(tokenizer.encode(bytes(text))), text);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test('words: the most frequent first, case kept, a line ends in <eos>', () => {
  const text = 'the cat saw The dog\nthe dog ran\n';
  const tokenizer = new WordTokenizer(bytes(text), { split: 'spaces' });
  // <eos>, the and dog come twice each, in this order of appearance; <eos> counts from the start
  assert.equal([...tokenizer.encode(bytes('the dog\n'))], [1, 2, 0]);
  assert.is(tokenizer.vocabulary, 8); // <eos> the dog cat saw The ran <unk>
  assert.equal([...tokenizer.encode(bytes('bird'))], [7, 0]);
  assert.is(tokenizer.decode(tokenizer.encode(bytes(text))), text);
});

test('words: as many as asked for, and a text that has <unk> already', () => {
  const limited = new WordTokenizer(bytes('a a a b b c'), { split: 'spaces', most: 3 });
  assert.is(limited.vocabulary, 3);
  // a, b and <unk>, which takes the place of <eos> as well
  assert.is(limited.decode(limited.encode(bytes('a b c'))), 'a b <unk> <unk>');
  const published = new WordTokenizer(bytes(' = Title = \n <unk> of\n'), { split: 'spaces' });
  assert.is(published.vocabulary, 5); // <eos> = Title <unk> of
  assert.throws(
    () => new WordTokenizer(bytes('a'), { split: 'spaces', most: 1 }),
    /most must be a whole number >= 2, got 1/,
  );
});

test('words: prose has its punctuation split off, and keeps apostrophes and hyphens inside', () => {
  const text = bytes('“Don’t go,” said well-known Ishmael.');
  const tokenizer = new WordTokenizer(text, { split: 'prose' });
  assert.is(tokenizer.decode(tokenizer.encode(text)), '“ Don’t go , ” said well-known Ishmael .\n');
});

/** A text whose bytes are their own place: 0, 1, 2, ... */
const counting = (length: number) => Uint8Array.from({ length }, (_, i) => i);
const counted = () => {
  const text = { train: counting(50), validation: counting(9), test: counting(20) };
  return new Language(text, new ByteTokenizer(text.train));
};

test('language: rows are contiguous, every token is predicted once, in order', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 60 }), (size, length) => {
      const task = counted();
      const row = Math.floor(49 / size);
      const rows: number[][] = Array.from({ length: size }, () => []);
      const count = task.segments('train', size, length);
      for (let index = 0; index < count; index++) {
        const { time, inputs, targets } = task.segment('train', size, length, index);
        assert.equal([...targets], [...inputs.map((token) => token + 1)]);
        rows.forEach((seen, i) => {
          seen.push(...targets.subarray(i * time, (i + 1) * time));
        });
      }
      rows.forEach((seen, i) => {
        assert.equal(
          seen,
          Array.from({ length: row }, (_, at) => i * row + at + 1),
        );
      });
    }),
    { seed: 2, numRuns: 60 },
  );
});

test('language: what it refuses', () => {
  const task = counted();
  assert.is(task.unit, 'bits per character');
  assert.throws(() => task.segment('test', 2, 5, 2), /index must be a whole number from 0 to 1/);
  assert.throws(() => task.segments('validation', 9, 5), /9 tokens, too few for 9 parallel/);
  assert.throws(() => task.segments('train', 0, 5), /size must be a whole number >= 1, got 0/);
  const text = { train: counting(5), validation: counting(1), test: counting(5) };
  assert.throws(() => new Language(text, new ByteTokenizer(text.train)), /validation part has 1/);
});

test('a text is cut into 90, 5 and 5 percent without a gap', () => {
  const { train, validation, test } = cutText(counting(200));
  assert.equal([train.length, validation.length, test.length], [180, 10, 10]);
  assert.equal([...train, ...validation, ...test], [...counting(200)]);
});

const papers: Document[] = ['train', 'train', 'train', 'validation', 'test', 'test', 'test'].map(
  (part, i) => ({
    text: bytes(`text ${i}`),
    class: i % 2,
    part: part as Document['part'],
  }),
);

test('classification: parts, special tokens, chance, batches that follow from the key', () => {
  const tokenizer = new ByteTokenizer(...papers.map(({ text }) => text));
  const task = new Classification(papers, ['even', 'odd'], tokenizer);
  assert.is(task.vocabulary, tokenizer.vocabulary + 3);
  assert.is(new Set(Object.values(task.special)).size, 3);
  assert.ok(Object.values(task.special).every((token) => token >= tokenizer.vocabulary));
  assert.equal(task.all('test').classes, [0, 1, 0]);
  assert.is(task.chance, 2 / 3);
  const training = task.all('train');
  const batch = task.documents(Key.of(1), 40);
  assert.equal(batch, task.documents(Key.of(1), 40));
  const drawn = batch.documents.map((document) => training.documents.indexOf(document));
  assert.equal([...new Set(drawn)].sort(), [0, 1, 2]);
  assert.equal(
    batch.classes,
    drawn.map((i) => training.classes[i]),
  );
});

test('classification: what it refuses', () => {
  const tokenizer = new ByteTokenizer(...papers.map(({ text }) => text));
  assert.throws(
    () => new Classification(papers, ['one'], tokenizer),
    /class must be a whole number from 0 to 0, got 1/,
  );
  assert.throws(
    () => new Classification(papers.slice(0, 4), ['even', 'odd'], tokenizer),
    /no document is in the test part/,
  );
});

test.run();
