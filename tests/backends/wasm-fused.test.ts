/** Each fused kernel of the wasm backend against its definition in simpler operations, on wasm too. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type AdamSpec,
  adamStep,
  attention,
  concat,
  crossEntropy,
  dropout,
  globalNorm,
  Key,
  layerNorm,
  linear,
  relu,
  rmsNorm,
  rotate,
  scope,
  softmax,
  swiglu,
  type Tensor,
  tensor,
  vjp,
} from '../../src/autograd/index.js';
import { clipFactor } from '../../src/autograd/operations/adam.js';
import { projections } from '../../src/autograd/operations/projections.js';
import { maskedSoftmax } from '../../src/autograd/operations/softmax.js';
import type { Backend } from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import { runConformance } from '../../src/testing/index.js';
import { type Content, edges, floatsOf, intsOf, LONG, near, soil } from './arrays.js';

const test = suite('wasm fused kernels');
const fused = createWasmBackend();

/** The same backend as the engine sees it without fused kernels. */
const simple = new Proxy(createWasmBackend(), {
  get(backend, name: keyof Backend) {
    if (name === 'kernels') return undefined;
    const value = backend[name];
    return typeof value === 'function' ? value.bind(backend) : value;
  },
}) as Backend;

/** Which fused kernels the tests below have made run. */
const used = new Set<string>();
for (const [name, kernel] of Object.entries(fused.kernels ?? {})) {
  const watched = (...args: unknown[]) => {
    used.add(name);
    return (kernel as (...args: unknown[]) => unknown)(...args);
  };
  Object.assign(fused.kernels as object, { [name]: watched });
}

const tight: [number, number] = [1e-5, 2e-6];

/** Runs `call` on both backends, values and gradients of all floats, and compares. */
async function agree(
  what: string,
  shapes: readonly (readonly number[])[],
  call: (backend: Backend, ...inputs: Tensor[]) => Tensor,
  { tolerance = tight, content = 'real' as Content } = {},
): Promise<void> {
  const results = [fused, simple].map((backend) =>
    scope(() => {
      const make = (shape: readonly number[], seed: number, kind: Content) => {
        const size = shape.reduce((product, length) => product * length, 1);
        soil(fused, 'float32', size);
        return tensor(floatsOf(size, seed, kind), { shape, backend });
      };
      const inputs = shapes.map((shape, i) => make(shape, 30 + i, content));
      const [value, pullback] = vjp((...floating) => call(backend, ...floating), ...inputs);
      return [value, ...pullback(make(value.shape, 40, 'real'))];
    }),
  );
  for (const [i, result] of results[0].entries()) {
    const [came, expected] = await Promise.all([result.data(), results[1][i].data()]);
    near(came, expected, tolerance, `${what}, ${i === 0 ? 'value' : `gradient ${i}`}`);
  }
  for (const result of results.flat()) result.dispose();
}

test('softmax, and its gradient', async () => {
  for (const rows of edges) {
    for (const width of edges.slice(1)) {
      await agree(`softmax [${rows}, ${width}]`, [[rows, width]], (_, x) => softmax(x));
    }
  }
  await agree('softmax [2, 3, 200]', [[2, 3, 200]], (_, x) => softmax(x));
  await agree('softmax [7]', [[7]], (_, x) => softmax(x));
});

test('softmax with a mask and a scale, rows with nothing to look at included', async () => {
  for (const queries of edges) {
    for (const keys of edges.slice(1)) {
      await agree(`[2, ${queries}, ${keys}]`, [[2, queries, keys]], (backend, x) => {
        const open = intsOf(queries * keys, 31, 1);
        open.fill(0, 0, keys);
        return maskedSoftmax(x, tensor(open, { shape: [queries, keys], backend }), 0.37);
      });
    }
  }
  await agree('one mask row for all', [[3, 5, 6]], (backend, x) =>
    maskedSoftmax(x, tensor(Int32Array.of(1, 0, 1, 1, 0, 1), { shape: [1, 6], backend }), 2),
  );
});

