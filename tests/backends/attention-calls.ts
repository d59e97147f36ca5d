/** Calls of the kernels of attention, which the tests of both GPU backends compare with wasm. */
import type { TypedArray } from '../../src/backends/backend.js';
import { floatsOf, intsOf } from './arrays.js';

type Inputs = (TypedArray | undefined)[];

export interface AttentionCall {
  readonly what: string;
  readonly kernel: 'attention' | 'attentionGradient';
  readonly inputs: Inputs;
  /** The inputs of wasm, where they are others: without what must not be read. */
  readonly clean?: Inputs;
  readonly numbers: number[];
  /** The size of each result. */
  readonly sizes: number[];
  readonly tolerance: [relative: number, absolute: number];
}

const real = (size: number, seed: number) => floatsOf(size, seed, 'real');

/** Both kernels for q, k, v, mask and bias, and the gradient g of the result. */
function both(
  what: string,
  numbers: number[],
  inputs: Inputs,
  g: Float32Array,
  clean?: { inputs: Inputs; g: Float32Array },
): AttentionCall[] {
  const [q, k, v, , bias] = inputs;
  const gradients = [q, k, v, bias].filter((x) => x !== undefined);
  return [
    {
      what: `attention, ${what}`,
      kernel: 'attention',
      inputs,
      clean: clean?.inputs,
      numbers,
      sizes: [g.length],
      tolerance: [5e-5, 5e-6],
    },
    {
      what: `the gradient of attention, ${what}`,
      kernel: 'attentionGradient',
      inputs: [...inputs, g],
      clean: clean && [...clean.inputs, clean.g],
      numbers,
      sizes: gradients.map(({ length }) => length),
      tolerance: [2e-4, 2e-5],
    },
  ];
}

function sized(sizes: number[], biased: boolean): AttentionCall[] {
  const [batch, heads, queries, keys, width, valueWidth, masks] = sizes;
  const size = [queries * width, keys * width, keys * valueWidth, queries * valueWidth];
  const [q, k, v, g] = size.map((values, i) => real(batch * heads * values, i));
  const mask = masks > 0 ? intsOf(masks * queries * keys, 7, 1) : undefined;
  mask?.fill(0, 0, keys); // a query that sees nothing
  const bias = biased ? real(batch * heads * queries * keys, 8) : undefined;
  const numbers = [...sizes, 1 / Math.sqrt(width)];
  return both(`${sizes}${biased ? ' with a bias' : ''}`, numbers, [q, k, v, mask, bias], g);
}

/** NaN and infinities where no weight reads them. */
function masked(): AttentionCall[] {
  const [queries, keys, width] = [40, 70, 36];
  const [q, k, v, g] = [queries, keys, keys, queries].map((rows, i) => real(rows * width, i));
  const mask = intsOf(queries * keys, 7, 1);
  const bias = real(queries * keys, 8);
  mask.fill(0, 3 * keys, 4 * keys);
  for (let i = 0; i < queries; i++) {
    mask[i * keys + 5] = 0;
    mask[i * keys + 66] = 0;
  }
  const [blind, dark] = [3, [5, 66]]; // a query that sees no key, and keys that no query sees
  const soil = (x: Float32Array, row: number) =>
    x.fill(NaN, row * width, (row + 1) * width).fill(Infinity, row * width, row * width + 9);
  const broken = [q, k, v, g].map((x) => x.slice());
  for (const key of dark) {
    soil(broken[1], key);
    soil(broken[2], key);
  }
  soil(broken[0], blind);
  soil(broken[3], blind);
  const brokenBias = bias.map((x, i) => (mask[i] === 0 ? NaN : x));
  return both(
    'what is masked is not read',
    [1, 1, queries, keys, width, width, 1, 0.3],
    [...broken.slice(0, 3), mask, brokenBias],
    broken[3],
    { inputs: [q, k, v, mask, bias], g },
  );
}

/** batch, heads, queries, keys, width, valueWidth, masks */
export const attentionCalls: readonly AttentionCall[] = [
  ...sized([1, 1, 1, 1, 4, 4, 0], false),
  ...sized([2, 2, 5, 7, 8, 4, 0], false),
  ...sized([1, 2, 34, 40, 16, 16, 0], false),
  ...sized([2, 2, 33, 70, 36, 40, 2], true),
  ...sized([1, 2, 6, 5, 3, 5, 1], true),
  ...sized([1, 1, 3, 65, 100, 128, 1], false),
  ...masked(),
];
