/** One training run, for Node and for a page: the same source, which must give the same bits. */
import { Key, loadBackend, type Tensor } from '../../src/index.js';
import { createModel, presets } from '../../src/models/index.js';
import { createTask } from '../../src/tasks/index.js';
import { AdamW, train } from '../../src/training/index.js';

/** All that a run computed, in hexadecimal. */
export interface RunBits {
  losses: string;
  norms: string;
  parameters: Record<string, string>;
  random: string;
  /** The first loss and the last, to see that it learnt something. */
  first: number;
  last: number;
}

/** Trains a small RMT with dropout on the copy task for `steps` steps on wasm. */
export async function trainingRun(steps: number): Promise<RunBits> {
  const backend = await loadBackend('wasm');
  const task = createTask('copy', { length: 4, symbols: 4, copies: 1 });
  const model = createModel(
    'rmt',
    {
      ...presets.fast,
      nToken: task.vocabulary,
      nLayer: 1,
      nHead: 2,
      dModel: 16,
      dHead: 8,
      dInner: 32,
      memLen: 1,
      numMemTokens: 3,
      dropout: 0.1,
      dropatt: 0.1,
      backend,
    },
    7,
  );
  const losses: number[] = [];
  const norms: number[] = [];
  const optimizer = new AdamW({ learningRate: 5e-3 });
  const options = { model, task, optimizer, segmentLength: 3, steps, batchSize: 8, clip: 1 };
  for await (const { loss, gradientNorm } of train({ ...options, seed: 3, backend })) {
    losses.push(loss);
    norms.push(gradientNorm);
  }
  const parameters: Record<string, string> = {};
  for (const [name, parameter] of Object.entries<Tensor>(model.parameters())) {
    parameters[name] = hex(await parameter.data());
  }
  return {
    losses: hex(Float32Array.from(losses)),
    norms: hex(Float32Array.from(norms)),
    parameters,
    random: hex(Key.of(5).integers(4, 1000)),
    first: losses[0],
    last: losses[losses.length - 1],
  };
}

function hex({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
