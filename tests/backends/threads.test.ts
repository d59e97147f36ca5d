/** Threads of the wasm backend: the same bits with any number, and they end when it is closed. */
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  abs,
  adamStep,
  add,
  argmax,
  attention,
  broadcastTo,
  cast,
  concat,
  cos,
  crossEntropy,
  div,
  dropout,
  equal,
  erf,
  exp,
  full,
  gather,
  globalNorm,
  greater,
  Key,
  layerNorm,
  less,
  linear,
  log,
  matmul,
  max,
  maximum,
  minimum,
  mul,
  neg,
  ones,
  pad,
  pow,
  relu,
  rmsNorm,
  rotate,
  scope,
  sigmoid,
  sign,
  sin,
  slice,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  swiglu,
  type Tensor,
  tanh,
  tensor,
  transpose,
  uniform,
  vjp,
  where,
} from '../../src/autograd/index.js';
import { projections } from '../../src/autograd/operations/projections.js';
import { createWasmBackend, type WasmBackend } from '../../src/backends/wasm/index.js';
import type { Exports } from '../../src/backends/wasm/kernels.js';
import oneThread from '../../src/backends/wasm/kernels.wasm';
import severalThreads from '../../src/backends/wasm/kernels-threads.wasm';
import { MemgradError } from '../../src/errors.js';
import { floatsOf, intsOf } from './arrays.js';

const test = suite('threads');
const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** How many threads this process has, where the system tells. */
const threads = async () => (await readdir('/proc/self/task').catch(() => [])).length;

async function listening(backend: WasmBackend, count = 4): Promise<void> {
  for (let i = 0; i < 600 && backend.threads < count; i++) await wait(20);
  assert.is(backend.threads, count);
}

/** Calls `f` and returns the warnings that it prints. */
async function warnings(f: () => Promise<void>): Promise<unknown[]> {
  const said: unknown[] = [];
  const { warn } = console;
  console.warn = (text) => said.push(text);
  await f().finally(() => {
    console.warn = warn;
  });
  return said;
}

test('more threads than processors: a warning, once', async () => {
  const { availableParallelism } = os;
  os.availableParallelism = () => 3;
  const said = await warnings(async () => {
    for (const threads of [3, 4, 4, 'auto'] as const) {
      const backend = createWasmBackend({ threads });
      await listening(backend, threads === 'auto' ? 3 : threads);
      backend.close();
    }
  });
  os.availableParallelism = availableParallelism;
  assert.equal(said, [
    "wasm: 4 threads take turns on 3 processors, which is slower than 3 threads; use threads: 'auto'.",
  ]);
  assert.throws(
    () => createWasmBackend({ threads: 'all' as never }),
    "wasm: threads must be a whole number from 1 to 64 or 'auto', got 'all'.",
  );
});

type Program = (backend: WasmBackend, scale: number) => Tensor | readonly Tensor[];

const known = new Map<string, Float32Array | Int32Array>();

/** Returns what `make` made for the same arguments before. */
function once<A extends Float32Array | Int32Array>(
  make: (size: number, seed: number, kind: never) => A,
  shape: readonly number[],
  seed: number,
  kind: unknown,
): A {
  const size = shape.reduce((product, length) => product * length, 1);
  const key = `${size}, ${seed}, ${kind}`;
  const values = known.get(key) ?? make(size, seed, kind as never);
  known.set(key, values);
  return values as A;
}

/** A tensor of floats on a backend; the same for the same seed. */
const floats = (backend: WasmBackend, shape: readonly number[], seed = 1) =>
  tensor(once(floatsOf, shape, seed, 'real'), { shape, backend });
/** The same with whole numbers from 0 to `most`. */
const ints = (backend: WasmBackend, shape: readonly number[], most: number, seed = 1) => {
  const values = once(intsOf, shape, seed, most).map((value) => Math.abs(value));
  return tensor(values, { shape, backend });
};
/** A value and its gradients with respect to tensors of these shapes. */
const withGradients =
  (
    shapes: (scale: number) => (readonly number[])[],
    f: (backend: WasmBackend, ...inputs: Tensor[]) => Tensor,
  ): Program =>
  (backend, scale) => {
    const inputs = shapes(scale).map((shape, i) => floats(backend, shape, 10 + i));
    const [value, pullback] = vjp((...inputs) => f(backend, ...inputs), ...inputs);
    return [value, ...pullback(floats(backend, value.shape, 20))];
  };

/**
 * Programs whose kernels threads divide. With `scale` 1 there is too little to do for two threads;
 * with more there is enough for five. Sizes are odd, so that parts end within vectors.
 */
