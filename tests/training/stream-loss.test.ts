import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  memoryReport,
  setDefaultBackend,
  type Tensor,
  treeLeaves,
  valueAndGrad,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { MemgradError } from '../../src/errors.js';
import { createModel, type ModelName, modelNames, presets } from '../../src/models/index.js';
import { IGNORED } from '../../src/tasks/index.js';
import { type Carry, cutSegments, sequenceLoss, streamLoss } from '../../src/training/index.js';

const test = suite('streamLoss');
setDefaultBackend(createCpuBackend());

const tiny = (name: ModelName) =>
  createModel(name, {
    ...presets.fast,
    dtype: 'float64',
    nToken: 6,
    nLayer: 1,
    nHead: 2,
    dModel: 8,
    dHead: 4,
    dInner: 16,
    memLen: 3,
    numMemTokens: 2,
  });
const [size, time, length] = [2, 15, 3];
const tokens = Key.of(1).integers(size * (time + 1), 6);
const batch = {
  size,
  time,
  promptLength: 1,
  inputs: tokens.filter((_, i) => i % (time + 1) < time),
  targets: tokens.filter((_, i) => i % (time + 1) > 0),
};
const segments = cutSegments(batch, length);

for (const name of modelNames) {
  for (const bpttDepth of [0, 1, 2, 7]) {
    test(`${name}, depth ${bpttDepth}: each step is the last segment of a sequence cut off there`, async () => {
      const model = tiny(name);
      let carry: Carry | undefined;
      const before = memoryReport().buffers;
      for (const [t, segment] of segments.entries()) {
        const lossOf = () => {
          const next = streamLoss(model, segment, size, carry, { bpttDepth });
          return [next.loss, next.carry] as const;
        };
        const [[loss, next], gradients] = valueAndGrad(lossOf, model.parameters())();
        for (const part of treeLeaves(carry)) part.dispose();
        carry = next;

        // The same as a whole sequence in which only this segment counts.
        const end = (t + 1) * length;
        const counted = batch.targets.map((target, i) =>
          i % time < t * length || i % time >= end ? IGNORED : target,
        );
        const whole = cutSegments({ ...batch, targets: counted }, length);
        const [expected, wanted] = valueAndGrad(
          () => sequenceLoss(model, whole, size, { bpttDepth }).loss,
          model.parameters(),
        )();
        assert.ok(Math.abs((await loss.item()) - (await expected.item())) < 1e-12);
        for (const [key, gradient] of Object.entries(gradients)) {
          if (key === 'memory' && t === 0) continue; // a gradient here, none in a cut sequence
          const other = await wanted[key].data();
          (await gradient.data()).forEach((value, i) => {
            assert.ok(Math.abs(value - other[i]) < 1e-12, `segment ${t}, ${key}`);
          });
        }
        const free: Tensor[] = [loss, expected];
        for (const part of [...free, ...treeLeaves([gradients, wanted])]) part.dispose();
      }
      assert.ok((carry?.inputs.length ?? 0) <= bpttDepth);
      for (const part of treeLeaves(carry)) part.dispose();
      assert.is(memoryReport().buffers, before, 'nothing is left over');
    });
  }
}

test('the learned memory gets its gradient from the first segment only', async () => {
  const model = tiny('rmt');
  let carry: Carry | undefined;
  const norms: number[] = [];
  for (const segment of segments) {
    const [[, next], { memory }] = valueAndGrad(() => {
      const { loss, carry: left } = streamLoss(model, segment, size, carry, { bpttDepth: 1 });
      return [loss, left] as const;
    }, model.parameters())();
    carry = next;
    norms.push(Math.hypot(...(await memory.data())));
  }
  assert.ok(norms[0] > 0);
  assert.equal(norms.slice(1), [0, 0, 0, 0]);
});

test('a depth that is no whole number is refused', () => {
  assert.throws(
    () => streamLoss(tiny('rmt'), segments[0], size, undefined, { bpttDepth: 0.5 }),
    (error: Error) => error instanceof MemgradError,
  );
});

test.run();
