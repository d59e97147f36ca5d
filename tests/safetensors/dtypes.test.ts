/** Every dtype of a safetensors file, files that the reference implementation wrote, and large ones. */
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import { tensor } from '../../src/index.js';
import { decodeSafetensors, encodeSafetensors, type StoredTensor } from '../../src/runs/index.js';
import { LONG } from '../backends/arrays.js';

const test = suite('safetensors dtypes');

/** A file that safetensors 0.8.0 for Python wrote; those that begin with x_ were changed by hand. */
function stored(name: string): Uint8Array {
  return readFileSync(`tests/safetensors/files/${name}.safetensors`);
}

function fileOf(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const text = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

/** A file with one tensor 'w' of `count` elements, in these bytes. */
function one(code: string, count: number, data: Uint8Array): Uint8Array {
  const entry = { dtype: code, shape: [count], data_offsets: [0, data.length] };
  return fileOf(JSON.stringify({ w: entry }), data);
}

function bytesOf({ buffer }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer);
}

const right: readonly (readonly [file: string, name: string, dtype: string, values: number[]])[] = [
  ['f16', 'w', 'float32', [1.5, -2, 0.0999755859375, 65504]],
  ['bf16', 'w', 'float32', [1.5, -2, 0.10009765625, (1 + 98 / 128) * 2 ** 127]],
  ['bertlike', 'embeddings.position_ids', 'int32', [0, 1, 2, 3, 4]],
  ['bool', 'w', 'int32', [1, 0]],
  ['u8', 'w', 'int32', [1, 255]],
  ['i8', 'w', 'int32', [1, -128]],
  ['i16', 'w', 'int32', [1, -32768]],
  ['f64', 'w', 'float64', [1.5, -2]],
  ['scalar', 'w', 'float32', [3.25]],
  ['nonfinite', 'w', 'float32', [Number.NaN, Infinity, -0, Math.fround(1e-40)]],
  ['empty', 'w', 'float32', []],
  ['names', 'ключ/名前 😀', 'float32', [1]],
  ['names', '__proto__', 'float32', [2]],
  ['names', '10', 'float32', [4]],
  ['x_metanull', 'w', 'float32', [1]],
  ['x_metaempty', 'w', 'float32', [1]],
  ['x_nopad', 'w', 'float32', [1]],
  ['x_prettyjson', 'w', 'float32', [1]],
  ['x_unaligned', 'b', 'float32', [1]],
];

for (const [file, name, dtype, values] of right) {
  test(`reads ${name} of ${file}.safetensors`, () => {
    const { tensors, unreadable } = decodeSafetensors(stored(file));
    const found = tensors.get(name) as StoredTensor;
    assert.is(found.dtype, dtype);
    assert.equal([...found.data], values);
    assert.is(unreadable.size, 0);
  });
}

test('metadata is read, also where there are no tensors', () => {
  assert.is(decodeSafetensors(stored('meta')).metadata.note, 'größer ≥ 1 "q"\n');
  assert.is(decodeSafetensors(stored('metaonly')).metadata.format, 'pt');
  for (const file of ['none', 'x_metanull', 'x_metaempty']) {
    assert.equal(Object.keys(decodeSafetensors(stored(file)).metadata), []);
  }
});

// The reference implementation refuses the first five; the format forbids the others, which it reads.
const wrong: Record<string, string> = {
  x_floatshape: 'has shape [1.0]',
  x_hole: 'leaves a hole',
  x_metanum: 'value of "n" is 0',
  x_nulpad: 'not valid JSON',
  x_trailing: 'tensors end at byte 4',
  x_dup: 'the name "w" twice',
  x_leadingspace: 'starts with byte 32',
  x_extrafield: 'exactly "dtype", "shape" and "data_offsets"',
};
for (const [file, expected] of Object.entries(wrong)) {
  test(`refuses ${file}.safetensors`, () => {
    assert.ok(refused(() => decodeSafetensors(stored(file))).includes(expected));
  });
}

/** The time of the processor, which other processes don't change. */
function secondsOf(action: () => void): number {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

function refused(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    assert.instance(error, MemgradError, (error as Error).stack);
    const { message } = error as MemgradError;
    assert.ok(message.length < 500 && !message.includes('\n'), message);
    return message;
  }
  assert.unreachable('a MemgradError was expected');
  return '';
}

