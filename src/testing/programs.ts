/** Random programs: chains of operations over edge cases of floats. */
import * as engine from '../autograd/index.js';
import { Key, type Shape, type Tensor } from '../autograd/index.js';
import { operations } from '../autograd/operations/table.js';
import { sizeOf } from '../backends/layout.js';
import { type CaseInput, type FloatDType, given, ints } from './case.js';

/** A chain of operations, and the arrays from which it starts. */
export interface Program {
  /** The operations by name, in order. */
  readonly names: readonly string[];
  readonly leaves: readonly CaseInput[];
  run(leaves: readonly Tensor[], dtype: FloatDType): Tensor;
}

/** Edge cases of float32, of int32, and of exponentials. */
const edges = [
  ...[
    0,
    -0,
    1,
    -1,
    2,
    -2,
    0.5,
    3,
    NaN,
    Infinity,
    -Infinity,
    2 ** -149,
    -(2 ** -149),
    1e-40,
    -1e-40,
  ],
  ...[
    2 ** -126,
    1e-30,
    1e30,
    -1e30,
    3.4e38,
    -3.4e38,
    1e20,
    -1e15,
    1e7,
    2 ** 24 + 2,
    -88.5,
    89,
    -104,
  ],
  ...[2 ** 31, -(2 ** 31), 3e9, 2147483520, 10, -20, 60],
];

/** One step of a chain, which computes the next value from the last. */
type Step = (x: Tensor, leaves: readonly Tensor[], dtype: FloatDType) => Tensor;

/** Generates programs, always the same ones for a seed. */
export class Programs {
  readonly #random: () => number;
  #leaves: CaseInput[] = [];

  constructor(seed: number) {
    const words = Key.of(seed);
    let block: Int32Array = new Int32Array(0);
    let next = 0;
    this.#random = () => {
      if (next % 1024 === 0) block = words.fold(next).integers(1024, 2 ** 24);
      return block[next++ % 1024] / 2 ** 24;
    };
  }

  next(): Program {
    this.#leaves = [];
    const names: string[] = [];
    const steps: Step[] = [];
    let shape = this.#pick<Shape>([
      [],
      [3],
      [5],
      [2, 3],
      [3, 4],
      [1, 6],
      [2, 2, 4],
      [2, 1, 3],
      [4, 1],
    ]);
    this.#leaf(shape);
    for (let length = 1 + this.#below(4); steps.length < length; ) {
      const name = this.#pick(makerNames);
      const made = makers[name](this.tools, shape);
      if (!made) continue;
      names.push(name);
      steps.push(made.step);
      shape = made.shape;
    }
    const leaves = this.#leaves;
    return {
      names,
      leaves,
      run: (tensors, dtype) => steps.reduce((x, step) => step(x, tensors, dtype), tensors[0]),
    };
  }

  /** The functions that makers use. */
  readonly tools = {
    below: (limit: number) => this.#below(limit),
    pick: <T>(list: readonly T[]) => this.#pick(list),
    leaf: (shape: Shape) => this.#leaf(shape),
    indices: (shape: Shape, limit: number, least = 0) => {
      const values = Array.from(
        { length: sizeOf(shape) },
        () => least + this.#below(limit - least),
      );
      return this.#leaves.push(ints(values, shape)) - 1;
    },
  };

  /** Adds an array of floats to the leaves; returns its index. */
  #leaf(shape: Shape): number {
    const spice = this.#pick([0, 0.1, 0.3, 0.8]);
    const values = Array.from({ length: sizeOf(shape) }, () =>
      this.#random() < spice ? this.#pick(edges) : 8 * this.#random() - 4,
    );
    return this.#leaves.push(given(values, shape)) - 1;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)];
  }
}

type Tools = Programs['tools'];

/**
 * Makes a step from a value of `shape`, and the shape of its result; undefined if the operation
 * doesn't fit.
 */
type Maker = (tools: Tools, shape: Shape) => { step: Step; shape: Shape } | undefined;

