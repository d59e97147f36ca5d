/**
 * Random programs of views, scopes, checkpoints and derivatives inside each other. Their derivatives
 * up to the third order are the same without checkpoints, and with a copy in place of each view; they
 * agree with central differences of the order below; and nothing stays behind.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  add,
  checkpoint,
  concat,
  gather,
  grad,
  identity,
  Key,
  memoryReport,
  mul,
  normal,
  observe,
  report,
  reshape,
  type Shape,
  scope,
  sin,
  slice,
  softmax,
  stopGradient,
  sum,
  type Tensor,
  tapGradient,
  transpose,
  treeMap,
  vjp,
} from '../../src/autograd/index.js';
import { type Operation, opaquely, run } from '../../src/autograd/run.js';
import { stridesOf } from '../../src/backends/layout.js';
import { close, f64, i32, SEED } from './helpers.js';

const test = suite('random programs');

/** Shapes of the values of a program, which all have 12 elements. */
const shapes: Shape[] = [[12], [3, 4], [2, 6], [2, 2, 3], [1, 12], [12, 1]];

const kinds = [
  ...(['sin', 'mul', 'add', 'turn', 'overlap', 'transpose', 'rows', 'softmax'] as const),
  ...(['reshape', 'reshape', 'identity', 'constant', 'tap', 'report'] as const),
  ...(['checkpoint', 'checkpoint', 'grad', 'by parameters', 'vjp', 'scope'] as const),
];

/** One step: it reads values by their places among those computed before it. */
interface Step {
  readonly kind: (typeof kinds)[number];
  readonly at: readonly number[];
  readonly shape: Shape;
  /** The function that a checkpoint or a derivative is of. */
  readonly inner: readonly Step[];
}

function program(key: Key, depth: number): Step[] {
  const [count] = key.fold(0).integers(1, 3);
  return Array.from({ length: 2 + count }, (_, i) => {
    const own = key.fold(i + 1);
    const [kind, ...at] = own.integers(4, 1 << 20);
    const [shape] = own.fold(1).integers(1, shapes.length);
    const allowed = depth === 0 ? kinds.slice(0, -6) : kinds;
    return {
      kind: allowed[kind % allowed.length],
      at,
      shape: shapes[shape],
      inner: depth === 0 ? [] : program(own.fold(2), depth - 1),
    };
  });
}

/** How a program runs. */
interface Mode {
  readonly checkpoint: typeof checkpoint;
  readonly reshape: typeof reshape;
  readonly identity: typeof identity;
  readonly stopGradient: typeof stopGradient;
}

const copyOperation: Operation<Shape> = {
  name: 'copy',
  infer: ([{ dtype }], shape) => [{ shape, dtype }],
  forward(backend, [{ buffer, dtype }], shape) {
    const view = { buffer, shape, strides: stridesOf(shape), offset: 0 };
    return [backend.assemble(shape, dtype, 0, [{ view, at: shape.map(() => 0) }])];
  },
  gradients: ([g], { inputs: [x] }) => copied(g, x.shape),
};
const copied = (x: Tensor, shape: Shape) => run(copyOperation, [x], shape)[0];

const views = { reshape, identity };
const copies = { reshape: copied, identity: (x: Tensor) => copied(x, x.shape) };
/** As a checkpoint, its results are tensors of their own: also an argument that `f` returns. */
const kept = {
  checkpoint: ((f: (...args: unknown[]) => Tensor[]) =>
    (...args: unknown[]) =>
      treeMap(f(...args), identity)) as unknown as typeof checkpoint,
};
const modes: Record<string, Mode> = {
  'views, kept': { ...views, ...kept, stopGradient },
  'copies, kept': { ...copies, ...kept, stopGradient },
  'views, checkpoints': { ...views, checkpoint, stopGradient },
  'copies, checkpoints': { ...copies, checkpoint, stopGradient },
};
/** A difference sees what a derivative takes for a constant. */
const smooth: Mode = { ...views, checkpoint, stopGradient: identity };

