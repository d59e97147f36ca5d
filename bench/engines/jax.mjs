/**
 * jax-js as an engine of the benchmarks, with the whole step in one jit: node engines/jax.mjs DEVICE
 * [option of Dawn ...]. On wasm it has one thread.
 */
import { serve } from '../lib/serve.mjs';
import { decode, encode } from '../lib/text.mjs';

const [device, ...options] = process.argv.slice(2);
if (device === 'webgpu') (await import('../lib/dawn.mjs')).useDawn(options);
// It reads the user agent, the number of processors and the GPU from `navigator`, which Node 20
// lacks.
globalThis.navigator ??= { userAgent: 'node', hardwareConcurrency: 1 };
const jax = await import('@jax-js/jax');
const { rmt } = await import('./jax-model.mjs');
await jax.init(device);
jax.defaultDevice(device); // on wasm, with one thread, since Node has no global Worker

const { numpy: np, jit } = jax;
const createModel = rmt(jax);
const product = jit((x, y) => np.matmul(x, y));
let model;
let a;
let b;

await serve({
  load(request) {
    model = createModel(request);
  },
  async step() {
    const started = performance.now();
    const [loss] = await model.step().data();
    return { ms: performance.now() - started, loss };
  },
  matrices({ n, values }) {
    a?.dispose();
    b?.dispose();
    [a, b] = values.map((text) => np.array(decode(text)).reshape([n, n]));
  },
  async multiply({ repeats, show }) {
    const started = performance.now();
    let result = product(a.ref, b.ref);
    for (let i = 1; i < repeats; i++) {
      await compute(result);
      result = product(a.ref, b.ref);
    }
    const values = await (show ? result : result.slice([0, 1], [0, 1])).data(); // consumes the result
    return { ms: performance.now() - started, values: show ? encode(values) : undefined };
  },
});

/** Computes a result, which otherwise never happens, and disposes of it. Doesn't wait for a GPU. */
async function compute(result) {
  if (device === 'webgpu') {
    await result.gpuBuffer();
    return;
  }
  await result.blockUntilReady();
  result.dispose();
}
