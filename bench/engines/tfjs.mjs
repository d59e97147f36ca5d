/** TensorFlow.js on its wasm backend as an engine of the benchmarks, with SIMD and one thread. */
import { createRequire } from 'node:module';
import { serve } from '../lib/serve.mjs';
import { decode, encode } from '../lib/text.mjs';
import { rmt } from './tfjs-model.mjs';

// Uses the CommonJS builds, since the ES modules of these packages don't load in Node.
const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs'); // the core alone has no gradients
require('@tensorflow/tfjs-backend-wasm');
const createModel = rmt(tf);

let model;
let a;
let b;

await serve({
  async load(request) {
    await ready();
    model = createModel(request);
  },
  async step() {
    const started = performance.now();
    const value = model.step();
    const [loss] = await value.data();
    value.dispose();
    return { ms: performance.now() - started, loss };
  },
  async matrices({ n, values }) {
    await ready();
    a?.dispose();
    b?.dispose();
    [a, b] = values.map((text) => tf.tensor2d(decode(text), [n, n]));
  },
  async multiply({ repeats, show }) {
    const started = performance.now();
    let product = tf.matMul(a, b);
    for (let i = 1; i < repeats; i++) {
      product.dispose();
      product = tf.matMul(a, b);
    }
    const values = await product.data();
    const ms = performance.now() - started;
    product.dispose();
    return { ms, values: show ? encode(values) : undefined };
  },
});

async function ready() {
  await tf.setBackend('wasm');
  await tf.ready();
  if (tf.getBackend() !== 'wasm' || !tf.env().get('WASM_HAS_SIMD_SUPPORT')) {
    throw new Error('the wasm backend with SIMD is not available');
  }
}
