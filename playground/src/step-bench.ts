/** Times the training step of `npm run bench` in the Worker. */
import { type Backend, Key } from 'memgrad';
import { createModel, presets } from 'memgrad/models';
import { createTask, type Task } from 'memgrad/tasks';
import { Adam, train } from 'memgrad/training';
import type { Timed } from './messages.js';

/** Warm-up steps, which compile kernels and allocate textures; only the first is reported. */
const WARM = 2;

/**
 * Times steps on one fixed batch, forward, backward, clipping and Adam: the workload `step` of
 * bench/lib/workload.mjs. Returns the time of each.
 */
export async function timeSteps(backend: Backend, steps: number): Promise<Timed> {
  const [length, batchSize] = [24, 32];
  const copy = createTask('copy', { length, symbols: 10, copies: 2 });
  const batch = copy.batch(Key.of(1), batchSize, 'train');
  const task: Task = Object.create(copy, { batch: { value: () => batch } });
  const sizes = { nLayer: 4, nHead: 4, dModel: 128, dHead: 32, dInner: 256 };
  const model = createModel('rmt', {
    ...presets.fast,
    ...sizes,
    nToken: copy.vocabulary,
    numMemTokens: 5,
    memLen: 1,
    backend,
  });
  const optimizer = new Adam({ learningRate: 1e-3 });
  const milliseconds: number[] = [];
  let loss = Number.NaN;
  try {
    const options = {
      model,
      task,
      optimizer,
      batchSize,
      segmentLength: length,
      clip: 0.25,
      backend,
    };
    let before = performance.now();
    for await (const step of train({ ...options, steps: WARM + steps })) {
      const now = performance.now();
      milliseconds.push(now - before);
      before = now;
      loss = step.loss;
    }
  } finally {
    model.dispose();
    optimizer.dispose();
  }
  return {
    backend: backend.name,
    first: milliseconds[0],
    milliseconds: milliseconds.slice(WARM),
    tokens: batch.inputs.length,
    loss,
  };
}
