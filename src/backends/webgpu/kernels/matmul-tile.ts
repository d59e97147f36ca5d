/** The text of tiled products. */
import type { DeviceBuffer } from '../../backend.js';
import { lines, list, main, reader, type Unit, xyzw } from './common.js';

/** The part of the result that a workgroup computes, in steps of `depth` along k. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** What a thread computes: rows, and groups of four columns. */
  readonly perThread: readonly [rows: number, fours: number];
  /**
   * Whether the next step's values are read while this one's are multiplied. That hides the wait
   * for memory where a processor has few workgroups, and takes registers.
   */
  readonly ahead: boolean;
}

/** What the text depends on, besides the tile. */
export interface TileFlags {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly skipZeros: boolean;
  /** How the operands are read. */
  readonly unit: Unit;
  /** How the result is written. */
  readonly outUnit: Unit;
  /** The number of axes of the batch. */
  readonly axes: number;
  /** How many buffers a lies in, and along what: each has a matrix of the batch, or a part of k. */
  readonly sources: number;
  readonly along: Sources['along'] | undefined;
  /** Whether the sums of a along k are a second result, for the first matrix of the batch. */
  readonly sums: boolean;
}

/** An operand a that lies in several buffers: a matrix of the batch in each, or a part of k. */
export interface Sources {
  readonly buffers: readonly DeviceBuffer[];
  readonly along: 'batch' | 'k';
}

/** The bindings of a. */
export const sourceNames = ({ sources, along }: Pick<TileFlags, 'sources' | 'along'>): string[] =>
  along ? list(sources, (i) => `a${i}`) : ['a'];

/** The workgroup memory of a tile, with padding. */
export const tileBytes = ({ rows, columns, depth }: Tile): number =>
  16 * (rows * (depth / 4 + 1) + depth * (columns / 4 + 1));

/**
 * A workgroup keeps `depth` columns of a and rows of b in its memory: a with four steps of k in a
 * vector, b with four columns. So a thread multiplies one lane of a by a vector of b. `matrices`
 * are the functions `matrix_a` and `matrix_b`; the text also needs `finish`.
 */
