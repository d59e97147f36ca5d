/** Every kernel of the wasm backend against the cpu backend: sizes around those of vectors, views of every kind. */
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type {
  Backend,
  BinaryKernel,
  DType,
  TypedArray,
  UnaryKernel,
} from '../../src/backends/backend.js';
import { createCpuBackend } from '../../src/backends/cpu/index.js';
import { createWasmBackend } from '../../src/backends/wasm/index.js';
import {
  type Content,
  edges,
  floatsOf,
  intsOf,
  near,
  onBoth,
  runs,
  same,
  shapesAndLayouts,
  soil,
  viewOf,
} from './arrays.js';

const test = suite('wasm kernels');
const backends: [Backend, Backend] = [createWasmBackend(), createCpuBackend()];
const [wasm] = backends;
const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/** Values for a buffer of `dtype`. */
function values(dtype: DType, seed: number, content: Content = 'hard') {
  return (size: number): TypedArray =>
    dtype === 'int32' ? intsOf(size, seed, 1000) : floatsOf(size, seed, content);
}

const dtype = fc.constantFrom<DType>('float32', 'int32');

const exactUnary: UnaryKernel[] = ['neg', 'abs', 'sign', 'sqrt', 'relu'];
const roundedUnary: UnaryKernel[] = ['exp', 'log', 'sin', 'cos', 'tanh', 'sigmoid', 'erf'];

test('functions of one float', async () => {
  for (const kernel of [...exactUnary, ...roundedUnary]) {
    for (const size of [...edges, 257]) {
      for (const content of ['hard', 'real'] as const) {
        soil(wasm, 'float32', size, size);
        const [came, expected] = await onBoth(backends, (backend) => {
          const x = backend.upload(floatsOf(size, size, content));
          return { out: backend.unary(kernel, x), from: [x] };
        });
        const what = `${kernel} of ${size} values`;
        if (exactUnary.includes(kernel)) same(came, expected, what);
        else near(came, expected, [4e-6, 1e-6], what);
      }
    }
  }
});

test('exp keeps its digits from the smallest to the largest result', async () => {
  const x = Float32Array.from({ length: 4001 }, (_, i) => -87 + (i * 175.7) / 4000);
  const [came, expected] = await onBoth(backends, (backend) => {
    const from = backend.upload(x);
    return { out: backend.unary('exp', from), from: [from] };
  });
  near(came, expected, [3e-7, 0], 'exp');
});

const arithmetic: BinaryKernel[] = ['add', 'sub', 'mul', 'div', 'maximum', 'minimum'];
const comparisons: BinaryKernel[] = [
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
];

test('functions of two values, of any views', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...arithmetic, ...comparisons),
      dtype,
      shapesAndLayouts(2),
      async (kernel, type, [shape, [first, second]]) => {
        soil(wasm, type, sizeOf(shape));
        const [came, expected] = await onBoth(backends, (backend) => {
          const a = viewOf(backend, shape, first, values(type, 1));
          const b = viewOf(backend, shape, second, values(type, 2));
          return { out: backend.binary(kernel, a, b), from: [a.buffer, b.buffer] };
        });
        same(came, expected, `${kernel} of ${type} [${shape}]`);
      },
    ),
    runs(5),
  );
});

test('each function of two values, contiguous and with one value for all', async () => {
  for (const kernel of [...arithmetic, ...comparisons]) {
    for (const type of ['float32', 'int32'] as const) {
      for (const size of edges) {
        for (const [sa, sb] of [
          [1, 1],
          [1, 0],
          [0, 1],
          [0, 0],
        ]) {
          soil(wasm, type, size);
          const [came, expected] = await onBoth(backends, (backend) => {
            const view = (stride: number, seed: number) => {
              const buffer = backend.upload(values(type, seed)(stride === 0 ? 1 : size));
              return { buffer, shape: [size], strides: [stride], offset: 0 };
            };
            const [a, b] = [view(sa, 3), view(sb, 4)];
            return { out: backend.binary(kernel, a, b), from: [a.buffer, b.buffer] };
          });
          same(came, expected, `${kernel} of ${size} ${type}, steps ${sa} and ${sb}`);
        }
      }
    }
  }
});

test('whole numbers wrap around in sums, products and the one quotient that overflows', async () => {
  const hard = [0, 1, -1, 2, -2, 46341, -46341, 2147483647, -2147483648];
  const pairs = hard.flatMap((a) => hard.map((b) => [a, b]));
  const expected: [BinaryKernel, (a: number, b: number) => number][] = [
    ['add', (a, b) => (a + b) | 0],
    ['div', (a, b) => (b === 0 ? 0 : (a / b) | 0)],
    ['sub', (a, b) => (a - b) | 0],
    ['mul', Math.imul],
    ['maximum', Math.max],
    ['less', (a, b) => Number(a < b)],
  ];
  for (const [kernel, f] of expected) {
    const [a, b] = [0, 1].map((side) => ({
      buffer: wasm.upload(Int32Array.from(pairs, (pair) => pair[side])),
      shape: [pairs.length],
      strides: [1],
      offset: 0,
    }));
    const out = wasm.binary(kernel, a, b);
    same(
      await wasm.read(out),
      Int32Array.from(pairs, ([x, y]) => f(x, y)),
      kernel,
    );
  }
});

