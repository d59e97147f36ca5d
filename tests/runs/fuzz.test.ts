/** Files as an enemy would write them: mutated ones of every kind, which must load or be refused in one clear sentence. */
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFixture } from '../../experiments/parity/index.js';
import { MemgradError } from '../../src/errors.js';
import { createModel } from '../../src/models/index.js';
import {
  CARRIED_FILE,
  CONFIG_FILE,
  checkpointFile,
  checkRunConfig,
  decodeSafetensors,
  METRICS_FILE,
  MODEL_FILE,
  packRun,
  parseJson,
  parseState,
  readMetrics,
  STATE_FILE,
  saveCheckpoint,
  unpackRun,
} from '../../src/runs/index.js';
import { ByteTokenizer, Language } from '../../src/tasks/index.js';
import { AdamW, Carried, restoredCarry, train } from '../../src/training/index.js';
import { configOf, MemoryStorage, savedRun } from './helpers.js';

const test = suite('hostile files');
const FILES = process.env.MEMGRAD_LONG ? 100_000 : 5_000;
const MIB = 2 ** 20;

const storage = await savedRun();
const bytesOf = (name: string) => storage.files.get(name) as Uint8Array;

const verse = new TextEncoder().encode('abcab'.repeat(9));
const stream = {
  task: new Language({ train: verse, validation: verse, test: verse }, new ByteTokenizer(verse)),
  model: createModel('transformer-xl-rmt', { ...configOf().model.config, nToken: 3 }),
  ...{ segmentLength: 2, batchSize: 2, bpttDepth: 2, steps: 3 },
  optimizer: new AdamW(),
  carried: new Carried(),
};
for await (const _ of train(stream));
const streamStorage = new MemoryStorage();
await saveCheckpoint(streamStorage, stream, { step: 3 });

/** What a valid file of each kind is, and how it is read. */
const kinds: Record<string, { valid: Uint8Array; read: (bytes: Uint8Array) => unknown }> = {
  safetensors: { valid: bytesOf(checkpointFile(2, MODEL_FILE)), read: decodeSafetensors },
  carried: {
    valid: streamStorage.files.get(checkpointFile(3, CARRIED_FILE)) as Uint8Array,
    read: (bytes) =>
      stream.carried.keep(
        restoredCarry(Object.fromEntries(decodeSafetensors(bytes).tensors), stream),
      ),
  },
  configuration: {
    valid: bytesOf(CONFIG_FILE),
    read: (bytes) => checkRunConfig(parseJson(bytes, CONFIG_FILE), CONFIG_FILE),
  },
  state: {
    valid: bytesOf(checkpointFile(2, STATE_FILE)),
    read: (bytes) => parseState(parseJson(bytes, STATE_FILE), STATE_FILE),
  },
  metrics: {
    valid: bytesOf(METRICS_FILE),
    read: (bytes) => {
      const { lost } = readMetrics(bytes, 2, 10); // it refuses nothing, but counts
      if (lost > 0) throw new MemgradError(`${lost} lines are lost.`);
    },
  },
  archive: {
    valid: await packRun(storage),
    read: (bytes) => unpackRun(new MemoryStorage(), bytes),
  },
  fixture: {
    valid: readFileSync('tests/goldens/a2_transformer_preln.json'),
    read: (bytes) => parseFixture(bytes, 'fixture.json'),
  },
};

/** What goes in where something is to go wrong: words, numbers and names that have surprised readers of files. */
const pieces = [
  ...[
    '__proto__',
    'constructor',
    '"',
    '\\',
    '\\u0000',
    '\u0000',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '\n',
  ],
  ...['-1', '0', '1e308', '1e999', '-0', '0.5', '4294967296', '9007199254740993', '99999999999999'],
  ...['null', 'true', '"text"', '[[[[[[[[', '{"a":{"a":{"a":', 'F64', 'I32', 'BOOL', '\ud800'],
  ...['"data_offsets":[0,1000000000]', '"shape":[1000000000,1000000000]', '77777777777'],
].map((text) => new TextEncoder().encode(text));

