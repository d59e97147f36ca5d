/** One training run, for Node and for a page: the same source, which must give the same bits. */
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { Key, type Tensor } from '../../src/index.js';
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

/** What to train, and on how many threads: with more than one, all of them have to take part. */
export interface RunOptions {
  steps: number;
  threads?: number;
  /** Large enough for threads to share the work. */
  wide?: boolean;
}

/** Trains a small RMT with dropout on the copy task on wasm. */
export async function trainingRun({ steps, threads = 1, wide }: RunOptions): Promise<RunBits> {
  const backend = createWasmBackend({ threads });
  for (let tries = 0; backend.threads < threads; tries++) {
    if (tries > 500) throw new Error(`${backend.threads} of ${threads} threads listen`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const task = createTask('copy', { length: 4, symbols: 4, copies: 1 });
  const [width, batchSize] = wide ? [64, 32] : [16, 8];
  const model = createModel(
    'rmt',
    {
      ...presets.fast,
      nToken: task.vocabulary,
      nLayer: 1,
      nHead: 2,
      dModel: width,
      dHead: width / 2,
      dInner: 2 * width,
      memLen: 1,
      numMemTokens: 3,
      dropout: 0.1,
      dropatt: wide ? 0 : 0.1,
      backend,
    },
    7,
  );
  const losses: number[] = [];
  const norms: number[] = [];
  const optimizer = new AdamW({ learningRate: 5e-3 });
  const options = { model, task, optimizer, segmentLength: 3, steps, batchSize, clip: 1 };
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
