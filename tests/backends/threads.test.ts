/** Threads of the wasm backend end when it is closed. */
import { readdir } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { matmul, ones, tensor } from '../../src/autograd/index.js';
import { createWasmBackend, type WasmBackend } from '../../src/backends/wasm/index.js';
import { MemgradError } from '../../src/errors.js';

const test = suite('threads');
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** How many threads this process has, where the system tells. */
const threads = async () => (await readdir('/proc/self/task').catch(() => [])).length;

async function listening(backend: WasmBackend): Promise<void> {
  for (let i = 0; i < 600 && backend.threads < 4; i++) await wait(20);
  assert.is(backend.threads, 4);
}

test('closed backends leave no thread, whether their workers have begun or not', async () => {
  const before = await threads();
  const said: unknown[] = [];
  const { warn } = console;
  console.warn = (text) => said.push(text);
  for (let load = 0; load < 12; load++) {
    const backend = createWasmBackend({ threads: 4 });
    if (load % 4 === 0) await listening(backend);
    backend.close();
    backend.close();
  }
  for (let i = 0; i < 200 && (await threads()) > before; i++) await wait(50);
  console.warn = warn;
  assert.ok((await threads()) <= before, `${await threads()} threads, ${before} before`);
  assert.equal(said, [], 'closing before the threads have loaded is no reason to warn');
});

test('a closed backend refuses work and its tensors, in a sentence', async () => {
  for (const count of [1, 4]) {
    const backend = createWasmBackend({ threads: count });
    const x = ones([64, 64], { backend });
    assert.is((await matmul(x, x).data())[0], 64);
    backend.close();
    const uses: (() => unknown)[] = [
      () => tensor([1, 2], { backend }),
      () => matmul(x, x),
      () => x.data(),
    ];
    for (const use of uses) {
      const error = await Promise.resolve()
        .then(use)
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      assert.instance(error, MemgradError, String(error));
      assert.match((error as Error).message, 'wasm: this backend is closed; load another one');
    }
    x.dispose();
  }
});

test.run();
