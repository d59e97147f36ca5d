/** Byte pairs learnt from a text; tokenizers as JSON; prompts. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import {
  ByteTokenizer,
  PairTable,
  PairTokenizer,
  promptTokens,
  restoreTokenizer,
  type Tokenizer,
  WordList,
  WordTokenizer,
} from '../../src/tasks/index.js';
import { learnMerges } from '../../src/tasks/learn-merges.js';

const test = suite('byte pairs');

const shown = (token: string | readonly number[]) =>
  typeof token === 'string' ? token : Buffer.from(token).toString('latin1');

function refused(action: () => unknown, message: RegExp): void {
  assert.throws(action, (error: Error) => {
    assert.instance(error, MemgradError, String(error.stack));
    assert.match(error.message, message);
    assert.ok(error.message.length < 400 && !error.message.includes('\n'), error.message);
    return true;
  });
}

test('merges are those of Sennrich et al., the earlier pair first where two are as frequent', () => {
  const counts = new Map(Object.entries({ low: 5, lower: 2, newest: 6, widest: 3 }));
  const table = learnMerges(counts, 256 + 8);
  assert.equal(
    table.slice(0, 256),
    Array.from({ length: 256 }, (_, byte) => [byte]),
  );
  assert.equal(table.slice(256).map(shown), 'es est lo low ew new newest dest'.split(' '));
  const all = learnMerges(counts, 10_000).slice(256).map(shown);
  assert.ok(['widest', 'lower'].every((word) => all.includes(word)));
  assert.equal(learnMerges(new Map([['abc', 1]]), 1000).length, 256); // no pair occurs twice
});

/** The same merges, counted anew each time. */
function slowly(counts: ReadonlyMap<string, number>, most: number): string[] {
  const words = [...counts].map(([word, count]) => ({
    tokens: [...Buffer.from(word)],
    count,
  }));
  const table = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  while (table.length < most) {
    const pairs = new Map<string, number>();
    for (const { tokens, count } of words) {
      for (let i = 0; i + 1 < tokens.length; i++) {
        const pair = `${tokens[i]} ${tokens[i + 1]}`;
        pairs.set(pair, (pairs.get(pair) ?? 0) + count);
      }
    }
    const order = ([a, n]: [string, number], [b, m]: [string, number]) => {
      const [one, other] = [a, b].map((pair) => pair.split(' ').map(Number));
      return m - n || one[0] - other[0] || one[1] - other[1];
    };
    const [best] = [...pairs].sort(order);
    if (!best || best[1] < 2) break;
    const [first, second] = best[0].split(' ').map(Number);
    const text = table[first] + table[second];
    const token = table.includes(text) ? table.indexOf(text) : table.push(text) - 1;
    for (const word of words) {
      for (let i = 0; i + 1 < word.tokens.length; i++) {
        if (word.tokens[i] === first && word.tokens[i + 1] === second) {
          word.tokens.splice(i, 2, token);
        }
      }
    }
  }
  return table;
}

test('merges are the same as when all pairs are counted each time', () => {
  const word = fc
    .array(fc.constantFrom('a', 'b', 'é'), { minLength: 1, maxLength: 9 })
    .map((letters) => letters.join(''));
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.integer({ min: 1, max: 4 }))), (words) => {
      const counts = new Map(words);
      // A run of one letter is left out: the pairs in it overlap, and are counted differently.
      for (const key of counts.keys()) if (/(.)\1\1/u.test(key)) counts.delete(key);
      const fast = learnMerges(counts, 280).map(shown);
      assert.is(new Set(fast).size, fast.length);
      assert.equal(fast, slowly(counts, 280));
    }),
    { seed: 7, numRuns: 200 },
  );
});

const odd =
  "I'll say: don't.\n\n\tto 1234567 places,\u00a0 naïve \u3000 भारत 中文没有空格 👨‍👩‍👧 🇩🇪 \u{10ffff} \ufeff<|endoftext|>x";

test('every text can be encoded, whatever the merges were learnt from', () => {
  const tokenizer = new PairTokenizer('the cat and the other cat sat there. '.repeat(9), {
    vocabulary: 300,
  });
  assert.ok(tokenizer.vocabulary <= 300);
  assert.ok(tokenizer.encode('the cat').length < 5);
  for (const text of [odd, '', ' ', 'the cat', '\ufeffa']) {
    const tokens = tokenizer.encode(text);
    assert.is(tokenizer.decode(tokens), text);
    const decoder = tokenizer.decoder();
    const parts = Array.from(tokens, (token) => decoder.push(token));
    assert.not.ok(parts.some((part) => part.includes('\ufffd') || /[\ud800-\udbff]$/.test(part)));
    assert.is(parts.join('') + decoder.end(), text);
  }
  assert.is(tokenizer.decode(tokenizer.encode(Uint8Array.of(97, 0xff, 98))), 'a\ufffdb');
});

