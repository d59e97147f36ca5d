/** The loop with a loss of one's own. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  argmax,
  cast,
  concat,
  crossEntropy,
  dropout,
  equal,
  Key,
  linear,
  log,
  matmul,
  mean,
  memoryReport,
  mul,
  normal,
  Parameter,
  relu,
  scope,
  square,
  sub,
  sum,
  type Tensor,
  type TensorValues,
  tanh,
  tensor,
  within,
  zeros,
} from '../../src/autograd/index.js';
import { loadBackend } from '../../src/backends/index.js';
import { MemgradError, NotFinite } from '../../src/errors.js';
import { createModel, EncoderRMT, presets } from '../../src/models/index.js';
import {
  Adam,
  AdamW,
  cosine,
  evaluateFit,
  type FitOptions,
  type FitStep,
  fit,
  type Optimizer,
  onPlateau,
  SGD,
  shuffled,
  warmUp,
} from '../../src/training/index.js';

const test = suite('fit');

/** A parameter without a tensor that shares its first values. */
const parameter = (values: TensorValues) => scope(() => new Parameter(tensor(values)));

/** A network of two layers. */
const network = (inputs: number, hidden: number, outputs: number, seed = 1) => {
  const key = Key.of(seed);
  const weight = (i: number, shape: [number, number]) =>
    scope(() => new Parameter(mul(normal(key.fold(i), shape), 1 / Math.sqrt(shape[1]))));
  return {
    w1: weight(0, [hidden, inputs]),
    b1: scope(() => new Parameter(zeros([hidden]))),
    w2: weight(1, [outputs, hidden]),
    b2: scope(() => new Parameter(zeros([outputs]))),
  };
};
type Network = ReturnType<typeof network>;
const forward = ({ w1, b1, w2, b2 }: Network, x: Tensor) => linear(tanh(linear(x, w1, b1)), w2, b2);
const squares = (net: Network) => (batch: { x: Tensor; y: Tensor }) =>
  mean(square(sub(forward(net, batch.x), batch.y)));

const xor = { x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]] }; // biome-ignore format: rows

async function all<B>(options: FitOptions<B>): Promise<FitStep[]> {
  const steps: FitStep[] = [];
  for await (const step of fit(options)) steps.push(step);
  return steps;
}

const values = async (parameters: Record<string, Tensor>) =>
  Promise.all(Object.values(parameters).map((parameter) => parameter.data()));
const dispose = (parameters: Record<string, Parameter>) => {
  for (const parameter of Object.values(parameters)) parameter.dispose();
};
/** Everything of a step but its time. */
const bits = ({ seconds: _, ...step }: FitStep) => JSON.stringify(step);

test('XOR, of plain lists', async () => {
  const net = network(2, 8, 1);
  const optimizer = new Adam({ learningRate: 0.05 });
  const steps = await all({
    parameters: net,
    loss: squares(net),
    batches: [xor],
    optimizer,
    steps: 200,
  });
  assert.is(steps.length, 200);
  assert.ok(steps[199].loss < 1e-3, `${steps[199].loss}`);
  const answers = await scope(() => forward(net, tensor(xor.x))).data();
  assert.equal([...answers].map(Math.round), [0, 1, 1, 0]);
});

test('a classification with metrics and an evaluation on held-out batches', async () => {
  const draw = (seed: number, count: number) => {
    const data = new Float32Array(2 * count);
    const y = new Int32Array(count);
    Key.of(seed)
      .integers(2 * count, 2000)
      .forEach((value, i) => {
        data[i] = value / 1000 - 1;
      });
    for (let i = 0; i < count; i++) y[i] = Math.hypot(data[2 * i], data[2 * i + 1]) < 0.8 ? 1 : 0;
    return { x: { data, shape: [count, 2] }, y };
  };
  const net = network(2, 16, 2);
  const steps = await all({
    model: { parameters: () => net },
    loss: ({ x, y }, { key, step }) => {
      assert.ok(step >= 1);
      const hidden = tanh(linear(x, net.w1, net.b1));
      const logits = linear(key ? dropout(hidden, 0.05, key) : hidden, net.w2, net.b2);
      return {
        loss: crossEntropy(logits, y),
        metrics: { accuracy: mean(cast(equal(argmax(logits, -1), y), 'float32')) },
      };
    },
    batches: shuffled(draw(1, 500), { batchSize: 50, seed: 2 }),
    evaluate: [draw(2, 200), draw(3, 200)],
    evaluateEvery: 10,
    optimizer: new AdamW({ learningRate: 0.02 }),
    epochs: 20,
  });
  assert.is(steps.length, 200);
  assert.equal([steps[0].epoch, steps[9].epoch, steps[10].epoch, steps[199].epoch], [1, 1, 2, 20]);
  const evaluations = steps.filter(({ evaluation }) => evaluation);
  assert.equal(
    evaluations.map(({ step }) => step),
    Array.from({ length: 20 }, (_, i) => 10 * (i + 1)),
  );
  assert.ok(steps[0].metrics.accuracy < 0.8, `${steps[0].metrics.accuracy}`);
  const { loss, metrics } = evaluations[19].evaluation ?? { loss: 0, metrics: {} };
  assert.ok(metrics.accuracy > 0.93 && loss < 0.35, `${metrics.accuracy} ${loss}`);
});

