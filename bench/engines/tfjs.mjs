/**
 * TensorFlow.js as an engine of the benchmarks: node engines/tfjs.mjs BACKEND [option of Dawn ...]
 * On wasm it has SIMD and one thread.
 */
import { createRequire } from 'node:module';
import { serve } from '../lib/serve.mjs';
import { decode, encode } from '../lib/text.mjs';
import { rmt } from './tfjs-model.mjs';

// Uses the CommonJS builds, since the ES modules of these packages don't load in Node.
const require = createRequire(import.meta.url);
const [backend, ...options] = process.argv.slice(2);
if (backend === 'webgpu') {
  (await import('../lib/dawn.mjs')).useDawn(options);
  globalThis.window = globalThis; // without it, it doesn't look for WebGPU
}
const tf = require('@tensorflow/tfjs'); // the core alone has no gradients
require(`@tensorflow/tfjs-backend-${backend}`);
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
    const result = show ? product : tf.slice(product, [0, 0], [1, 1]);
    const values = await result.data();
    const ms = performance.now() - started;
    product.dispose();
    if (result !== product) result.dispose();
    return { ms, values: show ? encode(values) : undefined };
  },
});

async function ready() {
  await tf.setBackend(backend);
  await tf.ready();
  if (tf.getBackend() !== backend) throw new Error(`the backend ${backend} is not available`);
  if (backend === 'wasm' && !tf.env().get('WASM_HAS_SIMD_SUPPORT')) {
    throw new Error('the wasm backend has no SIMD');
  }
}
