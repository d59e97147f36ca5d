/**
 * Operations as methods of tensors. Import the module once, for its effect: `import
 * 'memgrad/methods'`. It loads every operation; an app that calls functions loads only those.
 *
 * @module memgrad/methods
 */
import '../default-backend.js';
import { Tensor } from '../autograd/index.js';
import * as functions from '../autograd/operations/by-name.js';
import { categories } from '../autograd/operations/table.js';

/** The operations whose first argument is a key, a list, a text, a length, or a record. */
const others = [
  'adamStep',
  'bernoulli',
  'choice',
  'concat',
  'einsum',
  'eye',
  'globalNorm',
  'meshgrid',
  'randperm',
  'stack',
] as const satisfies (keyof typeof categories)[];

/** The name of an operation whose first argument is a tensor. */
export type MethodName = Exclude<keyof typeof categories, (typeof others)[number]>;

/** The names of all methods. */
export const methodNames = Object.keys(categories).filter(
  (name) => !(others as readonly string[]).includes(name),
) as MethodName[];

/** The function without its first argument, the tensor. */
export type Method<F> = F extends (x: never, ...rest: infer Rest) => infer Result
  ? (...rest: Rest) => Result
  : never;

/**
 * `x.name(...rest)` computes `name(x, ...rest)`, for every operation whose first argument is a
 * tensor.
 *
 * @example
 * ```js
 * import { tensor } from 'memgrad';
 * import 'memgrad/methods';
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * console.log(await x.mul(2).add(1).sum(1).array()); // => [ 8, 16 ]
 * ```
 */
export type Methods = {
  [Name in keyof Pick<typeof functions, MethodName>]: Method<(typeof functions)[Name]>;
};

declare module '../autograd/tensor.js' {
  interface Tensor extends Methods {}
}

const operations: Pick<typeof functions, MethodName> = functions;
for (const name of methodNames) {
  const operation = operations[name] as (x: Tensor, ...rest: unknown[]) => unknown;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return operation(this, ...rest);
    },
    configurable: true,
    writable: true,
  });
}
