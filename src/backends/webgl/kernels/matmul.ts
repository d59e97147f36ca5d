/**
 * The text of matrix products. One thread computes a tile of `rows` x 4 values: for four steps of
 * the inner axis it reads `rows` + 4 texels for 16 `rows` products. Each row of a tile goes to an
 * output of its own, and a second kernel lays the tiles out as the matrix.
 */
import type { MatmulSpec } from '../../backend.js';
import { sizeOf } from '../../layout.js';
import { inputNames } from '../text.js';
import { xyzw } from './by-unit.js';
import { indexFunction, store } from './views.js';

/**
 * The rows of a tile: 4, the number of outputs, or 1 where the second kernel costs more than it
 * saves.
 */
export function tileRows({ m, k }: MatmulSpec): 1 | 4 {
  return m >= 4 && k >= 8 ? 4 : 1;
}

/** The number of tiles of the whole product; each is one texel of each output. */
export function tilesOf({ m, n, batch }: MatmulSpec, rows: number): number {
  return sizeOf(batch) * Math.ceil(m / rows) * Math.ceil(n / 4);
}

export function tilesText(spec: MatmulSpec, rows: number): string {
  const { m, n, k, transposeA, transposeB, skipZeros, batch, batchStridesA, batchStridesB } = spec;
  const across = Math.ceil(n / 4);
  const down = Math.ceil(m / rows);
  const a = operand('a', transposeA, m, k, batchStridesA, !transposeA || rows === 4);
  const b = operand('b', !transposeB, n, k, batchStridesB, true);

  /** Returns the statements for `steps` (1 to 4) steps of the inner axis, starting at `p`. */
  const step = (steps: number) => {
    // A texel of an operand holds four steps of one row, or four rows at one step.
    const lines = [...a.texels(transposeA ? steps : rows), ...b.texels(transposeB ? 4 : steps)];
    for (let row = 0; row < rows; row++) {
      if (transposeB && !transposeA && steps === 4) {
        const dots = [0, 1, 2, 3].map((column) => `dot(a${row}, b${column})`);
        lines.push(`c${row} += vec4f(${dots});`);
        continue;
      }
      const products = [...Array(steps).keys()].map((q) => {
        const left = transposeA ? `a${q}.${xyzw[row]}` : `a${row}.${xyzw[q]}`;
        const columns = [0, 1, 2, 3].map((column) => `b${column}.${xyzw[q]}`);
        return `${left} * ${transposeB ? `vec4f(${columns})` : `b${q}`}`;
      });
      lines.push(`c${row} += ${products.join(' + ')};`);
    }
    return lines.map((line) => `    ${line}`).join('\n');
  };
  const even = k - (k % 4);
  const tail = k % 4 === 0 ? '' : `  {\n    let p: i32 = ${even};\n${step(k % 4)}\n  }\n`;
  const tile = [...Array(rows).keys()];
  const recomputed = tile.map(
    (row) => `c${row} = sparse(at_a + ${row * (transposeA ? 1 : k)}, at_b);`,
  );
  const overflow = tile.map((row) => `are_finite(c${row})`).join(' && ');
  const skip = skipZeros ? `  if (!(${overflow})) { ${recomputed.join(' ')} }\n` : '';
  return `${skipZeros ? sparseText(spec) : ''}${indexFunction('batchA', batch, batchStridesA)}${indexFunction('batchB', batch, batchStridesB)}
fn compute(t: i32) -> vec4f {
  let line: i32 = t / ${across};
  let j: i32 = (t - line * ${across}) * 4;
  let matrix: i32 = line / ${down};
  let i: i32 = (line - matrix * ${down}) * ${rows};
  let at_a: i32 = batchA(matrix) + i${transposeA ? '' : ` * ${k}`};
  let at_b: i32 = batchB(matrix) + j${transposeB ? ` * ${k}` : ''};
${a.start}${b.start}${tile.map((row) => `  var c${row}: vec4f = vec4f(0.0, 0.0, 0.0, 0.0);`).join('\n')}
  for (var p: i32 = 0; p < ${even}; p += 4) {
${step(4)}
${a.next}${b.next}  }
${tail}${skip}${tile
  .slice(1)
  .map((row) => `  more${row} = c${row};\n`)
  .join('')}  return c0;
}`;
}

