/** Fixtures that are large or hostile, as `parity` meets them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFixture } from '../../../experiments/parity/index.js';
import { MemgradError } from '../../../src/errors.js';
import { inFolder, memgrad } from '../../cli/spawn.js';

const test = suite('hostile fixtures');

process.env.NODE_OPTIONS = '--max-old-space-size=512'; // of the commands that are started here

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

test.run();