test('a tensor that has no place in memory is listed, and the others are read', () => {
  const entries = [
    ['c', 'C64', 1, 8],
    ['eight', 'F8_E4M3', 3, 3],
    ['four', 'F4', 2, 1],
    ['large', 'I64', 1, 8],
    ['new', 'F8_E3M4', 5, 7],
    ['ok', 'F32', 1, 4],
  ] as const;
  let begin = 0;
  const header: Record<string, unknown> = {};
  for (const [name, dtype, count, bytes] of entries) {
    header[name] = { dtype, shape: [count], data_offsets: [begin, begin + bytes] };
    begin += bytes;
  }
  const data = new Uint8Array(begin);
  data[12 + 7] = 1; // of `large`: 2^56
  data.set([0, 0, 128, 63], begin - 4);
  const { tensors, unreadable } = decodeSafetensors(fileOf(JSON.stringify(header), data));
  assert.equal([...tensors.keys()], ['ok']);
  assert.equal([...(tensors.get('ok')?.data ?? [])], [1]);
  assert.is(tensors.get('missing'), undefined);
  assert.equal([...unreadable.keys()], ['c', 'eight', 'four', 'large', 'new']);
  const { dtype, shape, reason } = unreadable.get('eight') ?? {};
  assert.equal([dtype, shape], ['F8_E4M3', [3]]);
  assert.match(reason as string, /^only F32, F64, I32, F16, BF16, .*BOOL are read$/);
  assert.is(
    refused(() => tensors.get('large')),
    'Tensor "large" of dtype I64 was not read: element 0 is 72057594037927936, which does not fit int32; convert it before writing the file.',
  );
  assert.match(
    refused(() => tensors.get('eight')),
    'of dtype F8_E4M3 was not read: only F32',
  );
});

test('whole numbers become int32 where they fit', () => {
  const edges = [0n, 1n, -1n, 2n ** 31n - 1n, -(2n ** 31n)];
  const beyond = [
    2n ** 31n,
    -(2n ** 31n) - 1n,
    2n ** 32n,
    2n ** 63n - 1n,
    -(2n ** 63n),
    -(2n ** 32n),
  ];
  const read = (code: string, data: ArrayBufferView, count: number) =>
    decodeSafetensors(one(code, count, bytesOf(data)));
  const values = (file: ReturnType<typeof decodeSafetensors>) => [
    ...(file.tensors.get('w')?.data ?? []),
  ];
  assert.equal(values(read('I64', BigInt64Array.from(edges), 5)), edges.map(Number));
  for (const value of beyond) {
    const { unreadable } = read('I64', BigInt64Array.of(7n, value), 2);
    assert.match(unreadable.get('w')?.reason as string, `element 1 is ${value}, which`);
  }
  assert.equal(values(read('U64', BigUint64Array.of(0n, 2n ** 31n - 1n), 2)), [0, 2 ** 31 - 1]);
  for (const value of [2n ** 31n, 2n ** 32n, 2n ** 64n - 1n]) {
    const { unreadable } = read('U64', BigUint64Array.of(value), 1);
    assert.match(unreadable.get('w')?.reason as string, `element 0 is ${value}, which`);
  }
  assert.equal(values(read('U32', Uint32Array.of(0, 2 ** 31 - 1), 2)), [0, 2 ** 31 - 1]);
  const { unreadable } = read('U32', Uint32Array.of(1, 2 ** 32 - 1), 2);
  assert.match(unreadable.get('w')?.reason as string, 'element 1 is 4294967295, which');
  assert.equal(values(read('U16', Uint16Array.of(0, 65535), 2)), [0, 65535]);
  assert.equal(values(read('BOOL', Uint8Array.of(0, 1, 2), 3)), [0, 1, 1]);
});

