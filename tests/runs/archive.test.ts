/** Runs in tar archives: our own, those of GNU tar and of macOS, and hostile ones. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MemgradError } from '../../src/errors.js';
import { packRun, unpackRun } from '../../src/runs/index.js';
import { failure, MemoryStorage, savedRun } from './helpers.js';

const test = suite('archives');

const storage = await savedRun();
const files = new Map([...storage.files].sort());
const archive = await packRun(storage);

async function unpacked(bytes: Uint8Array): Promise<Map<string, Uint8Array>> {
  const copy = new MemoryStorage();
  await unpackRun(copy, bytes);
  return new Map([...copy.files].sort());
}

/** The message that refuses `bytes`; nothing may have been written. */
async function refused(bytes: Uint8Array): Promise<string> {
  const empty = new MemoryStorage();
  const message = await failure(unpackRun(empty, bytes));
  assert.is(empty.files.size, 0);
  assert.ok(message.length < 400 && !message.includes('\n'), message);
  return message;
}

test('an archive holds the same files, and is refused when it is damaged', async () => {
  assert.equal(await unpacked(archive), files);
  assert.match(await failure(unpackRun(storage, archive)), /is not empty/);
  const damaged = (change: (bytes: Uint8Array) => Uint8Array) => refused(change(archive.slice()));
  assert.match(
    await damaged((bytes) => bytes.subarray(0, bytes.length - 1200)),
    /ends at byte|claims/,
  );
  assert.match(await damaged(() => new Uint8Array(1024)), /has no config.json/);
  assert.match(await damaged((bytes) => bytes.fill(65, 0, 1)), /damaged header at byte 0/);
  for (const [name, magic] of Object.entries({ gzip: [0x1f, 0x8b], zip: [0x50, 0x4b, 3, 4] })) {
    const packed = new Uint8Array(2000);
    packed.set(magic);
    assert.match(await refused(packed), `compressed by ${name}, but a plain tar file`);
  }
});

test("what tar makes of a run's folder after a kill is read, in every format", async () => {
  const parent = await mkdtemp(join(tmpdir(), 'memgrad-test-'));
  try {
    const long = `${'a'.repeat(75)}/${'b'.repeat(75)}`;
    const folder = join(parent, long, 'läuf');
    const left: Record<string, string> = {
      'process.lock': '{"pid":1}',
      'config.json.tmp': '{"version"',
      'step-9/model.safetensors.tmp': 'half of it',
      '.DS_Store': 'x',
      'notes/readme.txt': 'mine',
      'step-2/notes.txt': 'mine',
    };
    for (const [name, bytes] of [...files, ...Object.entries(left)]) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), bytes);
    }
    await mkdir(join(folder, 'empty'));
    const tar = async (...args: string[]) => {
      const out = join(parent, 'run.tar');
      const { status, stderr } = spawnSync('tar', ['-cf', out, ...args], { encoding: 'utf8' });
      assert.is(status, 0, stderr);
      return new Uint8Array(await readFile(out));
    };
    for (const format of ['v7', 'ustar', 'gnu', 'oldgnu', 'pax']) {
      // The command of docs/playground.md, then from outside the folder.
      const inside = await tar(`--format=${format}`, '-C', folder, '.');
      assert.equal(await unpacked(inside), files, format);
      if (format === 'v7') continue; // it has no room for such a name
      const outside = await tar(`--format=${format}`, '-C', parent, long);
      assert.equal(await unpacked(outside), files, format);
    }
    const attributes = ['--format=pax', '--pax-option=SCHILY.xattr.user.note=a long note of mine'];
    assert.equal(await unpacked(await tar(...attributes, '-C', folder, '.')), files);
    await symlink('step-2', join(folder, 'step-3'));
    assert.match(
      await refused(await tar('-C', folder, '.')),
      /a link, "step-3".*'tar -h --hard-dereference'/,
    );
    assert.ok(
      (await unpacked(await tar('-h', '--hard-dereference', '-C', folder, '.'))).has(
        'step-3/model.safetensors',
      ),
    );
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
});