test('softmax of large, equal and infinite values', async () => {
  const rows = [
    [1e30, 1e30, -1e30, 0, 5],
    [-Infinity, -Infinity, -Infinity, -Infinity, -Infinity],
    [-Infinity, 3, 2, -Infinity, 1],
    [90, 180, -90, 179, 178],
    [NaN, 1, 2, 3, 4],
  ];
  const results = [fused, simple].map((backend) => softmax(tensor(rows, { backend })));
  const [came, expected] = await Promise.all(results.map((x) => x.data()));
  near(came, expected, tight, 'softmax');
});

test('root mean square normalisation, and its gradients', async () => {
  for (const rows of edges) {
    for (const width of edges) {
      if (width === 0) continue; // the mean of nothing
      await agree(`rmsNorm [${rows}, ${width}]`, [[rows, width], [width]], (_, x, weight) =>
        rmsNorm(x, weight),
      );
    }
  }
});

test('swiglu, and its gradients', async () => {
  for (const size of [...edges, 1001]) {
    await agree(`${size} values`, [[size], [size]], (_, a, b) => swiglu(a, b));
  }
});

test('layer normalisation, and its gradients', async () => {
  for (const rows of edges) {
    for (const width of edges) {
      if (width === 0) continue; // the mean of nothing
      // A large epsilon keeps rows of one or two values, whose deviation may be 0, well conditioned.
      await agree(
        `layerNorm [${rows}, ${width}]`,
        [[rows, width], [width], [width]],
        (_, x, weight, bias) => layerNorm(x, weight, bias, 0.1),
        { tolerance: [2e-5, 2e-5] },
      );
    }
  }
  await agree(
    'layerNorm [2, 3, 200]',
    [[2, 3, 200], [200], [200]],
    (_, x, weight, bias) => layerNorm(x, weight, bias),
    { tolerance: [2e-5, 2e-5] },
  );
});

test('rotary positions, and their gradients', async () => {
  for (const time of edges) {
    for (const half of edges) {
      const turns = [time, half];
      await agree(
        `rotate [3, ${time}, ${2 * half}]`,
        [[3, time, 2 * half], turns, turns],
        (_, x, cos, sin) => rotate(x, cos, sin),
        { tolerance: [1e-6, 3e-6] },
      );
    }
  }
  await agree(
    'rotate [2, 5, 3 heads of 14]',
    [
      [2, 5, 42],
      [5, 7],
      [5, 7],
    ],
    (_, x, cos, sin) => rotate(x, cos, sin, 3),
    { tolerance: [1e-6, 3e-6] },
  );
});