test('a dtype may stand at any offset', () => {
  for (const [code, size] of Object.entries({ F16: 2, I64: 8, U32: 4, BF16: 2, F64: 8, I16: 2 })) {
    const header = { a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] } };
    const w = { dtype: code, shape: [2], data_offsets: [1, 1 + 2 * size] };
    const file = fileOf(JSON.stringify({ ...header, w }), new Uint8Array(1 + 2 * size));
    assert.equal([...(decodeSafetensors(file).tensors.get('w')?.data ?? [])], [0, 0]);
  }
});

/** The value of F16 by its definition (IEEE 754). */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return exponent === 0
    ? sign * fraction * 2 ** -24
    : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);

test('all 65,536 values of F16 and BF16 are read exactly, and written as they were', () => {
  for (const code of ['F16', 'BF16'] as const) {
    const { tensors } = decodeSafetensors(one(code, 65536, bytesOf(all)));
    const { data } = tensors.get('w') as StoredTensor;
    const value = new DataView(new ArrayBuffer(4));
    for (let bits = 0; bits < 65536; bits++) {
      value.setUint32(0, bits * 65536);
      const expected = code === 'F16' ? halfValue(bits) : value.getFloat32(0);
      if (!Object.is(data[bits], expected)) assert.is(data[bits], expected, `${code} ${bits}`);
    }
    const again = encodeSafetensors(tensors, {}, { dtype: code });
    const halves = new Uint16Array(again.slice(again.length - 2 * 65536).buffer);
    for (let bits = 0; bits < 65536; bits++) {
      if (halves[bits] !== bits) assert.ok(Number.isNaN(data[bits]), `${code} ${bits}`);
    }
  }
});

test('F16 and BF16 are written as the nearest, of two equally near as the even one', () => {
  const written = (values: number[], dtype: 'F16' | 'BF16') => {
    const w: StoredTensor = {
      dtype: 'float32',
      shape: [values.length],
      data: Float32Array.from(values),
    };
    const { tensors } = decodeSafetensors(encodeSafetensors(new Map([['w', w]]), {}, { dtype }));
    return [...(tensors.get('w') as StoredTensor).data];
  };
  // Between each two neighbours: the middle, and the float32 on either side of it.
  const middle: number[] = [];
  const expected: number[] = [];
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  for (let i = 0; i < 0x7bff; i++) {
    const [low, high] = [halfValue(i), halfValue(i + 1)];
    const even = i % 2 === 0 ? low : high;
    float[0] = (low + high) / 2;
    const at = bits[0];
    for (const [by, nearest] of [
      [-1, low],
      [0, even],
      [1, high],
    ] as const) {
      bits[0] = at + by;
      middle.push(float[0], -float[0]);
      expected.push(nearest, -nearest);
    }
  }
  assert.equal(written(middle, 'F16'), expected);
  assert.equal(
    written([65519.99, 65520, -65520, 1e30, 2 ** -25, 2 ** -26, -(2 ** -26), Number.NaN], 'F16'),
    [65504, Infinity, -Infinity, Infinity, 0, 0, -0, Number.NaN],
  );
  const ulp = 2 ** -7; // of BF16 at 1
  assert.equal(
    written([1 + ulp / 2, 1 + 1.5 * ulp, 1 + 0.51 * ulp, 3.4e38, -3.4e38, Infinity, 1e-45], 'BF16'),
    [1, 1 + 2 * ulp, 1 + ulp, Infinity, -Infinity, Infinity, 0],
  );
});

test('float64 is rounded to float32 first, int32 stays, a dtype to write must exist', () => {
  const d: StoredTensor = {
    dtype: 'float64',
    shape: [],
    data: Float64Array.of(1 + 2 ** -11 + 2 ** -40),
  };
  const i: StoredTensor = { dtype: 'int32', shape: [1], data: Int32Array.of(-7) };
  const file = encodeSafetensors(
    new Map([
      ['d', d],
      ['i', i],
    ]),
    { k: 'v' },
    { dtype: 'F16' },
  );
  const { tensors, metadata } = decodeSafetensors(file);
  assert.equal([...(tensors.get('d')?.data ?? [])], [1]);
  assert.equal(tensors.get('i'), i);
  assert.is(metadata.k, 'v');
  const bad = (options: unknown) =>
    refused(() => encodeSafetensors(new Map(), {}, options as { dtype: 'F16' }));
  assert.match(bad({ dtype: 'F8' }), `The dtype to write is "F8", but 'F16' or 'BF16'`);
  assert.match(bad({ type: 'F16' }), `there is no option "type"; did you mean 'dtype'?`);
  assert.match(bad('F16'), 'expected an object of options');
});

