/** Derivatives of functions: `grad`, `valueAndGrad`, `vjp`. */
import { describe, MemgradError } from '../../errors.js';
import { callable, check } from '../../options.js';
import { requireTensors } from '../arguments.js';
import { filled } from '../create.js';
import { alias } from '../run.js';
import { refusePromise, scope } from '../scope.js';
import { isLike, type Parameter, Tensor } from '../tensor.js';
import { allLeaves, treeMap } from '../tree.js';
import { onTape } from './backward.js';

/**
 * The result of a function that `valueAndGrad` differentiates: a scalar, or a scalar and any other
 * values.
 */
export type Scalar = Tensor | readonly [loss: Tensor, ...rest: unknown[]];

/** A model or a layer: something with parameters that have names. */
export interface HasParameters {
  /** All parameters by name. */
  parameters(): Record<string, Parameter>;
}

/** The gradient by a tree has its structure; by a model, it is a record by parameter name. */
export type GradientOf<P> = P extends HasParameters ? Record<string, Tensor> : P;

/**
 * Returns a function that computes the value of `f` and the gradient of that scalar.
 *
 * The gradient is taken with respect to the first argument, a tensor or a tree of tensors, and has
 * its structure; integer tensors get zeros. With `parameters`, a tensor or a tree of tensors that
 * `f` reads directly, it is taken with respect to them instead. A model, an object with
 * `parameters()`, counts as the record of its parameters in both places. `f` may return `[loss, ...rest]`;
 * the rest is returned unchanged. For higher orders, apply the function to its own result. Throws
 * `MemgradError` if `f` doesn't return a float scalar, or is asynchronous.
 *
 * Everything that `f` made and didn't return is freed, unless an outer derivative still needs it.
 *
 * @example
 * ```js
 * import { mul, sum, tensor, valueAndGrad } from 'memgrad';
 *
 * const [value, gradient] = valueAndGrad((w) => sum(mul(w, w)))(tensor([1, 2]));
 * console.log(await value.item(), await gradient.array()); // => 5 [ 2, 4 ]
 * ```
 */
export function valueAndGrad<A extends unknown[], R extends Scalar, P = A[0]>(
  f: (...args: A) => R,
  parameters?: P,
): (...args: A) => [value: R, gradient: GradientOf<P>] {
  check('grad: f', f, callable);
  return (...args) =>
    scope((): [R, GradientOf<P>] => {
      const model = Object(parameters ?? args[0]);
      const own = typeof model.parameters === 'function' ? model.parameters() : parameters;
      // Replace the argument by an alias, so that `f` may also use the original as a constant.
      const traced = own ?? treeMap(args[0], (x) => alias(x));
      const leaves = allLeaves('grad', traced);
      if (leaves.length === 0) {
        throw new MemgradError(
          'grad: found no tensor to differentiate by; pass it as the first argument or as parameters.',
        );
      }
      const inputs = own ? args : ([traced, ...args.slice(1)] as A);
      const [value, backward] = onTape(leaves, () => f(...inputs));
      refusePromise('grad', value);
      const loss: unknown = Array.isArray(value) ? value[0] : value;
      if (!(loss instanceof Tensor) || loss.size !== 1 || loss.dtype === 'int32') {
        throw new MemgradError(
          `grad: the function must return a float scalar, got ${describe(loss)}; end it with sum or mean.`,
        );
      }
      const gradients = backward([loss], [filled('grad', loss.shape, 1, loss)]);
      let next = 0;
      return [value, treeMap(traced, () => gradients[next++])];
    });
}

/**
 * Returns a function that computes the gradient of `f`; see `valueAndGrad`.
 *
 * @example
 * ```js
 * import { grad, pow, tensor } from 'memgrad';
 *
 * const cube = (x) => pow(x, 3);
 * console.log(await grad(cube)(tensor(2)).item()); // => 12
 * console.log(await grad(grad(cube))(tensor(2)).item()); // => 12
 * console.log(await grad(grad(grad(cube)))(tensor(2)).item()); // => 6
 * ```
 */
export function grad<A extends unknown[], R extends Scalar, P = A[0]>(
  f: (...args: A) => R,
  parameters?: P,
): (...args: A) => GradientOf<P> {
  check('grad: f', f, callable);
  return (...args) => scope(() => valueAndGrad(f, parameters)(...args)[1]); // frees the value
}

/**
 * Returns the value of `f` at the tensors `args`, and its vector-Jacobian product: a function from
 * a cotangent (with the shape of the value) to the gradient of each argument, which may be called
 * many times.
 *
 * @example
 * ```js
 * import { mul, tensor, vjp } from 'memgrad';
 *
 * const [product, pullback] = vjp(mul, tensor([1, 2]), tensor([3, 4]));
 * const [forA, forB] = pullback(tensor([1, 10]));
 * console.log(await product.array()); // => [ 3, 8 ]
 * console.log(await forA.array(), await forB.array()); // => [ 3, 40 ] [ 1, 20 ]
 * ```
 */
export function vjp(
  f: (...args: Tensor[]) => Tensor,
  ...args: Tensor[]
): [value: Tensor, pullback: (cotangent: Tensor) => Tensor[]] {
  check('vjp: f', f, callable);
  requireTensors('vjp', ...args);
  const leaves = args.map((x) => alias(x));
  const [value, backward] = onTape(leaves, () => f(...leaves));
  refusePromise('vjp', value);
  if (!(value instanceof Tensor)) {
    throw new MemgradError(`vjp: the function must return a tensor, got ${describe(value)}.`);
  }
  return [
    value,
    (cotangent) => {
      requireTensors('vjp', cotangent);
      if (!isLike(cotangent, value)) {
        throw new MemgradError(
          `vjp: the cotangent is ${cotangent}, expected the shape, dtype and backend of the value, ${value}.`,
        );
      }
      return [...backward([value], [cotangent])];
    },
  ];
}
