/** Files that are large, odd or hostile, as `inspect` and `parity` meet them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import { parseFixture, runFixture } from '../../src/parity/index.js';
import { events, inFolder, memgrad, refused } from './spawn.js';

const test = suite('files');

process.env.NODE_OPTIONS = '--max-old-space-size=512'; // of the commands that are started here

function safetensors(header: string, dataLength: number): Uint8Array {
  const text = Buffer.from(header);
  const file = new Uint8Array(8 + text.length + dataLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  return file;
}

test('inspect shows 130,000 tensors, one of them of a thousand axes', () =>
  inFolder(async (folder) => {
    const count = 130_000;
    const fields = Array.from({ length: count }, (_, i) => {
      const shape = i === 7 ? Array(2000).fill(1).join() : '1';
      return `"layers.${i}.weight":{"dtype":"BF16","shape":[${shape}],"data_offsets":[${2 * i},${2 * i + 2}]}`;
    });
    const file = join(folder, 'many.safetensors');
    await writeFile(file, safetensors(`{${fields.join()}}`, 2 * count));
    const { code, stdout, stderr } = await memgrad(['inspect', file]);
    assert.is(code, 0, stderr);
    const lines = stdout.trim().split('\n');
    assert.is(lines.length, count + 3);
    assert.match(lines[0], '130,000 tensors, 130,000 values');
    assert.match(lines[count + 2], /9999\.weight +1 BF16 +0\.0/);
    assert.ok(lines.every((line) => line.length < 120));
  }));

test('inspect lists what it cannot convert, and shows the others', async () => {
  const shown = async (name: string, ...args: string[]) => {
    const ended = await memgrad([
      'inspect',
      `tests/safetensors/files/${name}.safetensors`,
      ...args,
    ]);
    assert.is(ended.code, 0, ended.stderr);
    return ended.stdout;
  };
  assert.match(await shown('bertlike'), /position_ids +1x5 I64 +0\.0 +4\.0 +2\.0/);
  const eight = await shown('x_f8');
  assert.match(eight, /w +1 F8_E4M3 +- +- +- +-\n {4}not read: only F32, F64/);
  assert.ok(eight.split('\n').every((line) => line.length <= 80));
  const [, row] = events(await shown('x_c64', '--json'));
  assert.is(row.dtype, 'C64');
  assert.match(row.unreadable as string, 'are read');
  const [, half] = events(await shown('f16', '--json'));
  assert.equal([half.dtype, half.stored, half.most], ['float32', 'F16', 65504]);
});

/** `length` bytes that begin with `start` and go on with `fill`. */
function filled(length: number, start: string, fill: string, end = ''): Uint8Array {
  const bytes = Buffer.alloc(length, fill);
  bytes.write(start);
  bytes.write(end, length - end.length);
  return bytes;
}

const MIB = 2 ** 20;
const hostile: Record<string, [bytes: Uint8Array, message: RegExp]> = {
  'open brackets': [filled(60 * MIB, '', '['), /nested more than 16 deep/],
  'open objects': [filled(60 * MIB, '', '{"a":'), /nested more than 16 deep/],
  'nested and closed': [
    Buffer.concat([Buffer.alloc(9 * MIB, '['), Buffer.alloc(9 * MIB, ']')]),
    /nested more than 16 deep/,
  ],
  'empty lists': [filled(60 * MIB, '[[]', ',[]', ']'), /more than 1000000 lists and fields/],
  'empty objects': [filled(60 * MIB, '[{}', ',{}', ']'), /more than 1000000 lists and fields/],
  names: [filled(60 * MIB, '{"a":0', ',"b":0', '}'), /more than 1000000 lists and fields/],
  numbers: [filled(60 * MIB, '[1', ',1', ']'), /more than 8000000 values/],
  spaces: [filled(60 * MIB, '', ' '), /not valid JSON/],
  backslashes: [filled(60 * MIB, '"', '\\'), /not valid JSON/],
  'a string': [filled(60 * MIB, '"', 'x', '"'), /has none of the fields/],
  'a string in the place of numbers': [
    filled(30 * MIB, '{"teacher_forced_argmax":"', 'x', '"}'),
    /config is missing/,
  ],
  'a long name': [filled(30 * MIB, '{"batches":0,"', 'x', '":0}'), /script is missing/],
  'a number': [filled(60 * MIB, '1', '1'), /has none of the fields/],
  'invalid UTF-8': [filled(60 * MIB, '"', '\xff', '"'), /has none of the fields|not valid JSON/],
  'an endless shape': [
    Buffer.from(
      `{"teacher_forced_argmax":0,"config":{},"answer_size":1,"params":{"a":{"shape":[${'1,'.repeat(2e6)}1],"data":[1]}}}`,
    ),
    /./,
  ],
  'beyond 64 MiB': [Buffer.alloc(64 * MIB + 1), /at most 67108864/],
};

for (const [what, [bytes, message]] of Object.entries(hostile)) {
  test(`a fixture of ${what} is refused at once`, () => {
    const before = process.cpuUsage();
    const failure = thrown(() => parseFixture(bytes, 'f.json'));
    const { user, system } = process.cpuUsage(before);
    assert.match(failure, message);
    assert.ok(failure.length < 500, failure);
    assert.ok(user + system < 5e6, `${(user + system) / 1e6} s of the processor`);
  });
}

test('parity refuses 120 MB of brackets, and what stands within the limits, in little memory', () =>
  inFolder(async (folder) => {
    const file = join(folder, 'f.json');
    for (const [bytes, message] of [
      [Buffer.alloc(120_000_000, '['), /has 120000000 bytes, but at most 67108864 are allowed/],
      ...['open brackets', 'empty lists', 'names', 'a string'].map((name) => hostile[name]),
    ] as const) {
      await writeFile(file, bytes);
      const { code, stderr } = await memgrad(['parity', file]);
      assert.is(code, 2);
      assert.match(stderr, /^error: [^\n]+\n$/);
      assert.match(stderr, message);
    }
  }));

test('whatever the arguments are, the error is a sentence', () => {
  const odd = [undefined, null, 0, NaN, '', 'x', true, 1n, [], {}, () => 0, new Map(), Symbol('s')];
  for (const value of odd) {
    thrown(() => parseFixture(value as Uint8Array, 'f.json'));
    thrown(() => parseFixture(new Uint8Array(2), value as string));
    for (const context of [
      value,
      { backend: {}, tolerance: 1 },
      { backend: value, tolerance: 1 },
    ]) {
      thrown(() => runFixture(value as never, context as never));
    }
  }
  const context = { backend: {}, tolerance: 1, verbose: true };
  assert.match(
    thrown(() => runFixture({} as never, context as never)),
    'there is no option "verbose"',
  );
});

function thrown(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    assert.instance(error, MemgradError, (error as Error).stack);
    return (error as Error).message;
  }
  assert.unreachable('a MemgradError was expected');
  return '';
}

test('a file that cannot be inspected is told in one line', async () => {
  assert.match(
    refused(await memgrad(['inspect', 'tests/safetensors/files/x_hole.safetensors'])),
    'a hole',
  );
});

test.run();
