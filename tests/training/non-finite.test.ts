/** Numbers that go wrong: found where they are made, before the optimiser touches anything. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  adamStep,
  add,
  attention,
  crossEntropy,
  div,
  dropout,
  full,
  globalNorm,
  grad,
  Key,
  layerNorm,
  log,
  memoryReport,
  mul,
  type Parameter,
  scope,
  sqrt,
  stopGradient,
  sub,
  type Tensor,
  tensor,
  vjp,
  watch,
  within,
  zeros,
} from '../../src/autograd/index.js';
import { type Backend, type BackendName, loadBackend } from '../../src/backends/index.js';
import { MemgradError } from '../../src/errors.js';
import { createModel, presets, SegmentModel, type SegmentOutput } from '../../src/models/index.js';
import { Copy } from '../../src/tasks/index.js';
import { SGD, type TrainOptions, type TrainStep, train } from '../../src/training/index.js';
import { watchFinite } from '../../src/training/non-finite.js';

const test = suite('numbers that go wrong');
const task = new Copy({ length: 4, symbols: 3, copies: 1 });

/** An RMT with something done to its memory in segment 1. */
class Faulty extends SegmentModel<Tensor> {
  readonly #model: SegmentModel;

  constructor(
    backend: Backend,
    readonly fault: (memory: Tensor) => Tensor,
  ) {
    super();
    const sizes = {
      nLayer: 2,
      nHead: 1,
      dModel: 8,
      dHead: 8,
      dInner: 8,
      memLen: 1,
      numMemTokens: 2,
    };
    this.#model = createModel('rmt', {
      ...presets.fast,
      ...sizes,
      nToken: task.vocabulary,
      backend,
    });
  }

  override parameters(): Record<string, Parameter> {
    return this.#model.parameters();
  }

  initialState(batch: number): Tensor {
    return this.#model.initialState(batch) as Tensor;
  }

  forward(tokens: Tensor, memory: Tensor, key?: Key): SegmentOutput<Tensor> {
    const wrong = tokens.shape[1] === 3; // segment 1 of two, with 5 and 3 tokens
    const before = wrong ? within('layers.7', () => this.fault(memory)) : memory;
    return this.#model.forward(tokens, before, key) as SegmentOutput<Tensor>;
  }
}

/** One step of training a model with this fault; its parameters must stay as they are. */
async function stepWith(
  fault: (memory: Tensor) => Tensor,
  options: Partial<TrainOptions> = {},
  backendName: BackendName = 'wasm',
): Promise<{ steps: TrainStep[]; message: string }> {
  const backend = await loadBackend(backendName);
  const model = new Faulty(backend, fault);
  const values = () => Promise.all(Object.values(model.parameters()).map((p) => p.data()));
  const before = await values();
  const live = memoryReport().buffers;
  const steps: TrainStep[] = [];
  let message = '';
  try {
    const optimizer = new SGD({ learningRate: 0.1 });
    const base = { model, task, optimizer, segmentLength: 5, steps: 2, batchSize: 2, backend };
    for await (const step of train({ ...base, ...options })) steps.push(step);
  } catch (error) {
    assert.instance(error, MemgradError, String(error));
    message = (error as Error).message;
  }
  if (message !== '' || steps[0].skipped !== undefined) {
    assert.equal(await values(), before, 'no parameter was changed');
  }
  assert.is(memoryReport().buffers, live, 'nothing is left');
  model.dispose();
  return { steps, message };
}

const logOfZero = (memory: Tensor) => add(memory, log(sub(memory, memory)));

for (const backend of ['cpu', 'wasm'] as const) {
  test(`a step on ${backend} that is not finite says which operation, of what, in which segment and layer`, async () => {
    for (const checkpointSegments of [false, true]) {
      const { steps, message } = await stepWith(logOfZero, { checkpointSegments }, backend);
      assert.is(steps.length, 0);
      assert.match(message, /^train: step 1 has loss NaN and gradient norm NaN/);
      assert.match(
        message,
        /made by log in segments\.1\.layers\.7: float32 \[2, 2, 8\] 32 infinite, of the result of sub, float32 \[2, 2, 8\] from 0\.00 to 0\.00\./,
      );
    }
  });

  test(`one that goes wrong in the backward pass alone on ${backend}`, async () => {
    // sqrt(0) is 0, and its derivative infinite; times 0 that is NaN.
    const rootOfZero = (memory: Tensor) => add(memory, mul(sqrt(sub(memory, memory)), 0));
    const { message } = await stepWith(rootOfZero, {}, backend);
    assert.match(message, /step 1 has loss \d+\.\d+ and gradient norm NaN/);
    assert.match(message, /made by div in the gradient of sqrt in segments\.1\.layers\.7/);
  });
}