/**
 * `sparse` computes four values of the product without the terms where a is 0. It recomputes only
 * values that aren't finite.
 */
function sparseText({ m, n, k, transposeA, transposeB }: MatmulSpec): string {
  const columns = [0, 1, 2, 3].map((column) => `b_value(at_b + p + ${column * k})`);
  return `fn are_finite(v: vec4f) -> bool { return is_finite(v.x) && is_finite(v.y) && is_finite(v.z) && is_finite(v.w); }
fn sparse(at_a: i32, at_b: i32) -> vec4f {
  var c: vec4f = vec4f(0.0, 0.0, 0.0, 0.0);
  for (var p: i32 = 0; p < ${k}; p++) {
    let x: f32 = a_value(at_a + p${transposeA ? ` * ${m}` : ''});
    if (!is_zero(x)) { c += x * ${transposeB ? `vec4f(${columns})` : `b_four(at_b + p * ${n})`}; }
  }
  return c;
}
`;
}

/**
 * Returns the statements with which a tile reads an operand. Its inner axis (of length `k`) is
 * stored last, or first where it is `flipped`; the other axis then has length `length`. If all rows
 * start at a texel and `even` is true, a cursor advances; otherwise elements are addressed by
 * index.
 */
function operand(
  name: 'a' | 'b',
  flipped: boolean,
  length: number,
  k: number,
  batchStrides: readonly number[],
  even: boolean,
) {
  const row = flipped ? length : k;
  const aligned = even && row % 4 === 0 && batchStrides.every((stride) => stride % 4 === 0);
  const from = `${name}_from`;
  const read = (i: number) => {
    if (aligned) return `${name}_read(${from} + ${name}_cursor(${(i * row) / 4}))`;
    return `${name}_four(at_${name} + ${flipped ? `(p + ${i}) * ${row}` : `${i * row} + p`})`;
  };
  return {
    start: aligned ? `  var ${from}: cursor = ${name}_cursor(at_${name} >> 2u);\n` : '',
    next: aligned ? `    ${from} += ${name}_cursor(${flipped ? row : 1});\n` : '',
    texels: (count: number) =>
      [...Array(count).keys()].map((i) => `let ${name}${i}: vec4f = ${read(i)};`),
  };
}

/**
 * Lays the tiles out as a matrix, [batch, m, n]. If `relu` is defined, the input after the tiles is
 * a bias, which is added to each row; if it is true, negative values become 0.
 */
export function layOutText(
  { m, n }: Pick<MatmulSpec, 'm' | 'n'>,
  rows: number,
  relu?: boolean,
): string {
  const across = Math.ceil(n / 4);
  const down = Math.ceil(m / rows);
  const names = inputNames.slice(0, rows);
  const bias = inputNames[rows];
  const biased = relu !== undefined;
  const pick = names
    .map((name, row) =>
      row === rows - 1 ? `return ${name}_at(s);` : `if (q == ${row}) { return ${name}_at(s); }`,
    )
    .join(' ');
  const head = `fn row_of(line: i32, column: i32) -> vec4f {
  let matrix: i32 = line / ${m};
  let i: i32 = line - matrix * ${m};
  let q: i32 = i % ${rows};
  let s: i32 = (matrix * ${down} + i / ${rows}) * ${across} + column;
  ${pick}
}
`;
  if (n % 4 === 0) {
    const sum = biased ? `v + ${bias}_at(column)` : 'v';
    const lanes = xyzw.map((lane) => `rectified(s.${lane})`);
    return `${head}fn compute(t: i32) -> vec4f {
  let line: i32 = t / ${across};
  let column: i32 = t - line * ${across};
  let v: vec4f = row_of(line, column);
  let s: vec4f = ${sum};
  return ${relu ? `vec4f(${lanes})` : 's'};
}`;
  }
  const sum = biased ? `v + ${bias}_value(j)` : 'v';
  return `${head}fn element(e: i32) -> f32 {
  let line: i32 = e / ${n};
  let j: i32 = e - line * ${n};
  let v: f32 = lane_of(row_of(line, j >> 2u), j & 3);
  return ${relu ? `rectified(${sum})` : sum};
}
fn compute(t: i32) -> vec4f {
${store('float32', (lane) => `element(t * 4 + ${lane})`)}
}`;
}
