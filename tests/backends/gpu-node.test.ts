/** The backend `webgpu` in Node, over Dawn; in a browser where Dawn does not run. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConformanceRow } from '../../src/testing/index.js';
import type { SmallPool, smallPool } from '../browser/gpu.js';
import { bundle } from '../bundle.js';
import { onWebGPU } from './gpu-dawn.js';
import {
  checkConformance,
  checkIntegers,
  checkPowers,
  checkWaves,
  numbers,
  runOf,
} from './gpu-edges.js';

const test = suite('webgpu in Node');

let run: (argument: unknown) => Promise<unknown>;
test.before(async () => {
  const chunks = await bundle(`
    import * as page from './tests/browser/gpu.ts';
    export const main = ([what, argument]) =>
      what in page.faults ? page.faults[what](argument) : page[what](argument);
  `);
  run = await onWebGPU(chunks);
});

type Trained = Awaited<ReturnType<typeof smallPool>>;
const trainings: Record<string, Omit<SmallPool, 'name'>> = {
  'the size of the paper': { reference: 'cpu', steps: 2, size: 'copy' },
  'twenty steps': { reference: 'wasm', steps: 20, size: 'narrow' },
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
    // Which few buffers the pool keeps changes from step to step; a leak would add one to each.
    if (options.steps > 5) assert.ok(Math.abs(counts[1] - counts[0]) < 10, `${counts} buffers`);
  });
}

const edges = { 'sin and cos': checkWaves, pow: checkPowers, int32: checkIntegers };
for (const [what, check] of Object.entries(edges)) {
  test(`${what} at the edges`, () =>
    check(runOf('webgpu', async (...args) => (await run(args)) as never)));
}

test('every operation and every gradient is within its tolerance', async () => {
  checkConformance((await run(['conformance', { name: 'webgpu' }])) as ConformanceRow[]);
});

for (const [what, check] of Object.entries(numbers)) {
  test(what, () => check('webgpu', async (...args) => (await run(args)) as never));
}

test('closing with work and a read pending ends in a sentence', async () => {
  const [reading, ...after] = (await run(['closed', 'webgpu'])) as string[];
  const closed = /^MemgradError: webgpu: this backend was closed, .*again\.$/;
  if (reading !== 'no error') assert.match(reading, closed);
  for (const answer of after) assert.match(answer, closed);
});

test('an adapter or a device that is refused is a sentence', async () => {
  const answers = (await run(['refused'])) as string[];
  assert.match(answers[0], /^MemgradError: webgpu: .* provides no GPU; use .* 'wasm'\.$/);
  assert.match(answers[1], /^MemgradError: webgpu: .* no GPU \(no device\); use .* 'wasm'\.$/);
});

test.run();