test('a regression on sensor values; the evaluation is the mean over its batches, without a key', async () => {
  const w = scope(() => new Parameter(zeros([3, 1])));
  const b = scope(() => new Parameter(tensor(0)));
  const rows = Array.from({ length: 64 }, (_, i) => [i % 4, (i >> 2) % 4, i >> 4]);
  const data = { x: rows, y: rows.map(([p, q, r]) => [2 * p - q + 0.5 * r + 3]) };
  const keys: (Key | undefined)[] = [];
  const steps = await all({
    parameters: { w, b },
    loss: ({ x, y }, { key }) => {
      keys.push(key);
      return mean(square(sub(add(matmul(x, w), b), y)));
    },
    batches: shuffled(data, { batchSize: 16 }),
    evaluate: [data, { x: [[1, 1, 1]], y: [[0]] }],
    optimizer: new SGD({ learningRate: 0.05, momentum: 0.9, nesterov: true }),
    schedule: warmUp(10, cosine(300)),
    clip: 10,
    steps: 300,
  });
  const found = [...(await w.data()), await b.item()];
  [2, -1, 0.5, 3].forEach((value, i) => {
    assert.ok(Math.abs(found[i] - value) < 0.01, `${found}`);
  });
  const { evaluation } = steps[299];
  assert.ok(Math.abs((evaluation?.loss ?? 0) - 4.5 ** 2 / 2) < 0.2, `${evaluation?.loss}`);
  assert.equal(
    steps.filter((step) => step.evaluation).map(({ step }) => step),
    [100, 200, 300],
  );
  assert.is(keys.filter((key) => key === undefined).length, 6);
});

test('with epochs too there is an evaluation after the last step, and only there', async () => {
  const w = parameter(1);
  const base = { parameters: { w }, loss: () => square(w), optimizer: new SGD(), evaluate: [1] };
  async function* three() {
    yield* [1, 2, 3];
  }
  for (const [batches, epochs, accumulate, last] of [
    [[1, 2, 3], 2, 1, 6],
    [[1, 2, 3], 2, 4, 2],
    [three(), 1, 1, 3],
    [shuffled({ x: [1, 2, 3] }, { batchSize: 2 }), 3, 1, 6],
  ] as const) {
    const steps = await all({ ...base, batches: batches as Iterable<unknown>, epochs, accumulate });
    assert.is(steps.length, last);
    const evaluated = steps.filter(({ evaluation }) => evaluation);
    assert.equal(
      evaluated.map(({ step }) => step),
      [last],
    );
  }
  // An error of the batches comes after the step before it.
  async function* broken() {
    yield 1;
    throw new Error('no more');
  }
  const seen: number[] = [];
  try {
    for await (const { step } of fit({ ...base, batches: broken(), epochs: 1 })) seen.push(step);
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'no more');
  }
  assert.equal(seen, [1]);
});

test('evaluateFit computes what fit does, once, and leaves nothing', async () => {
  const w = parameter(2);
  const keys: unknown[] = [];
  const options = {
    parameters: { w },
    loss: ({ x, y }: { x: Tensor; y: Tensor }, { key }: { key: Key | undefined }) => {
      keys.push(key);
      const loss = mean(square(sub(mul(w, x), y)));
      return { loss, metrics: { twice: mul(loss, 2) } };
    },
    batches: [
      { x: [1], y: [3] },
      { x: [1], y: [5] },
    ],
  };
  const live = memoryReport().buffers;
  const found = await evaluateFit(options);
  assert.is(memoryReport().buffers, live);
  assert.equal(found, { loss: 5, metrics: { twice: 10 } });
  assert.equal(keys, [undefined, undefined]);
  const optimizer = new SGD({ learningRate: 0 });
  const [{ evaluation }] = await all({
    ...options,
    optimizer,
    evaluate: options.batches,
    steps: 1,
  });
  assert.equal(evaluation, found);
  for (const [change, message] of [
    [{ batches: [] }, /^evaluateFit: batches has no batch/],
    [{ batches: 5 }, /^evaluateFit: batches must be an array/],
    [{ parameters: undefined }, 'evaluateFit: expected either model or parameters, got neither.'],
    [{ loss: () => 3 }, /^evaluateFit: loss must return a float scalar/],
    [{ steps: 3 }, /^evaluateFit: there is no option "steps"/],
  ] as [object, string | RegExp][]) {
    const error = await evaluateFit({ ...options, ...change } as never).then(
      () => assert.unreachable(),
      (error: Error) => error,
    );
    assert.instance(error, MemgradError);
    if (typeof message === 'string') assert.is(error?.message, message);
    else assert.match(error?.message ?? '', message);
  }
});