test('powers', async () => {
  await fc.assert(
    fc.asyncProperty(shapesAndLayouts(2), async ([shape, [first, second]]) => {
      const [came, expected] = await onBoth(backends, (backend) => {
        const a = viewOf(backend, shape, first, (size) => floatsOf(size, 5, 'positive'));
        const b = viewOf(backend, shape, second, (size) => floatsOf(size, 6, 'whole'));
        return { out: backend.binary('pow', a, b), from: [a.buffer, b.buffer] };
      });
      near(came, expected, [1e-6, 0], `pow of [${shape}]`);
    }),
    runs(),
  );
});

test('choices, of any views', async () => {
  await fc.assert(
    fc.asyncProperty(dtype, shapesAndLayouts(3), async (type, [shape, [first, second, third]]) => {
      const [came, expected] = await onBoth(backends, (backend) => {
        const condition = viewOf(backend, shape, first, (size) => intsOf(size, 7, 1));
        const a = viewOf(backend, shape, second, values(type, 8));
        const b = viewOf(backend, shape, third, values(type, 9));
        const from = [condition.buffer, a.buffer, b.buffer];
        return { out: backend.where(condition, a, b), from };
      });
      same(came, expected, `where of ${type} [${shape}]`);
    }),
    runs(3),
  );
});

test('sums and largest values of any views over any number of axes', async () => {
  const kernel = fc.constantFrom('sum', 'max', 'argmax');
  await fc.assert(
    fc.asyncProperty(
      kernel,
      dtype,
      shapesAndLayouts(1),
      fc.nat(),
      async (name, type, [shape, [layout]], choice) => {
        const kept = name === 'argmax' ? shape.length - 1 : choice % (shape.length + 1);
        // Nothing has no largest value; the engine refuses it before.
        if (name !== 'sum' && (kept < 0 || shape.slice(kept).includes(0))) return;
        soil(wasm, type, sizeOf(shape.slice(0, kept)));
        const [came, expected] = await onBoth(backends, (backend) => {
          const content = name === 'sum' ? 'whole' : 'hard';
          const x = viewOf(backend, shape, layout, values(type, 10, content));
          return { out: backend.reduce(name, x, kept), from: [x.buffer] };
        });
        same(came, expected, `${name} of ${type} [${shape}], ${kept} axes kept`);
      },
    ),
    runs(6),
  );
});

test('sums of floats are rounded once', async () => {
  for (const [shape, kept] of [
    [[100_000], 0],
    [[3, 33_333], 1],
    [[33_333, 3], 1],
  ] as const) {
    for (const turned of [false, true]) {
      const [came, expected] = await onBoth(backends, (backend) => {
        const plain = { order: shape.map((_, i) => i), axes: shape.map(() => 'all' as const) };
        const order = turned ? plain.order.toReversed() : plain.order;
        const x = viewOf(
          backend,
          shape,
          { ...plain, order, offset: 0 },
          values('float32', 11, 'real'),
        );
        return { out: backend.reduce('sum', x, kept), from: [x.buffer] };
      });
      near(came, expected, [1.2e-7, 1e-9], `sum of [${shape}]`);
    }
  }
});

test('assembling: pieces of any views, anywhere', async () => {
  await fc.assert(
    fc.asyncProperty(
      dtype,
      shapesAndLayouts(1),
      fc.array(fc.nat({ max: 2 }), { minLength: 10, maxLength: 10 }),
      fc.constantFrom(0, 3, -Infinity),
      async (type, [shape, [layout]], margins, fill) => {
        const at = shape.map((_, axis) => margins[2 * axis]);
        const whole = shape.map((length, axis) => at[axis] + length + margins[2 * axis + 1]);
        if (sizeOf(whole) > 50_000) return;
        const value = type === 'int32' && fill === -Infinity ? -1 : fill;
        soil(wasm, type, sizeOf(whole));
        const [came, expected] = await onBoth(backends, (backend) => {
          const view = viewOf(backend, shape, layout, values(type, 12));
          return {
            out: backend.assemble(whole, type, value, [{ view, at }]),
            from: [view.buffer],
          };
        });
        same(came, expected, `assemble [${whole}] of ${type} [${shape}] at [${at}]`);
      },
    ),
    runs(4),
  );
});

