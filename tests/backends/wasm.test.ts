/** The wasm backend: conformance, the memory of long runs, the end of memory, the size of its code. */
import { gzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  crossEntropy,
  Key,
  matmul,
  memoryReport,
  mul,
  ones,
  Parameter,
  scope,
  sum,
  type Tensor,
  tensor,
  uniform,
  valueAndGrad,
  zeros,
} from '../../src/autograd/index.js';
import type { Backend, DeviceBuffer } from '../../src/backends/backend.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { OutOfMemory } from '../../src/errors.js';
import { createModel, presets } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { runConformance } from '../../src/testing/index.js';
import { Adam, train } from '../../src/training/index.js';
import { bundle } from '../bundle.js';
import { LONG } from './arrays.js';

const test = suite('wasm');
const MIB = 2 ** 20;

test('the end of memory names nothing where nothing is live', () => {
  const backend = createWasmBackend({ maximumBytes: 8 * MIB });
  assert.is(memoryReport().buffers, 0);
  const message = ending(() => zeros([4 * MIB], { backend }));
  assert.match(message, /^wasm: out of memory: .* or use smaller batches or segments\.$/);
});

test('every operation, values and gradients of both orders, is within its tolerance', async () => {
  const rows = await runConformance(createWasmBackend(), { order: 2 });
  const failed = rows.filter(({ passed }) => !passed);
  assert.equal(failed, []);
  assert.ok(rows.length > 500);
});

/** A wasm backend, and how large its memory is. */
function measured(): { backend: Backend; bytes: () => number } {
  const Memory = WebAssembly.Memory;
  const made: WebAssembly.Memory[] = [];
  WebAssembly.Memory = class extends Memory {
    constructor(options: WebAssembly.MemoryDescriptor) {
      super(options);
      made.push(this);
    }
  };
  try {
    const backend = createWasmBackend();
    assert.is(made.length, 1);
    return { backend, bytes: () => made[0].buffer.byteLength };
  } finally {
    WebAssembly.Memory = Memory;
  }
}

test('training takes no more memory after many steps than after 20', async () => {
  const { backend, bytes } = measured();
  const task = new Copy({ length: 6, symbols: 5, copies: 1 });
  const model = createModel('rmt', {
    ...presets.fast,
    nToken: task.vocabulary,
    nLayer: 2,
    nHead: 2,
    dModel: 16,
    dHead: 8,
    dInner: 32,
    memLen: 1,
    numMemTokens: 3,
    dropout: 0.1,
    backend,
  });
  const steps = LONG ? 2000 : 200;
  const optimizer = new Adam({ learningRate: 1e-3 });
  const options = { model, task, optimizer, segmentLength: 4, steps, batchSize: 8, clip: 1 };
  let early = { report: memoryReport(), bytes: 0 };
  let late = early; // while training holds its constants
  let first = 0;
  let last = 0;
  for await (const { step, loss } of train({ ...options, backend })) {
    if (step === 1) first = loss;
    if (step === 20) early = { report: memoryReport(), bytes: bytes() };
    if (step === steps) late = { report: memoryReport(), bytes: bytes() };
    last = loss;
  }
  assert.ok(last < first, 'it learns');
  assert.equal(late, early);
  assert.ok(
    memoryReport().buffers < late.report.buffers,
    'the constants of captured steps are freed',
  );
});

/** The message of the OutOfMemory that `call` must throw. */
function ending(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    assert.instance(error, OutOfMemory, String(error));
    return (error as OutOfMemory).message;
  }
  assert.unreachable('memory should have ended');
  return '';
}

test('the end of memory names what is live, and the engine goes on', async () => {
  const backend = createWasmBackend({ maximumBytes: 8 * MIB });
  const before = memoryReport();
  const kept = tensor(Float32Array.of(1, 2, 3), { backend });
  const message = ending(() =>
    scope(() => {
      let x = ones([256, 1024], { backend });
      for (;;) x = add(x, 1);
    }),
  );
  assert.match(
    message,
    /^wasm: out of memory: 1 MiB more do not fit, with \d MiB in use; the limit is 8 MiB\. Free tensors \(scope\), or use smaller batches or segments\. Most live memory was allocated by add \(\d buffers, \d\.0 MiB\), full \(\d+ buffers, 1\.0 MiB\), \w+ \(\d+ buffers, 0\.\d MiB\)\.$/,
  );
  assert.equal(await kept.array(), [1, 2, 3]);
  for (let round = 0; round < 3; round++) {
    ending(() => tensor(new Float32Array(4 * MIB), { backend }));
    ending(() => zeros([4 * MIB], { backend }));
    ending(() => uniform(Key.of(1), [4 * MIB], { backend }));
    const x = scope(() => matmul(ones([300, 300], { backend }), ones([300, 300], { backend })));
    assert.ok((await x.data()).every((value) => value === 300));
    x.dispose();
  }
  kept.dispose();
  assert.equal(memoryReport(), before);
});