const unary =
  (operation: (x: Tensor) => Tensor): Maker =>
  (_, shape) => ({ step: (x) => operation(x), shape });

const binary =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf, pick }, shape) => {
    const other = leaf(pick([shape, shape, shape.slice(1), [], shape.map(() => 1)]));
    const swapped = pick([false, true]);
    return {
      step: (x, leaves) => (swapped ? operation(leaves[other], x) : operation(x, leaves[other])),
      shape,
    };
  };

const comparison =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf }, shape) => {
    const [other, instead] = [leaf(shape), leaf(shape)];
    return {
      step: (x, leaves) => engine.where(operation(x, leaves[other]), x, leaves[instead]),
      shape,
    };
  };

const whole =
  (operation: (a: Tensor, b: Tensor) => Tensor): Maker =>
  ({ leaf }, shape) => {
    const other = leaf(shape);
    return {
      step: (x, leaves, dtype) => {
        const [a, b] = [x, leaves[other]].map((y) => engine.cast(y, 'int32'));
        return engine.cast(operation(a, b), dtype);
      },
      shape,
    };
  };

const reduction =
  (operation: (x: Tensor, axes?: engine.Axes) => Tensor): Maker =>
  ({ below, pick }, shape) => {
    const axis = pick([undefined, ...shape.map((_, i) => i)]);
    if (axis === undefined && below(2)) return undefined;
    return {
      step: (x) => operation(x, axis),
      shape: axis === undefined ? [] : shape.toSpliced(axis, 1),
    };
  };

const along =
  (operation: (x: Tensor, axis: number) => Tensor): Maker =>
  ({ pick }, shape) => {
    if (shape.length === 0) return undefined;
    const axis = pick(shape.map((_, i) => i));
    return { step: (x) => operation(x, axis), shape };
  };

/** The length of the last axis, the width of rows. */
const width = (shape: Shape) => shape[shape.length - 1];

const attend: Maker = ({ below, leaf, indices }, shape) => {
  if (shape.length < 2) return undefined;
  const lead = shape.slice(0, -2);
  const [queries, size] = shape.slice(-2);
  const keys = 1 + below(4);
  const [k, v] = [leaf([...lead, keys, size]), leaf([...lead, keys, 3])];
  const mask = below(3) ? indices([queries, keys], 2) : undefined;
  const bias = below(2) ? undefined : leaf([...lead, queries, keys]);
  const rate = below(3) ? 0 : 0.5;
  return {
    step: (x, leaves) =>
      engine.attention(x, leaves[k], leaves[v], {
        mask: mask === undefined ? undefined : leaves[mask],
        bias: bias === undefined ? undefined : leaves[bias],
        ...(rate > 0 && { dropout: { rate, key: Key.of(3) } }),
      }),
    shape: [...lead, queries, 3],
  };
};