const programs: Record<string, Program> = {};
const unary = { neg, abs, sign, exp, log, sqrt, sin, cos, tanh, sigmoid, relu, erf };
for (const [name, f] of Object.entries(unary)) {
  programs[name] = (backend, scale) => f(floats(backend, [131 * scale + 3]));
}
const binary = { add, sub, mul, div, pow, maximum, minimum, equal, less, greater };
for (const [name, f] of Object.entries(binary)) {
  programs[name] = (backend, scale) => {
    const n = 11 * scale;
    const [a, b] = [floats(backend, [n, 37], 1), floats(backend, [n, 37], 2)];
    return [
      f(a, b),
      f(a, floats(backend, [n, 1], 3)),
      f(floats(backend, [37], 4), b),
      f(floats(backend, [2, 1, 130 * scale]), floats(backend, [3, 1])),
    ];
  };
  programs[`${name} of int32`] = (backend, scale) =>
    f(ints(backend, [9 * scale, 5], 9), ints(backend, [5], 3));
}
const large = (scale: number) => [[7 * scale, 33]];
Object.assign(programs, {
  where: (backend, scale) => {
    const shape = [7 * scale, 53];
    const mask = ints(backend, shape, 1);
    return [
      where(mask, floats(backend, shape, 2), floats(backend, shape, 3)),
      where(ints(backend, [53], 1), floats(backend, [53], 2), floats(backend, [7 * scale, 1])),
    ];
  },
  'full and cast': (backend, scale) => {
    const x = full([997 * scale], 2.5, { backend });
    const whole = cast(x, 'int32');
    return [x, whole, cast(whole, 'float32')];
  },
  'transpose, slice, pad and concat': (backend, scale) => {
    const x = floats(backend, [5, 7 * scale, 12]);
    return [
      transpose(x),
      slice(x, 1, 2, 5 * scale),
      pad(x, [
        [1, 0],
        [0, 2],
        [3, 0],
      ]),
      concat([x, floats(backend, [5, scale, 12], 3)], 1),
      broadcastTo(floats(backend, [12]), [13 * scale, 12]),
    ];
  },
  'sum, max and mean': (backend, scale) => {
    const x = floats(backend, [5, 9 * scale, 21]);
    const all = [[], [0], [1], [2], [0, 1], [0, 2], [1, 2]];
    return all.flatMap((axes) => {
      const over = axes.length > 0 ? axes : undefined;
      return [sum(x, over), max(x, over), sum(transpose(x), over)];
    });
  },
  'sum of int32': (backend, scale) => {
    const x = ints(backend, [9 * scale, 21], 2 ** 30);
    return [sum(x), sum(x, 0), sum(x, 1)];
  },
  argmax: (backend, scale) => {
    const x = floats(backend, [7 * scale, 31]);
    return [argmax(x, 0), argmax(x, 1)];
  },
  matmul: (backend, scale) => {
    const n = Math.ceil(5 * Math.sqrt(scale)) + 2;
    const [a, b] = [floats(backend, [n, n + 9], 1), floats(backend, [n + 9, 2 * n + 1], 2)];
    return [
      matmul(a, b),
      matmul(transpose(b), transpose(a)),
      matmul(floats(backend, [3, 20 * n]), floats(backend, [20 * n, n])),
      matmul(floats(backend, [20 * n, 20]), floats(backend, [20, 3])),
    ];
  },
  gather: (backend, scale) => gather(floats(backend, [40, 19]), ints(backend, [11 * scale], 39)),
  'the gradient of gather': (backend, scale) => {
    const table = floats(backend, [40, 19]);
    const [value, pullback] = vjp((x) => gather(x, ints(backend, [11 * scale], 39)), table);
    return pullback(floats(backend, value.shape, 3));
  },
  uniform: (backend, scale) => uniform(Key.of(3), [111 * scale + 1], { backend }),
  dropout: withGradients(large, (_, x) => dropout(x, 0.3, Key.of(1), { residual: x })),
  softmax: withGradients(large, (_, x) => softmax(x)),
  'layer norm': withGradients(
    (scale) => [[7 * scale, 33], [33], [33]],
    (_, x, weight, bias) => layerNorm(x, weight, bias),
  ),
  'rms norm': withGradients(
    (scale) => [[7 * scale, 33], [33]],
    (_, x, weight) => rmsNorm(x, weight),
  ),
  'cross-entropy': withGradients(
    (scale) => [[7 * scale, 33]],
    (backend, x) => crossEntropy(x, ints(backend, [x.shape[0]], 32), { reduction: 'none' }),
  ),
  rotate: withGradients(
    (scale) => [[3 * scale, 5, 28]],
    (backend, x) => rotate(x, floats(backend, [5, 7]), floats(backend, [5, 7], 2), 2),
  ),
  swiglu: withGradients(
    (scale) => [[131 * scale], [131 * scale]],
    (_, a, b) => swiglu(a, b),
  ),
  linear: withGradients(
    (scale) => [[2 * scale, 30], [31, 30], [31]],
    (_, x, weight, bias) => linear(x, weight, bias, { activation: 'relu' }),
  ),
  'several products with one input': withGradients(
    (scale) => [
      [1, 2 * scale, 30],
      [93, 30],
    ],
    (_, x, weight) => concat([...projections(x, weight, 3)], 2),
  ),
  attention: withGradients(
    (scale) => Array.from({ length: 3 }, () => [scale, 7, 3 * 5]),
    (backend, q, k, v) => attention(q, k, v, { heads: 3, mask: ints(backend, [7, 7], 1) }),
  ),
  'Adam and the norm of gradients': (backend, scale) => {
    const shapes = [[7 * scale, 33], [5], [101 * scale]];
    const of = (seed: number) => shapes.map((shape) => floats(backend, shape, seed));
    const gradients = of(1);
    const from = { parameters: of(2), first: of(3), second: of(4).map((x) => square(x)) };
    const spec = { beta1: 0.9, beta2: 0.99, rate: 0.01, root: 0.7, epsilon: 1e-8 };
    const step = adamStep(from, gradients, { ...spec, gradientScale: 1, decay: 0, shrink: 1 });
    return [globalNorm(gradients), ...step.parameters, ...step.first, ...step.second];
  },
} satisfies Record<string, Program>);

