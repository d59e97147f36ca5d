/** The backends `webgl` and `webgpu` in a browser without a GPU: SwiftShader computes both. What of `webgpu` needs no browser is in ../backends/webgpu.test.ts; ../playground/page.test.ts trains with it on a page. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { TypedArray } from '../../src/index.js';
import { floatsOf, near } from '../backends/arrays.js';
import { attentionCalls } from '../backends/attention-calls.js';
import { checkIntegers, checkPowers, checkWaves, numbers, runOf } from '../backends/gpu-edges.js';
import { bundle, type Chunk } from '../bundle.js';
import { STRICT, type Stay, stay, visit, WITH_EVAL } from './browser.js';
import type { KernelCall, training } from './gpu.js';

type Run = Awaited<ReturnType<typeof training>>;
const test = suite('gpu');
// On wasm all answers are right from the 30th step on, and the loss is below 0.02 at the 60th: the
// long mode learns, the short one compares losses. From the fourth step on the
// loop replays a captured step, so 20 steps show a wrong gradient, a wrong update, and a texture that
// each replay keeps.
const steps = process.env.MEMGRAD_LONG ? 500 : 20;

let chunks: readonly Chunk[];
/** Where nothing goes wrong: one page, which keeps its backends and their compiled kernels. */
let page: Stay;
test.before(async () => {
  chunks = await bundle(`
    import * as page from './tests/browser/gpu.ts';
    export const main = ([what, argument]) =>
      what in page.faults ? page.faults[what](argument) : page[what](argument);
  `);
  page = await stay(chunks, WITH_EVAL, { gpu: true });
});

/** What `what` of ./gpu.ts returns on the one page, in the minified bundle. */
async function onPage<T>(what: string, argument: unknown): Promise<T> {
  return page.call([what, argument]) as Promise<T>;
}

test('webgl: sin, cos, pow and int32 at the edges', async () => {
  const run = runOf('webgl', onPage);
  await checkWaves(run);
  await checkPowers(run);
  await checkIntegers(run);
});

for (const [what, check] of Object.entries(numbers)) {
  test(`webgl: ${what}`, () => check('webgl', onPage));
}

test('webgl: norms, clipping, Adam and normalised rows are those of wasm', async () => {
  const real = (size: number, seed: number) => floatsOf(size, seed, 'real');
  const sizes = [1, 2, 3, 5, 4000, 0, 17, 1, 9000, 2, 2, 2, 40];
  const tensors = sizes.map((size, i) => real(size, i));
  const norm = (groups: number[], inputs: TypedArray[]): KernelCall => ({
    ...{ kernel: 'norm', inputs, numbers: groups, sizes: [groups.length] },
  });
  const clip = (numbers: number[], limit: number): KernelCall => ({
    ...{ kernel: 'clipFactor', inputs: [Float32Array.from(numbers)] },
    ...{ numbers: [numbers.length - 1, limit], sizes: [1] },
  });
  const own = [1, 5, 1030];
  const lists = ['real', 'real', 'real', 'positive'] as const;
  const parts = lists.flatMap((kind, i) => own.map((size) => floatsOf(size, 9 * i + size, kind)));
  const adam = (decay: number, scale: number): KernelCall => ({
    kernel: 'adam',
    inputs: [...parts, Float32Array.of(0.01, 0.3, 0.999), Float32Array.of(scale)],
    numbers: [0.9, 0.98, 1e-8, decay],
    sizes: [...own, ...own, ...own],
  });
  const normRows = (rows: number, width: number): KernelCall[] => {
    const [x, weight, bias, g] = [rows * width, width, width, rows * width].map(real);
    const numbers = [1e-5, rows, width];
    return [
      { kernel: 'layerNorm', inputs: [x, weight, bias], numbers, sizes: [rows * width] },
      {
        kernel: 'layerNormGradient',
        inputs: [x, weight, g],
        numbers,
        sizes: [rows * width, width, width],
      },
      { kernel: 'rmsNorm', inputs: [x, weight], numbers, sizes: [rows * width] },
      {
        kernel: 'rmsNormGradient',
        inputs: [x, weight, g],
        numbers,
        sizes: [rows * width, width],
      },
    ];
  };
  const calls = [
    norm([13], tensors),
    norm([1, 0, 3, 5, 4], tensors),
    norm([2], [Float32Array.of(3e38), Float32Array.of(1e38, 0)]),
    norm([1, 1], [Float32Array.of(0, 0, 0), new Float32Array()]),
    norm(
      [1, 1, 1],
      [Float32Array.of(2, NaN), Float32Array.of(1, Infinity), Float32Array.of(3e-30)],
    ),
    ...[clip([1, 3, 4], 2.5), clip([1, 3, 4], 10), clip([1, 3e30, 4e30], 5e30)],
    ...[clip([NaN, 3, 4], 1), clip([1, Infinity, 4], 1), clip([1, 3, 4], Infinity)],
    ...[adam(0, 0.5), adam(0.01, 0.5), adam(0.01, NaN)],
    ...[...normRows(70, 8), ...normRows(70, 6), ...normRows(3, 4)],
  ];
  const results = await onPage<Results>('fusedKernels', { name: 'webgl', calls });
  for (const [i, { own, expected }] of results.entries()) {
    const what = `${calls[i].kernel} ${calls[i].numbers}`;
    assert.is(own.length, expected.length, what);
    own.forEach((values, j) => {
      near(values, expected[j], [1e-4, 1e-5], `${what}: result ${j + 1}`);
    });
  }
});