test('130,000 tensors are read within seconds and in little memory', () => {
  const count = 130_000;
  const fields = Array.from(
    { length: count },
    (_, i) =>
      `"layers.${i}.weight":{"dtype":"F16","shape":[1],"data_offsets":[${2 * i},${2 * i + 2}]}`,
  );
  const file = fileOf(`{${fields.join()}}`, new Uint8Array(2 * count));
  const seconds = secondsOf(() => assert.is(decodeSafetensors(file).tensors.size, count));
  assert.ok(seconds < 5, `${seconds} s`);
});

test('huge headers that say nothing are refused at once', () => {
  const length = LONG ? 100_000_000 : 20_000_000;
  for (const [start, fill] of [
    ['{"w":', '['],
    ['{"w":', '{"w":'],
    ['{"', 'w'],
    ['{"w":[', '1,'],
    ['{"__metadata__":{"a":', '['],
    ['{"w":{"shape":[', '1,'],
    ['{', ' '],
    ['{"__metadata__":"', '\\u0000'],
  ]) {
    const header = new Uint8Array(length).fill(32);
    const text = (start + fill.repeat(Math.ceil(1e6 / fill.length))).slice(0, 1e6);
    for (let at = 0; at < length; at += 1e6) {
      header.set(new TextEncoder().encode(at === 0 ? text : fill.repeat(1e6 / fill.length)), at);
    }
    const file = new Uint8Array(8 + length);
    new DataView(file.buffer).setBigUint64(0, BigInt(length), true);
    file.set(header, 8);
    const seconds = secondsOf(() => refused(() => decodeSafetensors(file)));
    assert.ok(seconds < (LONG ? 5 : 1), `${start}${fill}: ${seconds} s`);
  }
});

test('bytes that threads share are read', () => {
  const file = stored('f16');
  const shared = new Uint8Array(new SharedArrayBuffer(file.length));
  shared.set(file);
  assert.is(decodeSafetensors(shared).tensors.get('w')?.data[0], 1.5);
});

test('whatever the arguments are, the error is a sentence', () => {
  const decode = decodeSafetensors as (...given: unknown[]) => unknown;
  const encode = encodeSafetensors as (...given: unknown[]) => unknown;
  const w = { dtype: 'float32', shape: [1], data: new Float32Array(1) };
  const odd = [
    undefined,
    null,
    0,
    -1,
    NaN,
    '',
    'x',
    true,
    1n,
    [],
    [1],
    {},
    () => 0,
    new Map(),
    new Set([1]),
    Symbol('s'),
    new Float32Array(2),
    new ArrayBuffer(8),
    new Date(),
    tensor([1]),
  ];
  for (const value of odd) {
    refused(() => decode(value));
    if (!(value instanceof Map)) refused(() => encode(value));
    if (value !== undefined && Object.prototype.toString.call(value) !== '[object Object]') {
      refused(() => encode(new Map(), value));
    }
    refused(() => encode(new Map([['w', value]])));
    refused(() => encode(new Map([[value, null]])));
    for (const field of ['dtype', 'shape', 'data'] as const) {
      if (field === 'shape' && Array.isArray(value)) continue; // [] and [1] are right
      refused(() => encode(new Map([['w', { ...w, [field]: value }]])));
    }
    refused(() => encode(new Map([['w', w]]), { k: value === '' || value === 'x' ? 5 : value }));
    refused(() => encode(new Map([['w', w]]), {}, { dtype: value ?? 'F32' }));
  }
  assert.match(
    refused(() => decode(new ArrayBuffer(8))),
    'got ArrayBuffer; pass new Uint8Array(buffer)',
  );
  const many = new Map(Array.from({ length: 250_001 }, (_, i) => [String(i), w]));
  assert.match(
    refused(() => encode(many)),
    'more than 250000 tensors',
  );
  assert.match(
    refused(() => encode({ w })),
    'pass new Map(Object.entries(tensors))',
  );
});

test.run();