/** The bits with one NaN for all: which of two it is depends on the order of operands in registers. */
const canonical = (bits: Int32Array) =>
  bits.map((value) => ((value & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : value));

test('every kernel returns the same bits with 1, 2, 3 and 5 threads, divided or not', async () => {
  let jobs = 0;
  const { notify } = Atomics;
  Atomics.notify = ((...all: Parameters<typeof notify>) => {
    jobs++;
    return notify(...all);
  }) as typeof notify;
  const bits = async (program: Program, backend: WasmBackend, scale: number) => {
    const made = scope(() => [program(backend, scale)].flat());
    const all = await Promise.all(made.map(async (x) => new Int32Array((await x.data()).buffer)));
    for (const x of made) x.dispose();
    return all.map((values, i) => (made[i].dtype === 'float32' ? canonical(values) : values));
  };
  const one = createWasmBackend();
  for (const threads of [2, 3, 5]) {
    const backend = createWasmBackend({ threads });
    await listening(backend, threads);
    for (const [name, program] of Object.entries(programs)) {
      for (const scale of [1, 600]) {
        jobs = 0;
        const came = await bits(program, backend, scale);
        assert.is(jobs > 0, scale > 1, `${name}: divided into ${jobs} jobs at scale ${scale}`);
        for (const [i, expected] of (await bits(program, one, scale)).entries()) {
          const at = expected.findIndex((value, j) => value !== came[i][j]);
          const where = `${name}, ${threads} threads, scale ${scale}`;
          assert.is(at, -1, `${where}: result ${i} differs at ${at}`);
        }
      }
    }
    backend.close();
  }
  one.close();
  Atomics.notify = notify;
});

test('the constants of both modules end at one address, where the heap begins', () => {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536 });
  const shared = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared: true });
  const bases = [
    [oneThread, memory],
    [severalThreads, shared],
  ].map(([bytes, memory]) => {
    const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    const { exports } = new WebAssembly.Instance(module, { env: { memory } } as never);
    return (exports as unknown as Exports).heapBase();
  });
  assert.is(bases[0], bases[1]);
});

test('tensors made before the threads have loaded keep their values', async () => {
  const backend = createWasmBackend({ threads: 2 });
  const x = floats(backend, [300, 400]);
  const before = (await x.data()).slice();
  await listening(backend, 2);
  const y = floats(backend, [30, 40], 2);
  assert.equal(await x.data(), before);
  assert.equal(await add(x, 0).data(), before);
  y.dispose();
  backend.close();
});

test('an index out of range is found by any thread', async () => {
  const backend = createWasmBackend({ threads: 3 });
  await listening(backend, 3);
  const indices = new Int32Array(30_000);
  for (const position of [0, 9_999, 10_000, 29_999]) {
    indices.fill(1).fill(7, position);
    assert.throws(
      () => gather(floats(backend, [7, 50]), tensor(indices, { backend })),
      new RegExp(`${position}`),
    );
  }
  backend.close();
});

test('closed backends leave no thread, whether their workers have begun or not', async () => {
  const before = await threads();
  const said = await warnings(async () => {
    for (let load = 0; load < 12; load++) {
      const backend = createWasmBackend({ threads: 4 });
      if (load % 4 === 0) await listening(backend);
      backend.close();
      backend.close();
    }
    for (let i = 0; i < 200 && (await threads()) > before; i++) await wait(50);
  });
  assert.ok((await threads()) <= before, `${await threads()} threads, ${before} before`);
  assert.equal(said, [], 'closing before the threads have loaded is no reason to warn');
});

test('a closed backend refuses work and its tensors, in a sentence', async () => {
  for (const count of [1, 4]) {
    const backend = createWasmBackend({ threads: count });
    const x = ones([64, 64], { backend });
    assert.is((await matmul(x, x).data())[0], 64);
    backend.close();
    const uses: (() => unknown)[] = [
      () => tensor([1, 2], { backend }),
      () => matmul(x, x),
      () => x.data(),
    ];
    for (const use of uses) {
      const error = await Promise.resolve()
        .then(use)
        .then(
          () => undefined,
          (error: unknown) => error,
        );
      assert.instance(error, MemgradError, String(error));
      assert.match((error as Error).message, 'wasm: this backend is closed; load another one');
    }
    x.dispose();
  }
});

test.run();
