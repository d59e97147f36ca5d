/** Einstein's sums, as matrix products. */
import { sizeOf } from '../../backends/layout.js';
import { describe } from '../../errors.js';
import { requireFit } from '../arguments.js';
import { arange } from '../create.js';
import { MOST_AXES } from '../nested.js';
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

/** Whether `name` is of an axis that `...` stands for. */
const isDot = (name: string) => name < ' ';

/**
 * Products of `tensors`, summed over the axes that the result lacks, as NumPy's `einsum`:
 * `'ij,jk->ik'` names the axes of each tensor by letters and is a matrix product. A letter that a
 * tensor has twice takes its diagonal. `...` stands for any number of axes, which broadcast. Without
 * an arrow the result has the axes of `...`, then the letters that occur once, in alphabetical
 * order. The tensors are of one dtype, floating where two of them share an axis that is summed, and
 * are multiplied from left to right. Throws `MemgradError` for an equation that doesn't fit the
 * shapes.
 */
export function einsum(equation: string, tensors: readonly Tensor[]): Tensor {
  requireList('einsum', tensors);
  const text = typeof equation === 'string' ? equation.replaceAll(' ', '') : '?';
  const [left, right, more] = text.split('->');
  const terms = left.split(',').map((term, i) => named(term, tensors[i]?.rank - term.length + 3));
  const result =
    right === undefined
      ? once(terms.flat())
      : named(right, new Set(terms.flat().filter(isDot)).size);
  const lengths = new Map<string, number>();
  const fits = ({ shape }: Tensor, term: readonly string[]) =>
    shape.length === term.length &&
    shape.every((length, axis) => {
      const name = term[axis];
      const known = lengths.get(name) ?? length;
      lengths.set(name, isDot(name) && known === 1 ? length : known);
      return known === length || (isDot(name) && (known === 1 || length === 1));
    });
  requireFit(
    more === undefined &&
      [...terms, result].flat().every((name) => isDot(name) || /[a-z]/i.test(name)) &&
      terms.length === tensors.length &&
      tensors.every((x, i) => fits(x, terms[i])) &&
      result.every((name, i) => lengths.has(name) && result.indexOf(name) === i),
    'einsum',
    `'ij,jk->ik', with a letter for each axis and a length for each letter, not ${describe(equation)}`,
    ...tensors.map(({ shape }) => shape),
  );
  const operands = tensors.map((x, i) => {
    // Axes that broadcast are left out.
    const isKept = (axis: number) => !(isDot(terms[i][axis]) && x.shape[axis] === 1);
    const kept = <T>(list: readonly T[]) => list.filter((_, axis) => isKept(axis));
    return diagonal({ x: reshape(x, kept(x.shape)), names: kept(terms[i]) });
  });
  const product = operands.slice(1).reduce((made, operand, i) => {
    const later = new Set([...result, ...operands.slice(i + 2).flatMap(({ names }) => names)]);
    return contract(made, operand, later, lengths);
  }, operands[0]);
  const made = summed(product, (name) => result.includes(name));
  return reshape(
    ordered(
      made,
      result.filter((name) => made.names.includes(name)),
    ),
    lengthsOf(result, lengths),
  );
}

/**
 * The names of the axes of a term. The `count` axes of `...` have characters that sort before all
 * letters. The last of them has the same one in every term, since they align from the right.
 */
function named(term: string, count: number): string[] {
  const [before, ...after] = term.split('...');
  const dots = Array.from({ length: after.length && count }, (_, i) =>
    String.fromCharCode(MOST_AXES - count + i),
  );
  return [...before, ...dots, ...after.join('.')]; // a second `...` is refused with its dot
}

/** The axes of `...`, then the letters that occur once: the result of an equation without an arrow. */
function once(names: readonly string[]): string[] {
  return [...new Set(names)]
    .filter((name) => isDot(name) || names.indexOf(name) === names.lastIndexOf(name))
    .sort();
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
  const shape = (names: readonly string[]) => lengthsOf(names, lengths);
  const size = (names: readonly string[]) => sizeOf(shape(names));
  const block = [...batch, ...rows, ...columns];
  const [m, k, n] = [rows, inner, columns].map(size);
  const left = reshape(ordered(a, [...batch, ...rows, ...inner]), [size(batch), m, k]);
  const right = reshape(ordered(b, [...batch, ...inner, ...columns]), [size(batch), k, n]);
  const product = inner.length > 0 ? matmul(left, right) : mul(left, right);
  return { x: reshape(product, shape(block)), names: block };
}

function lengthsOf(names: readonly string[], lengths: ReadonlyMap<string, number>): number[] {
  return names.map((name) => lengths.get(name) as number);
}
