/** The text of products of at most four rows, as in generation. */
import { main } from './common.js';

const THREADS = 256;

/** The columns of the result that a workgroup computes. */
export const thinColumns = (transposeB: boolean): number => (transposeB ? 8 : 32);

/**
 * Neighbouring threads read neighbouring values of b: along k if it is transposed, else along n.
 * The others of the `lanes` threads of a column compute other terms of its sum.
 */
export function thinText(
  transposeA: boolean,
  transposeB: boolean,
  skipZeros: boolean,
  matrices: string,
): string {
  const columns = thinColumns(transposeB);
  const lanes = THREADS / columns;
  const [column, lane] = transposeB
    ? [`t / ${lanes}`, `t % ${lanes}`]
    : [`t % ${columns}`, `t / ${columns}`];
  const x = (row: number) => {
    const r = `min(${row}, p.m - 1)`;
    return `a[at_a + ${transposeA ? `q * p.m + ${r}` : `${r} * p.k + q`}]`;
  };
  const term = skipZeros
    ? `vec4f(${['x', 'y', 'z', 'w'].map((row) => `weighted(x.${row}, y)`)})`
    : 'x * y';
  return `${matrices}var<workgroup> sums: array<vec4f, ${THREADS}>;
${main(
  THREADS,
  `  if (group >= p.total) { return; }
  let number = group / p.across;
  let at_a = p.a_at + matrix_a(number);
  let at_b = p.b_at + matrix_b(number);
  let first = (group - number * p.across) * ${columns};
  let j = min(first + ${column}, p.n - 1);
  var sum = vec4f();
  for (var q = ${lane}; q < p.k; q += ${lanes}) {
    let x = vec4f(${[0, 1, 2, 3].map(x)});
    let y = b[at_b + ${transposeB ? 'j * p.k + q' : 'q * p.n + j'}];
    sum += ${term};
  }
  sums[(${lane}) * ${columns} + ${column}] = sum;
  workgroupBarrier();
  let i = t / ${columns};
  let own = first + t % ${columns};
  if (i >= p.m || own >= p.n) { return; }
  var c = 0.0;
  for (var lane = 0; lane < ${lanes}; lane++) { c += sums[lane * ${columns} + t % ${columns}][i]; }
  let at = (number * p.m + i) * p.n + own;
  out[p.out_at + at] = finish(c, at, own);`,
)}`;
}
