/** Cases of attention (heads, masks, biases) and of rotary positions. */
import { attention, Key, rotate, type Shape } from '../../autograd/index.js';
import {
  accumulated,
  type CaseInput,
  floats,
  ints,
  type OperationCases,
  type Pattern,
  show,
} from '../case.js';

function rotated(shape: number[], heads = 1): Pattern {
  const angles = [shape[shape.length - 2], shape[shape.length - 1] / heads / 2];
  return {
    pattern: heads === 1 ? show(shape) : `${show(shape)}, ${heads} heads`,
    inputs: [floats(shape, 760), floats(angles, 761), floats(angles, 762)],
    call: ([x, cos, sin]) => rotate(x, cos, sin, heads),
  };
}

/** Queries, keys and values with these batch axes; 2 queries, 3 keys, widths 2 and 2. */
function qkv(q: Shape, k: Shape = q, v: Shape = k): CaseInput[] {
  return [floats([...q, 2, 2], 760), floats([...k, 3, 2], 761), floats([...v, 3, 2], 762)];
}

const attentionPatterns: Pattern[] = [
  { pattern: 'no batch', inputs: qkv([]), call: ([q, k, v]) => attention(q, k, v) },
  { pattern: 'heads', inputs: qkv([2]), call: ([q, k, v]) => attention(q, k, v) },
  { pattern: 'batch and heads', inputs: qkv([1, 2]), call: ([q, k, v]) => attention(q, k, v) },
  {
    pattern: 'one head of keys for all queries',
    inputs: qkv([2], [1]),
    call: ([q, k, v]) => attention(q, k, v),
  },
  {
    pattern: 'mask for all heads',
    inputs: [...qkv([2]), ints([1, 0, 1, 0, 1, 1], [2, 3])],
    call: ([q, k, v, mask]) => attention(q, k, v, { mask }),
  },
  {
    pattern: 'a query that may look at nothing',
    inputs: [...qkv([2]), ints([0, 0, 0, 1, 1, 0], [2, 3])],
    call: ([q, k, v, mask]) => attention(q, k, v, { mask }),
  },
  {
    pattern: 'mask of keys',
    inputs: [...qkv([2]), ints([1, 1, 0], [1, 1, 3])],
    call: ([q, k, v, mask]) => attention(q, k, v, { mask }),
  },
  {
    pattern: 'bias for each head',
    inputs: [...qkv([2]), floats([2, 2, 3], 763)],
    call: ([q, k, v, bias]) => attention(q, k, v, { bias }),
  },
  {
    pattern: 'bias for all heads, mask and dropout',
    inputs: [...qkv([2]), floats([2, 3], 764), ints([1, 1, 0, 1, 1, 1], [2, 3])],
    call: ([q, k, v, bias, mask]) =>
      attention(q, k, v, { bias, mask, dropout: { rate: 0.3, key: Key.of(5) } }),
  },
  { pattern: 'no batch entries', inputs: qkv([0]), call: ([q, k, v]) => attention(q, k, v) },
  {
    pattern: 'one tensor for queries, keys and values',
    inputs: [floats([2, 3, 4], 767)],
    call: ([x]) => attention(x, x, x, { heads: 2 }),
  },
  {
    pattern: 'two heads in the last axis',
    inputs: headed([2]),
    call: ([q, k, v]) => attention(q, k, v, { heads: 2 }),
  },
  {
    pattern: 'two heads, mask and bias',
    inputs: [...headed([2]), ints([1, 0, 1, 0, 0, 1], [2, 3]), floats([2, 2, 2, 3], 765)],
    call: ([q, k, v, mask, bias]) => attention(q, k, v, { heads: 2, mask, bias }),
  },
  {
    pattern: 'two heads, a mask for each of the batch, dropout',
    inputs: [...headed([2]), ints([1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0], [2, 1, 2, 3])],
    call: ([q, k, v, mask]) =>
      attention(q, k, v, { heads: 2, mask, dropout: { rate: 0.3, key: Key.of(5) } }),
  },
  {
    pattern: 'two heads of values wider than keys, a mask for each of the batch',
    inputs: [
      ...headed([2]).slice(0, 2),
      floats([2, 3, 6], 766),
      ints([1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0], [2, 1, 2, 3]),
    ],
    call: ([q, k, v, mask]) => attention(q, k, v, { heads: 2, mask }),
  },
];

/** 2 queries, 3 keys and 3 values, each of two heads of width 2. */
function headed(batch: Shape): CaseInput[] {
  return [2, 3, 3].map((time, i) => floats([...batch, time, 4], 770 + i));
}

export const attentionCases = {
  rotate: {
    differentiable: true,
    tolerance: accumulated,
    patterns: [
      rotated([2, 4]),
      rotated([3, 2, 6]),
      rotated([2, 2, 1, 2]),
      rotated([2, 3, 10]),
      rotated([0, 2, 4]),
      rotated([2, 3, 8], 2),
      rotated([1, 2, 30], 3),
    ],
  },
  attention: { differentiable: true, tolerance: accumulated, patterns: attentionPatterns },
} satisfies Record<string, OperationCases>;
