/**
 * SGD with Nesterov's momentum, RMSprop, Adafactor, Muon, parameter groups and averages, against plain
 * loops in float64 with the formulas of PyTorch.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Key,
  memoryReport,
  normal,
  Parameter,
  scope,
  type Tensor,
  tensor,
} from '../../src/autograd/index.js';
import { type Backend, loadBackend } from '../../src/backends/index.js';
import { MemgradError } from '../../src/errors.js';
import {
  Adafactor,
  Adam,
  AdamW,
  type CommonOptions,
  fit,
  Muon,
  type Optimizer,
  RMSprop,
  SGD,
  withAverages,
} from '../../src/training/index.js';
import type { DeviceOptimizer } from '../../src/training/optimizers/device-optimizer.js';

const test = suite('more optimizers');

/** A matrix in float64, by rows. */
type Matrix = number[][];

const shapes: Record<string, number[]> = {
  wide: [2, 3],
  tall: [4, 2],
  bias: [3],
  scale: [],
};

/** Values that differ, near 0.5. */
const start = (name: string): number[] =>
  Array.from({ length: sizeOf(name) }, (_, i) => 0.5 + 0.3 * Math.sin(7 * i + name.length));
/** The gradient in step `step`, which depends on the value. */
const slope = (value: number, i: number, step: number): number =>
  (value - 0.2 * i) * (1 + 0.5 * Math.cos(i + step));

const sizeOf = (name: string) => shapes[name].reduce((a, b) => a * b, 1);

/** Rows of a parameter of rank 2. */
function rowsOf(name: string, values: readonly number[]): Matrix {
  const [rows, columns] = shapes[name];
  return Array.from({ length: rows }, (_, r) => values.slice(r * columns, (r + 1) * columns));
}
const multiply = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
const transposed = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const norm = (values: readonly number[]) => Math.hypot(...values);

/** One step of one parameter: new values, from `state`, which it changes. */
type Rule = (
  p: number[],
  g: number[],
  state: Record<string, number[]>,
  about: { name: string; step: number; rate: number; decay: number },
) => number[];

const zeros = (count: number) => new Array<number>(count).fill(0);

const adamw: Rule = (p, g, state, { step, rate, decay }) => {
  state.m ??= zeros(p.length);
  state.v ??= zeros(p.length);
  return p.map((value, i) => {
    state.m[i] = 0.9 * state.m[i] + 0.1 * g[i];
    state.v[i] = 0.999 * state.v[i] + 0.001 * g[i] ** 2;
    const root = Math.sqrt(state.v[i] / (1 - 0.999 ** step)) + 1e-8;
    return value * (1 - rate * decay) - (rate * (state.m[i] / (1 - 0.9 ** step))) / root;
  });
};

const nesterov: Rule = (p, g, state, { rate, decay }) => {
  state.v ??= zeros(p.length);
  return p.map((value, i) => {
    const d = g[i] + decay * value;
    state.v[i] = 0.9 * state.v[i] + d;
    return value - rate * (d + 0.9 * state.v[i]);
  });
};

const rmsprop =
  (momentum: number): Rule =>
  (p, g, state, { rate, decay }) => {
    state.s ??= zeros(p.length);
    state.v ??= zeros(p.length);
    return p.map((value, i) => {
      const d = g[i] + decay * value;
      state.s[i] = 0.9 * state.s[i] + 0.1 * d ** 2;
      state.v[i] = momentum * state.v[i] + d / (Math.sqrt(state.s[i]) + 1e-8);
      return value - rate * state.v[i];
    });
  };

const adafactor =
  (least: number): Rule =>
  (p, g, state, { name, step, rate, decay }) => {
    const share = step ** -0.8;
    const rho = Math.min(rate, 1 / Math.sqrt(step));
    const alpha = Math.max(1e-3, norm(p) / Math.sqrt(p.length)) * rho;
    const moved = (before: number[], value: number[]) =>
      before.map((old, i) => old + (value[i] - old) * share);
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    let second: number[];
    if (shapes[name].length === 2) {
      const squares = rowsOf(name, g).map((row) => row.map((x) => x ** 2));
      state.r = moved(state.r ?? zeros(squares.length), squares.map(mean));
      state.c = moved(state.c ?? zeros(squares[0].length), transposed(squares).map(mean));
      const divisor = Math.max(mean(state.r), least);
      second = state.r.flatMap((r) => state.c.map((c) => (r * c) / divisor));
    } else {
      state.v = moved(
        state.v ?? zeros(p.length),
        g.map((x) => x ** 2),
      );
      second = state.v;
    }
    const update = g.map((x, i) => x / Math.sqrt(Math.max(second[i], least ** 2)));
    const clipped = Math.max(1, norm(update) / Math.sqrt(p.length));
    return p.map((value, i) => value * (1 - rate * decay) - (alpha / clipped) * update[i]);
  };