/** Gradients that a fused kernel of wasm computes, several at once, from finite values whose products are not. */
const overflowing: Record<
  string,
  [f: (...args: Tensor[]) => Tensor, shapes: number[][], g: number]
> = {
  attention: [
    (q, k, v) => attention(q, k, v),
    [
      [2, 4],
      [3, 4],
      [3, 4],
    ],
    1e30,
  ],
  layerNorm: [(x, w, b) => layerNorm(x, w, b), [[2, 4], [4], [4]], 1e30],
  dropout: [(x) => dropout(x, 0.5, Key.of(1)), [[2, 4]], 3e38],
};
for (const [name, [f, shapes, g]] of Object.entries(overflowing)) {
  test(`what goes wrong in the fused gradient of ${name} was made there`, async () => {
    const backend = await loadBackend('wasm');
    const live = memoryReport().buffers;
    // The scores of attention stay small: its queries and keys are.
    const sizes = shapes.map((shape, j) => {
      const scale = name === 'attention' && j < 2 ? 1 : 1e30;
      const size = shape.reduce((a, b) => a * b);
      return {
        shape,
        values: Float32Array.from({ length: size }, (_, i) => scale * ((i % 3) - 1)),
      };
    });
    const { describe, result } = watchFinite(
      () =>
        scope(() => {
          const inputs = sizes.map(({ values, shape }) => tensor(values, { shape, backend }));
          const [value, pullback] = vjp(f, ...inputs);
          return pullback(full(value.shape, g, { backend }));
        }),
      {},
    );
    const free = (made: readonly Tensor[]) => {
      for (const gradient of made) gradient.dispose();
    };
    free(result);
    const message = (await describe(free)) ?? 'nothing';
    // Where attention's kernel meets what is not finite, the definition computes in its place.
    const makers: Record<string, string> = { attention: 'matmul', dropout: 'dropout' };
    const maker = makers[name] ?? `${name}Gradient`;
    assert.match(message, new RegExp(`made by ${maker} in the gradient of ${name}`));
    assert.is(memoryReport().buffers, live);
  });
}

/** Layers whose gradient overflows inside of their fused kernel in training, though its own gradient and the loss are finite. */
const overflowingLayers: Record<string, (memory: Tensor) => Tensor> = {
  layerNormGradient: (memory) => {
    const [weight, bias] = [1e9, 0].map((x) => full([8], x, { backend: memory.backend }));
    return layerNorm(memory, weight, bias);
  },
  // Where attention's kernel meets what is not finite, the definition computes in its place.
  matmul: (memory) => attention(memory, memory, mul(memory, 1e9)),
};
for (const [maker, layer] of Object.entries(overflowingLayers)) {
  test(`a step of training whose gradient overflows in ${maker} says so`, async () => {
    const fault = (memory: Tensor) => {
      const y = layer(memory);
      return add(memory, mul(sub(y, stopGradient(y)), 1e36)); // memory, with a large gradient
    };
    const { steps, message } = await stepWith(fault);
    assert.is(steps.length, 0);
    assert.match(message, /step 1 has loss \d+\.\d+ and gradient norm NaN/);
    const name = maker === 'matmul' ? 'attention' : 'layerNorm';
    assert.match(
      message,
      new RegExp(`made by ${maker} in the gradient of ${name} in segments\\.1\\.layers\\.7`),
    );
  });
}

