/** The state of a model as tensors by name, as files hold it. */
import { type Tensor, type Tree, tensor, treeLeaves, treeMap } from '../autograd/index.js';
import type { HostArray } from './arrays.js';

/** The tensors of `state`: `NAME.0`, `NAME.1` and so on. */
export function namedState(name: string, state: Tree): Record<string, Tensor> {
  return Object.fromEntries(treeLeaves(state).map((part, i) => [`${name}.${i}`, part]));
}

/**
 * The tree of `start` with the values that `saved` has by the names of `namedState`. Only the number
 * of cached rows may be another, the same in all layers; what else doesn't fit goes to `refuse`.
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
      rows ??= found.shape[1] ?? 0; // of a cache, which begins without any
      expected = [shape[0], rows, ...shape.slice(2)];
    }
    if (found?.dtype !== dtype || found.shape.join() !== expected.join()) {
      const came = found ? `${found.dtype} [${found.shape.join(', ')}]`.slice(0, 80) : 'nothing';
      return refuse(`has ${came} as '${part}', expected ${dtype} [${expected.join(', ')}]`);
    }
    return tensor(found.data, { shape: found.shape, backend });
  });
}

/** Whether `value` is an array as `readArrays` returns them: as many numbers as its shape says. */
export function isHostArray(value: unknown): value is HostArray {
  const { shape, data } = (value ?? {}) as Partial<HostArray>;
  return (
    Array.isArray(shape) &&
    ArrayBuffer.isView(data) &&
    shape.reduce((size, length) => size * length, 1) === data.length
  );
}
