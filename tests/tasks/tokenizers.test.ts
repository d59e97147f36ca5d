/** Tokenizers on long, odd and hostile texts. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Key } from '../../src/autograd/index.js';
import { MemgradError } from '../../src/errors.js';
import {
  ByteTokenizer,
  Classification,
  cutText,
  Language,
  type Text,
  type Tokenizer,
  WordTokenizer,
} from '../../src/tasks/index.js';

const test = suite('tokenizers');
const long = process.env.MEMGRAD_LONG ? test : () => {};

const utf8 = (text: string) => new TextEncoder().encode(text);
const prose = (text: Text) => new WordTokenizer(text, { split: 'prose' });
const spaces = (text: Text) => new WordTokenizer(text, { split: 'spaces' });
const words = (text: string) => {
  const tokenizer = prose(text);
  return Array.from(tokenizer.encode(text), (token) => tokenizer.decode([token])).slice(0, -1);
};

test('prose: a character keeps its marks and joiners', () => {
  for (const word of [
    'हिन्दी', // vowel signs and a virama
    'தமிழ்',
    'cafe\u0301',
    'العَرَبِيَّة',
    'שָׁלוֹם',
    'ที่',
    'می\u200cخواهم', // Persian: U+200C inside a word
    'क्\u200d', // Hindi: U+200D behind one
    'Donau\u00addampf', // a soft hyphen
    're\u0301sume\u0301’s-e\u0301t',
    '1\ufe0f\u20e3', // a keycap
    '👨\u200d👩\u200d👧\u200d👦',
    '👩🏽\u200d🚀',
    '👍🏿',
    '❤\ufe0f',
    '🇩🇪',
    '🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}',
  ]) {
    assert.equal(words(word), [word]);
    assert.equal(words(`(${word}) ${word}.`), ['(', word, ')', word, '.']);
  }
  assert.equal(words('🇩🇪🇫🇷🇩'), ['🇩🇪', '🇫🇷', '🇩']);
  assert.equal(words('\u0301 a'), ['\u0301', 'a']); // a mark by itself
  assert.equal(words('👍👍'), ['👍', '👍']);
  assert.equal(words('a\u200d😀'), ['a\u200d', '😀']);
  assert.equal(words("'tis -a- b--c d' e’"), "' tis - a - b - - c d ' e ’".split(' '));
});

/** The words of a text as they were found before texts came in pieces. */
function atOnce(text: string, split: 'spaces' | 'prose'): string[] {
  const pattern = split === 'spaces' ? /\S+/gu : /[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*|\S/gu;
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.flatMap((line) => [...(line.match(pattern) ?? []), '\n']);
}

/** Some 300 kB, in several pieces of 64 kB; no marks. */
function longText(seed: number): string {
  const parts = [
    ' ',
    '\n',
    'word',
    'two’s',
    'ein-fach',
    '日本語',
    '😀',
    '.',
    'é',
    '\r\n',
    '\u3000',
    '  ',
  ];
  const drawn = Key.of(seed).integers(100_000, parts.length);
  return Array.from(drawn, (index) => parts[index]).join('');
}

test('words: a text in pieces has the words of the whole text', () => {
  for (const text of [longText(1), longText(2), `${'語'.repeat(30_000)} ${'é'.repeat(50_000)}`]) {
    for (const split of ['spaces', 'prose'] as const) {
      const found = atOnce(text, split);
      const counts = new Map([['\n', 0]]);
      for (const word of found) counts.set(word, (counts.get(word) ?? 0) + 1);
      const order = [...counts].sort(([, one], [, other]) => other - one).map(([word]) => word);
      const tokenizer = new WordTokenizer(text, { split });
      assert.is(tokenizer.vocabulary, order.length + 1);
      const places = new Map(order.map((word, place) => [word, place]));
      assert.equal(
        [...tokenizer.encode(text)],
        found.map((word) => places.get(word)),
      );
    }
  }
});

test('words: a piece never divides a character, however long the word is', () => {
  for (const character of ['a', 'é', '語', '😀']) {
    const text = character.repeat(3_000_000);
    const tokenizer = spaces(`x${text}`);
    const decoded = tokenizer
      .decode(tokenizer.encode(`x${text}`))
      .replaceAll(' ', '')
      .trimEnd();
    assert.ok(decoded === `x${text}`, character);
  }
});

test('words: bytes that are not UTF-8', () => {
  const text = new Uint8Array(200_000).map((_, at) => (at * 97 + (at >> 8)) % 256);
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(text);
  for (const make of [spaces, prose]) {
    const tokenizer = make(text);
    assert.equal(tokenizer.encode(text), make(decoded).encode(decoded));
  }
  spaces(new Uint8Array(9_000_000).fill(0x80)); // 4 MB without a character's start
});

test('a byte order mark is kept by bytes and is white space to words', () => {
  const text = '\ufeffthe end';
  const bytes = new ByteTokenizer(text);
  assert.is(bytes.decode(bytes.encode(text)), text);
  assert.is(oneByOne(bytes, bytes.encode(text)), text);
  for (const make of [spaces, prose]) {
    const tokenizer = make(text);
    assert.is(tokenizer.vocabulary, 4); // <eos> the end <unk>
    assert.equal(tokenizer.encode(text), tokenizer.encode('the end'));
  }
});

function oneByOne(tokenizer: Tokenizer, tokens: ArrayLike<number>): string {
  const decoder = tokenizer.decoder();
  const parts = Array.from(tokens, (token) => decoder.push(token));
  return parts.join('') + decoder.end();
}

test('decoders return whole characters, and in all what decode returns', () => {
  const naive = new ByteTokenizer('naïve 😀');
  const decoder = naive.decoder();
  const parts = Array.from(naive.encode('naïve 😀'), (token) => decoder.push(token));
  assert.equal(parts, ['n', 'a', '', 'ï', 'v', 'e', ' ', '', '', '', '😀']);
  assert.is(decoder.end(), '');
  decoder.push(naive.encode('😀')[0]);
  assert.is(decoder.end(), '\ufffd'); // the rest of the character did not come
  assert.is(decoder.push(naive.encode('n')[0]), 'n'); // and it begins anew
  const all = new ByteTokenizer(Uint8Array.from({ length: 256 }, (_, value) => value));
  const lines = spaces('<eos> a b\n<unk>');
  fc.assert(
    fc.property(fc.array(fc.nat(255)), (tokens) => {
      assert.is(oneByOne(all, tokens), all.decode(tokens));
      const few = tokens.map((token) => token % lines.vocabulary);
      assert.is(oneByOne(lines, few), lines.decode(few));
    }),
    { seed: 3, numRuns: 300 },
  );
  assert.is(lines.decode(lines.encode('a b\n\n\nb a\n')), 'a b\n\n\nb a\n');
  assert.is(lines.decode(lines.encode('\n\na')), '\n\na\n');
});

const tokenizers: Tokenizer[] = [new ByteTokenizer('ab'), spaces('a b'), prose('a b')];

test('tokens that do not exist are refused', () => {
  for (const tokenizer of tokenizers) {
    const odd = [-1, 0.5, NaN, Infinity, 2 ** 32, tokenizer.vocabulary, '0', null, undefined, 0n];
    for (const token of [...odd, {}, [0], Symbol('x')] as number[]) {
      assert.throws(() => tokenizer.decode([0, token]), isRefused(/there is no token .*from 0 to/));
      const decoder = tokenizer.decoder();
      assert.throws(() => decoder.push(token), isRefused(/there is no token/));
      assert.type(decoder.push(0), 'string');
    }
    const lists = [null, undefined, 3, 'ab', () => 0, new Set([0]), {}, { length: -1 }];
    for (const list of [...lists, { length: 1e15 }] as never[]) {
      assert.throws(() => tokenizer.decode(list), isRefused(/\w/));
    }
    assert.is(tokenizer.decode([]), '');
  }
});

function isRefused(message: RegExp): (error: Error) => boolean {
  return (error) => {
    assert.instance(error, MemgradError, `${error.stack}`);
    assert.match(error.message, message);
    assert.ok(error.message.length < 400, error.message);
    return true;
  };
}

test('texts are strings or bytes in any array', () => {
  const text = 'naïve 日本 b\n';
  const bytes = utf8(text);
  const inside = new Uint8Array([9, ...bytes, 9]);
  const forms: Text[] = [
    text,
    bytes,
    Buffer.from(text),
    bytes.slice().buffer,
    inside.subarray(1, -1),
    new Uint8ClampedArray(bytes) as unknown as Uint8Array,
    new Int8Array(bytes) as unknown as Uint8Array,
    new Int8Array(inside.buffer, 1, bytes.length) as unknown as Uint8Array,
    new DataView(inside.buffer, 1, bytes.length) as unknown as Uint8Array,
  ];
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  forms.push(shared, shared.buffer as unknown as ArrayBuffer);
  for (const form of forms) {
    for (const make of [(given: Text) => new ByteTokenizer(given), spaces, prose]) {
      assert.equal(make(form).encode(form), make(text).encode(text));
    }
    assert.equal(Buffer.concat(Object.values(cutText(form))), Buffer.from(text));
    const tokenizer = new ByteTokenizer(form);
    const task = new Language({ train: form, validation: form, test: form }, tokenizer);
    assert.is(task.segments('train', 1, 1), bytes.length - 1);
    const parts = ['train', 'validation', 'test'] as const;
    const documents = parts.map((part) => ({ text: form, class: 0, part }));
    assert.equal(
      new Classification(documents, ['one'], tokenizer).all('test').documents[0],
      tokenizer.encode(text),
    );
  }
});

test('whatever else is given for a text is refused', () => {
  const gone = new ArrayBuffer(4);
  structuredClone(gone, { transfer: [gone] });
  const odd = [null, undefined, 3, true, {}, [97, 98], ['a'], new Uint16Array(2), new Map(), 1n];
  for (const text of [
    ...odd,
    new Float32Array(2),
    () => 'a',
    Symbol('x'),
    new Date(),
    gone,
  ] as never[]) {
    const message = /expected a text|is empty|has no words|can't|refused/;
    assert.throws(() => new ByteTokenizer(text), isRefused(message));
    for (const make of [spaces, prose]) assert.throws(() => make(text), isRefused(message));
    if (text === gone) continue;
    assert.throws(() => cutText(text), isRefused(/cutText: expected a text/));
    for (const tokenizer of tokenizers) {
      assert.throws(() => tokenizer.encode(text), isRefused(/expected a text/));
    }
  }
  assert.throws(() => new ByteTokenizer(), isRefused(/the text is empty/));
  assert.throws(() => new ByteTokenizer('', utf8('')), isRefused(/the text is empty/));
  for (const text of ['', ' \t', '\n\n', '\ufeff']) {
    for (const make of [spaces, prose]) assert.throws(() => make(text), isRefused(/has no words/));
  }
  for (const tokenizer of tokenizers) assert.equal(tokenizer.encode(''), new Int32Array(0));
});

test('words: options that cannot be', () => {
  const make = (options: unknown) => () => new WordTokenizer('a b', options as { split: 'prose' });
  for (const split of ['word', 'Prose', '', undefined, null, 3, 'constructor', '__proto__', []]) {
    assert.throws(make({ split }), isRefused(/split must be 'spaces' or 'prose'/));
  }
  assert.throws(make(undefined), isRefused(/split must be 'spaces' or 'prose', got nothing/));
  for (const options of [null, 'prose', 3, []]) {
    assert.throws(make(options), isRefused(/expected an object of options/));
  }
  assert.throws(make({ split: 'prose', max: 3 }), isRefused(/no option "max"/));
  for (const most of [0, 1, -1, 2.5, NaN, '5', null]) {
    assert.throws(make({ split: 'prose', most }), isRefused(/most must be a whole number >= 2/));
  }
  const few = new WordTokenizer('b b a', { split: 'spaces', most: 2 });
  assert.is(few.decode(few.encode('a b c')), '<unk> b <unk> <unk>'); // <eos> did not fit
});

test('parts end between characters', () => {
  for (const character of ['a', 'é', '語', '😀']) {
    for (let count = 0; count < 50; count++) {
      const text = character.repeat(count);
      const parts = Object.values(cutText(text)).map((part) => new TextDecoder().decode(part));
      assert.is(parts.join(''), text);
    }
  }
});

test('language and classification: what they refuse', () => {
  const bytes = new ByteTokenizer('ab');
  const text = { train: 'abab', validation: 'ab', test: 'ab' };
  const make = (given: unknown, tokenizer: unknown) => () =>
    new Language(given as typeof text, tokenizer as Tokenizer);
  for (const given of [null, undefined, 'abab', 3, [], {}, { ...text, validation: undefined }]) {
    assert.throws(make(given, bytes), isRefused(/part is missing; cut one text/));
  }
  assert.throws(make({ ...text, test: 3 }, bytes), isRefused(/expected a text, .* got 3/));
  assert.throws(make({ ...text, test: 'a' }, bytes), isRefused(/test part has 1 tokens/));
  const wrong: [unknown, RegExp][] = [
    ...[null, undefined, 'bytes', {}, ByteTokenizer].map((tokenizer): [unknown, RegExp] => [
      tokenizer,
      /expected a tokenizer, such as new ByteTokenizer/,
    ]),
    [{ ...fake([0, 1]), vocabulary: NaN }, /vocabulary must be a whole number/],
    [{ ...fake([0, 1]), encode: () => [0, 1] }, /return an Int32Array, got a list of 2/],
    [fake([0, 2]), /there is no token 2; expected a whole number from 0 to 1/],
    [fake([-1, 0]), /there is no token -1/],
  ];
  const documents = (['train', 'validation', 'test'] as const).map((part) => ({
    text: 'ab',
    class: 0,
    part,
  }));
  const classify =
    (given: unknown, classes: unknown, tokenizer: unknown = bytes) =>
    () =>
      new Classification(given as typeof documents, classes as string[], tokenizer as Tokenizer);
  for (const [tokenizer, message] of wrong) {
    assert.throws(make(text, tokenizer), isRefused(message));
    if (tokenizer !== undefined) {
      assert.throws(classify(documents, ['a'], tokenizer), isRefused(message));
    }
  }
  for (const list of [null, undefined, [], 'ab', {}]) {
    assert.throws(classify(list, ['a']), isRefused(/expected a list of documents/));
    assert.throws(classify(documents, list), isRefused(/expected a list of classes/));
  }
  for (const part of ['dev', 'valid', undefined, null, 'constructor', Symbol('x')]) {
    const message = /there is no part/;
    assert.throws(classify([{ ...documents[0], part }], ['a']), isRefused(message));
    const task = new Language(text, bytes);
    assert.throws(() => task.segments(part as 'test', 1, 1), isRefused(message));
    assert.throws(() => task.segment(part as 'test', 1, 1, 0), isRefused(message));
    const classes = classify(documents, ['a'])();
    assert.throws(() => classes.all(part as 'test'), isRefused(message));
  }
  for (const document of [null, undefined, 3, {}]) {
    assert.throws(classify([document], ['a']), isRefused(/document 0: there is no part nothing/));
  }
  assert.throws(
    classify([{ ...documents[0], text: 3 }], ['a']),
    isRefused(/expected a text, .* got 3/),
  );
  assert.throws(
    classify([{ ...documents[0], class: 1 }], ['a']),
    isRefused(/document 0: class must be a whole number from 0 to 0, got 1/),
  );
  for (const key of [undefined, null, 1, {}]) {
    assert.throws(
      () => classify(documents, ['a'])().documents(key as never, 1),
      isRefused(/expected a key, such as Key\.of\(1\)/),
    );
  }
  const many = Array.from({ length: 200_000 }, (_, index) => String(index));
  assert.is(classify(documents, many)().chance, 1);
});

function fake(tokens: number[]): Tokenizer {
  const encode = () => Int32Array.from(tokens);
  return { ...bytesLike, vocabulary: 2, encode };
}
const bytesLike = {
  name: 'bytes' as const,
  decode: () => '',
  decoder: () => ({ push: () => '', end: () => '' }),
};

test('a million different words, of which none keeps the text alive', () => {
  const text = Array.from({ length: 1e6 }, (_, i) => `w${i}`).join(' ');
  assert.is(spaces(text).vocabulary, 1e6 + 2);
});

long('a text of the size of WikiText-103, by words', () => {
  const text = new Uint8Array(539_566_975).fill(0x20);
  for (let i = 0; i < text.length; i += 50) {
    text[i] = 0x61;
    if (i + 49 < text.length) text[i + 49] = 0x0a;
  }
  const tokenizer = spaces(text);
  assert.is(tokenizer.vocabulary, 3); // a <eos> <unk>
  assert.is(tokenizer.encode(text).length, 2 * Math.ceil(text.length / 50));
});

long('134 million tokens, and what has no room', () => {
  const text = new Uint8Array(134_000_000).fill(97);
  const tokenizer = new ByteTokenizer(text);
  assert.is(tokenizer.encode(text).length, text.length);
  const tokens = new Int32Array(600_000_000);
  assert.throws(() => tokenizer.decode(tokens), isRefused(/decode fewer tokens at a time/));
});

long('more different words than can be kept are refused', () => {
  const text = new Uint8Array(9 * 2 ** 24);
  for (let word = 0; word < 2 ** 24; word++) {
    for (let digit = 0; digit < 8; digit++) {
      text[9 * word + digit] = 97 + ((word >> (3 * digit)) & 7);
    }
    text[9 * word + 8] = 32;
  }
  assert.throws(() => spaces(text), isRefused(/more than 8388608 different words/));
});

test.run();
