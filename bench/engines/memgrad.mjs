/**
 * memgrad as an engine of the benchmarks: node engines/memgrad.mjs wasm [THREADS], or
 * node engines/memgrad.mjs webgpu [option of Dawn ...]
 */
import { matmul, scope, slice, tensor } from '../../dist/index.js';
import { serve } from '../lib/serve.mjs';
import { decode, encode } from '../lib/text.mjs';
import { prepare, useBackend, workloads } from '../lib/workload.mjs';

const [name, ...options] = process.argv.slice(2);
if (name === 'webgpu') (await import('../lib/dawn.mjs')).useDawn(options);
const threads = name === 'wasm' && options[0] ? Number(options[0]) : undefined;
const backend = await useBackend(name, undefined, threads);
let loop;
let a;
let b;

await serve({
  /** Builds the model of a workload with the parameters that all engines get. */
  load({ workload, parameters }) {
    const { model, loop: steps } = prepare(workloads[workload], backend);
    const own = model.parameters();
    scope(() => {
      for (const { name, shape, data } of parameters) {
        own[name].assign(tensor(decode(data), { shape, backend }));
      }
    });
    loop = steps;
  },
  /**
   * Takes one step of `train`, which also reads predictions and computes the accuracy, unlike the
   * other engines.
   */
  async step() {
    const before = backend.counts?.();
    const started = performance.now();
    const { value } = await loop.next();
    const ms = performance.now() - started;
    return { ms, loss: value.loss, counts: before && since(before) };
  },
  matrices({ n, values }) {
    a?.dispose();
    b?.dispose();
    [a, b] = values.map((text) => tensor(decode(text), { shape: [n, n], backend }));
  },
  /** Computes `repeats` products and reads one value of the last, or with `show` all of it. */
  async multiply({ repeats, show }) {
    const started = performance.now();
    let product = matmul(a, b);
    for (let i = 1; i < repeats; i++) {
      product.dispose();
      product = matmul(a, b);
    }
    const result = show ? product : scope(() => slice(slice(product, 0, 0, 1), 1, 0, 1));
    const values = await result.data();
    const ms = performance.now() - started;
    product.dispose();
    if (result !== product) result.dispose();
    return { ms, values: show ? encode(values) : undefined };
  },
});

/** What the backend has done since it counted `before`. */
function since(before) {
  return Object.fromEntries(
    Object.entries(backend.counts()).map(([key, count]) => [key, count - before[key]]),
  );
}