test('wrong options are errors of the call, before the first step is asked for', () => {
  const w = parameter(1);
  const good = { parameters: { w }, loss: () => square(w), batches: [1], optimizer: new SGD() };
  fit({ ...good, steps: 1 });
  for (const change of [{}, { steps: 0 }, { steps: 1, batches: 5 }, { steps: 1, seed: -1 }]) {
    assert.throws(
      () => fit({ ...good, ...change } as never),
      (e: Error) => e instanceof MemgradError,
    );
  }
});

test('a second classifier: the encoder reads documents as they were drawn', async () => {
  const sizes = { nToken: 12, nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8 };
  const special = { classes: 2, segmentLength: 4, maxSegments: 2, cls: 9, sep: 10, pad: 11 };
  const model = new EncoderRMT({ ...presets.fast, ...sizes, ...special, numMemTokens: 2 });
  const documents = [
    [1, 2, 1],
    [3, 4, 3, 4, 4],
    [2, 1, 2],
    [4, 3],
  ].map((x) => Int32Array.from(x));
  const steps = await all({
    model,
    loss: (_, { drawn, key }) => model.loss(drawn.documents, drawn.classes, { over: 'last', key }),
    batches: [{ documents, classes: [0, 1, 0, 1] }],
    optimizer: new AdamW({ learningRate: 0.01 }),
    steps: 40,
    capture: true,
  });
  assert.ok(steps[39].loss < 0.1, `${steps[39].loss}`);
});

test('a model of memgrad in a loss of one’s own', async () => {
  const sizes = { nToken: 5, nLayer: 1, nHead: 2, dModel: 8, dHead: 4, dInner: 8 };
  const model = createModel('transformer', { ...presets.fast, ...sizes });
  const steps = await all({
    model,
    loss: ({ tokens, next }, { key }) =>
      crossEntropy(model.forward(tokens, null as never, key).logits, next),
    batches: [{ tokens: { data: Int32Array.of(0, 1, 2, 3), shape: [1, 4] }, next: { data: Int32Array.of(1, 2, 3, 4), shape: [1, 4] } }], // biome-ignore format: short
    optimizer: new AdamW({ learningRate: 0.02 }),
    steps: 60,
    capture: true,
  });
  assert.ok(steps[59].loss < 0.1, `${steps[59].loss}`);
  assert.ok(Object.keys(steps[0].layerGradientNorms).includes('decoder.layers.0'));
});

/** A training with everything that has a state. */
const training = (extra: Partial<FitOptions<typeof xor>> = {}) => {
  const net = network(2, 8, 1);
  const optimizer = new AdamW({ learningRate: 0.03, ema: 0.9 });
  const schedule = onPlateau({ patience: 3 });
  const options: FitOptions<typeof xor> = {
    parameters: net,
    loss: ({ x, y }, { key }) => {
      const hidden = tanh(linear(x, net.w1, net.b1));
      const dropped = key ? dropout(hidden, 0.1, key) : hidden;
      const loss = mean(square(sub(linear(dropped, net.w2, net.b2), y)));
      return { loss, metrics: { largest: mean(hidden) } };
    },
    batches: shuffled(xor, { batchSize: 3, seed: 4 }),
    optimizer,
    schedule,
    clip: 0.5,
    steps: 25,
    ...extra,
  };
  return { net, optimizer, schedule, options };
};

for (const name of ['wasm', 'cpu'] as const) {
  test(`captured steps have the same bits on ${name}`, async () => {
    const backend = await loadBackend(name);
    const run = async (capture: boolean) => {
      const key = Key.of(3);
      const w = new Parameter(normal(key, [4, 2], { backend }));
      let calls = 0;
      const steps = await all({
        parameters: { w },
        loss: ({ x, y }: { x: Tensor; y: Tensor }, { key }) => {
          calls++;
          const out = mean(tanh(linear(x, w)), -1);
          const noisy = key ? dropout(out, 0.2, key) : out;
          return { loss: mean(square(sub(noisy, y))), metrics: { out: mean(out) } };
        },
        batches: shuffled({ x: xor.x, y: xor.y.flat() }, { batchSize: 2 }),
        evaluate: [{ x: xor.x, y: xor.y.flat() }],
        evaluateEvery: 4,
        optimizer: new Adam({ learningRate: 0.1 }),
        accumulate: 3,
        steps: 12,
        capture,
      });
      return { calls, steps: steps.map(bits), w: await w.data() };
    };
    const [plain, captured] = [await run(false), await run(true)];
    assert.ok(captured.calls < plain.calls, `${captured.calls} of ${plain.calls} calls`);
    assert.equal(captured.steps, plain.steps);
    assert.equal(captured.w, plain.w);
  });
}

test('a captured loss that reads the number of the step runs in each', async () => {
  const run = async (capture: boolean) => {
    const w = parameter(1);
    const loss = (_: unknown, { step }: { step: number }) => square(sub(w, step));
    const optimizer = new SGD({ learningRate: 0.1 });
    const steps = await all({
      parameters: { w },
      loss,
      batches: [1],
      optimizer,
      steps: 8,
      capture,
    });
    return steps.map(bits);
  };
  assert.equal(await run(true), await run(false));
});

