/** The backend `webgpu` in Node, over Dawn. */
import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exp, loadBackend, mul, tensor } from '../../src/index.js';
import * as page from '../browser/gpu.js';
import { events, inFolder, memgrad, tiny } from '../cli/spawn.js';
import { dawn, POLL_SELDOM } from './dawn.js';
import {
  checkConformance,
  checkIntegers,
  checkPowers,
  checkWaves,
  composed,
  numbers,
  runOf,
} from './gpu-edges.js';
import { checkTexts } from './kernel-texts.js';

const test = suite('webgpu in Node');

/** The text of every kernel that was compiled in this process. */
const texts = new Map<string, string>();
test.before(async () => {
  await dawn();
  const { prototype } = GPUDevice;
  const { createShaderModule } = prototype;
  prototype.createShaderModule = function (descriptor) {
    texts.set(descriptor.label ?? '', descriptor.code);
    return createShaderModule.call(this, descriptor);
  };
});

/** Calls a function of ../browser/gpu.ts, as the tests of `webgl` do on a page. */
const call = async <T>(what: string, argument: unknown): Promise<T> =>
  (page as unknown as Record<string, (argument: unknown) => T>)[what](argument);

const edges = { 'sin and cos': checkWaves, pow: checkPowers, int32: checkIntegers };
for (const [what, check] of Object.entries(edges)) {
  test(`${what} at the edges`, () => check(runOf('webgpu', call)));
}

test('every operation and every gradient is within its tolerance', async () => {
  const every = process.env.MEMGRAD_LONG ? 1 : 10;
  // webgpu-kernels.test.ts compiles the many kernels of attention.
  const sampled = [...composed, 'attention'];
  checkConformance(await page.conformance({ name: 'webgpu', every, sampled }));
});

for (const [what, check] of Object.entries(numbers)) {
  test(what, () => check('webgpu', call));
}

// On wasm all answers are right from the 30th step on, and the loss is below 0.02 at the 60th: the
// long mode learns, the short one compares losses. From the fourth step on the
// loop replays a captured step, so 12 steps show a wrong gradient, a wrong update, and a buffer that
// a replay keeps.
const steps = process.env.MEMGRAD_LONG ? 500 : 12;
test('a model learns the copy task as well as on wasm, and keeps nothing', async () => {
  const wasm = await page.training({ name: 'wasm', steps });
  const run = await page.training({ name: 'webgpu', steps });
  assert.ok(Math.abs(run.losses[0] - wasm.losses[0]) < 1e-4 * wasm.losses[0], 'the first loss');
  for (const [i, loss] of wasm.losses.slice(0, 24).entries()) {
    assert.ok(Math.abs(run.losses[i] - loss) < 1e-2 * loss, `step ${i + 1}: ${run.losses[i]}`);
  }
  if (steps > 60) {
    assert.ok(run.accuracy > 0.98, `accuracy ${run.accuracy}`);
    assert.ok(run.losses[steps - 1] < 0.05, `the last loss is ${run.losses[steps - 1]}`);
  }
  assert.equal(run.counts[1], run.counts[0], `buffers after ${steps} steps as after 8`);
});

// With more rows, products are split along k, and 23 kernels add the parts.
test('a captured step is a list of at most 350 launches, one submission and one read', async () => {
  const steps = await page.countedSteps({ name: 'webgpu', steps: 6 });
  for (const { dispatches, submits, reads } of steps.slice(3)) {
    assert.ok(dispatches > 300 && dispatches <= 350, `${dispatches} launches`);
    assert.equal([submits, reads], [1, 1]);
  }
  assert.is(steps[5].blocks, steps[4].blocks, 'buffers');
});

