import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import {
  decodeSafetensors,
  encodeSafetensors,
  type StoredTensor,
} from '../../src/safetensors/index.js';

const test = suite('safetensors');

const FUZZ_RUNS = process.env.MEMGRAD_LONG ? 100_000 : 20_000;
const SEED = 20_240_601;

/** A file with this header text as it is, in front of this many zero bytes of data. */
function fileOf(header: string | Uint8Array, dataLength = 0, claimed?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + text.length + dataLength);
  new DataView(file.buffer).setBigUint64(0, claimed ?? BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

function headerOf(file: Uint8Array): { text: string; data: Uint8Array } {
  const end = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return { text: new TextDecoder().decode(file.subarray(8, end)), data: file.subarray(end) };
}

/** The message of the MemgradError that a call must throw, checked to be one bounded sentence. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    assert.instance(error, MemgradError, String(error));
    const { message } = error as MemgradError;
    assert.ok(message.length < 500, `a message of ${message.length} characters`);
    assert.match(message, /^[A-Z].*, but .*; .*\.$/);
    assert.not.match(message, /\p{C}/u);
    return message;
  }
  assert.unreachable('a MemgradError was expected');
  return '';
}

function bitsOf({ data }: StoredTensor): number[] {
  return [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

function plain(tensors: ReadonlyMap<string, StoredTensor>): unknown[] {
  return [...tensors]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, tensor]) => [name, tensor.dtype, [...tensor.shape], bitsOf(tensor)]);
}

const shapes = fc.array(fc.nat({ max: 4 }), { maxLength: 4 });
const odd = fc.constantFrom(NaN, -0, 0, Infinity, -Infinity, 5e-324, 1e-45, 2 ** 31 - 1);
const tensor: fc.Arbitrary<StoredTensor> = fc
  .tuple(fc.constantFrom('float32' as const, 'float64' as const, 'int32' as const), shapes)
  .chain(([dtype, shape]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    const element = dtype === 'int32' ? fc.integer() : fc.oneof(odd, fc.double());
    const ofDtype = { float32: Float32Array, float64: Float64Array, int32: Int32Array }[dtype];
    return fc
      .array(element, { minLength: length, maxLength: length })
      .map((values) => ({ dtype, shape, data: new ofDtype(values) }));
  });
const word = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', '10', '9', '', '"\\\n'),
);
const tensorMaps = fc
  .dictionary(
    word.filter((name) => name !== '__metadata__'),
    tensor,
    { maxKeys: 5, noNullPrototype: false },
  )
  .map((all) => new Map(Object.entries(all)));
const metadatas = fc.dictionary(word, word, { maxKeys: 4 });

test('gives back what was written, bit for bit', () => {
  fc.assert(
    fc.property(tensorMaps, metadatas, (tensors, metadata) => {
      const file = encodeSafetensors(tensors, metadata);
      const read = decodeSafetensors(file);
      assert.equal(plain(read.tensors), plain(tensors));
      assert.equal(Object.entries(read.metadata).sort(), Object.entries(metadata).sort());
      assert.is((file.length - headerOf(file).data.length) % 8, 0);
      assert.equal(encodeSafetensors(read.tensors, read.metadata), file);
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('writes the same bytes whatever the order of names', () => {
  fc.assert(
    fc.property(tensorMaps, metadatas, (tensors, metadata) => {
      const turned = new Map([...tensors].reverse());
      const turnedMetadata = Object.fromEntries(Object.entries(metadata).reverse());
      const file = encodeSafetensors(tensors, metadata);
      assert.equal(encodeSafetensors(turned, turnedMetadata), file);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

test('keeps NaN, -0 and the infinities', () => {
  const values = [NaN, -0, Infinity, -Infinity];
  const file = encodeSafetensors(
    new Map<string, StoredTensor>([
      ['f32', { dtype: 'float32', shape: [4], data: new Float32Array(values) }],
      ['f64', { dtype: 'float64', shape: [2, 2], data: new Float64Array(values) }],
    ]),
  );
  for (const { data } of decodeSafetensors(file).tensors.values()) {
    assert.ok(values.every((value, i) => Object.is(value, data[i])));
  }
});

test('writes the golden bytes of a small file', () => {
  const header = '{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
  const padded = `${header} `; // 80 bytes
  const golden = [80, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode(padded)];
  golden.push(0, 0, 128, 63, 0, 0, 0, 128); // 1 and -0, little-endian
  const w: StoredTensor = { dtype: 'float32', shape: [2], data: new Float32Array([1, -0]) };
  const file = encodeSafetensors(new Map([['w', w]]), { a: 'b' });
  assert.equal([...file], golden);
  assert.equal(plain(decodeSafetensors(file).tensors), plain(new Map([['w', w]])));
});

test('writes an empty file', () => {
  const file = encodeSafetensors(new Map());
  assert.equal([...file], [8, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode('{}      ')]);
  assert.is(decodeSafetensors(file).tensors.size, 0);
});

test('reads a file of the reference implementation', () => {
  // safetensors 0.8.0 for Python: save({'w': float32 [[1, -0.0], [inf, nan]], 'steps': int32
  // [1, -2, 2**31 - 1], 'd': float64 0.1}, metadata={'k': 'v'})
  const file = fromHex(
    'c8000000000000007b225f5f6d657461646174615f5f223a7b226b223a2276227d2c2264223a7b226474797065' +
      '223a22463634222c227368617065223a5b5d2c22646174615f6f666673657473223a5b302c385d7d2c2277' +
      '223a7b226474797065223a22463332222c227368617065223a5b322c325d2c22646174615f6f6666736574' +
      '73223a5b382c32345d7d2c227374657073223a7b226474797065223a22493332222c227368617065223a5b' +
      '335d2c22646174615f6f666673657473223a5b32342c33365d7d7d202020202020209a9999999999b93f00' +
      '00803f000000800000807f0000c07f01000000feffffffffffff7f',
  );
  const { tensors, metadata } = decodeSafetensors(file);
  assert.equal({ ...metadata }, { k: 'v' });
  assert.equal([...tensors.keys()], ['d', 'w', 'steps']);
  const w: StoredTensor = {
    dtype: 'float32',
    shape: [2, 2],
    data: new Float32Array([1, -0, Infinity, NaN]),
  };
  const steps: StoredTensor = {
    dtype: 'int32',
    shape: [3],
    data: new Int32Array([1, -2, 2 ** 31 - 1]),
  };
  const d: StoredTensor = { dtype: 'float64', shape: [], data: new Float64Array([0.1]) };
  assert.equal(
    plain(tensors),
    plain(new Map<string, StoredTensor>(Object.entries({ w, steps, d }))),
  );
});

test('reads headers in any order, unaligned, and keeps no hold on the input', () => {
  const header =
    '{"b":{"dtype":"F64","shape":[1],"data_offsets":[4,12]},"a":{"shape":[1],"data_offsets":[0,4],"dtype":"I32"}}';
  const inner = fileOf(header, 12);
  inner[8 + header.length] = 7;
  for (let shift = 0; shift < 8; shift++) {
    const outer = new Uint8Array(inner.length + shift + 3);
    outer.set(inner, shift);
    const { tensors } = decodeSafetensors(outer.subarray(shift, shift + inner.length));
    outer.fill(255);
    assert.equal([...tensors.keys()], ['a', 'b']);
    for (const { data } of tensors.values()) {
      assert.is.not(data.buffer, outer.buffer);
      assert.is(data.buffer.byteLength, data.byteLength);
    }
    assert.equal([...(tensors.get('a')?.data ?? [])], [7]);
    assert.equal([...(tensors.get('b')?.data ?? [])], [0]);
  }
});

test('writes views of larger buffers', () => {
  const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
  const file = encodeSafetensors(new Map([['v', { dtype: 'float32', shape: [2], data }]]));
  assert.equal([...(decodeSafetensors(file).tensors.get('v')?.data ?? [])], [1, 2]);
});

test('carries the names of object members without touching a prototype', () => {
  const header =
    '{"__metadata__":{"__proto__":"p","constructor":"c"},' +
    '"__proto__":{"dtype":"I32","shape":[],"data_offsets":[0,4]},' +
    '"constructor":{"dtype":"I32","shape":[],"data_offsets":[4,8]}}';
  const { tensors, metadata } = decodeSafetensors(fileOf(header, 8));
  assert.equal([...tensors.keys()], ['__proto__', 'constructor']);
  assert.is(Object.getPrototypeOf(metadata), null);
  assert.equal(Object.entries(metadata), [
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ]);
  assert.equal(Object.keys(Object.prototype), []);
  const message = refusal(() =>
    decodeSafetensors(fileOf('{"w":{"__proto__":1,"shape":[],"data_offsets":[0,4]}}', 4)),
  );
  assert.match(message, 'exactly "dtype", "shape" and "data_offsets"');
});

/** A header with one F32 tensor "w" of shape [2], some of its fields replaced by this JSON. */
function one(fields: { dtype?: string; shape?: string; offsets?: string }): string {
  const { dtype = '"F32"', shape = '[2]', offsets = '[0,8]' } = fields;
  return `{"w":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
}

function two(first: string, second: string, shape = '[2]'): string {
  const field = (offsets: string) => `{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`;
  return `{"a":${field(first)},"b":${field(second)}}`;
}

const NONE = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';

function tensorsOf(count: number): string {
  return `{${Array.from({ length: count }, (_, i) => `"${i}":${NONE}`).join()}}`;
}

function metadataOf(count: number): string {
  return `{"__metadata__":{${Array.from({ length: count }, (_, i) => `"${i}":""`).join()}}}`;
}

const GIGABYTE = 2 ** 30;
const hostile: readonly (readonly [what: string, file: Uint8Array, message: string])[] = [
  ['an empty file', new Uint8Array(0), 'is 0 bytes long'],
  ['half a header length', new Uint8Array(7), 'is 7 bytes long'],
  ['a length and no header', new Uint8Array(8), 'header is empty'],
  [
    'ten bytes claiming a gigabyte',
    fileOf('{}', 0, BigInt(GIGABYTE)),
    'header of 1073741824 bytes',
  ],
  ['a header one byte over the file', fileOf('{}', 0, 3n), 'it can have at most 2'],
  ['a length beyond a double', fileOf('{}', 0, 2n ** 53n + 1n), 'header of 9007199254740993 bytes'],
  ['the largest length', fileOf('{}', 0, 2n ** 64n - 1n), 'header of 18446744073709551615 bytes'],
  ['a header over 100 MB', fileOf('{}', 100_000_001, 100_000_001n), 'at most 100000000'],
  ['a list', fileOf('[]'), 'starts with byte 91'],
  ['a string', fileOf('"w"'), 'starts with byte 34'],
  ['a leading space', fileOf(' {}'), 'starts with byte 32'],
  ['a byte order mark', fileOf('\ufeff{}'), 'starts with byte 239'],
  ['bytes that are not UTF-8', fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0x22)), 'not UTF-8'],
  ['an encoded surrogate', fileOf(Uint8Array.of(0x7b, 0x22, 0xed, 0xa0, 0x80)), 'not UTF-8'],
  ['no JSON', fileOf('{w}'), 'not valid JSON'],
  ['an open string', fileOf('{"w'), 'not valid JSON'],
  ['a string that ends in a backslash', fileOf('{"w\\'), 'not valid JSON'],
  ['a bad escape', fileOf('{"\\x":1}'), 'not valid JSON'],
  ['two objects', fileOf('{}{}'), 'not valid JSON'],
  ['an unbalanced header', fileOf('{}}}]]'), 'not valid JSON'],
  ['NUL padding', fileOf('{}\0'), 'not valid JSON'],
  ['a long header that is no JSON', fileOf(`{${'x'.repeat(100_000)}`), 'xxx..., which'],
  ['a name twice', fileOf(`{"w":${NONE},"w":2}`), 'the name "w" twice'],
  ['a name twice, once escaped', fileOf(`{"w":${NONE},"\\u0077":2}`), 'the name "w" twice'],
  ['a name with quotes twice', fileOf(`{"\\"":${NONE},"\\u0022":2}`), 'the name "\\"" twice'],
  ['metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" twice'],
  ['a metadata key twice', fileOf('{"__metadata__":{"k":"","k":""}}'), 'the name "k" twice'],
  ['a field twice', fileOf('{"w":{"shape":[1,2],"dtype":"F32","shape":[]}}'), '"shape" twice'],
  ['__proto__ twice', fileOf(`{"__proto__":${NONE},"__proto__":2}`), '"__proto__" twice'],
  ['deep nesting', fileOf(`{"w":${'['.repeat(1_000_000)}`), 'is described by [[['],
  ['deep objects', fileOf('{"w":'.repeat(200_000)), 'is described by {"w":{"w":'],
  ['many lists', fileOf(`{"w":[${'[],'.repeat(100_000)}1]}`), 'described by [[],[],'],
  ['a metadata list', fileOf('{"__metadata__":{"k":["a"]}}'), 'value of "k" is ["a"]'],
  ['nesting in a shape', fileOf(one({ shape: '[[2]]' }), 8), 'has shape [[2]]'],
  ['a tensor that is null', fileOf('{"w":null}'), 'described by null'],
  ['a tensor that is a list', fileOf('{"w":[]}'), 'described by [], but'],
  ['a tensor that is a number', fileOf('{"w":1}'), 'described by 1'],
  ['a tensor without fields', fileOf('{"w":{}}'), 'described by {}'],
  ['a field too many', fileOf(one({ offsets: '[0,8],"strides":[1]' }), 8), '"strides":[1]'],
  ['a name with a lone surrogate', fileOf('{"\\ud800":{}}'), 'name is "\\ud800"'],
  ['a long name', fileOf(`{"${'n'.repeat(100_000)}":{}}`), 'nnn...'],
  ['an empty dtype', fileOf(one({ dtype: '""' }), 8), 'dtype "", but one such as F32, F64, I32'],
  ['a long dtype', fileOf(one({ dtype: `"${'F'.repeat(40)}"` }), 8), 'has dtype "FFF'],
  ['BF16 of the wrong length', fileOf(one({ dtype: '"BF16"' }), 8), '[2] of BF16 needs 4'],
  ['half a byte', fileOf(one({ dtype: '"F4"', shape: '[3]', offsets: '[0,2]' }), 2), 'needs 1.5'],
  ['numbers with a point', fileOf(one({ shape: '[2.0]' }), 8), 'has shape [2.0]'],
  ['numbers with an exponent', fileOf(one({ offsets: '[0,8e0]' }), 8), 'data_offsets [0,8e0]'],
  ['numbers with a zero in front', fileOf(one({ shape: '[02]' }), 8), 'has shape [02]'],
  ['a dtype in small letters', fileOf(one({ dtype: '"f32"' }), 8), 'dtype "f32"'],
  ['a dtype named constructor', fileOf(one({ dtype: '"constructor"' }), 8), 'dtype "constructor"'],
  ['a dtype that is a list', fileOf(one({ dtype: '["F32"]' }), 8), 'dtype ["F32"]'],
  ['a shape that is null', fileOf(one({ shape: 'null' }), 8), 'shape null'],
  ['a shape that is a number', fileOf(one({ shape: '2' }), 8), 'shape 2'],
  ['a shape that is an object', fileOf(one({ shape: '{"length":1}' }), 8), 'shape {"length":1}'],
  ['a negative length', fileOf(one({ shape: '[-2,-1]' }), 8), 'shape [-2,-1]'],
  ['a negative zero', fileOf(one({ shape: '[-0]', offsets: '[0,0]' })), 'has shape [-0]'],
  ['a fractional length', fileOf(one({ shape: '[0.5,4]' }), 8), 'shape [0.5,4]'],
  ['a length as text', fileOf(one({ shape: '["2"]' }), 8), 'shape ["2"]'],
  ['a length of true', fileOf(one({ shape: '[2,true]' }), 8), 'shape [2,true]'],
  ['a length of 1e400', fileOf(one({ shape: '[1e400]' }), 8), 'shape [1e400]'],
  ['a length of 2^53', fileOf(one({ shape: '[9007199254740992]' }), 8), 'less than 2^53 bytes'],
  ['2^52 elements', fileOf(one({ shape: '[67108864,67108864]' }), 8), 'less than 2^53 bytes'],
  ['a product of 2^64', fileOf(one({ shape: '[4294967296,4294967296]' }), 8), 'less than 2^53'],
  [
    'a product of 2^64 beside a 0',
    fileOf(one({ shape: '[0,4294967296,4294967296]', offsets: '[0,0]' })),
    'less than 2^53 bytes',
  ],
  ['an endless shape', fileOf(one({ shape: `[${'9,'.repeat(100_000)}9]` }), 8), '9,9,9,..., but'],
  ['a gigabyte of elements', fileOf(one({ shape: `[${GIGABYTE}]` }), 8), 'needs 4294967296'],
  ['too few bytes', fileOf(one({ shape: '[3]' }), 8), 'has 8 bytes of data'],
  ['too many bytes', fileOf(one({ shape: '[1]' }), 8), 'needs 4'],
  ['a scalar of eight bytes', fileOf(one({ shape: '[]' }), 8), 'needs 4'],
  ['offsets that are null', fileOf(one({ offsets: 'null' }), 8), 'data_offsets null'],
  ['one offset', fileOf(one({ offsets: '[8]' }), 8), 'data_offsets [8]'],
  ['three offsets', fileOf(one({ offsets: '[0,8,8]' }), 8), 'data_offsets [0,8,8]'],
  ['a negative offset', fileOf(one({ offsets: '[-8,0]' }), 8), 'data_offsets [-8,0]'],
  ['a fractional offset', fileOf(one({ offsets: '[0.5,8.5]' }), 9), 'data_offsets [0.5,8.5]'],
  ['offsets as text', fileOf(one({ offsets: '["0","8"]' }), 8), 'data_offsets ["0","8"]'],
  ['offsets turned round', fileOf(one({ offsets: '[8,0]' }), 8), 'within the 8 bytes'],
  ['offsets outside the data', fileOf(one({ offsets: '[0,8]' }), 7), 'within the 7 bytes'],
  ['offsets far outside', fileOf(one({ offsets: `[0,${GIGABYTE}]` }), 8), 'within the 8 bytes'],
  ['a hole at the start', fileOf(one({ offsets: '[4,12]' }), 12), 'leaves a hole'],
  ['a hole between', fileOf(two('[0,8]', '[12,20]'), 20), '"b" begins at byte 12'],
  ['a hole at the end', fileOf(one({}), 9), 'its tensors end at byte 8'],
  ['data and no tensor', fileOf('{}', 1), 'its tensors end at byte 0'],
  ['an overlap', fileOf(two('[0,8]', '[4,12]'), 12), 'overlaps another tensor'],
  ['the same bytes twice', fileOf(two('[0,8]', '[0,8]'), 8), 'overlaps another tensor'],
  ['metadata that is false', fileOf('{"__metadata__":false}'), 'metadata is false'],
  ['a quarter of a million tensors', fileOf(tensorsOf(250_001)), 'more than 250000 tensors'],
  ['metadata of a million', fileOf(metadataOf(1_000_000)), 'more than 100000 strings'],
  ['metadata that is a list', fileOf('{"__metadata__":["a"]}'), 'metadata is ["a"], but'],
  ['metadata that is a string', fileOf('{"__metadata__":"a"}'), 'metadata is "a"'],
  ['a metadata number', fileOf('{"__metadata__":{"k":1}}'), 'value of "k" is 1'],
  ['a metadata null', fileOf('{"__metadata__":{"k":null}}'), 'value of "k" is null'],
  ['a metadata object', fileOf('{"__metadata__":{"k":{}}}'), 'value of "k" is {}'],
  ['a metadata surrogate', fileOf('{"__metadata__":{"k":"\\udc00"}}'), 'value of "k" is "\\udc00"'],
];

for (const [what, file, expected] of hostile) {
  test(`refuses ${what}`, () => {
    const message = refusal(() => decodeSafetensors(file));
    assert.ok(message.includes(expected), message);
  });
}

test('allocates nothing for sizes that a small file only claims', () => {
  const claims = [
    fileOf('{}', 0, BigInt(GIGABYTE)),
    fileOf('{}', 0, 99_999_999n),
    fileOf(one({ shape: `[${GIGABYTE}]`, offsets: `[0,${4 * GIGABYTE}]` })),
    fileOf(one({ shape: `[${GIGABYTE / 8}]` }), 8),
    // The first tensor is sound, so a reader that copied while it checked would show here.
    fileOf(two('[0,33554432]', '[33554432,67108865]', '[8388608]'), 2 ** 26 + 1),
  ];
  const before = process.memoryUsage().arrayBuffers;
  for (const file of claims) refusal(() => decodeSafetensors(file));
  assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20);
});

test('refuses to write what it would not read', () => {
  const data = new Float32Array(2);
  const w: StoredTensor = { dtype: 'float32', shape: [2], data };
  const cases: readonly (readonly [name: string, tensor: object, message: string])[] = [
    ['__metadata__', w, 'rename the tensor'],
    ['\ud800', w, 'valid Unicode'],
    ['w', { ...w, dtype: 'float16' }, 'only float32, float64, int32 are supported'],
    ['w', { ...w, dtype: 'float64' }, 'in Float32Array of 2, but Float64Array was expected'],
    ['w', { ...w, dtype: 'int32' }, 'in Float32Array of 2, but Int32Array was expected'],
    ['w', { ...w, shape: [3] }, 'needs 12'],
    ['w', { ...w, shape: [-2] }, 'has shape [-2]'],
    ['w', { ...w, shape: [1.5] }, 'has shape [1.5]'],
    ['w', { ...w, shape: [NaN] }, 'has shape [null]'],
    ['w', { ...w, shape: new Array<number>(1) }, 'has shape [null]'],
    ['w', { ...w, shape: [2 ** 53] }, 'less than 2^53 bytes'],
  ];
  for (const [name, bad, expected] of cases) {
    const message = refusal(() => encodeSafetensors(new Map([[name, bad as StoredTensor]])));
    assert.ok(message.includes(expected), message);
  }
  const bad = { k: 1 } as unknown as Record<string, string>;
  assert.match(
    refusal(() => encodeSafetensors(new Map(), bad)),
    'value of "k" is 1',
  );
  assert.match(
    refusal(() => encodeSafetensors(new Map(), { k: '\udfff' })),
    'valid Unicode',
  );
  assert.match(
    refusal(() => encodeSafetensors(new Map(), { k: 'x'.repeat(100_000_000) })),
    'at most 100000000',
  );
});

type Mutation = (file: Uint8Array) => Uint8Array;

/** Puts changed header text in front of the old data, under a length that is right again. */
function withHeader(file: Uint8Array, change: (text: string) => string): Uint8Array {
  const { text, data } = headerOf(file);
  const changed = fileOf(change(text), data.length);
  changed.set(data, changed.length - data.length);
  return changed;
}

const flips: fc.Arbitrary<Mutation> = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 }),
    fc.constantFrom(100, Infinity), // in the header, or anywhere
  )
  .map(([places, range]) => (file) => {
    const changed = file.slice();
    for (const [at, mask] of places) changed[at % Math.min(file.length, range)] ^= mask;
    return changed;
  });
