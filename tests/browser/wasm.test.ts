/** The wasm backend in a browser: the bits of Node, under a strict content-security policy. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConformanceRow } from '../../src/testing/index.js';
import { LONG } from '../backends/arrays.js';
import { bundle } from '../bundle.js';
import { ISOLATED, STRICT, visit, WITH_EVAL, WITH_WORKERS } from './browser.js';
import { type RunBits, trainingRun } from './run.js';

const test = suite('browser');
const STEPS = 60;

test('a run on a page and in a worker gives the bits that it gives in Node', async () => {
  const chunks = await bundle(`
    import { trainingRun } from './tests/browser/run.ts';
    const inWorker = (steps) => new Promise((resolve, reject) => {
      const worker = new Worker(import.meta.url, { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(steps);
    });
    export const main = async (steps) => [await trainingRun({ steps }), await inWorker(steps)];
    if (typeof document === 'undefined') {
      onmessage = async ({ data }) => postMessage(await trainingRun({ steps: data }));
    }
  `);
  const here = await trainingRun({ steps: STEPS });
  const { result, problems } = await visit(chunks, STRICT, STEPS);
  assert.equal(problems, []);
  assert.is(here.losses.length, STEPS * 8);
  assert.ok(here.last < 0.9 * here.first, `the loss went from ${here.first} to ${here.last}`);
  const [page, worker] = result as RunBits[];
  sameBits(page, here, 'on the page');
  sameBits(worker, here, 'in the worker');
});

function sameBits(came: RunBits, expected: RunBits, where: string): void {
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(came[name as keyof RunBits], value, `${name} ${where}`);
  }
}

test('a run on two and three threads gives the bits of one, in Node and on a page that shares memory', async () => {
  const options = { steps: 20, wide: true };
  const one = await trainingRun(options);
  assert.ok(one.last < 0.9 * one.first, `the loss went from ${one.first} to ${one.last}`);
  for (const threads of [2, 3]) {
    sameBits(await trainingRun({ ...options, threads }), one, `on ${threads} threads`);
  }
  const chunks = await bundle("export { trainingRun as main } from './tests/browser/run.ts';");
  const { result, problems } = await visit(
    chunks,
    WITH_WORKERS,
    { ...options, threads: 2 },
    { headers: ISOLATED },
  );
  assert.equal(problems, []);
  sameBits(result as RunBits, one, 'on two threads of a page');
});

test('where a page cannot have threads, it says why and goes on with one', async () => {
  const chunks = await bundle(`
    import { createWasmBackend } from './src/backends/wasm/index.ts';
    import { matmul, ones } from './src/index.ts';
    export const main = async () => {
      const said = [];
      console.warn = (message) => said.push(message);
      const backend = createWasmBackend({ threads: 2 });
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const product = matmul(ones([200, 200], { backend }), ones([200, 200], { backend }));
      return [said, backend.threads, (await product.data())[0]];
    };
  `);
  const { result } = await visit(chunks, STRICT);
  const [said, threads, value] = result as [string[], number, number];
  assert.is(said.length, 1);
  assert.match(
    said[0],
    /^wasm: continuing without more threads: pages share memory only when served with/,
  );
  assert.equal([threads, value], [1, 200]);

  const strict = await visit(chunks, STRICT, undefined, { headers: ISOLATED });
  const [reasons, listening, same] = strict.result as [string[], number, number];
  assert.match(reasons[0], /^wasm: continuing without more threads: the page forbids workers/);
  assert.equal([listening, same], [1, 200]);
});

test('every operation is within its tolerance', async () => {
  const chunks = await bundle(`
    import { loadBackend } from './src/index.ts';
    import { runConformance } from './src/testing/index.ts';
    export const main = async (options) => {
      const rows = await runConformance(await loadBackend('wasm'), options);
      return { count: rows.length, failed: rows.filter(({ passed }) => !passed) };
    };
  `);
  // ../backends/wasm.test.ts runs every pattern in Node.
  const { result, problems } = await visit(chunks, WITH_EVAL, { every: LONG ? 1 : 6 });
  const { count, failed } = result as { count: number; failed: ConformanceRow[] };
  assert.equal(failed, []);
  assert.ok(count > 500);
  assert.equal(problems, []);
});

test('the cpu backend is refused by the strict policy, which shows that the policy holds', async () => {
  const chunks = await bundle(`
    import { exp, loadBackend, tensor } from './src/index.ts';
    export const main = async () => {
      const backend = await loadBackend('cpu');
      try {
        return String(await exp(tensor([1], { backend })).array());
      } catch (error) {
        return String(error);
      }
    };
  `);
  const { result } = await visit(chunks, STRICT);
  assert.match(String(result), 'EvalError');
});

test.run();
