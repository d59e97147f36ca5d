/** The wasm backend in a browser: the bits of Node, under a strict content-security policy. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConformanceRow } from '../../src/testing/index.js';
import { bundle } from '../bundle.js';
import { STRICT, visit, WITH_EVAL } from './browser.js';
import { type RunBits, trainingRun } from './run.js';

const test = suite('browser');
const STEPS = 200;

test('a run on a page and in a worker gives the bits that it gives in Node', async () => {
  const chunks = await bundle(`
    import { trainingRun } from './tests/browser/run.ts';
    const inWorker = (steps) => new Promise((resolve, reject) => {
      const worker = new Worker(import.meta.url, { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(steps);
    });
    export const main = async (steps) => [await trainingRun(steps), await inWorker(steps)];
    if (typeof document === 'undefined') {
      onmessage = async ({ data }) => postMessage(await trainingRun(data));
    }
  `);
  const here = await trainingRun(STEPS);
  const { result, problems } = await visit(chunks, STRICT, STEPS);
  assert.equal(problems, []);
  assert.is(here.losses.length, STEPS * 8);
  assert.ok(here.last < 0.9 * here.first, `the loss went from ${here.first} to ${here.last}`);
  for (const [there, bits] of (result as RunBits[]).entries()) {
    for (const [name, value] of Object.entries(here)) {
      assert.equal(bits[name as keyof RunBits], value, `${name} ${there ? 'in the worker' : ''}`);
    }
  }
});

test('every operation is within its tolerance', async () => {
  const chunks = await bundle(`
    import { loadBackend } from './src/index.ts';
    import { runConformance } from './src/testing/index.ts';
    export const main = async () => {
      const rows = await runConformance(await loadBackend('wasm'));
      return { count: rows.length, failed: rows.filter(({ passed }) => !passed) };
    };
  `);
  const { result, problems } = await visit(chunks, WITH_EVAL);
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
