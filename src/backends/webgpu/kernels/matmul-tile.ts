/** The text of tiled products. */
import { lines, list, main, reader, type Unit } from './common.js';

/** The part of the result that a workgroup computes, in steps of `depth` along k. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** What a thread computes: rows, and groups of four columns. */
  readonly perThread: readonly [rows: number, fours: number];
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
}

/** The workgroup memory of a tile, with padding. */
export const tileBytes = ({ rows, columns, depth }: Tile): number =>
  16 * (rows * (depth / 4 + 1) + depth * (columns / 4 + 1));

const xyzw = ['x', 'y', 'z', 'w'];

/**
 * A workgroup keeps `depth` columns of a and rows of b in its memory: a with four steps of k in a
 * vector, b with four columns. So a thread multiplies one lane of a by a vector of b. `matrices`
 * are the functions `matrix_a` and `matrix_b`; the text also needs `finish`.
 */
export function tileText(tile: Tile, flags: TileFlags, matrices: string): string {
  const { rows, columns, depth, perThread } = tile;
  const { transposeA, transposeB, skipZeros, unit, outUnit } = flags;
  const [high, fours] = perThread;
  const down = rows / high;
  const across = columns / 4 / fours;
  const threads = down * across;
  const steps = depth / 4;
  // Odd distances between rows spread the vectors that a warp reads or writes over the banks.
  const lineA = steps + Number(transposeA || steps % 8 === 0);
  const lineB = columns / 4 + Number(transposeB);

  return `${reader('a', unit)}${reader('b', unit)}${matrices}${skipZeros ? sparseText(flags) : ''}
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
  let at_a = p.a_at * ${unit === 'vec4f' ? 4 : 1} + matrix_a(number);
  let at_b = p.b_at * ${unit === 'vec4f' ? 4 : 1} + matrix_b(number);
  let begin = part * p.per_part;
  let end = min(begin + p.per_part, p.k);
  let ty = t / ${across};
  let tx = t % ${across};
${lines(high, (i) => list(fours, (j) => `  var c${i}_${j} = vec4f();`).join(''))}
  for (var k0 = begin; k0 < end; k0 += ${depth}) {
${transposeA ? loadBlocks('a', rows, steps, lineA, threads) : loadRows('a', rows, steps, lineA, threads)}
${transposeB ? loadBlocks('b', columns, steps, lineB, threads) : loadRows('b', depth, columns / 4, lineB, threads)}
    workgroupBarrier();
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
${lines(high, (i) =>
  list(fours, (j) => {
    const place = `row0 + ty + ${i * down}, column0 + 4 * (tx + ${j * across})`;
    return `  store(c${i}_${j}, start, ${place}${skipZeros ? ', at_a, at_b, begin, end' : ''});`;
  }).join('\n'),
)}`,
)}
fn store(product: vec4f, start: i32, row: i32, column: i32${skipZeros ? ', at_a: i32, at_b: i32, begin: i32, end: i32' : ''}) {
  if (row >= p.m || column >= p.n) { return; }
  var c = product;
${skipZeros ? '  if (!(is_finite(c.x) && is_finite(c.y) && is_finite(c.z) && is_finite(c.w))) { c = sparse(row, column, at_a, at_b, begin, end); }\n' : ''}  let at = (start + row) * p.n + column;
${
  outUnit === 'vec4f'
    ? '  out[p.out_at + at / 4] = finish(c, at / 4, column / 4);'
    : '  for (var lane = 0; lane < min(4, p.n - column); lane++) {\n    out[p.out_at + at + lane] = finish(c[lane], at + lane, column + lane);\n  }'
}
}
`;
}

/**
 * Copies a tile whose rows in memory are its rows: `count` rows of `vectors` vectors. Rows of a
 * beyond the last are those of the last; what lies beyond k is 0.
 */
function loadRows(
  name: 'a' | 'b',
  count: number,
  vectors: number,
  line: number,
  threads: number,
): string {
  return lines((count * vectors) / threads, (pass) => {
    const [row, column] = [`(f / ${vectors})`, `(f % ${vectors})`];
    const read =
      name === 'a'
        ? `a_four(at_a + min(row0 + ${row}, p.m - 1) * p.k + k0 + 4 * ${column}, end - k0 - 4 * ${column})`
        : `b_four(at_b + (k0 + ${row}) * p.n + column0 + 4 * ${column}, select(0, 4, k0 + ${row} < end))`;
    return `    {
      let f = t + ${pass * threads};
      tile_${name}[${row} * ${line} + ${column}] = ${read};
    }`;
  });
}

/**
 * Copies a tile whose rows in memory are its columns, in blocks of 4 x 4 values, which a thread
 * transposes. `length` is the length of the tile across k.
 */
function loadBlocks(
  name: 'a' | 'b',
  length: number,
  steps: number,
  line: number,
  threads: number,
): string {
  const blocks = (length / 4) * steps;
  const transposed = list(4, (s) => `vec4f(${list(4, (r) => `v${r}.${xyzw[s]}`).join(', ')})`);
  return lines(Math.ceil(blocks / threads), (pass) => {
    // Along k, two neighbouring threads read 32 bytes of a row of b.
    const place =
      name === 'a'
        ? `let f = t + ${pass * threads}; let block = f % ${length / 4}; let q = f / ${length / 4};`
        : `let f = t + ${pass * threads}; let block = (f / 2) % ${length / 4}; let q = f % 2 + f / ${length / 2} * 2;`;
    const read = (i: number) =>
      name === 'a'
        ? `a_four(at_a + (k0 + 4 * q + ${i}) * p.m + row0 + 4 * block, select(0, 4, k0 + 4 * q + ${i} < end))`
        : `b_four(at_b + min(column0 + 4 * block + ${i}, p.n - 1) * p.k + k0 + 4 * q, end - k0 - 4 * q)`;
    const store = (s: number) =>
      name === 'a'
        ? `tile_a[(4 * block + ${s}) * ${line} + q] = ${transposed[s]};`
        : `tile_b[(4 * q + ${s}) * ${line} + block] = ${transposed[s]};`;
    const some = blocks < (pass + 1) * threads;
    return `    ${some ? `if (t < ${blocks - pass * threads}) ` : ''}{
      ${place}
${lines(4, (i) => `      let v${i} = ${read(i)};`)}
${lines(4, (s) => `      ${store(s)}`)}
    }`;
  });
}

/**
 * `sparse` computes four values of the product from `from` to `to` along k, without the terms where
 * a is 0. It recomputes only what isn't finite.
 */
function sparseText({ transposeA, transposeB }: TileFlags): string {
  const y = (lane: number) => {
    const column = `min(column + ${lane}, p.n - 1)`;
    return `b_one(at_b + ${transposeB ? `${column} * p.k + q` : `q * p.n + ${column}`})`;
  };
  return `fn sparse(row: i32, column: i32, at_a: i32, at_b: i32, begin: i32, end: i32) -> vec4f {
  var c = vec4f();
  for (var q = begin; q < end; q++) {
    let x = a_one(at_a + ${transposeA ? 'q * p.m + row' : 'row * p.k + q'});
    if (!is_zero(x)) { c += x * vec4f(${list(4, y).join(', ')}); }
  }
  return c;
}`;
}