const trainings: Record<string, Omit<page.SmallPool, 'name'>> = {
  'twenty steps, 4 kB': { reference: 'wasm', steps: 20, size: 'narrow', bytes: 4096 },
  ...(process.env.MEMGRAD_LONG && {
    'the size of the paper, 4 kB': { reference: 'wasm', steps: 1, size: 'copy', bytes: 4096 },
  }),
};
for (const [what, options] of Object.entries(trainings)) {
  test(`nothing is destroyed in use when a pool keeps little: ${what}`, async () => {
    const trained = await page.smallPool({ name: 'webgpu', ...options });
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

test('results do not share memory', async () => {
  const { powers, last } = await page.reuse('webgpu');
  assert.equal(
    powers,
    powers.map((_, i) => 2 ** i),
  );
  assert.is(last, 51);
});

test('closing with work and a read pending ends in a sentence', async () => {
  const [reading, ...after] = await page.faults.closed('webgpu');
  const closed = /^MemgradError: webgpu: this backend was closed, .*again\.$/;
  if (reading !== 'no error') assert.match(reading, closed);
  for (const answer of after) assert.match(answer, closed);
});

test('an adapter or a device that is refused is a sentence', async () => {
  const [adapter, device] = await page.faults.refused();
  assert.match(adapter, /^MemgradError: webgpu: .* provides no GPU, which needs .* 'wasm'\.$/);
  assert.match(device, /^MemgradError: webgpu: .* no GPU \(no device\), which .* 'wasm'\.$/);
});

test('a tensor over the limit is refused, and the others stay', async () => {
  const { error, before } = await page.faults.large('webgpu');
  assert.match(error, /^OutOfMemory: .* 1073\.7 million values exceeds .* holds; .*'wasm'/);
  assert.equal(before, [2, 3]);
});

test("computes on an app's own device, which stays open", async () => {
  const adapter = await navigator.gpu.requestAdapter();
  const device = (await adapter?.requestDevice()) as GPUDevice;
  for (let i = 0; i < 2; i++) {
    const backend = await loadBackend('webgpu', { device });
    assert.equal(await mul(tensor([3, 4], { backend }), 2).array(), [6, 8]);
    backend.close?.();
  }
  device.destroy();
  for (const wrong of [{}, null, 'gpu', () => {}]) {
    await loadBackend('webgpu', { device: wrong as object }).then(
      () => assert.unreachable(),
      (error) =>
        assert.match(String(error), /^MemgradError: webgpu: expected a GPUDevice, got .*\.$/),
    );
  }
});

test('two backends compute side by side', async () => {
  const [one, two] = await Promise.all([loadBackend('webgpu'), loadBackend('webgpu')]);
  const x = exp(tensor([0, 1], { backend: one }));
  const y = exp(tensor([0, 1], { backend: two }));
  one.close?.();
  assert.is((await y.data())[0], 1);
  await x.data().then(
    () => assert.unreachable(),
    (error) => assert.match(String(error), /closed/),
  );
  two.close?.();
});

test('no kernel uses a built-in function that may drop NaN, or compares a float that may be one', () => {
  assert.ok(texts.size > 40, `${texts.size} texts`);
  // Chains have a text for each form. A shape in a text would make it many hundreds.
  assert.ok(texts.size < 200, `${texts.size} texts`);
  const comparisons = checkTexts(texts);
  assert.ok(comparisons > 20, `${comparisons} comparisons were found`);
});

/** Runs a module in the folder of this package, where the package webgpu is found. */
function node(source: string): string {
  const file = join('build', 'webgpu-in-node.mjs');
  writeFileSync(file, source);
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  rmSync(file);
  assert.is(status, 0, stderr);
  return stdout;
}

test('in Node the backend finds the package webgpu, and its process ends', () => {
  const index = JSON.stringify(resolve('dist/index.js'));
  const said = node(`
    import { loadBackend, mul, tensor } from ${index};
    const backend = await loadBackend('webgpu');
    console.log(await mul(tensor([3, 4], { backend }), 2).array());
  `);
  assert.is(said, '[ 6, 8 ]\n');
});

test('the command line trains on it', () =>
  inFolder(async (folder) => {
    const args = [...tiny, '--steps', '2', '--backend', 'webgpu', '--out', join(folder, 'run')];
    process.env.NODE_OPTIONS = POLL_SELDOM;
    const { code, stdout, stderr } = await memgrad(['train', ...args, '--json']);
    delete process.env.NODE_OPTIONS;
    assert.is(code, 0, stderr);
    assert.ok(events(stdout).length > 2);
  }));

test.run();