const makers: Record<string, Maker> = {
  ...Object.fromEntries(
    (
      [
        'neg',
        'abs',
        'sign',
        'exp',
        'log',
        'sqrt',
        'sin',
        'cos',
        'tanh',
        'sigmoid',
        'relu',
        'erf',
      ] as const
    ).map((name) => [name, unary(operations[name])]),
  ),
  square: unary(engine.square),
  gelu: unary(engine.gelu),
  ...Object.fromEntries(
    (['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum'] as const).flatMap((name) => [
      [name, binary(operations[name])],
      [`int32 ${name}`, whole(operations[name])],
    ]),
  ),
  ...Object.fromEntries(
    (['equal', 'notEqual', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const).map((name) => [
      name,
      comparison(operations[name]),
    ]),
  ),
  sum: reduction(engine.sum),
  mean: reduction(engine.mean),
  max: reduction(engine.max),
  min: reduction(engine.min),
  logsumexp: reduction(engine.logsumexp),
  'int32 sum': (tools, shape) => {
    const made = reduction((x, axes) => engine.sum(engine.cast(x, 'int32'), axes))(tools, shape);
    return made && { ...made, step: (...args) => engine.cast(made.step(...args), args[2]) };
  },
  argmax: (tools, shape) => {
    const made = along((x, axis) => engine.argmax(x, axis, { keepDims: true }))(tools, shape);
    return (
      made && {
        shape,
        step: (...args) => engine.mul(args[0], engine.cast(made.step(...args), args[2])),
      }
    );
  },
  softmax: along(engine.softmax),
  logSoftmax: along(engine.logSoftmax),
  layerNorm: ({ leaf }, shape) => {
    if (shape.length === 0) return undefined;
    const [weight, bias] = [leaf([width(shape)]), leaf([width(shape)])];
    return { step: (x, leaves) => engine.layerNorm(x, leaves[weight], leaves[bias]), shape };
  },
  linear: ({ leaf, pick }, shape) => {
    if (shape.length === 0) return undefined;
    const [weight, bias] = [leaf([3, width(shape)]), leaf([3])];
    const activation = pick(['relu', undefined] as const);
    return {
      step: (x, leaves) => engine.linear(x, leaves[weight], leaves[bias], { activation }),
      shape: [...shape.slice(0, -1), 3],
    };
  },
  matmul: ({ leaf }, shape) => {
    if (shape.length < 2) return undefined;
    const other = leaf([width(shape), 2]);
    return {
      step: (x, leaves) => engine.matmul(x, leaves[other]),
      shape: [...shape.slice(0, -1), 2],
    };
  },
  attention: attend,
  crossEntropy: ({ pick, indices }, shape) => {
    if (shape.length === 0) return undefined;
    const targets = indices(shape.slice(0, -1), width(shape), -1);
    const reduce = pick(['mean', 'sum', 'none'] as const);
    return {
      step: (x, leaves) =>
        engine.crossEntropy(x, leaves[targets], { ignoreIndex: -1, reduction: reduce }),
      shape: reduce === 'none' ? shape.slice(0, -1) : [],
    };
  },
  dropout: ({ below }, shape) => {
    const key = Key.of(below(100));
    return { step: (x) => engine.dropout(x, 0.5, key), shape };
  },
  gather: ({ indices }, shape) => {
    if (shape.length === 0) return undefined;
    const at = indices([3], shape[0]);
    return { step: (x, leaves) => engine.gather(x, leaves[at]), shape: [3, ...shape.slice(1)] };
  },
  scatterAdd: ({ indices }, shape) => {
    if (shape.length === 0) return undefined;
    const at = indices([shape[0]], 3);
    return {
      step: (x, leaves) => engine.scatterAdd(x, leaves[at], 3),
      shape: [3, ...shape.slice(1)],
    };
  },
  transpose: (_, shape) => ({ step: (x) => engine.transpose(x), shape: shape.toReversed() }),
  concat: ({ leaf }, shape) => {
    if (shape.length === 0) return undefined;
    const other = leaf(shape);
    return {
      step: (x, leaves) => engine.concat([x, leaves[other]], -1),
      shape: [...shape.slice(0, -1), 2 * width(shape)],
    };
  },
  pad: ({ pick }, shape) => {
    // Rows of these values have an exact mean, whatever the order of the sum.
    const value = pick([0, -0, 1, 2 ** 31, 2 ** -149, NaN, Infinity, -Infinity]);
    const padding = shape.map(() => [0, 1] as const);
    return { step: (x) => engine.pad(x, padding, value), shape: shape.map((n) => n + 1) };
  },
  rotate: ({ leaf }, shape) => {
    if (shape.length < 2 || width(shape) % 2) return undefined;
    const angles = [shape[shape.length - 2], width(shape) / 2];
    const [cos, sin] = [leaf(angles), leaf(angles)];
    return { step: (x, leaves) => engine.rotate(x, leaves[cos], leaves[sin]), shape };
  },
};
const makerNames = Object.keys(makers);