test('the end of a text is a token by choice', () => {
  const text = 'one<|endoftext|>two<|endoftext|>';
  for (const endOfText of ['token', 'text'] as const) {
    const tokenizer = new PairTokenizer(text.repeat(50), { endOfText, vocabulary: 400 });
    const tokens = [...tokenizer.encode(text)];
    const ends = tokens.filter((token) => token === tokenizer.vocabulary - 1).length;
    assert.is(ends, endOfText === 'token' ? 2 : 0);
    assert.is(tokenizer.decode(tokens), text);
  }
});

test('one long word, and a text of many words, in a moment', () => {
  const began = process.cpuUsage().user;
  const tokenizer = new PairTokenizer('ab'.repeat(500_000), { vocabulary: 300 });
  assert.is(tokenizer.decode(tokenizer.encode('ab'.repeat(999))), 'ab'.repeat(999));
  const words = Array.from({ length: 60_000 }, (_, i) => (i * 7919) % 99_991).join(' ');
  new PairTokenizer(words, { vocabulary: 2000 });
  const seconds = (process.cpuUsage().user - began) / 1e6;
  assert.ok(seconds < 20, `${seconds} s`); // minutes if each merge read all words
});

test('bad arguments of byte pairs', () => {
  refused(
    () => new PairTokenizer('a', { vocabulary: 256 }),
    /vocabulary must be a whole number from 257/,
  );
  refused(
    () => new PairTokenizer('a', { endOfText: 'x' as 'text' }),
    /endOfText must be 'token' or 'text'/,
  );
  refused(() => new PairTokenizer('a', { most: 3 } as never), /no option "most"/);
  refused(() => new PairTokenizer(3 as never), /expected a text/);
  refused(() => new PairTable(['a']), /all 256 bytes/);
  refused(() => new PairTable([[300]]), /each token must be a text or a list of bytes/);
  refused(() => new WordList(['a', '<eos>']), /different words with <eos> and <unk>/);
});

const text = 'The café, the tea;\nthe café. 😀 again\n';
const tokenizers: Tokenizer[] = [
  new ByteTokenizer(text),
  new WordTokenizer(text, { split: 'prose', most: 8 }),
  new WordTokenizer(text, { split: 'spaces' }),
  new PairTokenizer(text.repeat(4), { vocabulary: 290, endOfText: 'text' }),
];

test('tokenizers come back from JSON', () => {
  for (const tokenizer of tokenizers) {
    const saved = JSON.stringify(tokenizer);
    const restored = restoreTokenizer(JSON.parse(saved));
    assert.is(restored.vocabulary, tokenizer.vocabulary);
    assert.equal(restored.encode(text), tokenizer.encode(text));
    assert.is(JSON.stringify(restored), saved);
  }
});

test('whatever else is in JSON is refused', () => {
  const words = { name: 'words', split: 'prose', words: ['<eos>', 'a', '<unk>'] };
  restoreTokenizer(words);
  for (const saved of [
    null,
    3,
    'bytes',
    [],
    {},
    { name: 'bytes' },
    { name: 'bytes', values: [] },
    { name: 'bytes', values: [1, 1] },
    { name: 'bytes', values: [2, 1] },
    { name: 'bytes', values: [256] },
    { name: 'bytes', values: ['1'] },
    { name: 'bytes', values: 'ab' },
    { ...words, split: 'x' },
    { ...words, words: ['a', 'a', '<eos>', '<unk>'] },
    { ...words, words: ['<eos>', '<unk>', 3] },
    { ...words, words: {} },
    { name: 'bpe', tokens: [[0]] },
    { name: 'bpe', tokens: 3 },
    { name: 'toString' },
  ]) {
    refused(() => restoreTokenizer(saved, 'tokenizer.json'), /\w/);
  }
});

test('prompts are the beginning of a line, in the words and characters of the text', () => {
  const [bytes, , spaces, pairs] = tokenizers;
  assert.equal(promptTokens(bytes, 'café'), bytes.encode('café'));
  assert.equal(promptTokens(spaces, 'the tea;'), spaces.encode('the tea;').subarray(0, -1));
  assert.equal(promptTokens(spaces, 'the tea;\n'), spaces.encode('the tea;\n'));
  assert.is(pairs.decode(promptTokens(pairs, 'Zürich')), 'Zürich');
  refused(() => promptTokens(bytes, 'cafÜ'), /has the character "Ü", which the vocabulary lacks/);
  refused(() => promptTokens(spaces, 'the coffee'), /has the word "coffee", which the vocabulary/);
  refused(() => promptTokens(spaces, ' '), /The prompt must be a text with a word/);
  for (const prompt of ['', 3, null, undefined]) {
    refused(() => promptTokens(bytes, prompt as string), /The prompt must be a text/);
  }
});

test.run();