test('resumed after any step, with the same bits', async () => {
  const whole = training();
  const steps = (await all(whole.options)).map(bits);
  const expected = await values({ ...whole.net, ...whole.optimizer.state() });
  for (const cut of [1, 7, 24]) {
    const first = training({ steps: cut });
    const before = (await all(first.options)).map(bits);
    const saved = {
      net: await values(first.net),
      state: await values(first.optimizer.state()),
      schedule: first.schedule.state?.(),
    };
    const second = training({ stepsTaken: cut });
    const assign = (targets: Record<string, Parameter>, data: Awaited<ReturnType<typeof values>>) =>
      Object.values(targets).forEach((target, i) => {
        scope(() => target.assign(tensor(data[i], { shape: target.shape })));
      });
    assign(second.net, saved.net);
    assign(second.optimizer.resume(second.net, cut), saved.state);
    second.schedule.restore?.(saved.schedule as never);
    const after = (await all(second.options)).map(bits);
    assert.equal([...before, ...after], steps);
    assert.equal(await values({ ...second.net, ...second.optimizer.state() }), expected);
  }
});

test('steps that skip batches know the epoch they are in, with any iterable', async () => {
  for (const batches of [[1, 2, 3], shuffled({ x: [1, 2, 3] }, { batchSize: 1 })] as never[][]) {
    const w = parameter(1);
    const optimizer = new SGD();
    const steps = await all({
      parameters: { w },
      loss: () => square(w),
      batches,
      optimizer,
      stepsTaken: 2,
      accumulate: 2,
      epochs: 3,
    });
    assert.equal(
      steps.map(({ step, epoch }) => [step, epoch]),
      [[3, 2], [4, 3], [5, 3]], // biome-ignore format: pairs
    );
  }
});

test('several batches in a step are the large batch of them', async () => {
  const run = async (batches: (typeof xor)[], accumulate: number) => {
    const net = network(2, 4, 1);
    const optimizer = new SGD({ learningRate: 0.3, momentum: 0.5 });
    const loss = (batch: { x: Tensor; y: Tensor }) => {
      const value = squares(net)(batch);
      return { loss: value, metrics: { first: mean(batch.x) } };
    };
    const steps = await all({ parameters: net, loss, batches, optimizer, accumulate, steps: 5 });
    return { steps, values: await values(net) };
  };
  const halves = [0, 2].map((i) => ({ x: xor.x.slice(i, i + 2), y: xor.y.slice(i, i + 2) }));
  const [large, small] = [await run([xor], 1), await run(halves, 2)];
  large.steps.forEach((step, i) => {
    for (const name of ['loss', 'gradientNorm'] as const) {
      assert.ok(Math.abs(step[name] - small.steps[i][name]) < 1e-6);
    }
    assert.is(small.steps[i].metrics.first, 0.5);
  });
  large.values
    .flatMap((data) => [...data])
    .forEach((value, i) => {
      const other = small.values.flatMap((data) => [...data])[i];
      assert.ok(Math.abs(value - other) < 1e-6, `${value} and ${other}`);
    });
});

test('the last step of all epochs has the batches that are left', async () => {
  const w = parameter(2);
  const seen: number[] = [];
  const loss = ({ x }: { x: Tensor }) => mean(mul(w, x));
  const optimizer = new SGD({ learningRate: 0 });
  const batches = [{ x: [1] }, { x: [3] }, { x: [5] }];
  const options = { parameters: { w }, loss, batches, optimizer };
  for await (const step of fit({ ...options, accumulate: 2, epochs: 1 })) seen.push(step.loss);
  assert.equal(seen, [4, 10]);
});

test('tensors, arrays and numbers in lists and objects; tensors of the batch stay', async () => {
  const w = parameter(1);
  const own = tensor([1, 2]);
  const seen: unknown[] = [];
  await all({
    parameters: { w },
    loss: (batch) => {
      seen.push(batch);
      const [x, { y, z, name, rate }] = batch;
      assert.is(name, 'a');
      return mean(mul(mul(w, add(add(x, y), z)), rate));
    },
    batches: [
      [
        own,
        {
          y: Float32Array.of(1, 2),
          z: { data: Int32Array.of(1, 2), shape: [2] },
          name: 'a',
          rate: 2,
        },
      ],
    ] as never[],
    optimizer: new SGD(),
    steps: 2,
  } as FitOptions<[Tensor, { y: Float32Array; z: Float32Array; name: string; rate: number }]>).then(
    () => assert.unreachable('int32 and float32 do not mix'),
    (error) => assert.instance(error, MemgradError),
  );
  assert.equal(await own.array(), [1, 2]);
  const [[x, { y, z }]] = seen as [[Tensor, { y: Tensor; z: Tensor }]];
  assert.is(x, own);
  assert.equal([y.dtype, z.dtype, z.shape], ['float32', 'int32', [2]]);
  assert.ok(y.isFreed);
});

