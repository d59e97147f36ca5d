/** memgrad as an engine of the benchmarks: node engines/memgrad.mjs BACKEND */
import { matmul, scope, tensor } from '../../dist/index.js';
import { serve } from '../lib/serve.mjs';
import { decode, encode } from '../lib/text.mjs';
import { prepare, useBackend, workloads } from '../lib/workload.mjs';

const backend = await useBackend(process.argv[2]);
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
    const started = performance.now();
    const { value } = await loop.next();
    return { ms: performance.now() - started, loss: value.loss };
  },
  matrices({ n, values }) {
    a?.dispose();
    b?.dispose();
    [a, b] = values.map((text) => tensor(decode(text), { shape: [n, n], backend }));
  },
  /** Computes `repeats` products and reads the last one. */
  async multiply({ repeats, show }) {
    const started = performance.now();
    let product = matmul(a, b);
    for (let i = 1; i < repeats; i++) {
      product.dispose();
      product = matmul(a, b);
    }
    const values = await product.data();
    const ms = performance.now() - started;
    product.dispose();
    return { ms, values: show ? encode(values) : undefined };
  },
});