const cuts: fc.Arbitrary<Mutation> = fc.nat().map((n) => (file) => file.slice(0, n % file.length));
const growths: fc.Arbitrary<Mutation> = fc
  .uint8Array({ minLength: 1, maxLength: 9 })
  .map((tail) => (file) => Uint8Array.from([...file, ...tail]));
const lengths: fc.Arbitrary<Mutation> = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).chain((any) =>
  fc.constantFrom(any, any % 512n, 100_000_000n).map((length) => (file: Uint8Array) => {
    const changed = file.slice();
    new DataView(changed.buffer).setBigUint64(0, length, true);
    return changed;
  }),
);
const numbers: fc.Arbitrary<Mutation> = fc
  .tuple(
    fc.nat(),
    fc.oneof(
      fc.constantFrom('-1', '-0', '0.5', '1e3', '1e999', '4294967296', '9007199254740993', '""'),
      fc.constantFrom('null', '[]', '{}', '1073741824', '18446744073709551616', '01', '1,1'),
      fc.nat({ max: 64 }).map(String),
    ),
  )
  .map(([which, by]) => (file) => {
    return withHeader(file, (text) => {
      const found = [...text.matchAll(/(?<=[[,])\d+/g)];
      const place = found[which % found.length];
      if (place === undefined) return text;
      return text.slice(0, place.index) + by + text.slice(place.index + place[0].length);
    });
  });
/** One range of data put in the place of another, or the two exchanged: overlaps, holes, wrong lengths. */
const ranges: fc.Arbitrary<Mutation> = fc
  .tuple(fc.nat(), fc.nat(), fc.boolean())
  .map(([from, to, exchange]) => (file) => {
    return withHeader(file, (text) => {
      const found = text.match(/(?<="data_offsets":)\[\d+,\d+\]/g) ?? [];
      const changed = [...found];
      const [a, b] = [from % found.length, to % found.length];
      changed[b] = found[a];
      if (exchange) changed[a] = found[b];
      let next = 0;
      return text.replace(/(?<="data_offsets":)\[\d+,\d+\]/g, () => changed[next++]);
    });
  });
const splices: fc.Arbitrary<Mutation> = fc
  .tuple(
    fc.nat(),
    fc.nat({ max: 6 }),
    fc.constantFrom('', '{', '}', '[', ']', ',', ':', '"', '\\', '"w":', '"__proto__":{},', ' '),
  )
  .map(([at, length, by]) => (file) => {
    return withHeader(file, (text) => {
      const start = at % text.length;
      return text.slice(0, start) + by + text.slice(start + length);
    });
  });
/** Another dtype in the place of one, as long or not. */
const dtypes: fc.Arbitrary<Mutation> = fc
  .constantFrom(...'F16 BF16 I64 U64 U32 I16 U16 I8 U8 BOOL C64 F8_E4M3 F8_E5M2 F4 F128'.split(' '))
  .map((code) => (file) => withHeader(file, (text) => text.replace(/(?<="dtype":")\w+/, code)));
const mutations = fc.array(
  fc.oneof(flips, cuts, growths, lengths, numbers, ranges, splices, dtypes),
  {
    minLength: 1,
    maxLength: 2,
  },
);

test('decodes or refuses every mutated file, and does nothing else', () => {
  let decoded = 0;
  let refused = 0;
  fc.assert(
    fc.property(tensorMaps, metadatas, mutations, (tensors, metadata, [first, second]) => {
      let file = first(encodeSafetensors(tensors, metadata));
      try {
        if (second !== undefined) file = second(file);
      } catch {
        // The first mutation left no header for the second to change.
      }
      const before = file.slice();
      let read: ReturnType<typeof decodeSafetensors>;
      try {
        read = decodeSafetensors(file);
      } catch (error) {
        if (!(error instanceof MemgradError)) throw error;
        refusal(() => decodeSafetensors(file));
        refused++;
        return;
      } finally {
        assert.equal(file, before);
      }
      decoded++;
      for (const { shape, data } of read.tensors.values()) {
        assert.is(
          shape.reduce((a, b) => a * b, 1),
          data.length,
        );
        assert.ok(data.byteLength <= 4 * headerOf(file).data.length);
      }
      for (const name of read.unreadable.keys()) assert.throws(() => read.tensors.get(name));
      const { __metadata__: _, ...described } = JSON.parse(headerOf(file).text);
      assert.is(read.tensors.size + read.unreadable.size, Object.keys(described).length);
      // What was read is sound: it can be written and read again.
      const again = decodeSafetensors(encodeSafetensors(read.tensors, read.metadata));
      assert.equal(plain(again.tensors), plain(read.tensors));
    }),
    { seed: SEED, numRuns: FUZZ_RUNS },
  );
  // A fuzz test whose files all fall at the first check, or all pass, would show nothing.
  assert.ok(decoded > FUZZ_RUNS / 100, `${decoded} decoded`);
  assert.ok(refused > FUZZ_RUNS / 3, `${refused} refused`);
});

test.run();
