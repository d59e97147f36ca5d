/** Einstein's sums, as matrix products. */
import { sizeOf } from '../../backends/layout.js';
import { describe, MemgradError } from '../../errors.js';
import { commonDtype, requireFloat } from '../arguments.js';
import { arange } from '../create.js';
import { showShape, type Tensor } from '../tensor.js';
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
 * tensor has twice takes its diagonal. `...` is any number of axes in front, which broadcast. Without
 * an arrow the result has the letters that occur once, in alphabetical order. The tensors are of one
 * floating dtype and are multiplied from left to right. Throws `MemgradError` for an equation that
 * doesn't fit the shapes.
 */
export function einsum(equation: string, tensors: readonly Tensor[]): Tensor {
  requireList('einsum', tensors);
  for (const x of tensors) requireFloat('einsum', x);
  commonDtype('einsum', tensors);
  const refuse = (why: string) => {
    throw new MemgradError(
      `einsum: ${describe(equation)} does not fit ${tensors.map(({ shape }) => showShape(shape)).join(', ')}: ${why}.`,
    );
  };
  const text = typeof equation === 'string' ? equation.replaceAll(' ', '') : '';
  if (!/^[a-z.]*(,[a-z.]*)*(->[a-z.]*)?$/i.test(text)) {
    refuse("expected letters and commas, such as 'ij,jk->ik'");
  }
  const [left, right] = text.split('->');
  const terms = left.split(',');
  if (terms.length !== tensors.length) refuse(`it names ${terms.length} tensors`);
  const lengths = new Map<string, number>();
  let widest = 0;
  const named = tensors.map((x, i): Named => {
    const names = axesOf(terms[i], x.rank);
    if (names?.length !== x.rank) refuse(`'${terms[i]}' does not name ${x.rank} axes`);
    names?.forEach((name, axis) => {
      const length = x.shape[axis];
      const known = lengths.get(name) ?? length;
      if (/\d/.test(name)) widest = Math.max(widest, Number(name) + 1);
      if (known !== length && !(/\d/.test(name) && (known === 1 || length === 1))) {
        refuse(`axis ${name} has lengths ${known} and ${length}`);
      }
      lengths.set(name, known === 1 ? length : known);
    });
    return { x, names: names ?? [] };
  });
  const shown = axesOf(
    right ?? implied(left),
    widest + (right ?? implied(left)).replace('...', '').length,
  );
  const result = shown ?? [];
  if (!shown || new Set(result).size < result.length || result.some((name) => !lengths.has(name))) {
    refuse(`the result '${right}' must name axes of the tensors, each once`);
  }
  const whole = named.map((operand) => diagonal(squeezed(operand, lengths)));
  const product = whole.slice(1).reduce((made, operand, i) => {
    const later = new Set([...result, ...whole.slice(i + 2).flatMap(({ names }) => names)]);
    return contract(made, operand, later);
  }, whole[0]);
  const { x, names } = summed(product, (name) => result.includes(name));
  return ordered({ x, names }, result);
}

/** The names of the axes of a term: letters, and digits from the right for those of `...`. */
function axesOf(term: string, rank: number): string[] | undefined {
  const [before, after, more] = term.split('...');
  if (more !== undefined || `${before}${after ?? ''}`.includes('.')) return undefined;
  const hidden = after === undefined ? 0 : Math.max(0, rank - before.length - after.length);
  return [
    ...before,
    ...Array.from({ length: hidden }, (_, i) => `${hidden - 1 - i}`),
    ...(after ?? ''),
  ];
}

/** The result of an equation without an arrow. */
function implied(left: string): string {
  const letters = [...left.replace(/[,.]/g, '')].sort();
  const once = letters.filter((name) => letters.indexOf(name) === letters.lastIndexOf(name));
  return (left.includes('...') ? '...' : '') + once.join('');
}

/** Leaves out the axes of length 1 that broadcast. */
function squeezed({ x, names }: Named, lengths: ReadonlyMap<string, number>): Named {
  const kept = names.map((name, axis) => x.shape[axis] === lengths.get(name));
  return {
    x: reshape(
      x,
      x.shape.filter((_, axis) => kept[axis]),
    ),
    names: names.filter((_, axis) => kept[axis]),
  };
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
  return axes.every((axis, i) => axis === i) ? x : transpose(x, axes);
}

/** The product of two tensors, summed over the axes that nothing later needs. */
function contract(first: Named, second: Named, later: ReadonlySet<string>): Named {
  const a = summed(first, (name) => later.has(name) || second.names.includes(name));
  const b = summed(second, (name) => later.has(name) || first.names.includes(name));
  const shared = a.names.filter((name) => b.names.includes(name));
  const batch = shared.filter((name) => later.has(name));
  const inner = shared.filter((name) => !later.has(name));
  const [rows, columns] = [a, b].map(({ names }) => names.filter((name) => !shared.includes(name)));
  const length = (name: string) =>
    a.names.includes(name) ? a.x.shape[a.names.indexOf(name)] : b.x.shape[b.names.indexOf(name)];
  const size = (names: readonly string[]) => sizeOf(names.map(length));
  const block = [...batch, ...rows, ...columns];
  const [m, k, n] = [rows, inner, columns].map(size);
  const left = reshape(ordered(a, [...batch, ...rows, ...inner]), [size(batch), m, k]);
  const right = reshape(ordered(b, [...batch, ...inner, ...columns]), [size(batch), k, n]);
  const product = inner.length > 0 ? matmul(left, right) : mul(left, right);
  return { x: reshape(product, block.map(length)), names: block };
}