test('attention, and its gradients: lengths and widths around those of vectors and tiles', async () => {
  const heads = 3;
  const lengths = [0, 1, 2, 3, 5, 11, 12, 13, 34, 50];
  for (const queries of lengths) {
    for (const keys of lengths.slice(1)) {
      const [width, valueWidth] = [1 + (queries % 9), 1 + (keys % 13)];
      const shapes = [
        [2, queries, heads * width],
        [2, keys, heads * width],
        [2, keys, heads * valueWidth],
      ];
      const what = `${queries} queries, ${keys} keys, widths ${width} and ${valueWidth}`;
      const tolerance: [number, number] = [2e-5, 1e-5];
      await agree(what, shapes, (_, q, k, v) => attention(q, k, v, { heads }), { tolerance });
      const open = intsOf(2 * queries * keys, 33, 1);
      open.fill(0, 0, keys);
      await agree(
        `${what}, a mask for each of the batch and a bias`,
        [...shapes, [2, heads, queries, keys]],
        (backend, q, k, v, bias) => {
          const mask = tensor(open, { shape: [2, 1, queries, keys], backend });
          return attention(q, k, v, { heads, mask, bias });
        },
        { tolerance },
      );
    }
  }
  const [queries, keys] = [77, 85];
  const masks = {
    causal: (query: number, key: number) => key <= query,
    'behind a cache': (query: number, key: number) => key <= query + keys - queries,
    'blocks that see nothing': (query: number, key: number) => query >= 30 && query < 70 && key < 3,
    'the last keys only': (query: number, key: number) => key >= keys - 1 - (query % 2),
  };
  for (const [what, sees] of Object.entries(masks)) {
    const open = Int32Array.from({ length: queries * keys }, (_, at) =>
      Number(sees(Math.floor(at / keys), at % keys)),
    );
    const shapes = [queries, keys, keys].map((time) => [1, time, 18]);
    await agree(
      what,
      [...shapes, [1, 2, queries, keys]],
      (backend, q, k, v, bias) =>
        attention(q, k, v, {
          ...{ heads: 2, bias },
          mask: tensor(open, { shape: [queries, keys], backend }),
        }),
      { tolerance: [2e-5, 1e-5] },
    );
  }
  await agree(
    'without heads, one mask for all',
    [
      [2, 3, 7, 5],
      [2, 3, 6, 5],
      [2, 3, 6, 4],
    ],
    (backend, q, k, v) =>
      attention(q, k, v, { mask: tensor(intsOf(42, 34, 1), { shape: [7, 6], backend }) }),
    { tolerance: [2e-5, 1e-5] },
  );
});

test('steps of Adam, for many tensors at once', async () => {
  const spec: AdamSpec = {
    ...{ beta1: 0.9, beta2: 0.99, rate: 0.01, root: 0.7, epsilon: 1e-8 },
    ...{ gradientScale: 1, decay: 0, shrink: 1 },
  };
  const sizes = [...edges, 1000];
  for (const special of [{}, { shrink: 0.9 }, { decay: 0.1 }, { gradientScale: 0.3 }]) {
    for (const size of sizes) soil(fused, 'float32', size, size, size);
    const results = [fused, simple].map((backend) =>
      scope(() => {
        const of = (seed: number, content: Content) =>
          sizes.map((size) => tensor(floatsOf(size, seed, content), { backend }));
        const from = {
          parameters: of(50, 'real'),
          first: of(52, 'real'),
          second: of(53, 'positive'),
        };
        return adamStep(from, of(51, 'real'), { ...spec, ...special });
      }),
    );
    for (const kind of ['parameters', 'first', 'second'] as const) {
      for (const [i, size] of sizes.entries()) {
        const [came, expected] = await Promise.all(results.map((result) => result[kind][i].data()));
        const what = `${kind} of ${size} values, ${JSON.stringify(special)}`;
        near(came, expected, [1e-6, 1e-6], what);
      }
    }
  }
});

test('the factor that clips gradients has the bits of cpu', () => {
  const cpu = createCpuBackend();
  const random = floatsOf(400, 61, 'real').map((x, i) => Math.abs(x) * 10 ** ((i % 9) - 4));
  const cases = [[1], [1, 0], [1, 0, 0, 0], [1, 3e38, 3e38, 3e38], [1, 1e-45, 1e-40]];
  for (const odd of [Number.NaN, Infinity]) cases.push([odd, 1, 2], [1, odd, 2], [1, 2, odd]);
  for (let i = 0; i < 399; i += 1 + (i % 7)) cases.push([...random.slice(i, i + 2 + (i % 13))]);
  for (const numbers of cases) {
    for (const clip of [0.25, 3, Infinity]) {
      const [came, expected] = [fused, cpu].map(
        (backend) =>
          scope(() => {
            const values = tensor(Float32Array.from(numbers), { backend });
            return clipFactor(values, numbers.length - 1, clip);
          }).buffer,
      );
      const [a, b] = [fused.peek?.(came), cpu.peek?.(expected)];
      assert.ok(Object.is(a?.[0], b?.[0]), `${numbers} at ${clip}: ${a}, expected ${b}`);
    }
  }
});