export function tileText(tile: Tile, flags: TileFlags, matrices: string): string {
  const { rows, columns, depth, perThread, ahead } = tile;
  const { transposeA, transposeB, skipZeros, unit, outUnit, along, sums } = flags;
  const [high, fours] = perThread;
  const down = rows / high;
  const across = columns / 4 / fours;
  const threads = down * across;
  const steps = depth / 4;
  // Odd distances between rows spread the vectors that a warp reads or writes over the banks.
  const lineA = steps + Number(transposeA || steps % 8 === 0);
  const lineB = columns / 4 + Number(transposeB);
  const copies = [
    ...(transposeA
      ? copyBlocks('a', rows, steps, lineA, threads)
      : copyRows('a', rows, steps, lineA, threads, along)),
    ...(transposeB
      ? copyBlocks('b', columns, steps, lineB, threads)
      : copyRows('b', depth, columns / 4, lineB, threads)),
  ];
  const fetch = [
    ...(along === 'k' ? ['    source = k0 / p.length;'] : []),
    ...copies.flatMap((copy) => copy.fetch),
  ].join('\n');

  return `${along ? sourcesReader(flags) : reader('a', unit)}${reader('b', unit)}${matrices}${skipZeros ? sparseText(flags) : ''}
var<workgroup> tile_a: array<vec4f, ${rows * lineA}>;
var<workgroup> tile_b: array<vec4f, ${depth * lineB}>;
${main(
  threads,
  `  if (group >= p.total) { return; }
  let tiles = p.down * p.across;
  let rest = group / tiles;
  let part = rest / p.batches;
  let number = rest - part * p.batches;
  // Workgroups that run together read the same eight bands of a and few of b.
  let within = group - rest * tiles;
  let band = within / (8 * p.across);
  let height = min(8, p.down - 8 * band);
  let place = within - 8 * band * p.across;
  let row0 = (8 * band + place % height) * ${rows};
  let column0 = (place / height) * ${columns};
${
  along
    ? `  let at_a = 0;${along === 'batch' ? '\n  source = number;' : ''}`
    : `  let at_a = p.a_at * ${unit === 'vec4f' ? 4 : 1} + matrix_a(number);`
}
  let at_b = p.b_at * ${unit === 'vec4f' ? 4 : 1} + matrix_b(number);
  let begin = part * p.per_part;
  let end = min(begin + p.per_part, p.k);
  let ty = t / ${across};
  let tx = t % ${across};
${lines(high, (i) => list(fours, (j) => `  var c${i}_${j} = vec4f();`).join(''))}
${copies.flatMap((copy) => [copy.place, ...copy.values.map((value) => `  var ${value} = vec4f();`)]).join('\n')}
  var k0 = begin;
${sums ? '  var sum = 0.0;' : ''}
${ahead ? fetch : ''}
  while (k0 < end) {
${ahead ? '' : fetch}
${copies.map((copy) => copy.store).join('\n')}
    workgroupBarrier();
${
  sums
    ? `    if (column0 == 0 && t < ${rows}) {
      for (var q = 0; q < ${steps}; q++) { sum += dot(tile_a[t * ${lineA} + q], vec4f(1.0)); }
    }`
    : ''
}
    k0 += ${depth};
${ahead ? fetch : ''}
    for (var q = 0; q < ${steps}; q++) {
${lines(high, (i) => `      let a${i} = tile_a[(ty + ${i * down}) * ${lineA} + q];`)}
${lines(4, (s) => {
  const reads = list(fours, (j) => {
    const at = `(4 * q + ${s}) * ${lineB} + tx + ${j * across}`;
    return `      let b${s}_${j} = tile_b[${at}];`;
  });
  const products = list(high, (i) =>
    list(fours, (j) => `      c${i}_${j} = fma(vec4f(a${i}.${xyzw[s]}), b${s}_${j}, c${i}_${j});`),
  ).flat();
  return [...reads, ...products].join('\n');
})}
    }
    workgroupBarrier();
  }
  let start = (part * p.batches + number) * p.m;
${sums ? `  if (column0 == 0 && t < ${rows} && row0 + t < p.m) { store_sum(sum, part * p.m + row0 + t); }` : ''}
${skipZeros ? '  var broken = 0u;' : ''}
${lines(high, (i) =>
  list(fours, (j) => {
    const store = `  store(c${i}_${j}, start, row0 + ty + ${i * down}, column0 + 4 * (tx + ${j * across}));`;
    if (!skipZeros) return store;
    return `${store}\n  if (!all_finite(c${i}_${j})) { broken |= ${2 ** (i * fours + j)}u; }`;
  }).join('\n'),
)}
${
  skipZeros
    ? `  for (var i = 0; broken != 0u; i++) {
    let row = row0 + ty + i / ${fours} * ${down};
    let column = column0 + 4 * (tx + i % ${fours} * ${across});
    if ((broken & 1u) == 1u && row < p.m && column < p.n) { store(sparse(row, column, at_a, at_b, begin, end), start, row, column); }
    broken = broken >> 1u;
  }`
    : ''
}`,
)}
fn store(c: vec4f, start: i32, row: i32, column: i32) {
  if (row >= p.m || column >= p.n) { return; }
  let at = (start + row) * p.n + column;
${
  outUnit === 'vec4f'
    ? '  out[p.out_at + at / 4] = finish(c, at / 4, column / 4);'
    : '  for (var lane = 0; lane < min(4, p.n - column); lane++) {\n    out[p.out_at + at + lane] = finish(c[lane], at + lane, column + lane);\n  }'
}
}
`;
}

/** `a_four` of the operand that lies in several buffers, of which the variable `source` chooses one. */
function sourcesReader({ sources, unit }: TileFlags): string {
  const read = (i: number) =>
    unit === 'vec4f'
      ? `select(vec4f(), a${i}[p.a${i}_at + (i >> 2u)], left > 0)`
      : `vec4f(${list(4, (s) => `select(0.0, a${i}[p.a${i}_at + i + ${s}], left > ${s})`).join(', ')})`;
  const cases = list(sources - 1, (i) => `    case ${i + 1}: { return ${read(i + 1)}; }`);
  return `var<private> source: i32;
fn a_four(i: i32, left: i32) -> vec4f {
  switch (source) {
${cases.join('\n')}
    default: { return ${read(0)}; }
  }
}
`;
}

/** How a thread copies a part of a tile. */
interface Copy {
  /** Declares where the part is. */
  readonly place: string;
  /** The variables between `fetch`, which reads the step that begins at `k0`, and `store`. */
  readonly values: readonly string[];
  readonly fetch: readonly string[];
  readonly store: string;
}

/**
 * Copies a tile whose rows in memory are its rows: `count` rows of `vectors` vectors. Rows of a
 * beyond the last are those of the last; what lies beyond k is 0.
 */
