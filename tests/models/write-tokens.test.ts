/** `writeTokens`: what stands where memory is written. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { grad, Key, mean, square, type Tensor, tensor } from '../../src/autograd/index.js';
import { createModel, type ModelName, presets, type SegmentModel } from '../../src/models/index.js';

const sizes = { nToken: 12, nLayer: 2, nHead: 2, dModel: 8, dHead: 4, dInner: 16 };
const make = (name: ModelName, writeTokens?: 'carried' | 'own', memAtEnd?: boolean) =>
  createModel(
    name,
    { ...presets.fast, ...sizes, memLen: 5, numMemTokens: 3, writeTokens, memAtEnd },
    7,
  );
const tokens = (seed: number) => tensor(Key.of(seed).integers(8, 12), { shape: [2, 4] });
const bits = async (x: Tensor) => [...(await x.data())];

/** The logits of three segments. */
async function read(model: SegmentModel): Promise<number[][]> {
  let state = model.initialState(2);
  const logits: Tensor[] = [];
  for (const seed of [1, 2, 3]) {
    const output = model.forward(tokens(seed), state);
    state = output.state;
    logits.push(output.logits);
  }
  return Promise.all(logits.map(bits));
}

for (const name of ['rmt', 'transformer-xl-rmt'] as const) {
  test(`${name}: rows of its own stand at the end of every segment, memory of the last in front`, async () => {
    const [carried, own] = [make(name), make(name, 'own')];
    const [before, after] = [carried.parameters(), own.parameters()];
    assert.equal(
      Object.keys(after).filter((key) => !(key in before)),
      ['writeTokens'],
    );
    assert.equal([...after.writeTokens.shape], [3, 8]);
    for (const key of Object.keys(before)) {
      assert.equal(await bits(after[key]), await bits(before[key]), key);
    }
    assert.not.equal(await bits(after.writeTokens), await bits(after.memory));

    after.writeTokens.assign(after.memory);
    const [expected, found] = [await read(carried), await read(own)];
    assert.equal(found.slice(0, 2), expected.slice(0, 2), 'written from what is the same');
    assert.not.equal(found[2], expected[2]);
  });

  test(`${name}: what is written gives the rows a gradient, through the segment after it`, async () => {
    const model = make(name, 'own');
    const parameters = model.parameters();
    const lossOf = (segments: number) => () => {
      let state = model.initialState(2);
      let loss: Tensor | undefined;
      for (let s = 0; s < segments; s++) {
        const output = model.forward(tokens(s), state);
        state = output.state;
        loss = mean(square(output.logits));
      }
      return loss as Tensor;
    };
    for (const [segments, reached] of [
      [1, false],
      [2, true],
    ] as const) {
      const { writeTokens } = grad(lossOf(segments), parameters)() as Record<string, Tensor>;
      assert.is(
        (await bits(writeTokens)).some((value) => value !== 0),
        reached,
      );
    }
  });

  test(`${name}: rows of its own need an end to stand at`, () => {
    assert.throws(
      () => make(name, 'own', false),
      /writeTokens must be 'carried' with memAtEnd: false.*, got "own"/,
    );
    assert.throws(() => make(name, 'both' as 'own'), /writeTokens must be one of carried, own/);
    make(name, 'carried', false).dispose();
  });
}

test.run();