test('the fused gradient of crossEntropy and the kernels of the optimiser are seen by their names', async () => {
  const backend = await loadBackend('wasm');
  const x = [tensor([[1, 2]], { backend })];
  const targets = tensor([0], { dtype: 'int32', backend });
  const rates = { beta1: 0.9, beta2: 0.99, rate: 1, root: 1, epsilon: 1e-8 };
  const spec = { ...rates, gradientScale: 1, decay: 0, shrink: 1 };
  const seen: string[] = [];
  watch(
    () => {
      grad((logits: Tensor) => crossEntropy(logits, targets))(x[0]);
      globalNorm(x);
      adamStep({ parameters: x, first: x, second: x }, x, spec);
    },
    ({ operation, gradientOf, outputs }) =>
      seen.push(`${operation} of ${gradientOf} ${outputs.map(({ shape }) => `[${shape}]`)}`),
  );
  assert.ok(seen.includes('crossEntropyGradient of crossEntropy [1,2]'), seen.join('; '));
  const last = ['globalNorm of undefined [1]', 'adam of undefined [1,2],[1,2],[1,2]'];
  assert.equal(seen.slice(-2), last);
});

test('a wrong parameter is called by its name', async () => {
  const backend = await loadBackend('wasm');
  const model = new Faulty(backend, (memory) => memory);
  const { memory } = model.parameters();
  scope(() =>
    memory.assign(tensor([...Array(15).fill(1), Number.NaN], { shape: [2, 8], backend })),
  );
  try {
    const optimizer = new SGD({ learningRate: 0.1 });
    for await (const _ of train({
      model,
      task,
      optimizer,
      segmentLength: 5,
      steps: 1,
      batchSize: 2,
      backend,
    }));
    assert.unreachable();
  } catch (error) {
    assert.match(
      (error as Error).message,
      /of 'memory', float32 \[2, 8\] from 1\.00 to 1\.00, 1 NaN/,
    );
  }
  model.dispose();
});

test('such a step can be skipped: it is told of, and changes nothing', async () => {
  const { steps, message } = await stepWith(logOfZero, { nonFinite: 'skip' });
  assert.is(message, '');
  assert.is(steps.length, 2);
  for (const step of steps) {
    assert.ok(Number.isNaN(step.loss));
    assert.match(step.skipped ?? '', /made by log in segments\.1\.layers\.7/);
  }
});

test('checkFinite finds in forward what does not reach the loss', async () => {
  // Infinity, that a division takes away again.
  const hidden = (memory: Tensor) =>
    within('hidden', () =>
      add(memory, div(1, div(1, zeros(memory.shape, { backend: memory.backend })))),
    );
  const without = await stepWith(hidden);
  assert.is(without.message, '');
  assert.is(without.steps.length, 2);
  const { message } = await stepWith(hidden, { checkFinite: true });
  assert.match(message, /step 1 has loss \d+\.\d+ and gradient norm \d+\.\d+/);
  assert.match(message, /made by div in segments\.1\.layers\.7\.hidden/);
  const fine = await stepWith((memory) => memory, { checkFinite: true });
  assert.is(fine.steps.length, 2);
});

test('checkFinite changes no bit of a run', async () => {
  const losses = async (checkFinite: boolean) => {
    const { steps } = await stepWith((memory) => memory, { checkFinite });
    return steps.map(({ loss, gradientNorm }) => [loss, gradientNorm]);
  };
  assert.equal(await losses(true), await losses(false));
});

test('gradient norms by segment and layer are in the metrics', async () => {
  const { steps } = await stepWith((memory) => memory);
  for (const { gradientNorm, segmentGradientNorms, layerGradientNorms } of steps) {
    assert.is(segmentGradientNorms.length, 2);
    assert.ok(segmentGradientNorms.every((norm) => norm > 0));
    assert.equal(
      Object.keys(layerGradientNorms).filter((name) => name.includes('layers')),
      ['decoder.layers.0', 'decoder.layers.1'],
    );
    assert.is(gradientNorm, Math.hypot(...Object.values(layerGradientNorms)));
  }
  // No gradient flows across a border where truncated BPTT cuts.
  const norms = async (bpttDepth: number) =>
    (await stepWith((memory) => memory, { bpttDepth })).steps[0].segmentGradientNorms;
  assert.equal(await norms(0), [0, 0]);
  const [first, second] = await norms(1);
  assert.ok(first === 0 && second > 0);
});

test.run();
