import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { oneHot, type Tensor, tensor } from '../../src/autograd/index.js';
import { Key } from '../../src/autograd/random.js';
import { sizeOf } from '../../src/backends/layout.js';
import { MemgradError } from '../../src/errors.js';
import { createModel, modelNames, presets, SegmentModel } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { AdamW, answer, cutSegments, evaluate, train } from '../../src/training/index.js';

const task = new Copy({ length: 3, symbols: 3, copies: 1 });

/** Says what it reads: its prediction at a position is the token there. */
class Echo extends SegmentModel<null> {
  initialState() {
    return null;
  }

  forward(tokens: Tensor) {
    return { logits: oneHot(tokens, task.vocabulary), state: null };
  }
}

test('evaluation never shows the model the answer', async () => {
  const batch = task.batch(Key.of(1), 50, 'test');
  for (const segmentLength of [1, 2, 3, 4, 6]) {
    const answers = await answer(new Echo(), batch, segmentLength);
    for (let row = 0; row < 50; row++) {
      // The echo of the start token is the start token, for ever: any other token came from the truth.
      assert.equal([...answers.slice(row * 6 + 3, row * 6 + 6)], [1, 1, 1]);
    }
  }
  assert.is(
    (await evaluate({ model: new Echo(), task, segmentLength: 3, samples: 8 })).accuracy,
    0,
  );
});

test('each reading of a segment is told, and what is thrown then ends the evaluation', async () => {
  const shares: number[] = [];
  const options = { model: new Echo(), task, segmentLength: 1, samples: 8, batchSize: 4 };
  await evaluate({ ...options, onProgress: (share) => void shares.push(share) });
  assert.equal(
    shares,
    [...shares].sort((a, b) => a - b),
  );
  assert.is(shares.length, 2 * 6);
  assert.is(shares.at(-1), 1);
  const end = new Error('enough');
  const onProgress = () => Promise.reject(end);
  assert.is(await evaluate({ ...options, onProgress }).catch((error) => error), end);
});

/** Keeps the states that it returns. */
class Hoarder extends SegmentModel<Tensor> {
  readonly kept: Tensor[] = [];

  initialState() {
    return tensor([0]);
  }

  forward(tokens: Tensor, state: Tensor) {
    this.kept.push(state);
    return { logits: oneHot(tokens, task.vocabulary), state: tensor([1]) };
  }
}

test('a state that evaluate has freed says so', async () => {
  const model = new Hoarder();
  await evaluate({ model, task, segmentLength: 1, samples: 2 });
  const error = await model.kept[0].data().catch((reason) => reason);
  assert.is(
    error.message,
    'A tensor of shape [1] was used after evaluate had freed it; keep identity(x).',
  );
});

/** Says 2 whatever it reads, and counts how often it is asked. */
class Constant extends SegmentModel<null> {
  asked = 0;

  initialState() {
    return null;
  }

  forward(tokens: Tensor) {
    this.asked++;
    const twos = new Int32Array(sizeOf(tokens.shape)).fill(2);
    return {
      logits: oneHot(tensor(twos, { shape: tokens.shape }), task.vocabulary),
      state: null,
    };
  }
}

test('a segment is read again only while what was said changes what is read', async () => {
  const model = new Constant();
  const long = new Copy({ length: 30, symbols: 3, copies: 2 });
  const batch = long.batch(Key.of(1), 4, 'test');
  const answers = await answer(model, batch, 30);
  assert.equal([...new Set(answers.slice(batch.promptLength - 1, batch.time))], [2]);
  assert.is(model.asked, 1 + 2 + 2, 'once for the prompt, twice for each segment of the answer');
});

for (const name of modelNames) {
  test(`${name}: what is said in few readings is what is said token by token`, async () => {
    const long = new Copy({ length: 5, symbols: 6, copies: 2 });
    const sizes = { nToken: long.vocabulary, nLayer: 2, nHead: 2, dModel: 16, dHead: 8 };
    const state = { memLen: 3, numMemTokens: 3 };
    const model = createModel(name, { ...presets.fast, ...sizes, dInner: 32, ...state });
    const training = { model, task: long, segmentLength: 20, batchSize: 16, steps: 150 };
    const optimizer = new AdamW({ learningRate: 0.01 });
    for await (const _ of train({ ...training, optimizer })); // before, models say again what they read
    const batch = long.batch(Key.of(1), 6, 'test');
    const { time, promptLength } = batch;
    const said = new Set<number>();
    for (const segmentLength of [1, 4, 7, time]) {
      const answers = await answer(model, batch, segmentLength);
      for (const token of answers) said.add(token);
      for (let row = 0; row < batch.size; row++) {
        const stream = model.stream({ segmentLength });
        stream.push(batch.inputs.slice(row * time, row * time + promptLength));
        for (let at = promptLength - 1; at < time; at++) {
          const logits = await stream.logits().data();
          const token = logits.indexOf(Math.max(...logits));
          assert.is(answers[row * time + at], token, `row ${row}, position ${at}`);
          stream.push([token]);
        }
        stream.dispose();
      }
    }
    assert.ok(said.size > 4, `one answer to everything would show nothing, got ${[...said]}`);
    model.dispose();
    optimizer.dispose();
  });
}

test('evaluation and cutting refuse lengths that would never end', async () => {
  const model = new Echo();
  const refused = async (call: () => unknown, message: string) => {
    const error = await Promise.resolve()
      .then(call)
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    assert.instance(error, MemgradError);
    assert.is((error as Error).message, message);
  };
  await refused(
    () => evaluate({ model, task, segmentLength: 0 }),
    'evaluate: segmentLength must be a whole number >= 1, got 0.',
  );
  await refused(
    () => evaluate({ model, task, segmentLength: 3, samples: 0 }),
    'evaluate: samples must be a whole number >= 1, got 0.',
  );
  await refused(
    () => evaluate({ model, task, segmentLength: 3, batchSize: 0.5 }),
    'evaluate: batchSize must be a whole number >= 1, got 0.5.',
  );
  await refused(
    () => cutSegments(task.batch(Key.of(1), 1, 'train'), 0),
    'cutSegments: length must be a whole number >= 1, got 0.',
  );
});

test.run();
