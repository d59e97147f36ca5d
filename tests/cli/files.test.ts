/** Files that are large or odd, as `inspect` meets them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
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

test('a file that cannot be inspected is told in one line', async () => {
  assert.match(
    refused(await memgrad(['inspect', 'tests/safetensors/files/x_hole.safetensors'])),
    'a hole',
  );
});

test.run();