test('lists get the dtype and all arrays the backend of the parameters', async () => {
  const backend = await loadBackend('cpu');
  const w = new Parameter(tensor([1, 2], { dtype: 'float64', backend }));
  const [{ loss }] = await all({
    parameters: { w },
    loss: ({ x }) => sum(mul(w, x)),
    batches: [{ x: [0.1, 0.2] }],
    optimizer: new SGD(),
    steps: 1,
  });
  assert.is(loss, 0.1 + 0.4);
});

/** The error of a training. */
async function failure<B>(options: FitOptions<B>): Promise<Error> {
  const steps = await all(options).catch((error) => error);
  assert.instance(steps, Error, 'no error');
  return steps as unknown as Error;
}

test('numbers that go wrong are found: the operation, its path, and nothing changes', async () => {
  for (const capture of [false, true]) {
    const w = parameter([1, 2]);
    const optimizer = new Adam({ learningRate: 0.1 });
    const live = memoryReport().buffers;
    const options = {
      parameters: { w },
      loss: ({ x }: { x: Tensor }) => within('ratio', () => sum(mul(log(mul(w, x)), 2))),
      batches: [{ x: [1, 1] }, { x: [1, 0] }],
      optimizer,
      steps: 4,
      capture,
    };
    const error = await failure(options);
    assert.instance(error, NotFinite);
    assert.match(error.message, /^fit: step 2 has loss -Infinity and gradient norm/);
    assert.match(error.message, /made by log in ratio: float32 \[2\] .* 1 infinite/);
    assert.is(optimizer.steps, 1);
    optimizer.dispose();
    assert.is(memoryReport().buffers, live);

    const steps = await all({ ...options, nonFinite: 'skip' });
    assert.equal(
      steps.map(({ skipped }) => skipped !== undefined),
      [false, true, false, true],
    );
    assert.match(steps[1].skipped ?? '', /^fit: step 2 has loss -Infinity/);
    assert.is(optimizer.steps, 2 + 1);
  }
});

test('checkFinite finds what never reaches the loss', async () => {
  const w = parameter([1, 2]);
  const options = {
    parameters: { w },
    loss: () => {
      log(mul(w, -1));
      return sum(square(w));
    },
    batches: [0],
    optimizer: new SGD(),
    steps: 2,
  };
  assert.is((await all(options)).length, 2);
  const { message } = await failure({ ...options, checkFinite: true });
  assert.match(message, /made by log: float32 \[2\] 2 NaN/);
});

test('nothing is left: of a training, of one that was left, of one whose loss throws', async () => {
  const live = memoryReport().buffers;
  for (const capture of [false, true]) {
    for (const accumulate of [1, 2]) {
      const { net, optimizer, options } = training({ capture, accumulate, steps: 12 });
      const counts: number[] = [];
      for await (const { step } of fit({ ...options, evaluate: [xor], evaluateEvery: 2 })) {
        counts.push(memoryReport().buffers);
        if (step === 11) break;
      }
      // A captured step keeps its program's constants; its second recording and the smaller batch too.
      assert.is(counts[10], counts[9]);
      if (!capture) assert.is(counts[10], counts[0]);
      dispose(net);
      optimizer.dispose();
      assert.is(memoryReport().buffers, live);

      const w = parameter([1, 2]);
      const end = new Error('enough');
      const fails = {
        parameters: { w },
        loss: ({ x }: { x: Tensor }) => {
          sum(mul(w, x));
          throw end;
        },
        batches: [{ x: [1, 2] }],
        optimizer: new Adam(),
        capture,
        accumulate,
        steps: 2,
      };
      assert.is(await failure(fails), end);
      w.dispose();
      assert.is(memoryReport().buffers, live);
    }
  }
});

test('an optimiser of one’s own gets gradients, the rate and the factor of clipping', async () => {
  const w = parameter([3, 4]);
  const seen: unknown[] = [];
  const optimizer: Optimizer = {
    learningRate: 0.5,
    steps: 0,
    step(parameters, gradients, options) {
      seen.push(options);
      scope(() => {
        for (const name of Object.keys(parameters)) {
          const { rate = 0, gradientScale = 1 } = options ?? {};
          const change = mul(gradients[name], rate * gradientScale);
          (parameters[name] as Parameter).assign(sub(parameters[name], change));
        }
      });
    },
    state: () => ({}),
    resume: () => ({}),
    dispose() {},
  };
  const loss = () => mul(sum(square(w)), 0.5);
  const options = {
    parameters: { w },
    loss,
    batches: [1],
    optimizer,
    clip: 1,
    schedule: warmUp(2),
  };
  const live = memoryReport().buffers;
  await all({ ...options, steps: 1, accumulate: 2, checkFinite: true });
  assert.equal(seen, [{ rate: 0.25, gradientScale: 1 / (5 + 1e-6) }]);
  const [a, b] = await w.data();
  assert.ok(Math.abs(a - 2.85) < 1e-6 && Math.abs(b - 3.8) < 1e-6, `${a} ${b}`);
  assert.is(memoryReport().buffers, live);
});

