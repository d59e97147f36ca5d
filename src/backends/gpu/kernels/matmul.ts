/**
 * The text of matrix products. One thread computes a tile of `rows` x 4 values: for four steps of
 * the inner axis it reads `rows` + 4 texels for 16 `rows` products. A tile's rows go to outputs of
 * their own, and a second kernel lays them out as the matrix.
 */
import type { MatmulSpec } from '../../backend.js';
import { sizeOf } from '../../layout.js';
import { indexFunction } from './views.js';

const xyzw = ['x', 'y', 'z', 'w'];

/** Rows of a tile: as many as there are outputs to write at once, unless the second kernel costs more than it saves. */
export function tileRows({ m, k }: MatmulSpec): 1 | 4 {
  return m >= 4 && k >= 8 ? 4 : 1;
}

/** Tiles of the whole product, each one texel of each output. */
export function tilesOf({ m, n, batch }: MatmulSpec, rows: number): number {
  return sizeOf(batch) * Math.ceil(m / rows) * Math.ceil(n / 4);
}

export function tilesText(spec: MatmulSpec, rows: number): string {
  const { m, n, k, transposeA, transposeB, batch, batchStridesA, batchStridesB } = spec;
  const across = Math.ceil(n / 4);
  const down = Math.ceil(m / rows);
  const evenBatch = (strides: readonly number[]) => strides.every((stride) => stride % 4 === 0);
  const evenA = (transposeA ? m : k) % 4 === 0 && evenBatch(batchStridesA);
  const evenB = (transposeB ? k : n) % 4 === 0 && evenBatch(batchStridesB);
  const readA = (at: string) =>
    evenA && (!transposeA || rows === 4) ? `a_at((${at}) >> 2u)` : `a_four(${at})`;
  const readB = (at: string) => (evenB ? `b_at((${at}) >> 2u)` : `b_four(${at})`);

  /** The statements for `steps` (1 to 4) steps of the inner axis from `p` on. */
  const step = (steps: number) => {
    const lines: string[] = [];
    // A texel of a: four steps of one row, or four rows at one step.
    for (let i = 0; i < (transposeA ? steps : rows); i++) {
      const at = transposeA ? `atA + (p + ${i}) * ${m}` : `atA + ${i * k} + p`;
      lines.push(`let a${i}: vec4f = ${readA(at)};`);
    }
    for (let i = 0; i < (transposeB ? 4 : steps); i++) {
      const at = transposeB ? `atB + ${i * k} + p` : `atB + (p + ${i}) * ${n}`;
      lines.push(`let b${i}: vec4f = ${readB(at)};`);
    }
    const whole = [...Array(steps).keys()];
    for (let row = 0; row < rows; row++) {
      const a = (q: number) => (transposeA ? `a${q}.${xyzw[row]}` : `a${row}.${xyzw[q]}`);
      if (transposeB && !transposeA && steps === 4) {
        const dots = [0, 1, 2, 3].map((column) => `dot(a${row}, b${column})`);
        lines.push(`c${row} += vec4f(${dots});`);
        continue;
      }
      const b = (q: number) =>
        transposeB ? `vec4f(${[0, 1, 2, 3].map((i) => `b${i}.${xyzw[q]}`)})` : `b${q}`;
      lines.push(`c${row} += ${whole.map((q) => `${a(q)} * ${b(q)}`).join(' + ')};`);
    }
    return lines.map((line) => `    ${line}`).join('\n');
  };
  const aligned = k - (k % 4);
  const tail = k % 4 === 0 ? '' : `  {\n    let p: i32 = ${aligned};\n${step(k % 4)}\n  }\n`;
  const tile = [...Array(rows).keys()];
  return `${indexFunction('batchA', batch, batchStridesA)}${indexFunction('batchB', batch, batchStridesB)}
fn compute(t: i32) -> vec4f {
  let line: i32 = t / ${across};
  let j: i32 = (t - line * ${across}) * 4;
  let matrix: i32 = line / ${down};
  let i: i32 = (line - matrix * ${down}) * ${rows};
  let atA: i32 = batchA(matrix) + i${transposeA ? '' : ` * ${k}`};
  let atB: i32 = batchB(matrix) + j${transposeB ? ` * ${k}` : ''};
${tile.map((row) => `  var c${row}: vec4f = vec4f(0.0, 0.0, 0.0, 0.0);`).join('\n')}
  for (var p: i32 = 0; p < ${aligned}; p += 4) {
${step(4)}
  }
${tail}${tile
  .slice(1)
  .map((row) => `  more${row} = c${row};\n`)
  .join('')}  return c0;
}`;
}

/** Lays the tiles out as a matrix: [batch, m, n]. */
export function layOutText({ m, n }: MatmulSpec, rows: number): string {
  const across = Math.ceil(n / 4);
  const down = Math.ceil(m / rows);
  const names = ['a', 'b', 'c', 'd'].slice(0, rows);
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
    return `${head}fn compute(t: i32) -> vec4f {
  let line: i32 = t / ${across};
  return row_of(line, t - line * ${across});
}`;
  }
  const elements = [0, 1, 2, 3].map((lane) => `element(t * 4 + ${lane})`);
  return `${head}fn element(e: i32) -> f32 {
  let line: i32 = e / ${n};
  let j: i32 = e - line * ${n};
  return lane_of(row_of(line, j >> 2u), j & 3);
}
fn compute(t: i32) -> vec4f { return vec4f(${elements}); }`;
}