test('wherever memory ends within a step, all of it comes back', async () => {
  const backend = createWasmBackend({ maximumBytes: 4 * MIB });
  const w = new Parameter(
    tensor(new Float32Array(64 * 64).fill(0.01), { shape: [64, 64], backend }),
  );
  const targets = tensor(new Int32Array(512).fill(5), { backend });
  const before = memoryReport();
  const step = () =>
    scope(() => {
      const loss = () => crossEntropy(matmul(mul(ones([512, 64], { backend }), 0.5), w), targets);
      const [value, { w: gradient }] = valueAndGrad(loss, { w })();
      return sum(mul(gradient, value));
    });
  const fine = step();
  const [expected] = await fine.data();
  fine.dispose();
  let ended = 0;
  // Ever less is free, until the step does not fit; then it is made to fit again.
  const ballast: Tensor[] = [];
  for (;;) {
    try {
      const result = step();
      assert.is((await result.data())[0], expected);
      result.dispose();
      ballast.push(zeros([4096], { backend }));
    } catch (error) {
      assert.instance(error, OutOfMemory);
      assert.ok((error as Error).message.includes('Most live memory was allocated by full'));
      if (++ended === 5) break;
      ballast.pop()?.dispose();
      ballast.pop()?.dispose();
    }
  }
  for (const x of ballast) x.dispose();
  assert.equal(memoryReport(), before);
  const again = step();
  assert.is((await again.data())[0], expected);
  again.dispose();
});

test('a kernel that makes several results and finds no room for the last keeps none', () => {
  const backend = createWasmBackend({ maximumBytes: 2 * MIB });
  const inputs = Array.from({ length: 4 }, () => backend.fill(1, 80_000, 'float32'));
  /** How many blocks of 4 KiB there is room for. */
  const room = () => {
    const blocks: DeviceBuffer[] = [];
    ending(() => {
      for (;;) blocks.push(backend.fill(0, 1024, 'float32'));
    });
    for (const block of blocks) backend.free(block);
    return blocks.length;
  };
  const before = room();
  assert.ok(before > 160, 'two more results would fit');
  const results = [0, 1, 2].map(() => ({ dtype: 'float32', shape: [inputs[0].size] }) as const);
  const rates = [backend.fill(1, 3, 'float32'), backend.fill(1, 1, 'float32')];
  ending(() => backend.kernels?.adam?.([...inputs, ...rates], [0.9, 0.99, 1e-8, 0], results));
  for (const buffer of rates) backend.free(buffer);
  assert.is(room(), before);
});

test('the backend with its loader, minified and gzipped, is at most 25 kB', async () => {
  const chunks = await bundle("export { createWasmBackend } from './src/backends/wasm/index.ts';");
  const names = chunks.map(({ name }) => name.replace(/-.*/, ''));
  assert.equal(
    names.sort(),
    ['entry.js', 'prepared', 'threads'],
    'these load when they are asked for',
  );
  const entry = chunks.find(({ name }) => name === 'entry.js');
  assert.ok(entry);
  const size = gzipSync(entry.bytes, { level: 9 }).byteLength;
  assert.ok(size <= 25_000, `${size} bytes`);
  assert.ok(size > 1000);
});

test('what `import memgrad` loads builds no functions from text, and has no ndarray in it', async () => {
  const chunks = await bundle("export * from './src/index.ts';");
  const loaded = new Set<string>();
  const visit = (wanted: string): void => {
    if (loaded.has(wanted)) return;
    loaded.add(wanted);
    const chunk = chunks.find(({ name }) => name === wanted);
    assert.ok(chunk, wanted);
    for (const [, name] of chunk.text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) visit(name);
  };
  visit('entry.js');
  const textsOf = (wanted: boolean) => chunks.filter(({ name }) => loaded.has(name) === wanted);
  const forbidden = /\bnew Function\b|\beval\(|ndarray/;
  for (const { name, text } of textsOf(true)) assert.not.match(text, forbidden, name);
  // The other side, which shows that the search would find something.
  assert.ok(
    textsOf(false).some(({ text }) => forbidden.test(text)),
    'cpu is in a chunk of its own',
  );
});

test.run();