test('progress is told at the start of a step and between its batches; what is thrown there ends it', async () => {
  const shares: number[] = [];
  const w = parameter(1);
  const optimizer = new SGD({ learningRate: 0.1 });
  const options = {
    parameters: { w },
    loss: () => square(w),
    batches: [1],
    optimizer,
    accumulate: 4,
    steps: 2,
  };
  await all({ ...options, onProgress: (share) => void shares.push(share) });
  assert.equal(shares, [0, 0.25, 0.5, 0.75, 0, 0.25, 0.5, 0.75]);
  const before = await w.item();
  const end = new Error('enough');
  const onProgress = (share: number) => {
    if (share > 0.4) throw end;
  };
  assert.is(await failure({ ...options, onProgress }), end);
  assert.is(await w.item(), before);
});

test('a signal ends the loop after the step, before the first, and while a batch is awaited', async () => {
  const w = parameter(1);
  const base = { parameters: { w }, loss: () => square(w), optimizer: new SGD() };
  const controller = new AbortController();
  const { signal } = controller;
  const seen: number[] = [];
  for await (const { step } of fit({ ...base, batches: [1], steps: 100, signal })) {
    seen.push(step);
    if (step === 3) controller.abort();
  }
  assert.equal(seen, [1, 2, 3]);
  assert.is(
    (await all({ ...base, batches: [1], steps: 5, signal: AbortSignal.abort() })).length,
    0,
  );

  const later = new AbortController();
  let ended = false;
  async function* waiting() {
    try {
      yield 1;
      setTimeout(() => later.abort(), 10);
      await new Promise(() => {});
    } finally {
      ended = true;
    }
  }
  const steps = await all({ ...base, batches: waiting(), steps: 5, signal: later.signal });
  assert.is(steps.length, 1);
  assert.not(ended, 'a generator that waits forever cannot be ended');
});

test('generators, sync and async, are drawn one batch a step and ended when the loop is left', async () => {
  const w = parameter(1);
  const base = { parameters: { w }, loss: () => square(w), optimizer: new SGD() };
  for (const isAsync of [false, true]) {
    let drawn = 0;
    let ended = 0;
    function* numbers(count: number) {
      try {
        for (let i = 0; i < count; i++) {
          drawn++;
          yield i;
        }
      } finally {
        ended++;
      }
    }
    async function* later(count: number) {
      yield* numbers(count);
    }
    const begin = isAsync ? later : numbers;
    for await (const { step } of fit({ ...base, batches: begin(10), steps: 10 })) {
      assert.is(drawn, step, 'no batch is drawn ahead');
      if (step === 3) break;
    }
    assert.equal([drawn, ended], [3, 1]);
    assert.is((await all({ ...base, batches: begin(4), epochs: 1 })).length, 4);
    assert.is(ended, 2);
    const { message } = await failure({ ...base, batches: begin(4), steps: 5 });
    assert.is(
      message,
      "fit: batches ended after epoch 1 and can't be iterated again; pass an array, shuffled(...) or fewer steps.",
    );
    const broken = new Error('no more data');
    async function* failing() {
      yield* begin(2);
      throw broken;
    }
    const live = memoryReport().buffers;
    const options = { ...base, optimizer: new Adam(), batches: failing(), steps: 5, accumulate: 3 };
    assert.is(await failure(options), broken);
    assert.is(options.optimizer.steps, 0);
    assert.is(memoryReport().buffers, live);
  }
  const promises = [Promise.resolve({ x: [1, 2] })];
  const loss = ({ x }: { x: Tensor }) => mul(w, sum(x));
  assert.is((await all({ ...base, loss, batches: promises as never[], steps: 2 })).length, 2);
});