test('the norm of many tensors', async () => {
  for (const sizes of [[0], [1], [5, 0, 3], [1000, 7, 64]]) {
    const results = [fused, simple].map((backend) =>
      globalNorm(sizes.map((size, i) => tensor(floatsOf(size, 60 + i, 'real'), { backend }))),
    );
    const [came, expected] = await Promise.all(results.map((x) => x.data()));
    near(came, expected, tight, `sizes ${sizes}`);
  }
});

test('linear with a bias and relu, and its gradients', async () => {
  for (const rows of edges) {
    for (const [inputs, outputs] of [
      [1, 1],
      [3, 12],
      [5, 13],
      [16, 34],
      [520, 7],
      [2, 520],
    ]) {
      for (const activation of [undefined, 'relu'] as const) {
        await agree(
          `[${rows}, ${inputs}] to ${outputs}, ${activation}`,
          [[rows, inputs], [outputs, inputs], [outputs]],
          (_, x, weight, bias) => linear(x, weight, bias, { activation }),
          { tolerance: [1e-4, 2e-5] },
        );
      }
    }
  }
});

test('several products with one input, and their gradients', async () => {
  for (const [rows, width, outputs] of [
    [1, 1, 1],
    [5, 7, 3],
    [13, 16, 12],
  ]) {
    await agree(
      `[${rows}, ${width}] to three of ${outputs}`,
      [
        [1, rows, width],
        [3 * outputs, width],
      ],
      (_, x, weight) => concat([...projections(x, weight, 3)], 2),
      { tolerance: [1e-4, 2e-5] },
    );
  }
});

test('relu, and its gradient', async () => {
  for (const size of edges) await agree(`${size} values`, [[size]], (_, x) => relu(x));
});

test('cross-entropy, and its gradient', async () => {
  for (const rows of edges) {
    for (const classes of edges.slice(1)) {
      const targets = intsOf(rows, 35, classes - 1).map((t, i) =>
        i % 5 === 3 ? -100 : Math.abs(t),
      );
      await agree(`[${rows}, ${classes}]`, [[rows, classes]], (backend, x) =>
        crossEntropy(x, tensor(targets, { shape: [rows], backend }), { reduction: 'none' }),
      );
    }
  }
  const logits = [
    [1e30, 0, 1],
    [-Infinity, 3, 2],
    [90, 180, -90],
  ];
  const results = [fused, simple].map((backend) =>
    crossEntropy(tensor(logits, { backend }), tensor([0, 1, 0], { dtype: 'int32', backend }), {
      reduction: 'none',
    }),
  );
  const [came, expected] = await Promise.all(results.map((x) => x.data()));
  near(came, expected, tight, 'large logits');
  for (const target of [3, -1]) {
    assert.throws(
      () =>
        crossEntropy(
          tensor([[1, 2, 3]], { backend: fused }),
          tensor([target], { dtype: 'int32', backend: fused }),
        ),
      /a target is outside the 3 classes/,
    );
  }
});

test('dropout with and without a residual, and its gradients: the same values are dropped', async () => {
  for (const size of [...edges, 1001]) {
    for (const rate of [0.1, 0.5]) {
      const key = Key.of(size);
      await agree(`${size} values`, [[size]], (_, x) => dropout(x, rate, key));
      await agree(`${size} values and a residual`, [[size], [size]], (_, x, residual) =>
        dropout(x, rate, key, { residual }),
      );
    }
  }
});

test('the suite passes on the definitions too', async () => {
  const failed = (await runConformance(simple, { order: 2, every: LONG ? 1 : 4 })).filter(
    ({ passed }) => !passed,
  );
  assert.equal(failed, []);
});

test('every fused kernel was run', () => {
  assert.equal([...used].sort(), Object.keys(fused.kernels ?? {}).sort());
});

test.run();
