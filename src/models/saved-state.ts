/** Model states as named tensors, the form that files store. */
import { type Tensor, type Tree, tensor, treeLeaves, treeMap } from '../autograd/index.js';
import type { HostArray } from './arrays.js';

/** The tensors of `state`: `NAME.0`, `NAME.1` and so on. */
export function namedState(name: string, state: Tree): Record<string, Tensor> {
  return Object.fromEntries(treeLeaves(state).map((part, i) => [`${name}.${i}`, part]));
}

/**
 * Rebuilds the tree `start` with the values that `saved` holds under the names of `namedState`.
 * Only the number of cached rows may differ, equally in all layers. Calls `refuse` with the reason
 * for anything else that doesn't fit.
 */
export function restoredState(
  name: string,
  start: Tree,
  saved: Readonly<Record<string, HostArray>>,
  refuse: (what: string) => never,
): Tree {
  let next = 0;
  let rows: number | undefined;
  return treeMap(start, ({ shape, dtype, backend }) => {
    const part = `${name}.${next++}`;
    const given = Object.hasOwn(saved, part) ? saved[part] : undefined;
    const found = isHostArray(given) ? given : undefined;
    let expected = shape;
    if (found && shape[1] === 0) {
      rows ??= found.shape[1] ?? 0; // a cache, which is empty at the start
      expected = [shape[0], rows, ...shape.slice(2)];
    }
    if (found?.dtype !== dtype || found.shape.join() !== expected.join()) {
      const came = found ? `${found.dtype} [${found.shape.join(', ')}]`.slice(0, 80) : 'nothing';
      return refuse(`has ${came} as '${part}', expected ${dtype} [${expected.join(', ')}]`);
    }
    return tensor(found.data, { shape: found.shape, backend });
  });
}

/**
 * Whether `value` is an array as `readArrays` returns it, with as many values as its shape needs.
 */
export function isHostArray(value: unknown): value is HostArray {
  const { shape, data } = (value ?? {}) as Partial<HostArray>;
  return (
    Array.isArray(shape) &&
    ArrayBuffer.isView(data) &&
    shape.reduce((size, length) => size * length, 1) === data.length
  );
}