test('one sentence for everything that is wrong', async () => {
  const w = parameter([1, 2]);
  const good = {
    parameters: { w },
    loss: () => sum(w),
    batches: [1],
    optimizer: new SGD({ learningRate: 0 }),
    steps: 2,
  };
  const { parameters: _, ...without } = good;
  for (const [change, message] of [
    [{ steps: undefined }, 'fit: expected either steps or epochs, got neither.'],
    [{ epochs: 2 }, 'fit: expected either steps or epochs, got both: 2 and 2.'],
    [
      { model: { parameters: () => ({ w }) } },
      /either model or parameters, got both: an object and an/,
    ],
    [{ parameters: {} }, 'fit: there are no parameters, expected at least one.'],
    [{ parameters: { w: tensor(1) } }, /^fit: "w" is .*expected a Parameter; make one with/],
    [{ parameters: w }, /^fit: expected a model with parameters\(\), or Parameters by name/],
    [{ batches: 5 }, 'fit: batches must be an array or another iterable of batches, got 5.'],
    [{ batches: [] }, 'fit: batches is empty, expected at least one batch.'],
    [{ evaluate: 5 }, 'fit: evaluate must be an array or another iterable of batches, got 5.'],
    [{ evaluate: [] }, /^fit: evaluate has no batch/],
    [{ loss: undefined }, 'fit: loss must be a function, got nothing.'],
    [
      { loss: () => 3 },
      /^fit: loss must return a float scalar, or { loss, metrics }, got 3; end it/,
    ],
    [{ loss: () => w }, /got Tensor|got Parameter/],
    [{ loss: async () => sum(w) }, /^fit: loss: the function returned a promise/],
    [
      { loss: () => ({ loss: sum(w), metrics: { w } }) },
      /^fit: the metric "w" must be a scalar tensor/,
    ],
    [
      { loss: () => ({ loss: sum(w), metrics: 3 }) },
      'fit: the metrics of loss must be scalars by name, got 3.',
    ],
    [
      { loss: () => ({ loss: sum(w), metric: {} }) },
      /^fit: the result of loss: there is no option "metric"; did you mean 'metrics'\?/,
    ],
    [
      { batches: [{ x: { data: [1, 2], shape: [2, 1] } }] },
      'fit: the data of a shape in "x" of a batch must be a typed array, got a list of 2.',
    ],
    [{ task: 3 }, 'fit: there is no option "task"; train takes a model and a task.'],
    [
      { batches: [{ x: { rows: [[1, 2], [3]] } }] },
      /^fit: "x\.rows" of a batch: tensor: the nested arrays start as shape \[2, 2\], but/,
    ],
    [{ batches: [new Uint8Array(2)] }, /^fit: the list of a batch: .*got Uint8Array/],
    [{ learningRate: 3 }, /^fit: there is no option "learningRate"/],
    [{ clip: 0 }, 'fit: clip must be a finite number > 0, got 0.'],
    [{ accumulate: 0 }, 'fit: accumulate must be a whole number from 1 to 65536, got 0.'],
    [{ stepsTaken: -1 }, 'fit: stepsTaken must be a whole number >= 0, got -1.'],
    [
      { optimizer: undefined },
      /^fit: optimizer must be an optimiser, as new AdamW\(\), got nothing/,
    ],
    [{ seed: -1 }, /seed must be/],
  ] as [object, string | RegExp][]) {
    const live = memoryReport().buffers;
    const error = await failure({ ...good, ...change } as never);
    assert.instance(error, MemgradError, error.stack);
    if (typeof message === 'string') assert.is(error.message, message);
    else assert.match(error.message, message);
    assert.is(memoryReport().buffers - live, 0, error.message);
  }
  assert.match(
    (await failure(without as never)).message,
    /either model or parameters, got neither/,
  );
  assert.equal(await w.array(), [1, 2]);
});

test('metrics of the batches of a step must have the same names', async () => {
  const w = parameter(1);
  let calls = 0;
  const loss = () => ({ loss: square(w), metrics: { [calls++ ? 'b' : 'a']: w } });
  const options = {
    parameters: { w },
    batches: [1],
    optimizer: new SGD(),
    accumulate: 2,
    steps: 1,
  };
  const { message } = await failure({ ...options, loss });
  assert.is(
    message,
    'fit: loss returned the metrics b after a; batches of one step must have the same.',
  );
  assert.is(await w.item(), 1, 'a parameter as a metric is not freed');
  calls = 0;
  const evaluating = evaluateFit({ parameters: { w }, loss, batches: [1, 2] });
  const refused: Error = await evaluating.then(
    () => assert.unreachable(),
    (error) => error,
  );
  assert.is(
    refused.message,
    'evaluateFit: batches: loss returned the metrics b after a; all batches must have the same.',
  );
});

test('shuffled: every row once an epoch, in an order of its own, and the same for the same seed', () => {
  const x = Array.from({ length: 10 }, (_, i) => i);
  const arrays = {
    list: x.map(String),
    typed: Float64Array.from(x),
    shaped: { data: Int32Array.from({ length: 20 }, (_, i) => i), shape: [10, 2], dtype: 'int32' },
  };
  const batches = shuffled(arrays, { batchSize: 4, seed: 3 });
  assert.is(batches.length, 3);
  const rows = (epoch: number) => [...batches.epoch(epoch)].flatMap(({ list }) => list.map(Number));
  for (const { list, typed, shaped } of batches) {
    assert.ok(typed instanceof Float64Array && shaped.data instanceof Int32Array);
    assert.equal([...typed].map(String), list);
    assert.equal(shaped.shape, [list.length, 2]);
    assert.is(shaped.dtype, 'int32');
    assert.equal(
      [...shaped.data],
      list.flatMap((i) => [2 * Number(i), 2 * Number(i) + 1]),
    );
  }
  assert.equal(
    [...batches].map(({ list }) => list.length),
    [4, 4, 2],
  );
  assert.equal([...rows(0)].sort(), x);
  assert.equal(
    [...batches].flatMap(({ list }) => list.map(Number)),
    rows(0),
  );
  assert.not.equal(rows(0), rows(1));
  assert.equal([...shuffled(arrays, { batchSize: 4, seed: 3 }).epoch(1)].flatMap(({ list }) => list.map(Number)), rows(1)); // biome-ignore format: long
  assert.not.equal([...shuffled(arrays, { batchSize: 4 })].flatMap(({ list }) => list.map(Number)), rows(0)); // biome-ignore format: long
});

