/** Random programs: chains of operations over edge cases of floats. */
import { Key, type Shape, type Tensor } from '../autograd/index.js';
import { sizeOf } from '../backends/layout.js';
import { type CaseInput, type FloatDType, given, ints } from './case.js';
import { type Step, stepMakers } from './steps.js';

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

const makerNames = Object.keys(stepMakers);

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
      const made = stepMakers[name](this.tools, shape);
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

  /** What makers choose by. */
  readonly tools = {
    below: (limit: number) => this.#below(limit),
    pick: <T>(list: readonly T[]) => this.#pick(list),
    leaf: (shape: Shape) => this.#leaf(shape),
    /** Adds an array of whole numbers from `least` to below `limit` to the leaves; returns its index. */
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