test('webgl: attention and its gradients are those of wasm', async () => {
  const calls = attentionCalls.map(({ what, tolerance, ...call }): KernelCall => call);
  const results = await onPage<Results>('fusedKernels', { name: 'webgl', calls });
  for (const [i, { own, expected }] of results.entries()) {
    const { what, tolerance } = attentionCalls[i];
    assert.is(own.length, expected.length, what);
    own.forEach((values, j) => {
      near(values, expected[j], tolerance, `${what}: result ${j + 1}`);
    });
  }
});

test('webgl: sums along an axis that is split are those of the host', async () => {
  const run = runOf('webgl', onPage);
  for (const rows of [255, 256, 257, 1088, 65536]) {
    const x = floatsOf(4 * rows, rows, 'positive');
    const expected = [0, 0, 0, 0];
    for (const [i, value] of x.entries()) expected[i % 4] += value;
    const [came] = await run(['columns', x]);
    near(came, expected, [1e-3, 0], `${rows} rows`);
  }
});

type Results = { own: TypedArray[]; expected: TypedArray[] }[];

test('webgl: with a pool of 4 kB a model learns the copy task as well as on wasm, and keeps nothing', async () => {
  const wasm = await onPage<Run>('training', { name: 'wasm', steps });
  const run = await onPage<Run>('training', { name: 'webgl', steps, pooledBytes: 4096 });
  assert.ok(Math.abs(run.losses[0] - wasm.losses[0]) < 1e-4 * wasm.losses[0], 'the first loss');
  // From the 17th step on, differences of rounding double at each step.
  for (const [i, loss] of wasm.losses.slice(0, 16).entries()) {
    assert.ok(Math.abs(run.losses[i] - loss) < 1e-3 * loss, `step ${i + 1}: ${run.losses[i]}`);
  }
  if (steps > 60) {
    assert.ok(wasm.accuracy > 0.98, `accuracy ${wasm.accuracy} on wasm`);
    assert.ok(run.accuracy > 0.98, `accuracy ${run.accuracy}`);
    const last = run.losses[steps - 1];
    assert.ok(last < 0.05, `the last loss is ${last}`);
  }
  const [early, end] = run.counts;
  assert.is(end.tensors, early.tensors, `tensors after ${steps} steps as after 8`);
  // Which few textures the pool keeps changes from step to step; a leak would add one to each.
  assert.ok(Math.abs(end.live - early.live) < 10, `${early.live} textures, then ${end.live}`);
});

test('webgl: results do not share memory', async () => {
  const { powers, last } = await onPage<{ powers: number[]; last: number }>('reuse', 'webgl');
  assert.equal(
    powers,
    powers.map((_, i) => 2 ** i),
  );
  assert.is(last, 51);
});

for (const name of ['webgl', 'webgpu']) {
  test(`${name}: a tab in the background trains without waiting for its timers`, async () => {
    const { loss, timers } = await onPage<{ loss: number; timers: number }>('background', name);
    assert.ok(loss < 1e-9, `the loss is ${loss}`);
    assert.ok(timers <= 1, `it waited for ${timers} timers`);
  });

  test(`${name}: when the GPU is taken away, reading and computing say so, and it can be loaded again`, async () => {
    const { read, after, again } = await onPage<Record<string, unknown>>('lost', name);
    assert.match(String(read), /^MemgradError: .* took the GPU away .* 'wasm'\.$/);
    assert.match(String(after), /took the GPU away/);
    assert.equal(again, [1]);
  });
}