function copyRows(
  name: 'a' | 'b',
  count: number,
  vectors: number,
  line: number,
  threads: number,
  along?: Sources['along'],
): Copy[] {
  const [length, from] = along === 'k' ? ['length', 'k0 - source * p.length'] : ['k', 'k0'];
  return list((count * vectors) / threads, (pass) => {
    const id = `${name}${pass}`;
    const start =
      name === 'a'
        ? `at_a + min(row0 + row_${id}, p.m - 1) * p.${length} + 4 * column_${id}`
        : `at_b + row_${id} * p.n + column0 + 4 * column_${id}`;
    const read =
      name === 'a'
        ? `a_four(start_${id} + ${from}, end - k0 - 4 * column_${id})`
        : `b_four(start_${id} + k0 * p.n, select(0, 4, k0 + row_${id} < end))`;
    return {
      place: `  let row_${id} = (t + ${pass * threads}) / ${vectors};
  let column_${id} = (t + ${pass * threads}) % ${vectors};
  let start_${id} = ${start};`,
      values: [`value_${id}`],
      fetch: [`    value_${id} = ${read};`],
      store: `    tile_${name}[row_${id} * ${line} + column_${id}] = value_${id};`,
    };
  });
}

/**
 * Copies a tile whose rows in memory are its columns, in blocks of 4 x 4 values, which a thread
 * transposes. `length` is the length of the tile across k.
 */
function copyBlocks(
  name: 'a' | 'b',
  length: number,
  steps: number,
  line: number,
  threads: number,
): Copy[] {
  const blocks = (length / 4) * steps;
  return list(Math.ceil(blocks / threads), (pass) => {
    const id = `${name}${pass}`;
    const values = list(4, (i) => `value_${id}_${i}`);
    const f = `min(t + ${pass * threads}, ${blocks - 1})`;
    // Along k, two neighbouring threads read 32 bytes of a row of b.
    const place =
      name === 'a'
        ? `  let block_${id} = ${f} % ${length / 4};
  let step_${id} = ${f} / ${length / 4};
  let start_${id} = at_a + 4 * step_${id} * p.m + row0 + 4 * block_${id};`
        : `  let block_${id} = ${f} / 2 % ${length / 4};
  let step_${id} = ${f} % 2 + ${f} / ${length / 2} * 2;
${lines(4, (i) => `  let start_${id}_${i} = at_b + min(column0 + 4 * block_${id} + ${i}, p.n - 1) * p.k + 4 * step_${id};`)}`;
    const read = (i: number) =>
      name === 'a'
        ? `a_four(start_${id} + (k0 + ${i}) * p.m, select(0, 4, k0 + 4 * step_${id} + ${i} < end))`
        : `b_four(start_${id}_${i} + k0, end - k0 - 4 * step_${id})`;
    const to = (i: number) =>
      name === 'a'
        ? `tile_a[(4 * block_${id} + ${i}) * ${line} + step_${id}]`
        : `tile_b[(4 * step_${id} + ${i}) * ${line} + block_${id}]`;
    const some = blocks < (pass + 1) * threads ? `if (t < ${blocks - pass * threads}) ` : '';
    return {
      place,
      values,
      fetch: list(4, (i) => `    ${values[i]} = ${read(i)};`),
      store: `    ${some}{
${lines(4, (i) => `      ${to(i)} = vec4f(${values.map((value) => `${value}.${xyzw[i]}`).join(', ')});`)}
    }`,
    };
  });
}

/**
 * `sparse` computes four values of the product from `begin` to `end` along k, without the terms where
 * a is 0. It recomputes only what isn't finite.
 */
function sparseText({ transposeA, transposeB }: TileFlags): string {
  const y = (lane: number) => {
    const column = `min(column + ${lane}, p.n - 1)`;
    return `b_one(at_b + ${transposeB ? `${column} * p.k + q` : `q * p.n + ${column}`})`;
  };
  return `fn all_finite(x: vec4f) -> bool { return is_finite(x.x) && is_finite(x.y) && is_finite(x.z) && is_finite(x.w); }
fn sparse(row: i32, column: i32, at_a: i32, at_b: i32, begin: i32, end: i32) -> vec4f {
  var c = vec4f();
  for (var q = begin; q < end; q++) {
    let x = a_one(at_a + ${transposeA ? 'q * p.m + row' : 'row * p.k + q'});
    if (!is_zero(x)) { c += x * vec4f(${list(4, y).join(', ')}); }
  }
  return c;
}`;
}
