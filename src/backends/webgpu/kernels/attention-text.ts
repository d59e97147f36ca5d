/**
 * Pieces of the text of attention. A workgroup of 64 threads computes 32 x 32 scores at a time:
 * thread (ty, tx) has rows ty + 8 i, and columns tx + 8 j in the lanes of a vector. Rows of any
 * width are read in chunks of 32 columns, so that workgroup memory stays below 16 kB.
 */
import { lines, list, reader, type Unit } from './common.js';

export const BLOCK = 32;
export const THREADS = 64;
/** Vectors of a chunk, and the distance between its rows, odd so that reads spread over banks. */
const VECTORS = BLOCK / 4;
const LINE = VECTORS + 1;
const xyzw = ['x', 'y', 'z', 'w'];

/** What the text depends on. */
export interface AttentionFlags {
  readonly unit: Unit;
  readonly masked: boolean;
  readonly biased: boolean;
}

/** An operand: rows of `width` values, which begin `line` values after each other. */
export interface Operand {
  readonly name: 'q' | 'k' | 'v' | 'g';
  readonly line: string;
  readonly width: string;
  readonly rows: string;
}
const byKeys = { line: 'p.line', width: 'p.width' };
const byValues = { line: 'p.value_line', width: 'p.value_width' };
export const q: Operand = { name: 'q', ...byKeys, rows: 'p.queries' };
export const k: Operand = { name: 'k', ...byKeys, rows: 'p.keys' };
export const v: Operand = { name: 'v', ...byValues, rows: 'p.keys' };
export const g: Operand = { name: 'g', ...byValues, rows: 'p.queries' };

export const ints = [
  ...['heads', 'queries', 'keys', 'line', 'value_line', 'width', 'value_width'],
  ...['mask_stride', 'blocks', 'total'],
];

/** The names of the bindings of `operands`, mask and bias. */
export const bindings = (
  { unit, masked, biased }: AttentionFlags,
  operands: readonly Operand[],
) => [
  ...operands.map(({ name }) => `${name}: ${unit}`),
  ...(masked ? ['mask: i32'] : []),
  ...(biased ? ['bias: f32'] : []),
];

/** Functions and variables of all kernels of attention. */
export function shared({ unit, masked, biased }: AttentionFlags, operands: readonly Operand[]) {
  const lanes = unit === 'f32' ? 1 : 4;
  const starts = operands.map(
    ({ name, line, width, rows }) =>
      `  at_${name} = p.${name}_at * ${lanes} + batch * ${rows} * ${line} + head * ${width};`,
  );
  return `const MASKED = -3.4028234e38;
${operands.map(({ name }) => `${reader(name, unit)}var<private> at_${name}: i32;\n`).join('')}
var<private> at_scores: i32;
var<private> at_mask: i32;
var<workgroup> tile_x: array<vec4f, ${BLOCK * LINE}>;
var<workgroup> tile_y: array<vec4f, ${BLOCK * LINE}>;
var<workgroup> tile_p: array<vec4f, ${BLOCK * LINE}>;
var<workgroup> cells: array<vec4f, ${2 * BLOCK}>;

// Where the operands of a head begin.
fn locate(number: i32) {
  let batch = number / p.heads;
  let head = number % p.heads;
${starts.join('\n')}
  at_scores = number * p.queries * p.keys;
  at_mask = batch * p.mask_stride;
}
// The score of query i and key j, of the product of both; MASKED where there is none.
fn score_of(product: f32, i: i32, j: i32) -> f32 {
  if (i >= p.queries || j >= p.keys) { return MASKED; }
${masked ? '  if (mask[p.mask_at + at_mask + i * p.keys + j] == 0) { return MASKED; }' : ''}
  return p.scale * ${biased ? '(product + bias[p.bias_at + at_scores + i * p.keys + j])' : 'product'};
}
fn score(i: i32, j: i32) -> f32 { return score_of(${dotText(q, 'i', k, 'j')}, i, j); }
${productText(q, k)}
// e^(score - most).
fn power(score: f32, most: f32) -> f32 {
  return select(exponential(score - most), 0.0, score == MASKED);
}
fn are_finite(x: vec4f) -> bool { return is_finite(x.x) && is_finite(x.y) && is_finite(x.z) && is_finite(x.w); }
fn sum_of_lanes(x: vec4f) -> f32 { return x.x + x.y + x.z + x.w; }
fn most_of_lanes(x: vec4f) -> f32 { return larger(larger(x.x, x.y), larger(x.z, x.w)); }
`;
}