test('webgl: closing it with a read pending ends in a sentence', async () => {
  const [reading, ...after] = await onPage<string[]>('closed', 'webgl');
  const closed = /^MemgradError: webgl: this backend was closed, .*again\.$/;
  if (reading !== 'no error') assert.match(reading, closed);
  for (const answer of after) assert.match(answer, closed);
});

test('webgl: a kernel that does not compile ends in an error', async () => {
  const error = await onPage<string>('compile', 'webgl');
  assert.match(error, /^MemgradError: webgl: .* does not run on this GPU .*'wasm'/);
});

test('webgl: a tensor over the limit is refused, and the others stay', async () => {
  const { error, before } = await onPage<{ error: string; before: number[] }>('large', 'webgl');
  assert.match(error, /^OutOfMemory: .* 1073\.7 million values exceeds .* holds; .*'wasm'/);
  assert.equal(before, [2, 3]);
});

test('webgl: a GPU without float32 is refused', async () => {
  const answers = await onPage<string[]>('half', 'webgl');
  assert.match(answers[0], /cannot render to float32 textures .*'wasm'/);
  assert.match(answers[1], /computes with 10 bits, but float32 needs 23; .*'wasm'/);
  assert.match(answers[2], /computes with less than float32 .*'wasm'/);
});

test('backends() finds all of them', async () => {
  const found = await onPage<{ name: string; available: boolean; why?: string }[]>(
    'available',
    undefined,
  );
  assert.equal(
    found.map(({ name, available, why }) => [name, available, why]),
    ['wasm', 'cpu', 'webgl', 'webgpu'].map((name) => [name, true, undefined]),
  );
});

test('the page of these tests had no problem', async () => {
  assert.equal(await page.close(), []);
});

test('both train in a worker, and webgpu under a policy that forbids functions from text', async () => {
  const worker = await bundle(`
    import { loadBackend, mean, mul, Parameter, square, sub, tensor } from './src/index.ts';
    import { fit, SGD } from './src/training/index.ts';
    const run = async (name) => {
      const backend = await loadBackend(name, name === 'webgl' ? { gpu: await import('gpu.js') } : {});
      const w = new Parameter(tensor([1], { backend }));
      const loss = ({ x, y }) => mean(square(sub(mul(x, w), y)));
      const batches = [{ x: [1, 2], y: [3, 6] }];
      const optimizer = new SGD({ learningRate: 0.1 });
      const losses = [];
      for await (const { loss: error } of fit({ parameters: { w }, loss, batches, optimizer, steps: 5, capture: true })) {
        losses.push(Math.round(error * 1000) / 1000);
      }
      return [typeof document, ...losses];
    };
    if (typeof document === 'undefined') {
      onmessage = async ({ data }) => postMessage(await run(data).catch(String));
    }
    export const main = (name) => new Promise((resolve) => {
      const worker = new Worker(import.meta.url, { type: 'module' });
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(name);
    });
  `);
  for (const [name, policy] of [
    ['webgl', WITH_EVAL],
    ['webgpu', STRICT],
  ]) {
    const { result, problems } = await visit(worker, policy, name, { gpu: true });
    assert.equal(problems, []);
    assert.equal(result, ['undefined', 10, 2.5, 0.625, 0.156, 0.039], name);
  }
});

test('no bundle of memgrad has a byte of gpu.js, and importing the core none of the GPU backends', async () => {
  const core = await bundle(`
    import { tensor } from './src/index.ts';
    export const main = () => tensor([1]).array();
  `);
  const inGpuJs = ({ text }: Chunk) => text.includes('isIntegerDivisionAccurate');
  const hasShaders = ({ text }: Chunk) => text.includes('createShaderModule');
  assert.not.ok(core.some(inGpuJs));
  assert.ok(core.some(hasShaders), 'the GPU backends can be loaded later');
  const loaded = [core.find(({ name }) => name === 'entry.js') as Chunk];
  for (const { text } of loaded) {
    for (const [, name] of text.matchAll(/(?:from|import)"\.\/([^"]+)"/g)) {
      const chunk = core.find((candidate) => candidate.name === name) as Chunk;
      if (!loaded.includes(chunk)) loaded.push(chunk);
    }
  }
  for (const chunk of loaded) {
    assert.not.ok(hasShaders(chunk), chunk.name);
  }
});

test.run();
