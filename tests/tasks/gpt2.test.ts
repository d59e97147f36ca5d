/** GPT-2's byte pairs: `PairTokenizer` with the table of gpt-tokenizer. */
import ranks from 'gpt-tokenizer/bpeRanks/r50k_base';
import { encode } from 'gpt-tokenizer/encoding/r50k_base';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key } from '../../src/autograd/index.js';
import { PairTable, PairTokenizer } from '../../src/tasks/index.js';

const test = suite("GPT-2's byte pairs");
const table = new PairTable(ranks);
const tokenizer = new PairTokenizer(table);

test('there and back', () => {
  assert.is(tokenizer.vocabulary, 50257);
  const tokens = tokenizer.encode('hello world');
  assert.equal([...tokens], [31373, 995]); // as GPT-2 has them
  assert.is(tokenizer.decode(tokens), 'hello world');
});

/** Texts of all kinds, in which nothing is special. */
function* samples(): Iterable<string> {
  yield "I'll say: don't.  They've   gone\n\n\tto 1234567 places,\u00a0 \n été naïve \u3000\u3000 x";
  yield 'भारत हिन्दी தமிழ் 中文没有空格，也是文字。 العَرَبِيَّة שָׁלוֹם 👨‍👩‍👧 🇩🇪 \u{10ffff}';
  yield `${'   \n'.repeat(50)}${'=-'.repeat(200)} ${'ab'.repeat(300)}${'\ufeff '.repeat(9)}end `;
  yield ' '.repeat(300);
  const alphabet = [
    ' ',
    '\n',
    'a',
    'b',
    'th',
    'e',
    "'s",
    '1',
    '.',
    '\u3000',
    'é',
    '日',
    '😀',
    '\r\n',
  ];
  const drawn = Key.of(5).integers(200_000, alphabet.length);
  yield Array.from(drawn, (index) => alphabet[index]).join(''); // more than one piece
}

test('they are those of the library, whatever the text', () => {
  for (const text of samples()) {
    const tokens = tokenizer.encode(text);
    assert.equal([...tokens], [...encode(text)]);
    assert.is(tokenizer.decode(tokens), text);
    assert.is(oneByOne(tokens), text);
  }
});

function oneByOne(tokens: Int32Array): string {
  const decoder = tokenizer.decoder();
  const parts = Array.from(tokens, (token) => decoder.push(token));
  assert.not.ok(parts.some((part) => part.includes('\ufffd')));
  return parts.join('') + decoder.end();
}

test('the end of a document by choice', () => {
  const text = 'end <|endoftext|>\nNext<|endoftext|><|endoftext|>';
  const special = tokenizer.encode(text);
  assert.equal([...special].filter((token) => token === 50256).length, 3);
  assert.equal([...special.subarray(0, 3)], [437, 220, 50256]); // as Hugging Face's GPT2Tokenizer has them
  const plain = new PairTokenizer(table, { endOfText: 'text' }).encode(text);
  assert.not.ok(plain.includes(50256));
  assert.equal([...plain.subarray(0, 4)], [437, 1279, 91, 437]);
  for (const tokens of [special, plain]) assert.is(tokenizer.decode(tokens), text);
  // whole at the borders of pieces
  for (const before of [65_528, 65_530, 65_535, 65_540]) {
    const tokens = tokenizer.encode('x'.repeat(before) + '<|endoftext|>'.repeat(6000));
    assert.is(tokens.filter((token) => token === 50256).length, 6000);
  }
});

test('one long word in a moment', () => {
  const { user } = process.cpuUsage();
  const word = tokenizer.encode('a'.repeat(200_000)); // 33 s when each merge looked at all pairs
  assert.ok(process.cpuUsage().user - user < 5e6);
  assert.is(tokenizer.decode(word), 'a'.repeat(200_000));
});

test('tokens that do not exist', () => {
  for (const token of [50257, -1, 0.5, NaN, Infinity, '1', null, undefined, 1n] as number[]) {
    assert.throws(() => tokenizer.decode([token]), /there is no token .* from 0 to 50256/);
    assert.throws(() => tokenizer.decoder().push(token), /there is no token/);
  }
});

test.run();
