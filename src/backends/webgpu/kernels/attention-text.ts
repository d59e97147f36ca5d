/**
 * Pieces of the text of attention. A workgroup of 64 threads computes 32 x 32 scores at a time:
 * thread (ty, tx) has rows ty + 8 i, and columns tx + 8 j in the lanes of a vector. Rows of any
 * width are read in chunks of 32 columns, so that workgroup memory stays below 16 kB.
 */
import { byLane, exponentialsText, lines, list, reader, type Unit, xyzw } from './common.js';

export const BLOCK = 32;
export const THREADS = 64;
/** Vectors of a chunk, and the distance between its rows, odd so that reads spread over banks. */
const VECTORS = BLOCK / 4;
const LINE = VECTORS + 1;

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
fn are_masked(scores: vec4f) -> vec4<bool> { return bitcast<vec4i>(scores) == vec4i(bitcast<i32>(MASKED)); }
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
// The scores of queries i and keys j, of the products of both; MASKED where there is none.
fn scores_of(products: vec4f, i: vec4i, j: vec4i) -> vec4f {
  var open = (i < vec4i(p.queries)) & (j < vec4i(p.keys));
  let at = i * p.keys + j;
${masked ? `  open = open & (${fourOf('mask', 'p.mask_at + at_mask')} != vec4i());` : ''}
  return select(vec4f(MASKED), p.scale * ${biased ? `(products + ${fourOf('bias', 'p.bias_at + at_scores')})` : 'products'}, open);
}
fn score(i: i32, j: i32) -> vec4f {
${masked ? '  if (mask[p.mask_at + at_mask + i * p.keys + j] == 0) { return vec4f(MASKED); }' : ''}
  return scores_of(vec4f(dot_qk(i, j)), vec4i(i), vec4i(j));
}
${productText(q, k)}
fn are_zero(x: vec4f) -> vec4<bool> { return (bitcast<vec4i>(x) & vec4i(0x7f800000)) == vec4i(); }
fn are_finite(x: vec4f) -> bool { return all((bitcast<vec4i>(x) & vec4i(0x7f800000)) != vec4i(0x7f800000)); }
fn most_of(x: vec4f, y: vec4f) -> vec4f {
  let a = bitcast<vec4i>(x);
  let b = bitcast<vec4i>(y);
  let above = (a ^ ((a >> vec4u(31u)) & vec4i(0x7fffffff))) > (b ^ ((b >> vec4u(31u)) & vec4i(0x7fffffff)));
  return select(select(y, x, above), vec4f(not_a_number()), are_nan(x) | are_nan(y));
}
fn all_nan(sum: vec4f) -> bool { return all(are_nan(sum)); }
fn sum_of(x: vec4f, y: vec4f) -> vec4f { return x + y; }
// The powers e^(score - most).
fn powers(scores: vec4f, most: vec4f) -> vec4f {
  return select(exponentials(scores - most), vec4f(), are_masked(scores));
}
${exponentialsText}`;
}

const fourOf = (name: string, start: string) =>
  byLane((lane) => `${name}[${start} + at${lane}]`, name === 'mask' ? 'vec4i' : 'vec4f');

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

/**
 * Reads 32 columns of 32 rows of an operand; what lies outside of it is 0. All reads come before
 * `put`, so that they are under way together.
 */
const fetch = (
  tile: 'x' | 'y',
  { name, line, width, rows }: Operand,
  row: string,
  column: string,
) =>
  lines(4, (i) => {
    const r = `${row} + ty + ${8 * i}`;
    const c = `${column} + 4 * tx`;
    return `    let ${tile}_${i} = ${name}_four(at_${name} + (${r}) * ${line} + ${c}, select(0, ${width} - (${c}), ${r} < ${rows}));`;
  });

const put = (tile: 'x' | 'y') =>
  lines(4, (i) => `    tile_${tile}[(ty + ${8 * i}) * ${LINE} + tx] = ${tile}_${i};`);

/** Vectors `result0` to `result3`: the products of rows of x from `row` on and of y from `column` on. */
export const products = (result: string, x: Operand, row: string, y: Operand, column: string) => `
${lines(4, (i) => `  var ${result}${i} = vec4f();`)}
  for (var c0 = 0; c0 < ${x.width}; c0 += ${BLOCK}) {
${fetch('x', x, row, 'c0')}
${fetch('y', y, column, 'c0')}
${put('x')}
${put('y')}
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
    (c) => `    {
${fetch('y', y, row, String(c * BLOCK))}
${put('y')}
    }
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

/** The columns of the vectors `value0` to `value3`. */
const columnsOf = (value: string) =>
  xyzw.map((lane) => `vec4f(${list(4, (i) => `${value}${i}.${lane}`).join(', ')})`);

/** The sum or the largest value of each of the vectors `value0` to `value3`. */
export const reduceLanes = (kind: 'sum' | 'most', value: string) => {
  const [a, b, c, d] = columnsOf(value);
  return `${kind}_of(${kind}_of(${a}, ${b}), ${kind}_of(${c}, ${d}))`;
};

/**
 * Combines the vector `value` of the threads of a row, whose lane i belongs to row ty + 8 i:
 * `result` are the sums or the largest values of the rows.
 */
export const reduceRows = (kind: 'sum' | 'most', result: string, value: string) => `
${lines(4, (i) => `  cells[(ty + ${8 * i}) * 2 + tx / 4][tx % 4] = ${value}.${xyzw[i]};`)}
  workgroupBarrier();
${lines(4, (i) => `  let ${result}${i} = ${kind}_of(cells[(ty + ${8 * i}) * 2], cells[(ty + ${8 * i}) * 2 + 1]);`)}
  workgroupBarrier();
  let ${result} = ${reduceLanes(kind, result)};
`;

/** Turns the products in the vectors `s0` to `s3` into scores. */
export const scores = (row: string, column: string, rowsAre: 'queries' | 'keys') =>
  lines(4, (i) => {
    const r = `vec4i(${row} + ty + ${8 * i})`;
    const c = `${column} + tx + vec4i(0, 8, 16, 24)`;
    return `  s${i} = scores_of(s${i}, ${rowsAre === 'queries' ? `${r}, ${c}` : `${c}, ${r}`});`;
  });

/** `write_out(r, c, number, y)`: writes columns c to c + 3 of row r of a result laid out as an operand. */
export const writerText = (
  { unit }: AttentionFlags,
  out: string,
  { line, width, rows }: Omit<Operand, 'name'>,
) => `fn write_${out}(r: i32, c: i32, number: i32, y: vec4f) {
  let at = (number / p.heads * ${rows} + r) * ${line} + number % p.heads * ${width} + c;
${
  unit === 'vec4f'
    ? `  ${out}[p.${out}_at + at / 4] = y;`
    : `  for (var lane = 0; lane < min(4, ${width} - c); lane++) { ${out}[p.${out}_at + at + lane] = y[lane]; }`
}
}
`;

/**
 * Writes the vectors `resulti_c` to `out`, from `row` on. Where one isn't finite, terms of weight 0
 * may be to blame: `careful` computes it from r, c and i without them, and stops at the first NaN,
 * so that a row that is NaN takes little time.
 */
export const store = (
  out: string,
  result: string,
  { width, rows }: Omit<Operand, 'name'>,
  row: string,
  chunks: number,
  careful: string,
) => `  {
  var broken = 0u;
${lines(4, (i) =>
  lines(
    chunks,
    (c) => `  if (${row} + ty + ${8 * i} < ${rows} && ${c * BLOCK} + 4 * tx < ${width}) {
    write_${out}(${row} + ty + ${8 * i}, ${c * BLOCK} + 4 * tx, number, ${result}${i}_${c});
    if (!are_finite(${result}${i}_${c})) { broken |= ${1 << (i * chunks + c)}u; }
  }`,
  ),
)}
  for (var n = 0; broken != 0u; n++) {
    let i = n / ${chunks};
    let r = ${row} + ty + 8 * i;
    let c = n % ${chunks} * ${BLOCK} + 4 * tx;
    if ((broken & 1u) == 1u) { write_${out}(r, c, number, ${careful}); }
    broken = broken >> 1u;
  }
  }`;

/** Updates the largest scores `m`, the powers `s`, their sums `l` and the factor `f` of what was summed before. */
export const online = `  let row_most = ${reduceLanes('most', 's')};
${reduceRows('most', 'top', 'row_most')}
  let old = m;
  m = most_of(old, top);
  let f = exponentials(old - m);
${lines(4, (i) => `  s${i} = powers(s${i}, vec4f(m.${xyzw[i]}));`)}
  l = l * f + ${reduceLanes('sum', 's')};`;

/** Where a thread is: `group` has the block of rows from `first` on of head `number`. */
export const start = `  if (group >= p.total) { return; }
  let number = group / p.blocks;
  let first = (group % p.blocks) * ${BLOCK};
  let ty = t / 8;
  let tx = t % 8;
  locate(number);
`;

/** Runs `body` for each block of `rows`, which begins at `column`. */
export const overTiles = (column: string, rows: string, body: string) =>
  `  for (var ${column} = 0; ${column} < ${rows}; ${column} += ${BLOCK}) {\n${body}\n  }`;
