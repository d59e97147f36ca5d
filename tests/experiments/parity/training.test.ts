/** Training fixtures that no golden has, written by a transcription of the reference's train(). */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFixture, runFixture } from '../../../experiments/parity/index.js';
import {
  concat,
  crossEntropy,
  Key,
  mean,
  setDefaultBackend,
  slice,
  stopGradient,
  type Tensor,
  type Tree,
  tensor,
  valueAndGrad,
} from '../../../src/autograd/index.js';
import { createCpuBackend } from '../../../src/backends/cpu/index.js';
import {
  createModel,
  type MemoryAndCache,
  presets,
  type ReferenceState,
  saveReference,
} from '../../../src/models/index.js';
import { Adam } from '../../../src/training/index.js';

const test = suite('parity of training');
const backend = createCpuBackend();
setDefaultBackend(backend);

const [vocabulary, size, time, segments, steps, answer] = [7, 2, 4, 3, 3, 6];

interface Kind {
  memLen: number;
  numMemTokens: number;
  depth: number;
}

/** `train_synthetic.py`, line by line: the cache goes on from batch to batch, memory does not. */
async function trained({ memLen, numMemTokens, depth }: Kind) {
  const name = memLen === 0 ? 'rmt' : numMemTokens === 0 ? 'transformer-xl' : 'transformer-xl-rmt';
  const model = createModel(name, {
    ...presets.paper,
    dropout: 0,
    dtype: 'float64',
    ...{ nToken: vocabulary, nLayer: 2, nHead: 2, dModel: 6, dHead: 3, dInner: 8 },
    memLen: memLen || 1,
    numMemTokens: numMemTokens || 1,
  });
  const plain = (state: ReferenceState) =>
    Object.fromEntries(
      Object.entries(state).map(([key, { shape, data }]) => [
        key,
        { shape, data: Array.from(data) },
      ]),
    );
  const init_params = plain(await saveReference(model));
  // The model's own state from the two parts that the script holds, and back.
  const both = memLen > 0 && numMemTokens > 0;
  const join = (memory: Tree, cache: Tree): Tree =>
    both ? { memory, cache } : numMemTokens > 0 ? memory : cache;
  const split = (state: Tree): [memory: Tree, cache: Tree] =>
    both
      ? [(state as MemoryAndCache).memory, (state as MemoryAndCache).cache]
      : [numMemTokens > 0 ? state : null, memLen > 0 ? state : null];

  const adam = new Adam({ learningRate: 0.01 });
  const losses: number[] = [];
  const grad_norms_before_clip: number[] = [];
  const batches: object[] = [];
  let mems = split(model.initialState(size))[1];
  for (let step = 0; step < steps; step++) {
    const draw = (index: number) =>
      Array.from(
        Key.of(step)
          .fold(index)
          .integers(size * time * segments, vocabulary),
      );
    const [data, target] = [draw(0), draw(1)]; // time-major
    batches.push({
      data: { shape: [time * segments, size], data },
      target: { shape: [time * segments, size], data: target },
    });
    const part = (values: number[], segment: number): Tensor => {
      const rows = Array.from({ length: size * time }, (_, i) => {
        const at = segment * time + (i % time);
        return values[at * size + Math.floor(i / time)];
      });
      return tensor(Int32Array.from(rows), { shape: [size, time] });
    };
    const [[loss], gradients] = valueAndGrad(() => {
      let memTokens = split(model.initialState(size))[0];
      let previous: { data: Tensor; mems: Tree; memTokens: Tree }[] = [];
      const all: Tensor[] = [];
      const forward = (tokens: Tensor) => {
        const output = model.forward(tokens, join(memTokens, mems));
        [memTokens, mems] = split(output.state);
        return output.logits;
      };
      for (let segment = 0; segment < segments; segment++) {
        const tokens = part(data, segment);
        if (depth > 0) {
          const detached = memTokens && stopGradient(memTokens as Tensor);
          previous = [...previous.slice(-depth), { data: tokens, mems, memTokens: detached }];
          memTokens = previous[0].memTokens;
          for (const earlier of previous.slice(0, -1)) {
            mems = earlier.mems;
            forward(earlier.data);
          }
        }
        const nll = crossEntropy(forward(tokens), part(target, segment), { reduction: 'none' });
        all.push(nll);
      }
      const nll = concat(all, 1); // [size, time * segments]
      return [mean(slice(nll, 1, time * segments - answer)), mems] as const; // the cache is kept
    }, model.parameters())();
    losses.push(await loss.item());
    const squares = await Promise.all(Object.values(gradients).map((g) => g.data()));
    const norm = Math.sqrt(squares.flatMap((g) => Array.from(g)).reduce((a, x) => a + x * x, 0));
    grad_norms_before_clip.push(norm);
    const gradientScale = Math.min(1, 0.25 / (norm + 1e-6));
    adam.step(model.parameters(), gradients, { rate: 0.01, gradientScale });
  }
  const final_params = plain(await saveReference(model));
  return {
    script: 'train_synthetic.py',
    config: {
      ...{ n_token: vocabulary, n_layer: 2, n_head: 2, d_model: 6, d_head: 3, d_inner: 8 },
      ...{ tgt_len: time, mem_len: memLen, num_mem_tokens: numMemTokens },
      ...{ mem_backprop_depth: depth, answer_size: answer },
    },
    optimizer: { name: 'Adam', lr: 0.01, clip_grad_norm: 0.25 },
    init_params,
    batches,
    float64: { losses, grad_norms_before_clip, final_params },
  };
}

for (const kind of [
  { memLen: 5, numMemTokens: 0, depth: 0 },
  { memLen: 0, numMemTokens: 2, depth: 1 },
  { memLen: 0, numMemTokens: 2, depth: 2 },
  { memLen: 7, numMemTokens: 2, depth: 0 },
  { memLen: 7, numMemTokens: 2, depth: 1 },
  { memLen: 9, numMemTokens: 3, depth: 2 },
]) {
  test(`cache ${kind.memLen}, ${kind.numMemTokens} memory tokens, depth ${kind.depth}`, async () => {
    const bytes = new TextEncoder().encode(JSON.stringify(await trained(kind)));
    const differing: string[] = [];
    const rows = runFixture(parseFixture(bytes, 'fixture'), { backend, tolerance: 1e-9 });
    for await (const { field, pass } of rows) if (!pass) differing.push(field);
    assert.equal(differing, []);
  });
}

test.run();