const dotText = (x: Operand, i: string, y: Operand, j: string) =>
  `dot_${x.name}${y.name}(${i}, ${j})`;

/** `dot_xy(i, j)`: the product of a row of each operand, from memory. */
export const productText = (
  x: Operand,
  y: Operand,
) => `fn dot_${x.name}${y.name}(i: i32, j: i32) -> f32 {
  var sum = 0.0;
  for (var c = 0; c < ${x.width}; c++) {
    sum += ${x.name}_one(at_${x.name} + i * ${x.line} + c) * ${y.name}_one(at_${y.name} + j * ${y.line} + c);
  }
  return sum;
}
`;

/** Copies 32 columns of 32 rows of an operand; what lies outside of it is 0. */
const stage = (
  tile: 'x' | 'y',
  { name, line, width, rows }: Operand,
  row: string,
  column: string,
) =>
  `for (var f = t; f < ${BLOCK * VECTORS}; f += ${THREADS}) {
      let r = ${row} + f / ${VECTORS};
      let c = ${column} + 4 * (f % ${VECTORS});
      tile_${tile}[f / ${VECTORS} * ${LINE} + f % ${VECTORS}] = ${name}_four(at_${name} + r * ${line} + c, select(0, ${width} - c, r < ${rows}));
    }`;

/** Vectors `result0` to `result3`: the products of rows of x from `row` on and of y from `column` on. */
export const products = (result: string, x: Operand, row: string, y: Operand, column: string) => `
${lines(4, (i) => `  var ${result}${i} = vec4f();`)}
  for (var c0 = 0; c0 < ${x.width}; c0 += ${BLOCK}) {
    ${stage('x', x, row, 'c0')}
    ${stage('y', y, column, 'c0')}
    workgroupBarrier();
    let steps = min(${VECTORS}, (${x.width} - c0 + 3) / 4);
    for (var s = 0; s < steps; s++) {
${lines(4, (i) => `      let x${i} = tile_x[(ty + ${8 * i}) * ${LINE} + s];`)}
${lines(4, (j) => `      let y${j} = tile_y[(tx + ${8 * j}) * ${LINE} + s];`)}
${xyzw.map((lane) => `      { let y = vec4f(${list(4, (j) => `y${j}.${lane}`).join(', ')}); ${list(4, (i) => `${result}${i} = fma(vec4f(x${i}.${lane}), y, ${result}${i});`).join(' ')} }`).join('\n')}
    }
    workgroupBarrier();
  }
`;

/** Writes the vectors `value0` to `value3` of all threads as `tile_p`; `accumulate` reads it. */
export const keep = (value: string) =>
  list(4, (i) =>
    list(
      4,
      (j) =>
        `  tile_p[(ty + ${8 * i}) * ${LINE} + (tx + ${8 * j}) / 4][tx % 4] = ${value}${i}.${xyzw[j]};`,
    ).join('\n'),
  ).join('\n');

/**
 * Adds `tile_p` times 32 rows of an operand, from `row` on, to the vectors `resulti_c`: row
 * ty + 8 i and columns 32 c + 4 tx to 32 c + 4 tx + 3.
 */
