/** Compares gradients with central differences. */
import { MemgradError } from '../../errors.js';
import { callable, check, checkOptions, finite, whole } from '../../options.js';
import { upload } from '../create.js';
import { cast } from '../operations/comparison.js';
import { add, mul } from '../operations/elementwise.js';
import { sum } from '../operations/reduction.js';
import { requireList } from '../operations/shape.js';
import { Key, uniform } from '../random.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { grad } from './grad.js';

/** Options of `checkGradients`. */
export interface GradientCheckOptions {
  /** 1: the gradient; 2: also the gradient of the gradient. Default 2. */
  order?: 1 | 2;
  /**
   * Half the width of the difference. Default 1e-5; the error of the method is of the order of its
   * square.
   */
  epsilon?: number;
  /** The largest error allowed, relative to the larger of 1 and the largest derivative. Default 1e-6. */
  tolerance?: number;
}

/** The largest differences between gradients and central differences. */
export interface GradientCheck {
  readonly passed: boolean;
  /** The largest absolute error of each order. */
  readonly errors: readonly number[];
  /** The worst derivative: order, argument, element, the expected and the actual value. */
  readonly worst: string;
}

/**
 * Compares the gradient of `f` with respect to each of its float64 `inputs` with central
 * differences (f(x + e) - f(x - e)) / 2e; at order 2 also the gradient of a random combination of
 * the gradients. `f` may return any shape: a fixed random combination of its elements is
 * differentiated. Throws `MemgradError` when an input isn't float64 (float32 has too few digits).
 */
export function checkGradients(
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options?: GradientCheckOptions,
): Promise<GradientCheck> {
  return checkGradientsInside((compute) => compute(), f, inputs, options);
}

/**
 * As `checkGradients`, but computes `f` and its gradients inside `around`, which must call its
 * argument.
 */
export async function checkGradientsInside(
  around: <T>(compute: () => T) => T,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  options: GradientCheckOptions | undefined,
): Promise<GradientCheck> {
  const kinds = { order: whole(1, 2), epsilon: finite, tolerance: finite };
  checkOptions('checkGradients', options, kinds);
  const { order = 2, epsilon = 1e-5, tolerance = 1e-6 } = options ?? {};
  check('checkGradients: f', f, callable);
  requireList('checkGradients', inputs);
  const bad = inputs.find(({ dtype }) => dtype !== 'float64');
  if (bad) {
    throw new MemgradError(
      `checkGradients: expected float64 inputs, got ${bad}; make them with { dtype: 'float64' }.`,
    );
  }
  const values = await Promise.all(inputs.map((input) => input.data()));
  const { backend } = inputs[0];
  const at = (changed: readonly ArrayLike<number>[]) =>
    changed.map((data, i) =>
      upload('checkGradients', Float64Array.from(data), inputs[i].shape, backend),
    );

  // Order 0 is a random combination of the outputs; each higher order combines the gradients of the
  // order below.
  const scalars = [(args: Tensor[]) => combine([f(...args)], 0)];
  for (let level = 1; level < order; level++) {
    const lower = scalars[level - 1];
    scalars.push((args) => combine(grad(lower)(args), level));
  }

  const errors: number[] = [];
  let worst = 'nothing to compare';
  let worstRatio = -1;
  for (const [level, scalar] of scalars.entries()) {
    const gradients = scope(() => around(() => grad(scalar)(at(values))));
    const analytic = await Promise.all(gradients.map((gradient) => gradient.data()));
    for (const gradient of gradients) gradient.dispose();
    const numeric = await centralDifferences(
      (changed) => scope(() => around(() => scalar(at(changed)))),
      values,
      epsilon,
    );
    const size = Math.max(
      1,
      ...numeric.map((list) => list.reduce((most, x) => Math.max(most, Math.abs(x)), 0)),
    );
    let largest = 0;
    numeric.forEach((list, argument) => {
      list.forEach((expected, element) => {
        const came = analytic[argument][element];
        const error = Math.abs(came - expected);
        const ratio = Number.isNaN(error) ? Infinity : error / size;
        largest = Math.max(largest, Number.isNaN(error) ? Infinity : error);
        if (ratio <= worstRatio) return;
        worstRatio = ratio;
        worst = `order ${level + 1}, argument ${argument}, element ${element}: central difference ${expected}, gradient ${came}`;
      });
    });
    errors.push(largest);
  }
  return { passed: worstRatio <= tolerance, errors, worst };
}

/** sum of c_i * x_i over all elements of all tensors, with fixed c in [0.5, 1.5). */
function combine(tensors: readonly Tensor[], level: number): Tensor {
  return tensors
    .map((x, i) => {
      const weights = uniform(Key.of(level).fold(i), x.shape, { backend: x.backend });
      return sum(mul(x, add(cast(weights, x.dtype), 0.5)));
    })
    .reduce((a, b) => add(a, b));
}

async function centralDifferences(
  f: (values: readonly ArrayLike<number>[]) => Tensor,
  values: readonly ArrayLike<number>[],
  epsilon: number,
): Promise<number[][]> {
  const shifted = async (argument: number, element: number, by: number) => {
    const changed = values.map((data) => Float64Array.from(data));
    changed[argument][element] += by;
    const result = f(changed);
    try {
      return await result.item();
    } finally {
      result.dispose();
    }
  };
  const differences: number[][] = [];
  for (const [argument, data] of values.entries()) {
    differences.push([]);
    for (let element = 0; element < data.length; element++) {
      const above = await shifted(argument, element, epsilon);
      const below = await shifted(argument, element, -epsilon);
      differences[argument].push((above - below) / (2 * epsilon));
    }
  }
  return differences;
}