const muon: Rule = (p, g, state, about) => {
  const { name, rate, decay } = about;
  if (shapes[name].length !== 2 || name === 'tall') return adamw(p, g, state, about);
  state.b = (state.b ?? zeros(p.length)).map((b, i) => 0.95 * b + 0.05 * g[i]);
  const ahead = g.map((x, i) => 0.05 * x + 0.95 * state.b[i]);
  let x = rowsOf(name, ahead).map((row) => row.map((value) => value / norm(ahead)));
  for (let i = 0; i < 5; i++) {
    const gram = multiply(x, transposed(x));
    const square = multiply(gram, gram);
    const factor = gram.map((row, r) => row.map((a, c) => -4.775 * a + 2.0315 * square[r][c]));
    const change = multiply(factor, x);
    x = x.map((row, r) => row.map((value, c) => 3.4445 * value + change[r][c]));
  }
  const size = 0.2 * Math.sqrt(Math.max(...shapes[name]));
  return x.flat().map((o, i) => p[i] * (1 - rate * decay) - rate * size * o);
};

type Make = (options: CommonOptions & { learningRate: number }) => Optimizer;
const optimizers: Record<string, [make: Make, rule: (least: number) => Rule]> = {
  'SGD with Nesterov': [
    (options) => new SGD({ ...options, momentum: 0.9, nesterov: true }),
    () => nesterov,
  ],
  RMSprop: [(options) => new RMSprop({ ...options, alpha: 0.9 }), () => rmsprop(0)],
  'RMSprop with momentum': [
    (options) => new RMSprop({ ...options, alpha: 0.9, momentum: 0.5 }),
    () => rmsprop(0.5),
  ],
  Adafactor: [(options) => new Adafactor(options), adafactor],
  AdamW: [(options) => new AdamW(options), () => adamw],
  Muon: [(options) => new Muon({ ...options, adamw: /tall/ }), () => muon],
};

const settings = { learningRate: 0.05, weightDecay: 0.1, ema: 0.8 };
const groups = [
  { names: /bias|wide/g, weightDecay: 0 },
  { names: /^(bias|scale)$/, weightDecay: 0.3, learningRateFactor: 0.5 },
];
/** The decay and the rate of a parameter in these groups. */
const grouped = (name: string) => ({
  decay: { bias: 0, wide: 0, scale: 0.3 }[name] ?? 0.1,
  rate: name === 'scale' ? 0.025 : 0.05,
});

const STEPS = 6;

/** The parameters and averages after each step, by the rule. */
function expected(rule: Rule, clip: number) {
  const values = Object.fromEntries(Object.keys(shapes).map((name) => [name, start(name)]));
  const averages: Record<string, number[]> = {};
  const states: Record<string, Record<string, number[]>> = {};
  for (let step = 1; step <= STEPS; step++) {
    for (const name of Object.keys(shapes)) {
      states[name] ??= {};
      const g = values[name].map((value, i) => clip * slope(value, i, step));
      values[name] = rule(values[name], g, states[name], { name, step, ...grouped(name) });
      averages[name] = values[name].map((value, i) =>
        step === 1 ? value : 0.8 * averages[name][i] + 0.2 * value,
      );
    }
  }
  return { values, averages };
}

const parameters = (like: { dtype?: 'float32' | 'float64'; backend: Backend }) =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape]) => [
      name,
      scope(
        () =>
          new Parameter(
            tensor(new Float64Array(start(name)), { dtype: 'float32', ...like, shape }),
          ),
      ),
    ]),
  );

/** The gradients in a step. */
async function gradientsOf(all: Record<string, Parameter>, step: number) {
  const found: Record<string, Tensor> = {};
  for (const [name, parameter] of Object.entries(all)) {
    const { shape, dtype, backend } = parameter;
    const data = Float64Array.from(await parameter.data(), (value, i) => slope(value, i, step));
    found[name] = tensor(data, { shape, dtype, backend });
  }
  return found;
}

