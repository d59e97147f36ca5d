/** Trees: arrays and plain objects with tensors at their leaves, such as the state of a model. */
import { describe, isPlain, MemgradError } from '../errors.js';
import { callable, check } from '../options.js';
import { Tensor } from './tensor.js';

/**
 * A tensor, or a list or record of trees. Leaves that aren't tensors (null, numbers, strings) are
 * kept unchanged.
 */
export type Tree =
  | Tensor
  | null
  | undefined
  | number
  | string
  | boolean
  | readonly Tree[]
  | { readonly [name: string]: Tree };

/**
 * Returns the tree with every tensor `x` replaced by `f(x)`. Throws `MemgradError` for a tree
 * deeper than 100 levels.
 */
export function treeMap<T>(tree: T, f: (tensor: Tensor) => Tensor): T {
  check('treeMap: f', f, callable);
  return mapLeaves(tree, (leaf) => (leaf instanceof Tensor ? f(leaf) : leaf)) as T;
}

/**
 * Returns the tensors of a tree, in order. Throws `MemgradError` for a tree deeper than 100 levels.
 */
export function treeLeaves(tree: unknown): Tensor[] {
  return leavesOf(tree);
}

/**
 * Returns the tensors of a tree, like `treeLeaves`. Throws if tensors that `matter` are inside
 * objects that aren't part of a tree (a `Map`, a `Set`, an instance of a class), since they would
 * be ignored silently.
 */
export function allLeaves(
  where: string,
  tree: unknown,
  matter: (tensor: Tensor) => boolean = () => true,
): Tensor[] {
  return leavesOf(tree, (other) => {
    if (ArrayBuffer.isView(other)) return;
    const inside = other instanceof Map || other instanceof Set ? other : Object.entries(other);
    if (!leavesOf([...inside]).some(matter)) return;
    throw new MemgradError(
      `${where}: expected tensors in lists and plain objects, got some in ${describe(other)}.`,
    );
  });
}

/** Appends the tensors of a tree to `leaves`, and calls `other` with its other objects. */
function leavesOf(
  tree: unknown,
  other?: (value: object) => void,
  leaves: Tensor[] = [],
  depth = 0,
): Tensor[] {
  if (isBranch(tree, depth)) {
    for (const branch of Object.values(tree)) leavesOf(branch, other, leaves, depth + 1);
  } else if (tree instanceof Tensor) leaves.push(tree);
  else if (typeof tree === 'object' && tree !== null) other?.(tree);
  return leaves;
}

const DEEPEST = 100;

/**
 * Returns a copy of the tree with each leaf `x` replaced by `f(x)`. Lists and plain objects are
 * branches, and all else is a leaf: also a list with properties besides its items. Throws like
 * `treeMap`.
 */
export function mapLeaves(tree: unknown, f: (leaf: unknown) => unknown, depth = 0): unknown {
  if (!isBranch(tree, depth)) return f(tree);
  const map = (branch: unknown) => mapLeaves(branch, f, depth + 1);
  if (Array.isArray(tree)) return tree.map(map);
  const copy: Record<string, unknown> = { ...tree }; // faster than Object.fromEntries
  for (const name in copy) copy[name] = map(copy[name]);
  return copy;
}

/** Whether `tree` is a branch. Throws like `treeMap`. */
function isBranch(tree: unknown, depth: number): tree is Record<string, unknown> {
  if (typeof tree !== 'object' || tree === null || tree instanceof Tensor) return false;
  if (Array.isArray(tree) ? Object.keys(tree).length > tree.length : !isPlain(tree)) return false;
  if (depth > DEEPEST) {
    throw new MemgradError(
      `A tree of tensors is deeper than ${DEEPEST} levels; does a list or an object contain itself?`,
    );
  }
  return true;
}

/**
 * Returns the tensors of `tree`, in order, and a function that builds the tree of others. Throws
 * `MemgradError` unless the tree has only tensors, numbers, strings and null in lists and plain objects.
 */
export function rebuilder<T>(
  where: string,
  tree: T,
): { tensors: readonly Tensor[]; rebuild(tensors: readonly Tensor[]): T } {
  const tensors: Tensor[] = [];
  const slot = Symbol();
  const template = mapLeaves(tree, (leaf) => {
    if (leaf instanceof Tensor) {
      tensors.push(leaf);
      return slot;
    }
    if ((typeof leaf === 'object' && leaf !== null) || typeof leaf === 'function') {
      throw new MemgradError(
        `${where}: expected tensors, numbers, strings and null in lists and plain objects as result, got ${describe(leaf)}; compute it outside.`,
      );
    }
    return leaf;
  });
  return {
    tensors,
    rebuild(others) {
      let next = 0;
      return mapLeaves(template, (leaf) => (leaf === slot ? others[next++] : leaf)) as T;
    },
  };
}

/**
 * Returns a text of `value` that differs for different values. `other` returns the text of a tensor
 * and of anything else that isn't a list, plain object, number, string or null. Throws like
 * `treeMap`.
 */
export function textOf(value: unknown, other: (part: object) => string, depth = 0): string {
  if (typeof value === 'string') return `${value.length}"${value}`;
  if (!isBranch(value, depth)) {
    if (value !== null && /^(f|s|big|o)/.test(typeof value)) return other(value as object);
    return Object.is(value, -0) ? '-0' : String(value);
  }
  let text = Array.isArray(value) ? `[${value.length}` : '{';
  for (const name of Object.keys(value)) {
    text += `,${name.length}"${name}${textOf(value[name], other, depth + 1)}`;
  }
  return `${text}}`;
}
