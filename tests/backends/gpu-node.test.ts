/** The backend `webgpu` in Node, over Dawn; in a browser where Dawn does not run. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConformanceRow } from '../../src/testing/index.js';
import { operationNames } from '../../src/testing/index.js';
import { STRICT, visit } from '../browser/browser.js';
import type { SmallPool, smallPool } from '../browser/gpu.js';
import { bundle, type Chunk } from '../bundle.js';
import { findDawn } from './gpu-dawn.js';
import { checkIntegers, checkPowers, checkWaves } from './gpu-edges.js';

const test = suite('webgpu in Node');

let chunks: readonly Chunk[];
let run: (argument: unknown) => Promise<unknown>;
test.before(async () => {
  chunks = await bundle(`
    import * as page from './tests/browser/gpu.ts';
    export const main = ([what, argument]) =>
      what in page.faults ? page.faults[what](argument) : page[what](argument);
  `);
  try {
    const dawn = await findDawn();
    console.log(`webgpu in Node computes on ${dawn.adapter}`);
    run = (argument) => dawn.run(chunks, argument);
  } catch (error) {
    console.log(`no WebGPU in Node (${error}), so its tests run in the browser`);
    run = async (argument) => (await visit(chunks, STRICT, argument, { gpu: true })).result;
  }
});

test('every operation and every gradient is within its tolerance', async () => {
  const rows = (await run(['conformance', 'webgpu'])) as ConformanceRow[];
  assert.equal(
    rows.filter(({ passed }) => !passed),
    [],
  );
  for (const name of operationNames) assert.ok(rows.some(({ operation }) => operation === name));
});

type Trained = Awaited<ReturnType<typeof smallPool>>;
const trainings: Record<string, Omit<SmallPool, 'name'>> = {
  'the size of the paper': { reference: 'cpu', steps: 2, size: 'copy' },
  'fifty steps': { reference: 'wasm', steps: 50, size: 'narrow' },
};
for (const [what, options] of Object.entries(trainings)) {
  test(`nothing is destroyed in use when a pool keeps 4 kB: ${what}`, async () => {
    const trained = (await run(['smallPool', { name: 'webgpu', ...options }])) as Trained;
    const { losses, expected, counts, errors } = trained;
    assert.equal(errors, []);
    assert.is(losses.length, options.steps);
    for (const [step, loss] of losses.entries()) {
      const error = Math.abs(loss - expected[step]) / expected[step];
      assert.ok(error < 1e-3, `step ${step + 1}: ${loss}, expected ${expected[step]}`);
    }
    if (options.steps > 5) assert.is(counts[1], counts[0], 'buffers after 50 steps as after 5');
  });
}

const edges = { 'sin and cos': checkWaves, pow: checkPowers, int32: checkIntegers };
for (const [what, check] of Object.entries(edges)) {
  test(`${what} at the edges`, () =>
    check(async (operation, ...inputs) => {
      return (await run(['values', { name: 'webgpu', operation, inputs }])) as Float32Array;
    }));
}

test('closing with work and a read pending ends in a sentence', async () => {
  for (const answer of (await run(['closed', 'webgpu'])) as string[]) {
    assert.match(answer, /^(no error|MemgradError: webgpu: this backend was closed, .*anew\.)$/);
  }
});

test('an adapter or a device that is refused is a sentence', async () => {
  const answers = (await run(['refused'])) as string[];
  assert.match(answers[0], /^MemgradError: webgpu: .* no GPU that it may use; use .* 'wasm'\.$/);
  assert.match(answers[1], /^MemgradError: webgpu: .* may use \(no device\); use .* 'wasm'\.$/);
});

test.run();
