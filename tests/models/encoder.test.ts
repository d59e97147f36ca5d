import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  grad,
  Key,
  observe,
  scope,
  setDefaultBackend,
  type Tensor,
} from '../../src/autograd/index.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { MemgradError } from '../../src/errors.js';
import { type EncoderConfig, EncoderRMT, presets } from '../../src/models/index.js';
import { AdamW } from '../../src/training/index.js';

const test = suite('encoder RMT');
setDefaultBackend(createCpuBackend());

const config: EncoderConfig = {
  ...presets.fast,
  dtype: 'float64',
  nToken: 12,
  nLayer: 1,
  nHead: 2,
  dModel: 8,
  dHead: 4,
  dInner: 16,
  numMemTokens: 2,
  classes: 3,
  segmentLength: 4,
  maxSegments: 3,
  cls: 0,
  sep: 1,
  pad: 2,
};
const model = new EncoderRMT(config, 1);
const words = (count: number, seed = 1) =>
  Array.from(Key.of(seed).integers(count, 9), (token) => token + 3);
const last = (documents: number[][], of = model) => of.forward(documents).at(-1)?.logits as Tensor;

async function close(a: Tensor, b: Tensor) {
  const [x, y] = [await a.data(), await b.data()];
  assert.is(x.length, y.length);
  x.forEach((value, i) => {
    assert.ok(Math.abs(value - y[i]) < 1e-10, `${value}, expected ${y[i]}`);
  });
}

test('segments are aligned to the right, and documents join when theirs begin', () => {
  const steps = model.forward([words(9), words(3), words(8), []]);
  assert.equal(
    steps.map(({ documents, logits }) => [documents, [...logits.shape]]),
    [
      [[0], [1, 3]],
      [
        [0, 2],
        [2, 3],
      ],
      [
        [0, 1, 2, 3],
        [4, 3],
      ],
    ],
  );
});

test('a document gets the same class alone and among others, whatever the padding', async () => {
  const documents = [words(9), words(3, 2), words(8, 3), words(12, 4)];
  const together = (await last(documents).array()) as number[][];
  for (const [i, document] of documents.entries()) {
    const alone = (await last([document]).array()) as number[][];
    alone[0].forEach((value, c) => {
      assert.ok(Math.abs(value - together[i][c]) < 1e-10);
    });
  }
});

test('padding is never looked at: another pad token changes nothing', async () => {
  const document = words(6);
  const other = new EncoderRMT({ ...config, pad: 11 }, 1);
  await close(last([document]), last([document], other));
  const { seen } = observe(() => model.forward([words(2)]));
  const weights = (await seen.get('segments.0.layers.0.attention')?.array()) as number[][][][];
  const used = 1 + 2 + 1 + 2 + 1; // [CLS] memory [SEP] tokens [SEP]
  for (const row of weights[0][0]) {
    assert.ok(row.slice(0, used).every((weight) => weight > 0));
    assert.ok(row.slice(used).every((weight) => weight === 0));
  }
});

test('every token sees those behind it', async () => {
  const steps = model.forward([[3, 4, 5, 6]]);
  const changed = model.forward([[3, 4, 5, 7]]);
  assert.not.equal(await steps[0].logits.data(), await changed[0].logits.data());
});

test('what is read early reaches the answer, through memory alone', async () => {
  const document = words(12);
  const other = [document[0] === 3 ? 4 : 3, ...document.slice(1)];
  assert.not.equal(await last([document]).data(), await last([other]).data());
  const { seen } = observe(() => model.forward([document]));
  assert.equal(
    await seen.get('segments.1.memory.read')?.data(),
    await seen.get('segments.0.memory.written')?.data(),
  );
});

test('a longer document loses its end', async () => {
  const document = words(15);
  await close(last([document]), last([document.slice(0, 12)]));
});

test('the loss is that of the last segment, or the mean of all', async () => {
  const documents = [words(9), words(3)];
  const classes = [2, 0];
  const steps = model.forward(documents);
  const losses: number[] = [];
  for (const { documents: present, logits } of steps) {
    const rows = (await logits.array()) as number[][];
    const each = rows.map((row, i) => {
      const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
      return Math.log(total) - row[classes[present[i]]];
    });
    losses.push(each.reduce((a, b) => a + b, 0) / each.length);
  }
  const loss = (over: 'last' | 'mean') => model.loss(documents, classes, { over }).item();
  assert.ok(Math.abs((await loss('last')) - losses[2]) < 1e-12);
  assert.ok(Math.abs((await loss('mean')) - (losses[0] + losses[1] + losses[2]) / 3) < 1e-12);
});

test('gradients reach every parameter, through the segments to the first memory', async () => {
  const gradients = grad(() => model.loss([words(9)], [1], { over: 'last' }), model.parameters())();
  for (const [name, gradient] of Object.entries(gradients)) {
    assert.ok(
      (await gradient.data()).some((value) => value !== 0),
      name,
    );
  }
});

test('learns to tell by the first word, when the last segment does not hold it', async () => {
  const width = { dModel: 16, dHead: 8, dInner: 32 };
  const backend = createWasmBackend();
  const small = new EncoderRMT({ ...config, ...width, classes: 2, dtype: 'float32', backend }, 3);
  const optimizer = new AdamW({ learningRate: 1e-2 });
  const draw = (step: number) => {
    const documents = Array.from({ length: 32 }, (_, i) => words(8, step * 32 + i + 1));
    return { documents, classes: documents.map(([first]) => (first < 7 ? 0 : 1)) };
  };
  const parameters = small.parameters();
  for (let step = 0; step < 400; step++) {
    const { documents, classes } = draw(step);
    scope(() => {
      const lossOf = () => small.loss(documents, classes, { over: 'mean' });
      const gradients = grad(lossOf, parameters)();
      optimizer.step(parameters, gradients, { rate: optimizer.learningRate });
    });
  }
  const { documents, classes } = draw(1000);
  const answers = (await last(documents, small).array()) as number[][];
  const right = answers.filter(([a, b], i) => (b > a ? 1 : 0) === classes[i]).length;
  assert.ok(right >= 29, `${right} of 32`);
});

test('dropout is the same for the same key', async () => {
  const dropping = new EncoderRMT({ ...config, dropout: 0.2, dropatt: 0.2, dtype: 'float32' }, 1);
  const run = (seed?: number) =>
    dropping
      .loss([words(9)], [1], { over: 'mean', key: seed === undefined ? undefined : Key.of(seed) })
      .item();
  assert.is(await run(1), await run(1));
  assert.not.equal(await run(1), await run(2));
  assert.not.equal(await run(1), await run());
});

test('says what is wrong', () => {
  const refused = (make: () => unknown, message: RegExp) =>
    assert.throws(
      make,
      (error: Error) => error instanceof MemgradError && message.test(error.message),
    );
  refused(() => model.forward([]), /got no documents/);
  refused(() => model.loss([words(3)], [1, 2], { over: 'last' }), /2 classes for 1 documents/);
  refused(
    () => new EncoderRMT({ ...config, pad: 12 }),
    /^model: pad must be a whole number from 0 to 11, got 12/,
  );
  refused(
    () => new EncoderRMT({ ...config, classes: 0 }),
    /^model: classes must be a whole number >= 1/,
  );
  refused(
    () => new EncoderRMT({ ...config, segmentLength: 0 }),
    /^model: segmentLength must be a whole number >= 1/,
  );
  refused(() => new EncoderRMT({ ...config, positions: 'relative-wrapped' }), /^positions: /);
});

test.run();
