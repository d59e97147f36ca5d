/** Steps of random programs that move values: shapes, indices, orders. */
import * as engine from '../autograd/index.js';
import { sizeOf } from '../backends/layout.js';
import { type Maker, places, width } from './step.js';

/** The largest value that is repeated. */
const MOST = 24;

/** Parts along an axis, in reverse order. */
const parts =
  (operation: (x: engine.Tensor, n: number, axis: number) => engine.Tensor[]): Maker =>
  ({ below, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const axis = pick(shape.map((_, i) => i));
    const n = 1 + below(shape[axis]);
    return { step: (x) => engine.concat(operation(x, n, axis).reverse(), axis), shape };
  };

const triangle =
  (operation: (x: engine.Tensor, diagonal: number) => engine.Tensor): Maker =>
  ({ pick }, shape) => {
    if (shape.length < 2) return undefined;
    const diagonal = pick([-1, 0, 1]);
    return { step: (x) => operation(x, diagonal), shape };
  };

export const shapeSteps = {
  broadcastTo: ({ pick }, shape) => {
    if (sizeOf(shape) > MOST) return undefined;
    const wider = pick([[2, ...shape], shape.map((n) => (n === 1 ? 2 : n))]);
    return { step: (x) => engine.broadcastTo(x, wider), shape: wider };
  },
  concat: ({ leaf }, shape) => {
    if (shape.length === 0) return undefined;
    const other = leaf(shape);
    return {
      step: (x, leaves) => engine.concat([x, leaves[other]], -1),
      shape: [...shape.slice(0, -1), 2 * width(shape)],
    };
  },
  flatten: (_, shape) => ({ step: (x) => engine.flatten(x), shape: [sizeOf(shape)] }),
  flip: ({ pick }, shape) => {
    const axis = pick([undefined, ...shape.map((_, i) => i)]);
    return { step: (x) => engine.flip(x, axis), shape };
  },
  pad: ({ pick }, shape) => {
    // Rows of these values have an exact mean, whatever the order of the sum.
    const value = pick([0, -0, 1, 2 ** 31, 2 ** -149, NaN, Infinity, -Infinity]);
    const padding = shape.map(() => [0, 1] as const);
    return { step: (x) => engine.pad(x, padding, value), shape: shape.map((n) => n + 1) };
  },
  reshape: (_, shape) => {
    const turned = shape.toReversed();
    return { step: (x) => engine.reshape(x, turned), shape: turned };
  },
  roll: ({ below, pick }, shape) => {
    const [shift, axis] = [below(7) - 3, pick([undefined, ...shape.map((_, i) => i)])];
    return { step: (x) => engine.roll(x, shift, axis), shape };
  },
  slice: ({ below, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const axis = pick(shape.map((_, i) => i));
    const start = below(shape[axis]);
    const end = start + 1 + below(shape[axis] - start);
    return {
      step: (x) => engine.slice(x, axis, start, end),
      shape: shape.with(axis, end - start),
    };
  },
  squeeze: (_, shape) => ({
    step: (x) => engine.squeeze(x),
    shape: shape.filter((n) => n !== 1),
  }),
  stack: ({ below, leaf }, shape) => {
    if (sizeOf(shape) > MOST) return undefined;
    const [other, axis] = [leaf(shape), below(shape.length + 1)];
    return {
      step: (x, leaves) => engine.stack([x, leaves[other]], axis),
      shape: shape.toSpliced(axis, 0, 2),
    };
  },
  tile: ({ pick }, shape) => {
    if (sizeOf(shape) > MOST) return undefined;
    const repeats = pick([[2], [2, ...shape.map(() => 1)], shape.map((_, i) => 1 + (i % 2))]);
    const filled = [...Array(Math.max(0, repeats.length - shape.length)).fill(1), ...shape];
    const first = filled.length - repeats.length;
    return {
      step: (x) => engine.tile(x, repeats),
      shape: filled.map((n, i) => n * (repeats[i - first] ?? 1)),
    };
  },
  transpose: (_, shape) => ({ step: (x) => engine.transpose(x), shape: shape.toReversed() }),
  tril: triangle(engine.tril),
  triu: triangle(engine.triu),
  unsqueeze: ({ below }, shape) => {
    const axis = below(shape.length + 1);
    return { step: (x) => engine.unsqueeze(x, axis), shape: shape.toSpliced(axis, 0, 1) };
  },
  chunk: parts(engine.chunk),
  split: parts(engine.split),
  meshgrid: ({ leaf, pick }, shape) => {
    if (shape.length !== 1 || shape[0] > MOST) return undefined;
    const other = leaf([2]);
    const indexing = pick(['ij', 'xy'] as const);
    return {
      step: (x, leaves) => engine.meshgrid([x, leaves[other]], { indexing }).reduce(engine.mul),
      shape: indexing === 'ij' ? [shape[0], 2] : [2, shape[0]],
    };
  },
  eye: (_, shape) => {
    if (shape.length === 0 || sizeOf(shape) > MOST) return undefined;
    const n = width(shape);
    return {
      step: (x, _leaves, dtype) =>
        engine.mul(engine.unsqueeze(x, -1), engine.eye(n, n, { dtype, backend: x.backend })),
      shape: [...shape, n],
    };
  },
  argsort: places((x, axis) => engine.argsort(x, axis)),
  sort: ({ pick }, shape) => {
    if (shape.length === 0) return undefined;
    const [axis, descending] = [pick(shape.map((_, i) => i)), pick([false, true])];
    return { step: (x) => engine.sort(x, axis, { descending }), shape };
  },
  topk: ({ below, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const [axis, largest] = [pick(shape.map((_, i) => i)), pick([false, true])];
    const k = 1 + below(shape[axis]);
    return {
      step: (x, _, dtype) => {
        const { values, indices } = engine.topk(x, k, axis, { largest });
        return engine.mul(values, engine.cast(indices, dtype));
      },
      shape: shape.with(axis, k),
    };
  },
  gather: ({ indices }, shape) => {
    if (shape.length === 0) return undefined;
    const at = indices([3], shape[0]);
    return { step: (x, leaves) => engine.gather(x, leaves[at]), shape: [3, ...shape.slice(1)] };
  },
  oneHot: (_, shape) => {
    if (sizeOf(shape) > MOST) return undefined;
    return {
      step: (x, _leaves, dtype) => {
        const chosen = engine.oneHot(engine.cast(x, 'int32'), 3, dtype);
        return engine.mul(engine.unsqueeze(x, -1), chosen);
      },
      shape: [...shape, 3],
    };
  },
  scatterAdd: ({ indices }, shape) => {
    if (shape.length === 0) return undefined;
    const at = indices([shape[0]], 3);
    return {
      step: (x, leaves) => engine.scatterAdd(x, leaves[at], 3),
      shape: [3, ...shape.slice(1)],
    };
  },
  takeAlongAxis: ({ indices, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const axis = pick(shape.map((_, i) => i));
    const taken = shape.with(axis, 2);
    const at = indices(taken, shape[axis]);
    return { step: (x, leaves) => engine.takeAlongAxis(x, leaves[at], axis), shape: taken };
  },
} satisfies Record<string, Maker>;
