/** Laws that hold for all shapes, with fast-check, against loops over plain arrays. */
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  broadcastTo,
  concat,
  gather,
  grad,
  Key,
  matmul,
  max,
  mul,
  normal,
  pad,
  reshape,
  type Shape,
  scatterAdd,
  scope,
  slice,
  stack,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  transpose,
  vjp,
} from '../../src/autograd/index.js';
import { sumTo } from '../../src/autograd/operations/reduction.js';
import { close, RUNS, SEED } from './helpers.js';

const test = suite('properties');

/** Runs a property on seeded cases. */
function property<T extends unknown[]>(
  name: string,
  arbitraries: { [K in keyof T]: fc.Arbitrary<T[K]> },
  holds: (...values: T) => Promise<void>,
): void {
  const law = fc.asyncProperty(fc.tuple<T>(...arbitraries), (values) => holds(...values));
  test(name, () => fc.assert(law, { seed: SEED, numRuns: RUNS }));
}

const lengths = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 4 }) },
);
const shapes = fc.array(lengths, { maxLength: 4 });
const seeds = fc.nat({ max: 2 ** 31 });
const random = (seed: number, shape: Shape, which = 0) =>
  normal(Key.of(seed).fold(which), shape, { dtype: 'float64' });
const sizeOf = (shape: Shape) => shape.reduce((product, length) => product * length, 1);

/** A shape, and two that broadcast to it together. */
const broadcastPairs = shapes.chain((shape) => {
  const side = fc
    .tuple(fc.nat({ max: shape.length }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
    .map(([drop, ones]) => shape.map((n, i) => (ones[i] ? 1 : n)).slice(drop));
  return fc.tuple(side, side);
});

/** Every index of `shape`, row-major. */
function* indicesOf(shape: Shape): Generator<number[]> {
  if (shape.length === 0) {
    yield [];
    return;
  }
  for (let i = 0; i < shape[0]; i++) {
    for (const rest of indicesOf(shape.slice(1))) yield [i, ...rest];
  }
}

/** Where `index` stands in an array of `shape`, counted from the right; length 1 repeats. */
function positionOf(index: readonly number[], shape: Shape): number {
  const missing = index.length - shape.length;
  return shape.reduce(
    (position, length, axis) => position * length + (length === 1 ? 0 : index[axis + missing]),
    0,
  );
}

/** <x, y>: the sum of products of two tensors of one shape. */
const inner = (x: Tensor, y: Tensor) => scope(() => sum(mul(x, y))).item();

property('add and mul broadcast as a loop does', [broadcastPairs, seeds], async ([a, b], seed) => {
  const [x, y] = [random(seed, a, 0), random(seed, b, 1)];
  const [p, q] = [await x.data(), await y.data()];
  for (const [operation, f] of [
    [add, (s: number, t: number) => s + t],
    [mul, (s: number, t: number) => s * t],
  ] as const) {
    const z = operation(x, y);
    const rank = Math.max(a.length, b.length);
    assert.is(z.rank, rank);
    const expected = [...indicesOf(z.shape)].map((index) =>
      f(p[positionOf(index, a)], q[positionOf(index, b)]),
    );
    close(await z.data(), expected, 0);
  }
});

property(
  'matmul as three loops, transposed or not, in a batch or not',
  [lengths, lengths, lengths, broadcastPairs, fc.boolean(), fc.boolean(), seeds],
  async (m, k, n, [batchA, batchB], transposeA, transposeB, seed) => {
    const a = random(seed, [...batchA, ...(transposeA ? [k, m] : [m, k])], 0);
    const b = random(seed, [...batchB, ...(transposeB ? [n, k] : [k, n])], 1);
    const z = matmul(a, b, { transposeA, transposeB });
    const [p, q] = [await a.data(), await b.data()];
    const expected = [...indicesOf(z.shape)].map((index) => {
      const [i, j] = index.slice(-2);
      const atA = positionOf(index.slice(0, -2), batchA) * m * k;
      const atB = positionOf(index.slice(0, -2), batchB) * k * n;
      let total = 0;
      for (let s = 0; s < k; s++) {
        total +=
          p[atA + (transposeA ? s * m + i : i * k + s)] *
          q[atB + (transposeB ? j * k + s : s * n + j)];
      }
      return total;
    });
    assert.equal([...z.shape.slice(-2)], [m, n]);
    close(await z.data(), expected, 1e-13);
  },
);

/** A shape and some of its axes, from either end. */
const shapesWithAxes = shapes.chain((shape) =>
  fc.tuple(
    fc.constant(shape),
    fc.subarray(shape.map((_, axis) => axis)),
    fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  ),
);

property(
  'sum and max over some axes as a loop does',
  [shapesWithAxes, fc.boolean(), seeds],
  async ([shape, axes, fromBack], keepDims, seed) => {
    const x = random(seed, shape);
    const data = await x.data();
    const named = axes.map((axis) => (fromBack[axis] ? axis - shape.length : axis));
    const kept = shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
    const totals = Array(sizeOf(kept)).fill(0);
    const largest = Array(sizeOf(kept)).fill(-Infinity);
    for (const index of indicesOf(shape)) {
      const at = positionOf(index, kept);
      const value = data[positionOf(index, shape)];
      totals[at] += value;
      largest[at] = Math.max(largest[at], value);
    }
    const total = sum(x, named, { keepDims });
    const expected = keepDims ? kept : shape.filter((_, axis) => !axes.includes(axis));
    assert.equal([...total.shape], expected);
    close(await total.data(), totals, 1e-13);
    if (axes.every((axis) => shape[axis] > 0)) {
      close(await max(x, named, { keepDims }).data(), largest, 0);
    }
  },
);

property(
  'transpose puts each value where its axes went, and back',
  [
    shapes.chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.shuffledSubarray(
          shape.map((_, i) => i),
          { minLength: shape.length },
        ),
      ),
    ),
    seeds,
  ],
  async ([shape, order], seed) => {
    const x = random(seed, shape);
    const data = await x.data();
    const y = transpose(x, order);
    const expected = [...indicesOf(y.shape)].map((index) => {
      const source = shape.map((_, axis) => index[order.indexOf(axis)]);
      return data[source.reduce((position, i, axis) => position * shape[axis] + i, 0)];
    });
    close(await y.data(), expected, 0);
    const back = transpose(
      y,
      order.map((_, axis) => order.indexOf(axis)),
    );
    assert.equal([...back.shape], shape);
    close(await back.data(), data, 0);
  },
);

