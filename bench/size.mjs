/** Measures what a page loads of each engine before it can train: minified, gzipped. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { compressed, loaded } from '../scripts/loaded.mjs';
import { printTable } from './lib/table.mjs';

const here = new URL('.', import.meta.url).pathname;
const tfjsKernels = '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm';

/** The built-in modules that engines import in Node. */
const external = ['fs', 'path', 'os', 'perf_hooks', 'worker_threads', 'crypto', 'util'];

/** The imports of each app, and the file, if any, that it serves next to its JavaScript. */
const apps = [
  { name: 'memgrad', source: "export * from '../dist/index.js';" },
  {
    name: 'memgrad with models, tasks and training',
    source: `export { tensor, valueAndGrad } from '../dist/index.js';
      export { createModel, generate, presets } from '../dist/models/index.js';
      export { createTask } from '../dist/tasks/index.js';
      export { AdamW, evaluate, train } from '../dist/training/index.js';`,
  },
  {
    name: 'TensorFlow.js: core, all gradients, wasm',
    source: `import '@tensorflow/tfjs-core/dist/register_all_gradients';
      import '@tensorflow/tfjs-backend-wasm';
      export { matMul, tensor, tidy, train, valueAndGrads, variable } from '@tensorflow/tfjs-core';`,
    beside: tfjsKernels,
  },
  {
    name: 'TensorFlow.js, the default package: layers, WebGL, processor',
    source: "export * from '@tensorflow/tfjs';",
  },
  {
    name: 'jax-js',
    source: "export { grad, init, jit, nn, numpy, random, valueAndGrad } from '@jax-js/jax';",
  },
];

/** Measures all apps and returns the bytes. */
export async function size() {
  const results = [];
  for (const { name, source, beside } of apps) {
    const file = beside && (await readFile(createRequire(import.meta.url).resolve(beside)));
    const wasm = file ? compressed(file) : 0;
    const { gzipped } = await loaded(source, here, { external });
    results.push({ name, script: gzipped, beside: wasm });
  }
  const kilobytes = (bytes) => (bytes ? (bytes / 1000).toFixed(1) : '-');
  printTable(
    'What a page loads before it can train, kB gzipped',
    ['engine', 'JavaScript', 'separate .wasm', 'total'],
    results.map(({ name, script, beside }) => [
      name,
      ...[script, beside, script + beside].map(kilobytes),
    ]),
  );
  return results;
}
