/**
 * jax-js on its wasm device as an engine of the benchmarks, with one thread and the whole step in
 * one jit.
 */
import { serve } from '../lib/serve.mjs';
import { decode, encode } from '../lib/text.mjs';

// It reads the user agent, the number of processors and the GPU from `navigator`, which Node 20
// lacks.
globalThis.navigator ??= { userAgent: 'node', hardwareConcurrency: 1 };
const jax = await import('@jax-js/jax');
const { rmt } = await import('./jax-model.mjs');
await jax.init('wasm');
jax.defaultDevice('wasm'); // Node has no global Worker, so it computes with one thread

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
      await result.blockUntilReady(); // otherwise it is never computed
      result.dispose();
      result = product(a.ref, b.ref);
    }
    const values = await result.data(); // consumes the result
    return { ms: performance.now() - started, values: show ? encode(values) : undefined };
  },
});
