/** The engines that run in a browser, in one page: memgrad, TensorFlow.js, jax-js and plain gpu.js. */
import * as jax from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as gpujs from 'gpu.js';
import { matmul, scope, tensor } from '../../dist/index.js';
import { decode } from '../lib/text.mjs';
import { prepare, useBackend, workloads } from '../lib/workload.mjs';
import { rmt as jaxRmt } from './jax-model.mjs';
import { rmt } from './tfjs-model.mjs';

/**
 * The engines. `multiply(a, b, n)` prepares a product and returns a function that computes it a
 * given number of times and reads the last; `model(request)` returns a function that takes one
 * training step. `threads` is for wasm.
 */
const engines = {
  async memgrad(name, threads) {
    const backend = await useBackend(name, undefined, threads);
    return {
      multiply(a, b, n) {
        const [x, y] = [a, b].map((values) => tensor(values, { shape: [n, n], backend }));
        return repeat(() => matmul(x, y));
      },
      model({ workload, parameters }) {
        const { model, loop } = prepare(workloads[workload], backend);
        const own = model.parameters();
        scope(() => {
          for (const { name, shape, data } of parameters) {
            own[name].assign(tensor(decode(data), { shape, backend }));
          }
        });
        return async () => (await loop.next()).value.loss;
      },
    };
  },
  async tensorflow(name, threads) {
    if (threads) setThreadsCount(threads);
    setWasmPaths('/');
    await tf.setBackend(name);
    await tf.ready();
    return {
      multiply(a, b, n) {
        const [x, y] = [a, b].map((values) => tf.tensor2d(values, [n, n]));
        return repeat(() => tf.matMul(x, y));
      },
      model(request) {
        const model = rmt(tf)(request);
        return async () => {
          const value = model.step();
          const [loss] = await value.data();
          value.dispose();
          return loss;
        };
      },
    };
  },
  /** With the whole step in one jit. It has a thread for each processor where memory can be shared. */
  async jax(name) {
    await jax.init(name);
    jax.defaultDevice(name);
    return {
      model(request) {
        const model = jaxRmt(jax)(request);
        return async () => (await model.step().data())[0];
      },
    };
  },
  /** As in its documentation: one number per thread, results as textures. */
  async gpujs() {
    const { GPU, input } = gpujs.default ?? gpujs;
    const gpu = new GPU({ mode: 'webgl2' });
    return {
      multiply(a, b, n) {
        const settings = { output: [n, n], pipeline: true, immutable: true };
        const upload = gpu.createKernel(
          'function(a) { return a[this.thread.y][this.thread.x]; }',
          settings,
        );
        const [x, y] = [a, b].map((values) => upload(input(values, [n, n])));
        const product = gpu.createKernel(
          `function(a, b) {
            let sum = 0;
            for (let i = 0; i < this.constants.n; i++) sum += a[this.thread.y][i] * b[i][this.thread.x];
            return sum;
          }`,
          { ...settings, constants: { n } },
        );
        return repeat(() => {
          const texture = product(x, y);
          return {
            dispose: () => texture.delete(),
            data: async () => Float32Array.from(texture.toArray().flatMap((row) => [...row])),
          };
        });
      },
    };
  },
};

function repeat(multiply) {
  return async (times) => {
    const started = performance.now();
    let product = multiply();
    for (let i = 1; i < times; i++) {
      product.dispose();
      product = multiply();
    }
    const values = await product.data();
    const ms = performance.now() - started;
    product.dispose();
    return { ms, values };
  };
}

/** Times products of two matrices `rounds` times each, alternating between engines. */
async function products({ specs, pairs, rounds, target }) {
  const results = {};
  for (const { n, a, b } of pairs) {
    const runs = [];
    for (const { engine, backend, most = Infinity } of specs) {
      const { multiply } = await engines[engine](backend);
      const run = multiply(decode(a), decode(b), n);
      const { values } = await run(1);
      const { ms } = await run(1);
      const times = Math.max(1, Math.min(most, Math.round(target / ms)));
      runs.push({ run, times, values: [...values], ms: [] });
    }
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < runs.length; i++) {
        const { run, times, ms } = runs[(i + round) % runs.length];
        ms.push((await run(times)).ms / times);
      }
    }
    results[n] = runs.map(({ ms, values }) => ({ ms, values }));
  }
  return results;
}

/**
 * Takes `warm` training steps and returns their losses, then times `rounds` more, alternating
 * between engines.
 */
async function steps({ specs, request, warm, rounds }) {
  const runs = [];
  for (const { engine, backend, threads } of specs) {
    const { model } = await engines[engine](backend, threads);
    const run = model(request);
    const result = { losses: [], ms: [] };
    for (let i = 0; i < warm; i++) {
      const started = performance.now();
      result.losses.push(await run());
      result.firstMs ??= performance.now() - started;
    }
    runs.push({ run, result });
  }
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < runs.length; i++) {
      const { run, result } = runs[(i + round) % runs.length];
      const started = performance.now();
      await run();
      result.ms.push(performance.now() - started);
    }
  }
  return runs.map(({ result }) => result);
}

/** The adapters of WebGL and WebGPU in this browser; null for one that is missing. */
async function adapters() {
  const gl = document.createElement('canvas').getContext('webgl2');
  const debug = gl?.getExtension('WEBGL_debug_renderer_info');
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: 'high-performance' });
  const { vendor, architecture, device, description } = adapter?.info ?? {};
  return {
    webgl: gl?.getParameter(debug ? debug.UNMASKED_RENDERER_WEBGL : gl.RENDERER) ?? null,
    webgpu: adapter ? [vendor, architecture, device, description].filter(Boolean).join(' ') : null,
  };
}

export async function main([what, options]) {
  return what === 'products' ? products(options) : what === 'steps' ? steps(options) : adapters();
}
