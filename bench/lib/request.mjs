/**
 * The request that loads a workload into an engine: parameters, one batch, masks and rotations, as
 * text.
 */
import { defaultBackend, scope } from '../../dist/index.js';
import { rotations, segmentMask } from '../../dist/nn/index.js';
import { cutSegments } from '../../dist/training/index.js';
import { encode } from './text.mjs';
import { prepare, useBackend, workloads } from './workload.mjs';

/** Returns the `load` request of a workload, computed on memgrad's `cpu`. */
export async function loadRequest(name) {
  await useBackend('cpu');
  const workload = workloads[name];
  const { model, task } = prepare(workload, defaultBackend());
  const { segmentLength: time, batchSize, clip, learningRate } = workload;
  const { nLayer, nHead, dModel, dHead, numMemTokens: memory } = workload.model;
  const batch = task.batch();
  const segments = cutSegments(batch, time);
  if (segments.some((segment) => segment.time !== time)) {
    throw new Error(`workload ${name}: the engines support segments of one length only.`);
  }
  const parameters = [];
  for (const [id, parameter] of Object.entries(model.parameters())) {
    parameters.push({ name: id, shape: parameter.shape, data: encode(await parameter.data()) });
  }
  const rows = time + 2 * memory;
  const constants = scope(() => ({
    ...rotations(rows, dHead, { rotaryBase: workload.model.rotaryBase }),
    mask: segmentMask({ time, numMemTokens: memory }),
  }));
  const text = async (tensor) => encode(await tensor.data());
  return {
    do: 'load',
    workload: name,
    parameters,
    sizes: {
      ...{ nLayer, nHead, dModel, dHead, memory, vocabulary: task.vocabulary },
      ...{ batch: batchSize, segmentLength: time, clip, learningRate },
      counted: segments.reduce((sum, segment) => sum + segment.counted, 0),
    },
    segments: segments.map(({ inputs, targets, counted }) => ({
      inputs: encode(inputs),
      targets: encode(targets),
      counts: counted > 0,
    })),
    hidden: encode(Float32Array.from(await constants.mask.data(), (seen) => (seen ? 0 : -1e9))),
    cos: await text(constants.cos),
    sin: await text(constants.sin),
  };
}