property('reshape keeps the order of values', [shapes, seeds], async (shape, seed) => {
  const x = random(seed, shape);
  const flat = reshape(x, [sizeOf(shape)]);
  close(await reshape(flat, shape).data(), await x.data(), 0);
});

property(
  'slices along an axis, joined again, are the whole',
  [shapes.filter((shape) => shape.length > 0), fc.nat(), fc.nat(), seeds],
  async (shape, axisSeed, cutSeed, seed) => {
    const axis = axisSeed % shape.length;
    const cut = cutSeed % (shape[axis] + 1);
    const x = random(seed, shape);
    const whole = concat([slice(x, axis, 0, cut), slice(x, axis, cut)], axis);
    assert.equal([...whole.shape], shape);
    close(await whole.data(), await x.data(), 0);
  },
);

property(
  'a slice of a pad is what was padded, and the rest is the value',
  [
    shapes.chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.tuple(...shape.map(() => fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 })))),
      ),
    ),
    seeds,
  ],
  async ([shape, padding], seed) => {
    const x = random(seed, shape);
    const padded = pad(x, padding, 2);
    let back = padded;
    padding.forEach(([before], axis) => {
      back = slice(back, axis, before, before + shape[axis]);
    });
    close(await back.data(), await x.data(), 0);
    const around = (padded.size - x.size) * 2;
    close([await sum(padded).item()], [(await sum(x).item()) + around], 1e-12);
  },
);

property(
  'stack along an axis, and each slice of it',
  [shapes.filter(({ length }) => length < 4), fc.nat(), fc.integer({ min: 1, max: 3 }), seeds],
  async (shape, axisSeed, count, seed) => {
    const axis = axisSeed % (shape.length + 1);
    const parts = Array.from({ length: count }, (_, i) => random(seed, shape, i));
    const joined = stack(parts, axis);
    for (const [i, part] of parts.entries()) {
      const again = slice(joined, axis, i, i + 1);
      close(await reshape(again, shape).data(), await part.data(), 0);
    }
  },
);

property('sumTo is the adjoint of broadcastTo', [broadcastPairs, seeds], async ([a, b], seed) => {
  const full = add(random(seed, a), random(seed, b)).shape;
  const [x, y] = [random(seed, a, 2), random(seed, full, 3)];
  const [left, right] = [await inner(broadcastTo(x, full), y), await inner(x, sumTo(y, a))];
  close([left], [right], 1e-12);
  const [, pullback] = vjp((z) => broadcastTo(z, full), x);
  close(await pullback(y)[0].data(), await sumTo(y, a).data(), 1e-13);
});

property(
  'scatterAdd is the adjoint of gather',
  [
    fc.integer({ min: 1, max: 5 }),
    shapes.filter(({ length }) => length < 3),
    fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }),
    seeds,
  ],
  async (rows, rest, at, seed) => {
    const indices = tensor(Key.of(seed).integers(sizeOf(at), rows), { shape: at });
    const [table, values] = [random(seed, [rows, ...rest], 1), random(seed, [...at, ...rest], 2)];
    const left = await inner(gather(table, indices), values);
    const right = await inner(table, scatterAdd(values, indices, rows));
    close([left], [right], 1e-12);
  },
);

property(
  'the gradient is linear in the function',
  [shapes, fc.double({ min: -3, max: 3, noNaN: true }), seeds],
  async (shape, factor, seed) => {
    const x = random(seed, shape);
    const f = (y: Tensor) => sum(tanh(y));
    const g = (y: Tensor) => sum(mul(y, mul(y, y)));
    const both = grad((y: Tensor) => add(f(y), mul(g(y), factor)))(x);
    const apart = add(grad(f)(x), mul(grad(g)(x), factor));
    close(await both.data(), await apart.data(), 1e-12);
  },
);

property(
  'the pullback of a product is linear in the cotangent, and vjp agrees with a directional difference',
  [lengths, lengths, lengths, seeds],
  async (m, k, n, seed) => {
    const [a, b] = [random(seed, [m, k], 0), random(seed, [k, n], 1)];
    const direction = random(seed, [m, k], 2);
    const cotangent = random(seed, [m, n], 3);
    const [, pullback] = vjp((x) => matmul(x, b), a);
    // A product is linear, so that the difference is exact but for rounding.
    const moved = sub(matmul(add(a, direction), b), matmul(a, b));
    close([await inner(moved, cotangent)], [await inner(direction, pullback(cotangent)[0])], 1e-11);
  },
);

test.run();
