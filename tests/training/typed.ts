/**
 * What `fit` lets compile: the type checker is the test, as every line under a `@ts-expect-error` must
 * be an error.
 */
import { add, matmul, mean, mul, type Parameter, type Tensor } from '../../src/autograd/index.js';
import type { RMT } from '../../src/models/index.js';
import { fit, type Optimizer, SGD, shuffled } from '../../src/training/index.js';

/** Compiles, and is never run. */
export function compiles(w: Parameter, model: RMT, optimizer: Optimizer): void {
  const base = { parameters: { w }, optimizer, steps: 1 };
  const arrays = { x: [[1, 2]], y: Int32Array.of(1), z: { data: new Float32Array(2), shape: [2] } };
  fit({
    ...base,
    batches: shuffled(arrays, { batchSize: 1 }),
    loss: ({ x, y, z }, { key, step, drawn }) => {
      const tensors: Tensor[] = [x, y, z];
      const list: number[][] = drawn.x;
      const loss = mean(add(matmul(x, w), step + list.length));
      return { loss, metrics: { rows: mean(tensors[0]), ...(key && { loss }) } };
    },
  });
  fit({
    model,
    optimizer,
    epochs: 1,
    batches: [[w as Tensor, 2, 'name', [1, 2]] as const],
    loss: ([x, factor, name, values]) => mean(mul(add(x, values), factor + name.length)),
  });
  fit({
    ...base,
    batches: (async function* () {
      yield { x: new Float32Array(1) };
    })(),
    loss: ({ x }) => mean(mul(x, w)),
  });

  // @ts-expect-error: the batches have no such array
  fit({ ...base, batches: [{ x: [1] }], loss: ({ y }) => mean(y) });
  // @ts-expect-error: a loss is synchronous
  fit({ ...base, batches: [{ x: [1] }], loss: async ({ x }) => mean(x) });
  // @ts-expect-error: a metric is a tensor
  fit({ ...base, batches: [1], loss: () => ({ loss: w, metrics: { step: 3 } }) });
  // @ts-expect-error: no such option
  fit({ ...base, batches: [1], loss: () => w, learningRate: 0.1 });
  // @ts-expect-error: a loss is needed
  fit({ ...base, batches: [1] });
  // @ts-expect-error: a group has names
  new SGD({ groups: [{ weightDecay: 0 }] });
  // @ts-expect-error: rows have names
  shuffled([1, 2], { batchSize: 1 });
}
