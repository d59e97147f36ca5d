/** What the lens shows, against the library; what erasing does. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { configsOf } from '../../playground/src/configs.js';
import { ErasingModel } from '../../playground/src/erase.js';
import { look } from '../../playground/src/look.js';
import { heldOut } from '../../playground/src/samples.js';
import { defaults, type State } from '../../playground/src/state.js';
import { grad, type Tensor, tensor } from '../../src/index.js';
import { type RMT, SegmentModel } from '../../src/models/index.js';
import { TrainingRun } from '../../src/runs/index.js';
import { cutSegments, sequenceLoss } from '../../src/training/index.js';

const test = suite('the recurrence lens');

const runOf = (state: Partial<State>) => TrainingRun.start(configsOf({ ...defaults, ...state })[0]);

/** Begins with a given state. */
class Begun extends SegmentModel<Tensor> {
  constructor(
    readonly model: RMT,
    readonly state: Tensor,
  ) {
    super();
  }
  initialState() {
    return this.state;
  }
  forward(tokens: Tensor, state: Tensor) {
    return this.model.forward(tokens, state);
  }
}

test('the derivative by a memory token is that of the loss by what a segment reads', async () => {
  const run = await runOf({ memory: 3 });
  const batch = heldOut(run, 4);
  const { gradients, memory, whole } = await look(run, batch, []);
  const [first, ...rest] = cutSegments(batch, run.config.training.segmentLength);
  const model = run.model as RMT;
  const tokens = tensor(first.inputs, { shape: [1, first.time] });
  const written = model.forward(tokens, model.initialState(1)).state;
  assert.equal([...memory[1].values], [...(await written.data())]);
  // Nothing of the answer stands in the first segment, so the loss is that of the others.
  assert.is(first.counted, 0);
  const gradient = grad((state: Tensor) => sequenceLoss(new Begun(model, state), rest, 1).loss)(
    written,
  );
  const values = await gradient.data();
  for (let token = 0; token < 3; token++) {
    const norm = Math.hypot(...values.subarray(token * 32, (token + 1) * 32));
    const shown = gradients?.values[3 + token] as number;
    assert.ok(Math.abs(norm - shown) < 1e-5 * norm, `${norm} and ${shown}`);
  }
  const { loss } = sequenceLoss(model, cutSegments(batch, 6), 1);
  assert.ok(Math.abs((await loss.item()) - whole.loss) < 1e-6);
});

test('attention of every model comes with its cache and memory rows, and sums to 1', async () => {
  const kinds = {
    transformer: [0, 0, 0],
    'transformer-xl': [5, 0, 0],
    rmt: [0, 3, 3],
    'mem-transformer': [0, 3, 0],
    'transformer-xl-rmt': [5, 3, 3],
  } as const;
  for (const [name, [cached, read, written]] of Object.entries(kinds)) {
    const run = await runOf({ model: name as keyof typeof kinds, memory: 3, cache: 5 });
    const seen = await look(run, heldOut(run, 0), []);
    assert.is(seen.segments.length, 3);
    const [, second] = seen.segments;
    assert.equal([second.cached, second.read, second.written], [cached, read, written], name);
    assert.equal([second.attention.length, second.attention[0].length], [2, 2]);
    const { rows, columns, values } = second.attention[1][1];
    assert.equal([rows, columns], [6 + read + written, 6 + read + written + cached]);
    const sum = values.reduce((a, b) => a + b);
    assert.ok(Math.abs(sum - rows) < 1e-4, `${name}: ${sum}`);
    assert.is(seen.gradients !== undefined, name.endsWith('rmt'), name);
  }
});

test('an erased token is zeros for the segment that reads it; without any memory nothing of the prompt is left', async () => {
  const run = await runOf({ memory: 3, second: 'none' });
  const one = await look(run, heldOut(run, 0), [
    { segment: 1, token: 2 },
    { segment: 9, token: 0 },
    { segment: 1, token: 3 },
  ]);
  assert.equal(one.gone, [{ segment: 1, token: 2 }]);
  assert.ok(one.without.loss !== one.whole.loss);
  assert.ok(one.memory[1].values.subarray(64).every((value) => value === 0));
  assert.ok(one.memory[1].values.subarray(0, 64).every((value) => value !== 0));
  assert.ok(one.memory[2].values.some((value) => value !== 0));

  const all = [0, 1, 2].map((token) => ({ segment: 1, token }));
  const logitsOf = async (first: number[]) => {
    const model = new ErasingModel(run.model, all);
    const read = (tokens: number[], state: Parameters<typeof model.forward>[1]) =>
      model.forward(tensor([tokens], { dtype: 'int32' }), state);
    const { state } = read(first, model.initialState(1));
    return read([1, 5, 6], state).logits.data();
  };
  assert.equal(await logitsOf([2, 3, 4]), await logitsOf([7, 8, 9]));
});

test('erasing leaves models alone that carry no memory', async () => {
  const run = await runOf({ model: 'transformer-xl' });
  const { whole, gone, without } = await look(run, heldOut(run, 0), [{ segment: 1, token: 0 }]);
  assert.equal(gone, []);
  assert.equal(without, whole);
});

test.run();
