/** Whole models against the reference code: logits, memory, caches, losses and every gradient. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Tensor, transpose, valueAndGrad } from '../../src/autograd/index.js';
import { referenceName } from '../../src/models/index.js';
import { type Batch, IGNORED } from '../../src/tasks/index.js';
import { cutSegments, sequenceLoss } from '../../src/training/index.js';
import { close, type GoldenCase, goldenModel, readGolden, type Tree, tokens } from './golden.js';

const cases = [
  'a_transformer_baseline',
  'a2_transformer_preln',
  'b_txl',
  'b2_txl_memlen9',
  'c_rmt_full_bptt',
  'c2_rmt_answer_only',
  'c4_rmt_k4',
  'd_rmt_bptt1_synthetic',
];

const timeMajor = (x: Tensor) => transpose(x, [1, 0, 2]);

for (const name of cases) {
  const golden = readGolden(name);
  const time = golden.config.tgt_len as number;

  test(`${name}: logits, memory and cache of each segment`, async () => {
    const model = goldenModel(golden);
    const [, batch] = golden.inputs.shape;
    let state: Tree = model.initialState(batch);
    for (const forward of golden.forwards.filter(({ kind }) => kind === 'main')) {
      const output = model.forward(tokens(golden.inputs, forward.segment * time, time), state);
      await close(timeMajor(output.logits), forward.logits, `logits of segment ${forward.segment}`);
      state = golden.config.independent_segments ? model.initialState(batch) : output.state;
      if (forward.mem_out) await close(timeMajor(state as Tensor), forward.mem_out, 'memory');
      for (const [i, rows] of (forward.mems_out ?? []).entries()) {
        await close(timeMajor((state as Tensor[])[i]), rows, `cache of layer ${i}`);
      }
    }
  });

  test(`${name}: loss and gradients`, async () => {
    const model = goldenModel(golden);
    const segments = cutSegments(batchOf(golden), time);
    const bpttDepth = (golden.config.mem_backprop_depth as number) || undefined;
    const [loss, gradients] = valueAndGrad(
      () => sequenceLoss(model, segments, golden.inputs.shape[1], { bpttDepth }).loss,
      model.parameters(),
    )();
    assert.ok(Math.abs((await loss.item()) - golden.loss) < 1e-8, `loss ${await loss.item()}`);
    for (const [ours, gradient] of Object.entries(gradients)) {
      const expected = golden.grads[referenceName(ours) as string];
      // null: the reference left the gradient out, which stands for zeros
      await close(
        gradient,
        expected ?? { shape: [...gradient.shape], data: new Float64Array(gradient.size) },
        ours,
      );
    }
  });
}

/** The fixture as a batch whose last `answer_size` positions count. */
function batchOf({ inputs, targets, config }: GoldenCase): Batch {
  const [time, size] = inputs.shape;
  const flip = ({ data }: { data: ArrayLike<number> }) =>
    Int32Array.from(
      { length: size * time },
      (_, i) => data[(i % time) * size + Math.floor(i / time)],
    );
  const first = time - ((config.answer_size as number | null) ?? time);
  const counted = flip(targets).map((target, i) => (i % time < first ? IGNORED : target));
  return { size, time, inputs: flip(inputs), targets: counted, promptLength: first + 1 };
}

test.run();
