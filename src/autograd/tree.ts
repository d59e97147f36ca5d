/** Trees: arrays and plain objects with tensors at their leaves, such as the state of a model. */
import { Tensor } from './tensor.js';

/** A tensor, or a list or record of trees. What is no tensor (null, numbers, text) is carried along as it is. */
export type Tree =
  | Tensor
  | null
  | undefined
  | number
  | string
  | boolean
  | readonly Tree[]
  | { readonly [name: string]: Tree };

/** The tree with every tensor replaced by what `f` makes of it. */
export function treeMap<T>(tree: T, f: (tensor: Tensor) => Tensor): T {
  if (tree instanceof Tensor) return f(tree) as T;
  if (Array.isArray(tree)) return tree.map((branch) => treeMap(branch, f)) as T;
  if (isRecord(tree)) {
    const branches = Object.entries(tree).map(([name, branch]) => [name, treeMap(branch, f)]);
    return Object.fromEntries(branches) as T;
  }
  return tree;
}

/** The tensors of a tree, in order. */
export function treeLeaves(tree: unknown): Tensor[] {
  const leaves: Tensor[] = [];
  treeMap(tree, (tensor) => {
    leaves.push(tensor);
    return tensor;
  });
  return leaves;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
