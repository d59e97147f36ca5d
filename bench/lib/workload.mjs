/**
 * The workload of every engine: one training step of an RMT on one fixed batch. The configurations
 * are the training step and the copy model that the project measures.
 */
import { loadBackend, setDefaultBackend } from '../../dist/index.js';
import { createModel, presets } from '../../dist/models/index.js';
import { createTask } from '../../dist/tasks/index.js';
import { Adam, train } from '../../dist/training/index.js';

/**
 * The same norm and positions, tied embeddings and no dropout for all workloads, as in
 * `presets.fast`.
 */
const common = { ...presets.fast, nLayer: 4, nHead: 4, dModel: 128, dInner: 256, memLen: 1 };

/**
 * The workloads by name: the model, the sequences, and the step.
 * @type {Record<string, Workload>}
 * @typedef {{ title: string, model: object, length: number, segmentLength: number, batchSize: number, clip: number, learningRate: number }} Workload
 */
export const workloads = {
  step: {
    title: 'RMT, 4 heads of 32, 5 memory tokens',
    model: { ...common, dHead: 32, numMemTokens: 5 },
    length: 24,
    segmentLength: 24,
    batchSize: 32,
    clip: 0.25,
    learningRate: 1e-3,
  },
  copy: {
    title: 'the copy model of the paper: RMT, 4 heads of 64, 24 memory tokens',
    model: { ...common, dHead: 64, numMemTokens: 24 },
    length: 24,
    segmentLength: 24,
    batchSize: 32,
    clip: 0.25,
    learningRate: 1e-3,
  },
  medium: {
    title: 'RMT, 8 layers, d 512, 8 heads of 64, 10 memory tokens, segments of 128',
    model: {
      ...{ ...common, nLayer: 8, nHead: 8, dModel: 512, dHead: 64, dInner: 2048 },
      numMemTokens: 10,
    },
    length: 128,
    segmentLength: 128,
    batchSize: 32,
    clip: 0.25,
    learningRate: 1e-3,
  },
  small: {
    title: 'RMT, one layer, 2 heads of 8, 2 memory tokens',
    model: { ...common, nLayer: 1, nHead: 2, dModel: 16, dHead: 8, dInner: 32, numMemTokens: 2 },
    length: 4,
    segmentLength: 4,
    batchSize: 4,
    clip: 0.25,
    learningRate: 1e-3,
  },
};

/** The copy task of a workload, with the same batch in every step. */
export function fixedTask({ length, batchSize }) {
  const task = createTask('copy', { length, symbols: 10, copies: 2 });
  const batch = task.batch(batchKey, batchSize, 'train');
  return new Proxy(task, {
    get: (target, name) => (name === 'batch' ? () => batch : target[name]),
  });
}

/** The key that draws the batch. */
const { Key } = await import('../../dist/index.js');
const batchKey = Key.of(1);

/** Loads the backend `name`, wraps it, and makes it the default for all tensors from now on. */
export async function useBackend(name, wrap = (backend) => backend, threads = undefined) {
  const gpu = name === 'webgl' ? await import('gpu.js') : undefined;
  const loaded = await loadBackend(name, { gpu, threads });
  while (threads && loaded.threads < threads) await new Promise((done) => setTimeout(done, 10));
  const backend = wrap(loaded);
  setDefaultBackend(backend);
  return backend;
}

/**
 * Returns a model of `workload` and its training loop, an iterator that takes one step per
 * `next()`. `settings` are further options of `train`.
 */
export function prepare(workload, backend, steps = Number.MAX_SAFE_INTEGER, settings = {}) {
  const { segmentLength, batchSize, clip, learningRate } = workload;
  const task = fixedTask(workload);
  const model = createModel('rmt', { ...workload.model, nToken: task.vocabulary, backend }, 0);
  const optimizer = new Adam({ learningRate });
  const options = { model, task, optimizer, segmentLength, steps, batchSize, clip, backend };
  const loop = train({ ...options, ...settings });
  return { model, task, optimizer, loop };
}