async function assertNear(found: Tensor, wanted: readonly number[], most: number, what: string) {
  (await found.data()).forEach((value, i) => {
    assert.ok(Math.abs(value - wanted[i]) < most, `${what} ${i}: ${value} is not ${wanted[i]}`);
  });
}

for (const [name, [make, rule]] of Object.entries(optimizers)) {
  for (const [backendName, dtype, most] of [
    ['cpu', 'float64', 1e-12],
    ['wasm', 'float32', 5e-6],
  ] as const) {
    test(`${name} with groups and averages, as in float64: ${backendName}`, async () => {
      const all = parameters({ dtype, backend: await loadBackend(backendName) });
      const optimizer = make({ ...settings, groups });
      for (let step = 1; step <= STEPS; step++) {
        const gradients = await gradientsOf(all, step);
        optimizer.step(all, gradients, { gradientScale: 0.7 });
      }
      const { values, averages } = expected(rule(dtype === 'float64' ? 2 ** -52 : 2 ** -23), 0.7);
      for (const one of Object.keys(shapes)) {
        await assertNear(all[one], values[one], most, one);
        await assertNear(optimizer.state()[`average.${one}`], averages[one], most, one);
      }
      const own = await Promise.all(Object.values(all).map((one) => one.data()));
      await withAverages(optimizer, all, async () => {
        for (const one of Object.keys(shapes)) await assertNear(all[one], averages[one], most, one);
      });
      assert.equal(await Promise.all(Object.values(all).map((one) => one.data())), own);
    });
  }

  test(`${name}: resumed with the same bits; a step that is not finite, or throws, changes nothing`, async () => {
    const backend = await loadBackend('wasm');
    const live = memoryReport().buffers;
    const bits = async (optimizer: Optimizer, all: Record<string, Parameter>) => {
      const tensors = { ...all, ...optimizer.state() };
      const data = await Promise.all(Object.values(tensors).map((one) => one.data()));
      return Object.keys(tensors).map((one, i) => `${one} ${data[i]}`);
    };
    const run = async (optimizer: Optimizer, all: Record<string, Parameter>, from: number) => {
      for (let step = from; step <= STEPS; step++) {
        const gradients = await gradientsOf(all, step);
        scope(() => optimizer.step(all, gradients));
        for (const gradient of Object.values(gradients)) gradient.dispose();
      }
      return bits(optimizer, all);
    };
    const [whole, all] = [make({ ...settings, groups }), parameters({ backend })];
    const wanted = await run(whole, all, 1);

    const [first, again] = [make({ ...settings, groups }), parameters({ backend })];
    for (let step = 1; step <= 2; step++) {
      const gradients = await gradientsOf(again, step);
      first.step(again, gradients);
      for (const gradient of Object.values(gradients)) gradient.dispose();
    }
    const second = make({ ...settings, groups });
    const moments = second.resume(again, 2);
    assert.equal(Object.keys(moments), Object.keys(first.state()));
    for (const [one, moment] of Object.entries(first.state())) moments[one].assign(moment);
    assert.equal(await run(second, again, 3), wanted);
    assert.is(second.steps, STEPS);

    const device = second as DeviceOptimizer;
    const gradients = await gradientsOf(again, 9);
    scope(() => {
      const rates = device.begin(again, 0.1);
      device.update(again, gradients, rates, tensor(NaN, { backend }));
    });
    assert.equal(await bits(second, again), wanted);
    const wrong = { ...gradients, bias: gradients.wide };
    assert.throws(() => second.step(again, wrong), /the gradient is/);
    assert.equal(await bits(second, again), wanted);
    for (const one of [all, again, gradients]) {
      for (const tensor of Object.values(one)) tensor.dispose();
    }
    for (const optimizer of [whole, first, second]) optimizer.dispose();
    assert.is(memoryReport().buffers, live);
  });

  test(`${name}: captured steps have the same bits`, async () => {
    const backend = await loadBackend('wasm');
    const run = async (capture: boolean) => {
      const w = scope(() => new Parameter(normal(Key.of(1), [4, 3], { backend })));
      const b = scope(() => new Parameter(tensor([1, 2, 3], { backend })));
      const optimizer = make({
        learningRate: 0.01,
        weightDecay: 0.1,
        ema: 0.9,
        groups: [{ names: /b/, weightDecay: 0 }],
      });
      const { square, sum, add, mul } = await import('../../src/autograd/index.js');
      let calls = 0;
      const loss = ({ x }: { x: Tensor }) => {
        calls++;
        return sum(square(add(mul(w, x), b)));
      };
      const seen: number[] = [];
      const batches = [{ x: [1, 2, 3] }, { x: [2, 0, 1] }];
      for await (const step of fit({
        parameters: { w, b },
        loss,
        batches,
        optimizer,
        steps: 8,
        clip: 1,
        capture,
      })) {
        seen.push(step.loss);
      }
      const all = Object.values({ w, b, ...optimizer.state() });
      return { calls, seen, data: await Promise.all(all.map((one) => one.data())) };
    };
    const [plain, captured] = [await run(false), await run(true)];
    assert.is(captured.calls, 3, 'a first call, and two that are recorded');
    assert.equal(captured.seen, plain.seen);
    assert.equal(captured.data, plain.data);
  });
}

