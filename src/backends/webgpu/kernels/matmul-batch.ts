/** The batch of a product: which matrix of each operand belongs to which product. */
import type { MatmulSpec } from '../../backend.js';

export interface Batch {
  /** The number of products. */
  readonly count: number;
  /** The number of axes after neighbours were merged, at least 1. */
  readonly axes: number;
  /** All strides, in values. */
  readonly strides: readonly number[];
  /** Names and values of the integers that `text` reads. */
  readonly names: readonly string[];
  readonly numbers: readonly number[];
  /** `matrix_a` and `matrix_b`: where the operands of a product begin, in values. */
  readonly text: string;
}

/** Merges neighbouring axes where the strides of both operands allow it. */
export function batchOf({ batch, batchStridesA, batchStridesB }: MatmulSpec): Batch {
  const axes: { length: number; a: number; b: number }[] = [];
  for (const [axis, length] of batch.entries()) {
    if (length === 1) continue;
    const [a, b] = [batchStridesA[axis], batchStridesB[axis]];
    const last = axes[axes.length - 1];
    if (last && last.a === a * length && last.b === b * length) {
      axes[axes.length - 1] = { length: last.length * length, a, b };
    } else {
      axes.push({ length, a, b });
    }
  }
  if (axes.length === 0) axes.push({ length: 1, a: 0, b: 0 });
  const matrix = (name: 'a' | 'b') => {
    const steps = axes.map((_, axis) => {
      const stride = `p.stride_${name}${axis}`;
      if (axis === 0) return `  return at + rest * ${stride};`;
      return `  at += (rest % p.length${axis}) * ${stride};\n  rest = rest / p.length${axis};`;
    });
    return `fn matrix_${name}(number: i32) -> i32 {
  var rest = number;
  var at = 0;
${steps.reverse().join('\n')}
}
`;
  };
  return {
    count: axes.reduce((count, { length }) => count * length, 1),
    axes: axes.length,
    strides: axes.flatMap(({ a, b }) => [a, b]),
    names: axes.flatMap((_, i) => [`length${i}`, `stride_a${i}`, `stride_b${i}`]),
    numbers: axes.flatMap(({ length, a, b }) => [length, a, b]),
    text: matrix('a') + matrix('b'),
  };
}
