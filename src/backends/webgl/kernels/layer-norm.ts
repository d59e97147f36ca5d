/** Layer normalisation of rows, and its gradients. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';
import { momentRowsText, momentsText } from './fused.js';
import { store } from './views.js';

/** The type of what a thread computes at once, how it reads an input, and how many make a row. */
const unitsOf = (width: number) =>
  width % 4 === 0
    ? { unit: 'vec4f', read: 'at', across: width / 4 }
    : { unit: 'f32', read: 'value', across: width };

/**
 * A kernel with an output for each of `bodies`, statements that return unit `e` of it, in row `row`
 * and column `column` of rows of `width` values.
 */
function byUnit(width: number, bodies: readonly string[]): string {
  const { unit, across } = unitsOf(width);
  const functions = bodies.map(
    (body, i) => `fn output${i}(e: i32) -> ${unit} {
  let row: i32 = e / ${across};
  let column: i32 = e - row * ${across};
${body}
}
`,
  );
  const texel = (i: number) =>
    unit === 'vec4f'
      ? `output${i}(t)`
      : store(
          'float32',
          [0, 1, 2, 3].map((lane) => `output${i}(t * 4 + ${lane})`),
        );
  const more = bodies.slice(1).map((_, i) => `  more${i + 1} = ${texel(i + 1)};\n`);
  return `${functions.join('')}fn compute(t: i32) -> vec4f {
${more.join('')}  return ${texel(0)};
}`;
}

/** The normalised value of x in a row with the moments `s`. */
const normalized = (x: string) => `(${x} * 0.125 - s.x) * s.y`;

/** x is `a`, its moments `b`, the weight `c` and the bias `d`. */
function forwardText(width: number): string {
  const { read } = unitsOf(width);
  return byUnit(width, [
    `  let s: vec4f = b_at(row);
  return ${normalized(`a_${read}(e)`)} * c_${read}(column) + d_${read}(column);`,
  ]);
}

/**
 * The moments of each row of x, and the means of g w and of g w y, where y is the normalised row: x
 * is `a`, the weight w `b` and g `c`.
 */
function meansText(width: number, epsilon: number): string {
  const whole = width - (width % 4);
  const zero = 'vec4f(0.0, 0.0, 0.0, 0.0)';
  return `${momentsText(width, epsilon)}fn compute(t: i32) -> vec4f {
  let start: i32 = t * ${width};
  let s: vec4f = moments(start);
  var fours: vec4f = ${zero};
  var foursY: vec4f = ${zero};
  for (var j: i32 = 0; j < ${whole}; j += 4) {
    let g: vec4f = c_four(start + j) * b_four(j);
    fours += g;
    foursY += g * (${normalized('a_four(start + j)')});
  }
  var sum: f32 = fours.x + fours.y + fours.z + fours.w;
  var sumY: f32 = foursY.x + foursY.y + foursY.z + foursY.w;
  for (var j: i32 = ${whole}; j < ${width}; j++) {
    let g: f32 = c_value(start + j) * b_value(j);
    sum += g;
    sumY += g * (${normalized('a_value(start + j)')});
  }
  // All gradients of a row depend on each value: one that isn't finite makes all of them NaN.
  if (!is_finite(sum) || !is_finite(sumY)) { sum = not_a_number(); }
  return vec4f(s.x, s.y, sum / ${width}.0, sumY / ${width}.0);
}`;
}

/** The gradient of x, and g y: x is `a`, the weight `b`, g `c` and the result of `meansText` `d`. */
function gradientText(width: number): string {
  const { unit, read } = unitsOf(width);
  const s = '  let s: vec4f = d_at(row);\n';
  const y = `${s}  let y: ${unit} = ${normalized(`a_${read}(e)`)};`;
  return byUnit(width, [
    `${y}
  return (c_${read}(e) * b_${read}(column) - s.z - y * s.w) * s.y * 0.125;`,
    `${y}
  return c_${read}(e) * y;`,
  ]);
}

/** The sums of each `length` rows of `a` and of `b`, which have `rows` rows. */
function sumsText(width: number, rows: number, length: number): string {
  const { unit, read, across } = unitsOf(width);
  const zero = unit === 'f32' ? '0.0' : 'vec4f(0.0, 0.0, 0.0, 0.0)';
  const sum = (name: string) => `  let first: i32 = row * ${length};
  let end: i32 = select(${rows}, first + ${length}, first + ${length} < ${rows});
  var sum: ${unit} = ${zero};
  for (var i: i32 = first; i < end; i++) { sum += ${name}_${read}(i * ${across} + column); }
  return sum;`;
  return byUnit(width, [sum('a'), sum('b')]);
}

export function layerNormKernels(runner: Runner): Pick<Kernels, 'layerNorm' | 'layerNormGradient'> {
  /** The sums of all rows of two buffers: of parts of the rows first, for more threads. */
  const sums = (two: readonly DeviceBuffer[], rows: number, width: number): DeviceBuffer[] => {
    const length = rows < 64 ? rows : Math.ceil(Math.sqrt(rows));
    const parts = Math.ceil(rows / length);
    const key = `sums ${rows} ${width} ${length}`;
    const make = () => sumsText(width, rows, length);
    const some = runner.runAll(key, make, two, 'float32', parts * width, { outputs: 2 });
    return parts === 1 ? some : runner.using(some, () => sums(some, parts, width));
  };
  return {
    layerNorm([x, weight, bias], [epsilon, rows, width]) {
      if (x.size === 0) return [runner.fill(0, 0, 'float32')];
      const make = () => momentRowsText(width, epsilon);
      const moments = runner.run(`momentRows ${epsilon} ${width}`, make, [x], 'float32', 4 * rows);
      const inputs = [x, moments, weight, bias];
      const text = () => forwardText(width);
      return runner.using([moments], () => [
        runner.run(`layerNorm ${width}`, text, inputs, 'float32', x.size),
      ]);
    },
    layerNormGradient([x, weight, g], [epsilon, rows, width]) {
      if (x.size === 0) return [0, width, width].map((size) => runner.fill(0, size, 'float32'));
      const inputs = [x, weight, g];
      const make = () => meansText(width, epsilon);
      const means = runner.run(
        `layerNorm means ${epsilon} ${width}`,
        make,
        inputs,
        'float32',
        4 * rows,
      );
      const [ofX, gy] = runner.using([means], () =>
        runner.runAll(
          `layerNormGradient ${width}`,
          () => gradientText(width),
          [...inputs, means],
          'float32',
          x.size,
          { outputs: 2 },
        ),
      );
      try {
        return [ofX, ...runner.using([gy], () => sums([gy, g], rows, width))];
      } catch (error) {
        runner.free(ofX);
        throw error;
      }
    },
  };
}
