/** Einstein's sums, as matrix products. */
import { sizeOf } from '../../backends/layout.js';
import { describe } from '../../errors.js';
import { requireFit } from '../arguments.js';
import { arange } from '../create.js';
import { alias } from '../run.js';
import type { Tensor } from '../tensor.js';
import { equal, where } from './comparison.js';
import { mul } from './elementwise.js';
import { matmul } from './matmul.js';
import { sum } from './reduction.js';
import { requireList, reshape, transpose } from './shape.js';

/** A tensor with a name for each axis. */
interface Named {
  x: Tensor;
  names: readonly string[];
}

/**
 * Products of `tensors`, summed over the axes that the result lacks, as NumPy's `einsum`:
 * `'ij,jk->ik'` names the axes of each tensor by letters and is a matrix product. A letter that a
 * tensor has twice takes its diagonal. Without an arrow the result has the letters that occur once,
 * in alphabetical order. The tensors are of one dtype, floating where two of them share an axis that
 * is summed, and are multiplied from left to right. Throws `MemgradError` for an equation that
 * doesn't fit the shapes, and for `...`.
 */
export function einsum(equation: string, tensors: readonly Tensor[]): Tensor {
  requireList('einsum', tensors);
  const text = typeof equation === 'string' ? equation.replaceAll(' ', '') : '?';
  const [left, right] = text.split('->');
  const terms = left.split(',');
  const result = [...(right ?? once(left))];
  const lengths = new Map<string, number>();
  const fits = ({ shape }: Tensor, term: string) =>
    shape.length === term.length &&
    shape.every((length, axis) => {
      const known = lengths.get(term[axis]) ?? length;
      lengths.set(term[axis], known);
      return known === length;
    });
  requireFit(
    /^[a-z]*(,[a-z]*)*(->[a-z]*)?$/i.test(text) &&
      terms.length === tensors.length &&
      tensors.every((x, i) => fits(x, terms[i])) &&
      result.every((name, i) => lengths.has(name) && result.indexOf(name) === i),
    'einsum',
    `'ij,jk->ik', with a letter for each axis and a length for each letter, not ${describe(equation)}`,
    ...tensors.map(({ shape }) => shape),
  );
  const operands = tensors.map((x, i) => diagonal({ x, names: [...terms[i]] }));
  const product = operands.slice(1).reduce((made, operand, i) => {
    const later = new Set([...result, ...operands.slice(i + 2).flatMap(({ names }) => names)]);
    return contract(made, operand, later, lengths);
  }, operands[0]);
  return ordered(
    summed(product, (name) => result.includes(name)),
    result,
  );
}

/** The letters that occur once, in alphabetical order: the result of an equation without an arrow. */
function once(left: string): string[] {
  const letters = [...left.replaceAll(',', '')].sort();
  return letters.filter((name) => letters.indexOf(name) === letters.lastIndexOf(name));
}

/** The diagonals over axes of one name. */
function diagonal({ x, names }: Named): Named {
  const second = names.findIndex((name, axis) => names.indexOf(name) < axis);
  if (second < 0) return { x, names };
  const first = names.indexOf(names[second]);
  const along = (axis: number) =>
    reshape(
      arange(x.shape[axis], { backend: x.backend }),
      x.shape.map((length, i) => (i === axis ? length : 1)),
    );
  const kept = sum(where(equal(along(first), along(second)), x, 0), second);
  return diagonal({ x: kept, names: names.filter((_, axis) => axis !== second) });
}

function summed({ x, names }: Named, isKept: (name: string) => boolean): Named {
  const over = names.flatMap((name, axis) => (isKept(name) ? [] : [axis]));
  return { x: over.length > 0 ? sum(x, over) : x, names: names.filter(isKept) };
}

/** Permutes the axes to `order`. */
function ordered({ x, names }: Named, order: readonly string[]): Tensor {
  const axes = order.map((name) => names.indexOf(name));
  return axes.every((axis, i) => axis === i) ? alias(x) : transpose(x, axes);
}

/** The product of two tensors, summed over the axes that nothing later needs. */
function contract(
  first: Named,
  second: Named,
  later: ReadonlySet<string>,
  lengths: ReadonlyMap<string, number>,
): Named {
  const a = summed(first, (name) => later.has(name) || second.names.includes(name));
  const b = summed(second, (name) => later.has(name) || first.names.includes(name));
  const shared = a.names.filter((name) => b.names.includes(name));
  const batch = shared.filter((name) => later.has(name));
  const inner = shared.filter((name) => !later.has(name));
  const [rows, columns] = [a, b].map(({ names }) => names.filter((name) => !shared.includes(name)));
  const shape = (names: readonly string[]) => names.map((name) => lengths.get(name) as number);
  const size = (names: readonly string[]) => sizeOf(shape(names));
  const block = [...batch, ...rows, ...columns];
  const [m, k, n] = [rows, inner, columns].map(size);
  const left = reshape(ordered(a, [...batch, ...rows, ...inner]), [size(batch), m, k]);
  const right = reshape(ordered(b, [...batch, ...inner, ...columns]), [size(batch), k, n]);
  const product = inner.length > 0 ? matmul(left, right) : mul(left, right);
  return { x: reshape(product, shape(block)), names: block };
}