test('shuffled: rows that are typed arrays are one tensor of rows, with their dtype', async () => {
  const x = [Int32Array.of(1, 2), Int32Array.of(3, 4), Int32Array.of(5, 6)];
  const w = parameter(1);
  const seen: unknown[] = [];
  await all({
    parameters: { w },
    loss: ({ x, y }) => {
      seen.push([x.dtype, x.shape, y.dtype, y.shape]);
      return mul(w, sum(mul(cast(x, 'float32'), y)));
    },
    batches: shuffled({ x, y: x.map((row) => Float32Array.from(row)) }, { batchSize: 2 }),
    optimizer: new SGD({ learningRate: 0 }),
    epochs: 1,
  });
  assert.equal(seen, [
    ['int32', [2, 2], 'float32', [2, 2]],
    ['int32', [1, 2], 'float32', [1, 2]],
  ]);
  const rows = [...shuffled({ x }, { batchSize: 3 })].map(({ x: { data } }) => [...data]);
  assert.equal(rows[0].filter((_, i) => i % 2 === 0).sort(), [1, 3, 5]);
  rows[0].forEach((value, i) => {
    if (i % 2 === 1) assert.is(value, rows[0][i - 1] + 1);
  });
});

test('shuffled: each order of three rows comes equally often', () => {
  const counts: Record<string, number> = {};
  const batches = shuffled({ x: [0, 1, 2] }, { batchSize: 3 });
  for (let i = 0; i < 6000; i++) {
    const [{ x }] = batches.epoch(i);
    counts[x.join('')] = (counts[x.join('')] ?? 0) + 1;
  }
  assert.is(Object.keys(counts).length, 6);
  for (const count of Object.values(counts)) assert.ok(Math.abs(count - 1000) < 120, `${count}`);
});

test('shuffled refuses what has no rows', () => {
  for (const [arrays, message] of [
    [[1, 2], /^shuffled: arrays must be an object of arrays, as { x, y }, got a list of 2/],
    [{}, /^shuffled: arrays must be at least one array/],
    [
      { x: [] },
      /^shuffled: "x" must be a list, a typed array or { data, shape } of a typed array, with at least/,
    ],
    [{ x: tensor([1]) }, /^shuffled: "x" must be a list.*, got Tensor/],
    [
      { x: { data: [1, 2], shape: [2] } },
      'shuffled: "x" must be a list, a typed array or { data, shape } of a typed array, with at least one row, got an object.',
    ],
    [
      { x: [1, 2], y: [1] },
      'shuffled: "y" has 1 rows and "x" 2; all arrays must have the same number.',
    ],
    [
      { x: [Int32Array.of(1, 2), Int32Array.of(3)] },
      'shuffled: "x": row 1 is Int32Array of 1 and row 0 Int32Array of 2; pad the rows to one length, or wrap each as { row } to keep them apart.',
    ],
    [{ x: [Int32Array.of(1), [2]] }, /^shuffled: "x": row 1 is a list of 1 and row 0 Int32Array/],
    [
      { x: { data: new Float32Array(6), shape: [4, 2] } },
      'shuffled: "x": the shape must be one of 6 values, got "4,2".',
    ],
    ...[Symbol('two'), 10n, Object.create(null), {}].map((length) => [
      { x: { data: new Float32Array(4), shape: [length, 2] } },
      /^shuffled: "x": the shape must be one of 4 values, got /,
    ]),
  ] as [never, string | RegExp][]) {
    assert.throws(
      () => shuffled(arrays, { batchSize: 1 }),
      (error: Error) =>
        error instanceof MemgradError &&
        (typeof message === 'string' ? error.message === message : message.test(error.message)),
    );
  }
  assert.throws(() => shuffled({ x: [1] }, { batchSize: 0 }), /batchSize must be a whole number/);
  assert.throws(() => shuffled({ x: [1] }, { batchsize: 1 } as never), /did you mean 'batchSize'/);
});

test('a loop and its model on two layers learn the same with concat and relu', async () => {
  // A network that branches, so that gradients of one parameter come from two places.
  const w = scope(() => new Parameter(normal(Key.of(2), [4, 2])));
  const v = scope(() => new Parameter(normal(Key.of(3), [1, 8])));
  const steps = await all({
    parameters: { w, v },
    loss: ({ x, y }) => {
      const h = linear(x, w);
      return mean(square(sub(linear(concat([relu(h), relu(mul(h, -1))], -1), v), y)));
    },
    batches: [xor],
    optimizer: new Adam({ learningRate: 0.05 }),
    steps: 150,
    capture: true,
  });
  assert.ok(steps[149].loss < 0.05, `${steps[149].loss}`);
});

test.run();