test('assembling: several pieces that cover everything', async () => {
  for (const first of edges) {
    for (const second of edges) {
      for (const axis of [0, 1]) {
        const shape = (length: number) => (axis === 0 ? [length, 3] : [3, length]);
        const [came, expected] = await onBoth(backends, (backend) => {
          const pieces = [first, second].map((length, i) => {
            const buffer = backend.upload(floatsOf(3 * length, i, 'hard'));
            const strides = shape(length).map((_, j) => (j === 0 ? shape(length)[1] : 1));
            const at = shape(i === 0 ? 0 : first).map((n) => (n === 3 ? 0 : n));
            at[1 - axis] = 0;
            at[axis] = i === 0 ? 0 : first;
            return { view: { buffer, shape: shape(length), strides, offset: 0 }, at };
          });
          const out = backend.assemble(shape(first + second), 'float32', 0, pieces);
          return { out, from: pieces.map(({ view }) => view.buffer) };
        });
        same(came, expected, `${first} and ${second} along axis ${axis}`);
      }
    }
  }
});

test('rows by index, and their adjoint', async () => {
  for (const type of ['float32', 'int32'] as const) {
    for (const width of edges) {
      for (const count of edges) {
        const rows = 1 + (count % 6);
        const what = `${count} of ${rows} rows of ${width}, ${type}`;
        const at = Int32Array.from(intsOf(count, 13, 50), (n) => Math.abs(n) % rows);
        soil(wasm, type, count * width, rows * width);
        const [came, expected] = await onBoth(backends, (backend) => {
          const table = backend.upload(values(type, 14)(rows * width));
          const indices = backend.upload(at);
          return { out: backend.gather(table, indices, width), from: [table, indices] };
        });
        same(came, expected, `gather ${what}`);
        const [sums, wanted] = await onBoth(backends, (backend) => {
          const x = backend.upload(values(type, 15, 'whole')(count * width));
          const indices = backend.upload(at);
          return { out: backend.scatterAdd(x, indices, rows, width), from: [x, indices] };
        });
        same(sums, wanted, `scatterAdd ${what}`);
      }
    }
  }
});

test('an index outside leaves nothing behind', () => {
  const table = wasm.upload(floatsOf(12, 16, 'real'));
  for (const bad of [-1, 4, 2147483647, -2147483648]) {
    const indices = wasm.upload(Int32Array.of(0, bad));
    assert.throws(() => wasm.gather(table, indices, 3), /outside|index/);
    const rows = wasm.upload(floatsOf(6, 17, 'real'));
    assert.throws(() => wasm.scatterAdd(rows, indices, 4, 3), /outside|index/);
  }
});

test('conversions and fills, at every size', async () => {
  for (const size of [...edges, 100]) {
    for (const type of ['float32', 'int32'] as const) {
      for (const to of ['float32', 'int32'] as const) {
        soil(wasm, to, size);
        const [came, expected] = await onBoth(backends, (backend) => {
          const x = backend.upload(values(type, 18, 'real')(size));
          return { out: backend.cast(x, to), from: [x] };
        });
        same(came, expected, `${size} ${type} as ${to}`);
      }
      for (const value of type === 'int32' ? [0, -5, 2147483647] : [0, -0, 0.1, NaN, -Infinity]) {
        soil(wasm, type, size);
        const [came, expected] = await onBoth(backends, (backend) => ({
          out: backend.fill(value, size, type),
          from: [],
        }));
        same(came, expected, `${size} times ${value}`);
      }
    }
  }
});

test('more axes than anyone has, none of which can be joined', async () => {
  // The first block of a backend lies behind the plan of its walks: too long a plan would reach it.
  const fresh = createWasmBackend();
  const ones = floatsOf(256, 19, 'real');
  const beside = fresh.upload(ones);
  for (const rank of [5, 9, 17, 18]) {
    const shape = Array<number>(rank).fill(2);
    const order = shape.map((_, axis) => rank - 1 - axis);
    const layout = { order, axes: shape.map(() => 'all' as const), offset: 0 };
    for (const kept of [0, 3, rank]) {
      const [came, expected] = await onBoth([fresh, backends[1]], (backend) => {
        const x = viewOf(backend, shape, layout, values('float32', 20, 'whole'));
        const at = shape.map(() => 0);
        const out =
          kept === rank
            ? backend.assemble(shape, 'float32', 0, [{ view: x, at }])
            : backend.reduce('sum', x, kept);
        return { out, from: [x.buffer] };
      });
      same(came, expected, `rank ${rank}, ${kept} axes kept`);
    }
    same(await fresh.read(beside), ones, 'what lies beside');
  }
});

test('no kernel keeps or loses a block: memory ends where it began', async () => {
  // The blocks that a second round of the same calls gets are those of the first.
  const round = () => {
    const made: number[] = [];
    const x = wasm.upload(floatsOf(1000, 21, 'real'));
    made.push((x as unknown as { address: number }).address);
    const view = { buffer: x, shape: [10, 100], strides: [100, 1], offset: 0 };
    for (const out of [
      wasm.unary('exp', x),
      wasm.binary('add', view, view),
      wasm.reduce('sum', view, 1),
      wasm.reduce('argmax', view, 1),
    ]) {
      made.push((out as unknown as { address: number }).address);
      wasm.free(out);
    }
    wasm.free(x);
    return [...new Set(made)].sort().join();
  };
  round();
  const second = round();
  for (let i = 0; i < 5; i++) assert.is(round(), second);
});

test.run();