/** Where, as a share; without the generator's liking for the ends. */
const place = fc.noBias(fc.nat(2 ** 20 - 1)).map((at) => at / 2 ** 20);
const edit = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, value: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: place, value: fc.nat(300) }),
  fc.record({ kind: fc.constant('double' as const), at: place, value: fc.nat(300) }),
  fc.record({ kind: fc.constant('insert' as const), at: place, value: fc.nat(pieces.length - 1) }),
  fc.record({ kind: fc.constant('number' as const), at: place, value: fc.nat(pieces.length - 1) }),
  fc.record({ kind: fc.constant('digit' as const), at: place, value: fc.nat(9) }),
  fc.record({ kind: fc.constant('end' as const), at: place, value: fc.constant(0) }),
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

/** The file after one edit; most fall into its first kilobyte, where the headers are. */
function edited(bytes: Uint8Array, { kind, at, value }: Edit, early: boolean): Uint8Array {
  const start = Math.floor(at * Math.min(bytes.length, early ? 1024 : Infinity));
  const head = bytes.subarray(0, start);
  const join = (...parts: Uint8Array[]) => Uint8Array.from(Buffer.concat(parts));
  if (kind === 'flip') return join(head, Uint8Array.of(value), bytes.subarray(start + 1));
  if (kind === 'cut') return join(head, bytes.subarray(start + value));
  if (kind === 'double')
    return join(head, bytes.subarray(start, start + value), bytes.subarray(start));
  if (kind === 'insert') return join(head, pieces[value], bytes.subarray(start));
  if (kind === 'end') return join(head);
  if (kind === 'digit') {
    const isDigit = (byte: number, index: number) => index >= start && byte >= 48 && byte < 58;
    const index = bytes.findIndex(isDigit);
    return index < 0
      ? bytes
      : join(bytes.subarray(0, index), Uint8Array.of(48 + value), bytes.subarray(index + 1));
  }
  // Another number, text or word in the place of the next one.
  const text = Buffer.from(bytes.subarray(start)).toString('latin1');
  const found = /-?\d+(\.\d+)?|"[a-zA-Z_.]+"|true|false|null/.exec(text.slice(0, 2000));
  if (!found) return bytes;
  const rest = bytes.subarray(start + found.index + found[0].length);
  return join(bytes.subarray(0, start + found.index), pieces[value], rest);
}

test(`${FILES} mutated files: each is read or refused in one sentence, at once and in little memory`, async () => {
  const count: Record<string, { read: number; refused: number }> = {};
  for (const [kind, { valid, read }] of Object.entries(kinds)) {
    await read(valid);
    count[kind] = { read: 0, refused: 0 };
  }
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(kinds)),
      fc.array(fc.tuple(edit, fc.boolean()), { minLength: 1, maxLength: 3 }),
      async (kind, edits) => {
        const { valid, read } = kinds[kind];
        const bytes = edits.reduce((file, [change, early]) => edited(file, change, early), valid);
        const before = process.memoryUsage().arrayBuffers;
        const started = performance.now();
        try {
          await read(bytes);
          count[kind].read++;
        } catch (error) {
          assert.instance(error, MemgradError, `${kind}: ${(error as Error)?.stack}`);
          const { message } = error as MemgradError;
          assert.ok(message.length < 1000 && !message.includes('\n'), `${kind}: ${message}`);
          count[kind].refused++;
        }
        assert.ok(performance.now() - started < 3000, `${kind} took too long`);
        const grown = process.memoryUsage().arrayBuffers - before;
        assert.ok(grown < 16 * MIB, `${kind} of ${bytes.length} bytes allocated ${grown}`);
        assert.is(
          Object.getOwnPropertyNames(Object.prototype).length,
          names,
          'nothing got into it',
        );
      },
    ),
    { numRuns: FILES, seed: 20_261_122, endOnFailure: true },
  );
  for (const [kind, { read, refused }] of Object.entries(count)) {
    assert.ok(read > FILES / 500 && refused > FILES / 20, `${kind}: ${JSON.stringify(count)}`);
  }
});

const names = Object.getOwnPropertyNames(Object.prototype).length;

test('a gigabyte claimed by a ten-byte file is refused before anything is allocated', () => {
  const file = new Uint8Array(10);
  new DataView(file.buffer).setBigUint64(0, 1_000_000_000n, true);
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => decodeSafetensors(file), /claims a header of 1000000000 bytes/);
  assert.ok(process.memoryUsage().arrayBuffers - before < MIB);
});

test.run();