test('without groups and averages, with them or with what changes nothing: the same bits', async () => {
  const run = async (options: CommonOptions) => {
    const all = parameters({ backend: await loadBackend('wasm') });
    const optimizer = new Adam({ learningRate: 0.1, weightDecay: 0.1, ...options });
    for (let step = 1; step <= 3; step++) optimizer.step(all, await gradientsOf(all, step));
    return Promise.all(Object.values(all).map((one) => one.data()));
  };
  const plain = await run({});
  for (const options of [
    { groups: [] },
    { ema: 0.5 },
    { groups: [{ names: /bias/ }, { names: /./, weightDecay: 0.1, learningRateFactor: 1 }] },
  ]) {
    assert.equal(await run(options), plain);
  }
});

test('one sentence for what is wrong, and nothing is made', async () => {
  const w = scope(() => new Parameter(tensor([1, 2])));
  const live = memoryReport().buffers;
  const gradients = { w: scope(() => new Parameter(tensor([1, 1]))) };
  const step = (optimizer: Optimizer) => optimizer.step({ w }, gradients);
  for (const [f, message] of [
    [() => new SGD({ groups: {} } as never), /groups must be a list of groups, as .*got an object/],
    [
      () => new SGD({ groups: [{ weightDecay: 0 }] } as never),
      /groups\[0\]: names must be a regular expression, as \/bias\/, got nothing/,
    ],
    [
      () => new SGD({ groups: [{ names: 'bias' }] } as never),
      /groups\[0\]: names must be a regular expression/,
    ],
    [
      () => new SGD({ groups: [{ names: /b/, lr: 1 }] } as never),
      /groups\[0\]: there is no option "lr"/,
    ],
    [
      () => new SGD({ groups: [{ names: /b/, weightDecay: -1 }] }),
      /groups\[0\]: weightDecay must be/,
    ],
    [() => new SGD({ groups: [null] } as never), /groups\[0\]: names must be/],
    [() => new AdamW({ ema: 1 }), /ema must be a number in \[0, 1\), got 1/],
    [() => new RMSprop({ alpha: 1 }), /alpha must be/],
    [() => new Adafactor({ threshold: 0 }), /threshold must be a finite number > 0/],
    [() => new Muon({ adamw: 'x' } as never), /adamw must be a regular expression/],
    [() => new Muon({ iterations: 0 }), /iterations must be a whole number from 1 to 100/],
    [() => new Muon({ nesterow: true } as never), /did you mean 'nesterov'/],
    [
      () => step(new Adam({ groups: [{ names: /bais/ }] })),
      /^optimizer: groups\[0\] matches none of the 1 parameters, expected "\/bais\/" to match a name such as "w"\.$/,
    ],
  ] as [() => unknown, RegExp][]) {
    assert.throws(
      f,
      (error: Error) => error instanceof MemgradError && message.test(error.message),
    );
  }
  assert.is(memoryReport().buffers, live + 1);
  const adam = new Adam();
  const refused = async (...args: unknown[]) =>
    withAverages(...(args as Parameters<typeof withAverages>)).then(
      () => assert.unreachable(),
      (error) => error.message,
    );
  assert.match(await refused(adam, { w }, () => 1), /the optimiser has no average of "w"; make it/);
  assert.match(await refused({}, { w }, () => 1), /optimizer must be an optimiser, as new AdamW/);
  assert.match(await refused(adam, { w }, 3), /f must be a function, got 3/);
  const averaged = new SGD({ ema: 0.9, learningRate: 1 });
  step(averaged);
  const end = new Error('enough');
  const failed = await withAverages(averaged, { w }, () => {
    throw end;
  }).catch((error) => error);
  assert.is(failed, end);
  assert.equal(await w.array(), [0, 1]);
});

test.run();