export const accumulate = (result: string, y: Operand, row: string, chunks: number) =>
  lines(
    chunks,
    (c) => `    ${stage('y', y, row, String(c * BLOCK))}
    workgroupBarrier();
    for (var s = 0; s < min(${VECTORS}, (${y.rows} - ${row} + 3) / 4); s++) {
${lines(4, (i) => `      let x${i} = tile_p[(ty + ${8 * i}) * ${LINE} + s];`)}
${xyzw.map((lane, j) => `      { let y = tile_y[(4 * s + ${j}) * ${LINE} + tx]; ${list(4, (i) => `${result}${i}_${c} = fma(vec4f(x${i}.${lane}), y, ${result}${i}_${c});`).join(' ')} }`).join('\n')}
    }
    workgroupBarrier();`,
  );

/** Declares what `accumulate` adds to. */
export const accumulators = (result: string, chunks: number) =>
  lines(4, (i) => lines(chunks, (c) => `  var ${result}${i}_${c} = vec4f();`));

/**
 * Combines the vectors `value0` to `value3` of the threads of a row: `result0` to `result3` are the
 * sums or the largest values of the rows.
 */
export const reduceRows = (kind: 'sum' | 'most', result: string, value: string) => `
${lines(4, (i) => `  cells[(ty + ${8 * i}) * 2 + tx / 4][tx % 4] = ${kind}_of_lanes(${value}${i});`)}
  workgroupBarrier();
${lines(4, (i) => {
  const [a, b] = [0, 1].map((half) => `${kind}_of_lanes(cells[(ty + ${8 * i}) * 2 + ${half}])`);
  return `  let ${result}${i} = ${kind === 'sum' ? `${a} + ${b}` : `larger(${a}, ${b})`};`;
})}
  workgroupBarrier();
`;

/** Turns the products in the vectors `s0` to `s3` of rows `i` and columns `j` into scores. */
export const scores = (row: string, column: string, rowsAre: 'queries' | 'keys') =>
  lines(4, (i) => {
    const each = xyzw.map((lane, j) => {
      const [r, c] = [`${row} + ty + ${8 * i}`, `${column} + tx + ${8 * j}`];
      return `score_of(s${i}.${lane}, ${rowsAre === 'queries' ? `${r}, ${c}` : `${c}, ${r}`})`;
    });
    return `  s${i} = vec4f(${each.join(', ')});`;
  });

/** A vector of a function of the lanes of thread's row `i`. */
export const byLane = (f: (lane: string, j: number) => string) =>
  `vec4f(${xyzw.map(f).join(', ')})`;

/**
 * Writes the vectors `resulti_c` to `out`, an operand's rows from `row` on. Where one isn't finite
 * and `isSound(i)` holds, the terms with weight 0 may be to blame: `careful(i, r, c)` computes it
 * without them, for row r and columns c to c + 3.
 */
export const store = (
  { unit }: AttentionFlags,
  out: string,
  result: string,
  { line, width, rows }: Omit<Operand, 'name'>,
  row: string,
  chunks: number,
  isSound: (i: number) => string,
  careful: (i: number, r: string, c: string) => string,
) =>
  lines(4, (i) =>
    lines(chunks, (c) => {
      const at = `at + r * ${line} + c`;
      const write =
        unit === 'vec4f'
          ? `${out}[p.${out}_at + (${at}) / 4] = y;`
          : `for (var lane = 0; lane < min(4, ${width} - c); lane++) { ${out}[p.${out}_at + ${at} + lane] = y[lane]; }`;
      return `  {
    let r = ${row} + ty + ${8 * i};
    let c = ${c * BLOCK} + 4 * tx;
    let at = number / p.heads * ${rows} * ${line} + number % p.heads * ${width};
    if (r < ${rows} && c < ${width}) {
      var y = ${result}${i}_${c};
      if (!are_finite(y) && ${isSound(i)}) { y = ${careful(i, 'r', 'c')}; }
      ${write}
    }
  }`;
    }),
  );