interface Part {
  name: string;
  bytes?: Uint8Array | string;
  type?: string;
  size?: string;
  prefix?: string;
  magic?: string;
}

/** An archive of these entries, as they are. */
function tarOf(...parts: Part[]): Uint8Array {
  const blocks = parts.flatMap(
    ({ name, bytes = '', type = '0', size, prefix = '', magic = 'ustar\x0000' }) => {
      const data = Buffer.from(bytes);
      const header = Buffer.alloc(512);
      const put = (at: number, text: string) => header.write(text, at, 'latin1');
      header.write(name, 0);
      put(124, size ?? `${data.length.toString(8).padStart(11, '0')}\0`);
      put(156, type);
      put(257, magic);
      put(345, prefix);
      put(148, '        ');
      const sum = header.reduce((total, byte) => total + byte, 0);
      put(148, `${sum.toString(8).padStart(6, '0')}\0 `);
      return [header, data, Buffer.alloc(-data.length & 511)];
    },
  );
  return new Uint8Array(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

/** A pax record. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length++;
  return `${length} ${key}=${value}\n`;
}

const config: Part = { name: 'config.json', bytes: '{}' };
const names = async (...parts: Part[]) => [...(await unpacked(tarOf(...parts))).keys()];

test('what macOS writes is read', async () => {
  const pax = record('mtime', '1764200000.25') + record('LIBARCHIVE.xattr.com.apple', 'a\0b=\n=');
  const found = await unpacked(
    tarOf(
      { name: './._.', bytes: 'AppleDouble' },
      { name: './', type: '5', size: '\0' },
      { name: './._config.json', bytes: 'AppleDouble' },
      { name: './PaxHeader/config.json', bytes: pax, type: 'x' },
      { name: './config.json', bytes: '{}' },
      { name: './step-1/', type: '5' },
      { name: './step-1/._model.safetensors', bytes: 'AppleDouble' },
      { name: './step-1/model.safetensors', bytes: 'abc' },
      { name: './.DS_Store', bytes: 'x' },
      { name: '__MACOSX/config.json', bytes: 'x' },
    ),
  );
  assert.equal(
    [...found].map(([name, bytes]) => [name, Buffer.from(bytes).toString()]),
    [
      ['config.json', '{}'],
      ['step-1/model.safetensors', 'abc'],
    ],
  );
});

test('names and sizes of pax and GNU headers count for the next file alone', async () => {
  const long = `${'x'.repeat(120)}/config.json`;
  assert.equal(
    await names(
      { name: 'a', type: 'x', bytes: record('path', long) },
      { name: 'cut', bytes: '{}' },
    ),
    ['config.json'],
  );
  assert.equal(
    await names(
      { name: '././@LongLink', type: 'L', bytes: `${long}\0` },
      { name: 'cut', bytes: '{}' },
    ),
    ['config.json'],
  );
  assert.equal(await names({ name: 'g', type: 'g', bytes: record('comment', 'x') }, config), [
    'config.json',
  ]);
  assert.equal(
    await names(
      { name: 'x', type: 'x', bytes: record('size', '2') },
      { ...config, size: '00000000000\0' },
    ),
    ['config.json'],
  );
  assert.equal(await names({ name: 'config.json', prefix: 'runs/first', bytes: '{}' }), [
    'config.json',
  ]);
  assert.equal(await names({ ...config, size: '\x80\0\0\0\0\0\0\0\0\0\0\x02' }), ['config.json']);
  assert.equal(
    await names(
      { name: 'x', type: 'x', bytes: record('path', 'other') },
      { name: 'config.json', bytes: '1' },
      config,
    ),
    ['config.json'],
  );
});

const hostile: Record<string, [parts: Part[], message: RegExp]> = {
  'a way out': [[config, { name: '../escape.json' }], /"..\/escape.json" that leads out/],
  'a way out in the middle': [[config, { name: 'step-1/../../x' }], /that leads out/],
  'a way out with backslashes': [[config, { name: '..\\config.json' }], /that leads out/],
  'an absolute name': [[{ ...config, name: '/config.json' }], /that leads out/],
  'a drive': [[{ ...config, name: 'C:/config.json' }], /that leads out/],
  'a way out in a prefix': [[{ ...config, prefix: '../x' }], /that leads out/],
  'a way out in a pax header': [
    [{ name: 'x', type: 'x', bytes: record('path', '../config.json') }, config],
    /that leads out/,
  ],
  'a way out in a GNU header': [
    [{ name: 'L', type: 'L', bytes: '/etc/passwd\0' }, config],
    /that leads out/,
  ],
  'a way out for a folder': [[config, { name: '../up/', type: '5' }], /that leads out/],
  'a symbolic link': [[{ ...config, type: '2', bytes: '' }], /has a link, "config.json"/],
  'a hard link': [[config, { name: 'step-1/model.safetensors', type: '1' }], /has a link/],
  'a pipe': [[{ ...config, type: '6', bytes: '' }], /not an ordinary file/],
  'a sparse file': [[{ ...config, type: 'S' }], /not an ordinary file/],
  'a sparse pax file': [
    [{ name: 'x', type: 'x', bytes: record('GNU.sparse.major', '1') }, config],
    /without --sparse/,
  ],
  'a file twice': [[config, config], /has the file "config.json" twice/],
  'a file twice, spelt otherwise': [[config, { ...config, name: './config.json' }], /twice/],
  'two runs': [
    [
      { ...config, name: 'a/config.json' },
      { ...config, name: 'b/config.json' },
    ],
    /several runs, in "a" and "b"/,
  ],
  'no run': [[{ name: 'readme.txt', bytes: 'x' }], /has no config.json/],
  'a size beyond the end': [[{ ...config, size: '77777777777\0' }], /claims 8589934591 bytes/],
  'a large size of GNU': [
    [{ ...config, size: `\x80${'\xff'.repeat(11)}` }],
    /claims 3.*e\+26 bytes/,
  ],
  'a negative size': [[{ ...config, size: '\xff'.repeat(12) }], /claims NaN bytes/],
  'a size that is text': [[{ ...config, size: 'many\0' }], /claims NaN bytes/],
  'a pax size beyond the end': [
    [{ name: 'x', type: 'x', bytes: record('size', '9999999999') }, config],
    /claims 9999999999 bytes/,
  ],
  'a pax size that is text': [
    [{ name: 'x', type: 'x', bytes: record('size', '-1') }, config],
    /claims NaN bytes/,
  ],
  'a pax record that is too long': [
    [{ name: 'x', type: 'x', bytes: '99 path=x\n' }, config],
    /damaged pax header/,
  ],
  'a pax record of length 0': [
    [{ name: 'x', type: 'x', bytes: '0 path=x\n' }, config],
    /damaged pax header/,
  ],
  'a pax record without an end': [
    [{ name: 'x', type: 'x', bytes: '9 path=xx' }, config],
    /damaged pax header/,
  ],
  'a pax record without a key': [
    [{ name: 'x', type: 'x', bytes: '5 ab\n' }, config],
    /damaged pax header/,
  ],
  'a pax header without spaces': [
    [{ name: 'x', type: 'x', bytes: 'x'.repeat(5000) }, config],
    /damaged pax header/,
  ],
  'a name of 2 MB': [
    [{ name: 'L', type: 'L', bytes: 'x'.repeat(2e6) }, config],
    /has a name of 2000000 bytes/,
  ],
};
for (const [what, [parts, message]] of Object.entries(hostile)) {
  test(`refuses ${what}`, async () => assert.match(await refused(tarOf(...parts)), message));
}

test('whatever the arguments are, the error is a sentence', async () => {
  const odd = [
    undefined,
    null,
    0,
    '',
    'x',
    true,
    1n,
    [],
    {},
    () => 0,
    new Map(),
    new ArrayBuffer(8),
    Symbol('s'),
  ];
  for (const value of odd) {
    for (const call of [
      () => packRun(value as never),
      () => unpackRun(value as never, archive),
      () => unpackRun(new MemoryStorage(), value as never),
    ]) {
      const error = await call().then(
        () => undefined,
        (error) => error,
      );
      assert.instance(error, MemgradError, String(error?.stack));
    }
  }
});

test.run();
