/** Random arrays and strided views of them, for tests of bare kernels. */
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import type { Backend, DeviceBuffer, DType, TypedArray, View } from '../../src/backends/backend.js';

export const LONG = Boolean(process.env.MEMGRAD_LONG);

/** Seed and count of a property; `times` as many where runs are cheap. */
export function runs(times = 1): { seed: number; numRuns: number } {
  return { seed: 20_240_602, numRuns: (LONG ? 2000 : 100) * times };
}

/** Sizes around those of vectors and of four of them. */
export const edges = [0, 1, 2, 3, 4, 5, 15, 16, 17];

/** What random values look like. `whole`: small whole numbers, whose sums and products are exact in float32. `hard`: with NaN, infinities, both zeros and the smallest and largest numbers. */
export type Content = 'whole' | 'real' | 'positive' | 'hard';

const specials = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e-45, -1e-39, 3.4e38, -3.4e38, 88, -88];

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function floatsOf(size: number, seed: number, content: Content): Float32Array {
  const next = random(seed);
  const value = {
    whole: () => Math.floor(next() * 7) - 3,
    real: () => 4 * next() - 2,
    positive: () => 0.1 + 2 * next(),
    hard: () =>
      next() < 0.2 ? specials[Math.floor(next() * specials.length)] : (next() - 0.5) * 50,
  }[content];
  return Float32Array.from({ length: size }, value);
}

/** Whole numbers from -limit to limit. */
export function intsOf(size: number, seed: number, limit: number): Int32Array {
  const next = random(seed);
  return Int32Array.from({ length: size }, () => Math.floor(next() * (2 * limit + 1)) - limit);
}

/** How a view lies in its buffer: the order of its axes in memory, and for each what is done with it. */
export interface Layout {
  readonly order: readonly number[];
  readonly axes: readonly ('all' | 'repeated' | 'every second' | 'backwards')[];
  readonly offset: number;
}

/** Shapes of at most `most` values, of lengths around those of vectors. */
export function shapes(most = 2000): fc.Arbitrary<number[]> {
  const length = fc.constantFrom(...edges, 2, 3, 4, 5);
  return fc.array(length, { maxLength: 5, size: 'max' }).map((shape) => {
    let size = 1;
    return shape.map((n) => {
      const fits = size * n <= most ? n : 1;
      size *= Math.max(fits, 1);
      return fits;
    });
  });
}

export function layouts(rank: number): fc.Arbitrary<Layout> {
  const plain = Array.from({ length: rank }, (_, axis) => axis);
  return fc.record({
    order: fc.oneof(
      fc.constant(plain),
      fc.shuffledSubarray(plain, { minLength: rank, maxLength: rank }),
    ),
    axes: fc.oneof(
      fc.constant(plain.map(() => 'all' as const)),
      fc.array(fc.constantFrom('all', 'all', 'repeated', 'every second', 'backwards'), {
        minLength: rank,
        maxLength: rank,
      }),
    ),
    offset: fc.nat({ max: 5 }),
  });
}

/** A shape, and `count` layouts of it. */
export function shapesAndLayouts(count: number): fc.Arbitrary<[number[], Layout[]]> {
  return shapes().chain((shape) =>
    fc.tuple(
      fc.constant(shape),
      fc.array(layouts(shape.length), { minLength: count, maxLength: count }),
    ),
  );
}

/** Strides and offset of a view of `shape`, and how many values its buffer has. */
export function lay(
  shape: readonly number[],
  { order, axes, offset }: Layout,
): { strides: number[]; offset: number; size: number } {
  const strides = shape.map(() => 0);
  let size = 1;
  let start = offset;
  for (const axis of [...order].reverse()) {
    const how = axes[axis];
    if (how === 'repeated') continue;
    const step = how === 'every second' ? 2 : 1;
    strides[axis] = (how === 'backwards' ? -1 : step) * size;
    if (how === 'backwards') start += Math.max(0, shape[axis] - 1) * size;
    size *= shape[axis] * step;
  }
  return { strides, offset: start, size: size + offset };
}

/** A view on `backend`, and its buffer. */
export function viewOf(
  backend: Backend,
  shape: readonly number[],
  layout: Layout,
  data: (size: number) => TypedArray,
): View {
  const { strides, offset, size } = lay(shape, layout);
  return { buffer: backend.upload(data(size)), shape, strides, offset };
}

/** Runs `call` on both backends; it gives what it made and what it made it from. */
export async function onBoth(
  backends: readonly [Backend, Backend],
  call: (backend: Backend) => { out: DeviceBuffer; from: readonly DeviceBuffer[] },
): Promise<[came: TypedArray, expected: TypedArray]> {
  const [came, expected] = await Promise.all(
    backends.map(async (backend) => {
      const { out, from } = call(backend);
      const values = await backend.read(out);
      for (const buffer of new Set([out, ...from])) backend.free(buffer);
      return values;
    }),
  );
  return [came, expected];
}

/** Fails unless both have one type and the same bits; any NaN is like any other. */
export function same(came: TypedArray, expected: TypedArray, what: string): void {
  assert.is(came.constructor, expected.constructor, `${what}: type`);
  assert.is(came.length, expected.length, `${what}: number of values`);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(came[i], expected[i]))
      assert.unreachable(`${what}: value ${i} is ${came[i]}, expected ${expected[i]}`);
  }
}

/** Fails unless all values are as expected, to `relative` of the expected one or `absolute`. */
export function near(
  came: ArrayLike<number>,
  expected: ArrayLike<number>,
  [relative, absolute]: readonly [number, number],
  what: string,
): void {
  assert.is(came.length, expected.length, `${what}: number of values`);
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(came[i], expected[i]) || came[i] === expected[i]) continue;
    const error = Math.abs(came[i] - expected[i]);
    if (!(error <= absolute + relative * Math.abs(expected[i])))
      assert.unreachable(`${what}: value ${i} is ${came[i]}, expected ${expected[i]}`);
  }
}

/** Leaves NaN where the next buffers of these sizes will lie, in their padding too. */
export function soil(backend: Backend, dtype: DType, ...sizes: number[]): void {
  const rubbish = (size: number) =>
    dtype === 'int32' ? new Int32Array(size).fill(-7) : new Float32Array(size).fill(NaN);
  const buffers = sizes.map((size) =>
    backend.upload(rubbish(Math.max(4, Math.ceil(size / 4) * 4))),
  );
  for (const buffer of buffers) backend.free(buffer);
}