/** The last value of `steps`, that reads `values`, and then a part of the one before it. */
function execute(steps: readonly Step[], given: readonly Tensor[], mode: Mode): Tensor {
  const values = [...given];
  for (const { kind, at, shape, inner } of steps) {
    const [a, b, c] = at.map((place) => values[place % values.length]);
    const like = (x: Tensor, other: Tensor) => mode.reshape(x, other.shape);
    const known = [...values]; // a checkpoint runs again when there are more
    const within = (...more: Tensor[]) => execute(inner, [...known, ...more], mode);
    const makers: Record<Step['kind'], () => readonly Tensor[]> = {
      sin: () => [sin(a)],
      mul: () => [mul(sin(a), like(b, a))],
      add: () => [add(a, mul(like(b, a), 0.5))],
      turn: () => {
        const flat = mode.reshape(a, [3, 4]);
        return [concat([slice(flat, 1, 1), slice(flat, 1, 0, 1)], 1)];
      },
      overlap: () => {
        const flat = mode.reshape(a, [12]);
        return [add(concat([flat, flat], 0), 1)].map((twice) => slice(twice, 0, 5, 17));
      },
      transpose: () => [transpose(a)],
      rows: () => [gather(mode.reshape(a, [6, 2]), i32([5, 0, 0, 3, 2, 5]))],
      softmax: () => [softmax(a)],
      reshape: () => [mode.reshape(a, shape)],
      identity: () => [mode.identity(a)],
      constant: () => [mul(a, like(mode.stopGradient(b), a))],
      tap: () => [tapGradient(a, (g) => mul(g, 2))],
      report: () => [observe(() => [report('a', a), mul(a, a)][1] as Tensor).result],
      checkpoint: () => {
        // Results: a value, its argument, views of the argument, of what it reads and of a result, and a constant.
        const { list, one } = mode.checkpoint((x: Tensor, { y }: { y: Tensor }) => {
          const result = within(x, y);
          return {
            list: [result, x, mode.reshape(y, shape), mode.reshape(c, shape)],
            one: [mode.reshape(result, shape), mode.stopGradient(x), result],
          };
        })(a, { y: b });
        return [...list, ...one];
      },
      grad: () => [grad((x: Tensor) => sum(sin(within(x, a))))(a)],
      'by parameters': () => {
        // Outside of a derivative a checkpoint may return its argument itself: these are no such pair.
        const own = { x: identity(a), y: identity(b) };
        const [i, j] = at.map((place) => place % known.length);
        const inside = known.with(i, own.x).with(j, own.y);
        const { x, y } = grad(() => sum(sin(execute(inner, inside, mode))), own)();
        return [x, y];
      },
      scope: () => scope(() => [within(a), scope(() => within(a, b))]),
      vjp: () => {
        const [value, pullback] = vjp((x, y) => within(x, y), a, a);
        return [...pullback(like(c, value)), ...pullback(like(a, value)), value];
      },
    };
    values.push(...makers[kind]());
  }
  const [before, last] = values.slice(-2);
  return mul(sin(last), add(mode.reshape(before, last.shape), 1));
}

type Leaves = readonly Tensor[];
type Function = (leaves: Leaves) => Tensor;

/** <gradient of f, fixed numbers>. */
function derivative(f: Function, level: number): Function {
  return (leaves) =>
    grad(f)(leaves)
      .map((g, i) => sum(mul(g, fixed(g.shape, level, i))))
      .reduce((x, y) => add(x, y));
}

function fixed(shape: Shape, ...path: number[]): Tensor {
  const key = path.reduce((k, fold) => k.fold(fold), Key.of(SEED));
  return normal(key, shape, { dtype: 'float64' });
}

const dispose = (x: Tensor) => {
  x.dispose();
  return x;
};

/** The value of `f` and its gradients. Nothing else may be left. */
async function derivatives(
  f: Function,
  leaves: Leaves,
  around: <T>(f: () => T) => T,
  what: string,
): Promise<Float64Array[]> {
  const live = memoryReport().buffers;
  const made = around(() => [scope(() => f(leaves)), ...grad(f)(leaves)]);
  assert.is(memoryReport().buffers, live + made.length, `${what}: live buffers`);
  const read = await Promise.all(made.map((x) => x.data()));
  treeMap(made, dispose);
  return read as Float64Array[];
}

/** Fails unless both are equal, relative to the largest of `expected` or 1. */
function alike(
  came: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  const size = Array.from(expected).reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  const scaled = [came, expected].map((values) => Array.from(values, (x) => x / size));
  close(scaled[0], scaled[1], tolerance, what);
}

const RUN = process.env.MEMGRAD_LONG ? 500 : 30;
const EPSILON = 1e-5;

test('first, second and third order', async () => {
  for (let seed = 0; seed < RUN; seed++) {
    const steps = program(Key.of(SEED).fold(seed), 2);
    const leaves = [fixed([3, 4], seed, 0), fixed([12], seed, 1)];
    const compute =
      (mode: Mode): Function =>
      (values) =>
        sum(execute(steps, values, mode));
    // Every other program by the own rules of fused operations.
    const around = seed % 2 ? opaquely : <T>(f: () => T) => f();
    let functions = Object.entries(modes).map(([name, mode]) => ({ name, f: compute(mode) }));
    let f = compute(smooth);
    for (let order = 1; order <= 3; order++) {
      const what = `program ${seed}, order ${order}`;
      let expected: Float64Array[] | undefined;
      for (const { name, f: mode } of functions) {
        const came = await derivatives(mode, leaves, around, `${what}, ${name}`);
        expected ??= came;
        came.forEach((values, i) => {
          alike(values, (expected as Float64Array[])[i], 1e-9, `${what}, ${name}, result ${i}`);
        });
      }
      const [, ...gradients] = await derivatives(f, leaves, around, what);
      const direction = leaves.map(({ shape }, i) => fixed(shape, seed, order, i));
      const at = (step: number) =>
        scope(() => around(() => f(leaves.map((x, i) => add(x, mul(direction[i], step)))))).item();
      const difference = ((await at(EPSILON)) - (await at(-EPSILON))) / (2 * EPSILON);
      const slope = scope(() =>
        gradients
          .map((g, i) => sum(mul(f64([...g], leaves[i].shape), direction[i])))
          .reduce((a, b) => add(a, b)),
      );
      alike(await slope.data(), [difference], 1e-4, `${what}, difference`);
      functions = functions.map(({ name, f: mode }) => ({ name, f: derivative(mode, order) }));
      f = derivative(f, order);
    }
    treeMap(leaves, dispose);
  }
});

test.run();
