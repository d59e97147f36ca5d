/** Normalisation of rows, `centred` (layer norm) or by their root mean square, and its gradients. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';
import { inputNames } from '../text.js';
import { byUnit, eachOfRow, unitOf } from './by-unit.js';

/**
 * Measures each row of x, `a`, with epsilon as number0: an eighth of the value that is subtracted, 0
 * or the mean, and 8 / sqrt(mean of squares + epsilon) of the differences. In eighths, differences of
 * the largest floats are finite, and the factor is never denormal. For the gradient also the means
 * of g w and of g w y, where y is the normalised row, g is `b`, and the weight w is `c`, or 1.
 */
function measuresText(
  width: number,
  { centred, isGradient, isWeighted }: Record<'centred' | 'isGradient' | 'isWeighted', boolean>,
): string {
  const each = (body: (x: string) => string) => eachOfRow(width, { a: 'start' }, ([x]) => body(x));
  const mean = `${each((x) => `mean += ${x} * inverse;`)}  mean = mean / ${width}.0;\n`;
  const starts = { a: 'start', b: 'start', ...(isWeighted && { c: '0' }) };
  const means = eachOfRow(width, starts, ([x, ...factors]) => {
    const sum = centred ? 's.z += g; ' : '';
    return `{ let g: f32 = ${factors.join(' * ')}; ${sum}s.w += g * (${normalized(x)}); }`;
  });
  // All gradients of a row depend on each value: one that isn't finite makes all of them NaN.
  const broken = '  if (!is_finite(s.z) || !is_finite(s.w)) { s.z = not_a_number(); }\n';
  const gradient = `${means}  s = vec4f(s.x, s.y, s.z / ${width}.0, s.w / ${width}.0);
${centred ? broken : ''}`;
  return `fn squares_of(start: i32, inverse: f32) -> vec4f {
  var mean: f32 = 0.0;
${centred ? mean : ''}  var squares: f32 = 0.0;
${each((x) => `squares += (${x} * inverse - mean) * (${x} * inverse - mean);`)}  return vec4f(mean, squares / ${width}.0, 0.0, 0.0);
}
fn measures(start: i32) -> vec4f {
  let v: vec4f = squares_of(start, 1.0);
  if (is_finite(v.y)) { return vec4f(v.x * 0.125, 8.0 / sqrt(v.y + number0), 0.0, 0.0); }
  var most: f32 = 0.0;
${each((x) => `most = larger(most, abs(${x}));`)}  if (!is_finite(most)) { return vec4f(0.0, ${centred ? 'not_a_number()' : 'select(0.0, not_a_number(), is_nan(most))'}, 0.0, 0.0); }
  // The squares overflow: divide the row by half the largest power of two below its largest value.
  let exponent: i32 = bits_of(most) >> 23u;
  let inverse: f32 = float_of((255 - exponent) << 23u);
  let u: vec4f = squares_of(start, inverse);
  let unit: f32 = float_of((exponent - 4) << 23u); // an eighth of the divisor
  return vec4f(u.x * unit, 8.0 * inverse / sqrt(u.y + number0 * inverse * inverse), 0.0, 0.0);
}
fn compute(t: i32) -> vec4f {
  let start: i32 = t * ${width};
  var s: vec4f = measures(start);
${isGradient ? gradient : ''}  return s;
}`;
}

/** The normalised value of x in a row with the measures `s`. */
const normalized = (x: string) => `(${x} * 0.125 - s.x) * s.y`;

/** x is `a`, its measures `b`, weight and bias, if there are any, `c` and `d`. */
function forwardText(width: number, inputs: number): string {
  const { read } = unitOf(width);
  return byUnit(width, [
    `  let s: vec4f = b_at(row);
  return ${normalized(read('a', 'e'))}${inputs > 2 ? ` * ${read('c', 'column')}` : ''}${inputs > 3 ? ` + ${read('d', 'column')}` : ''};`,
  ]);
}

/**
 * The gradient of x and, if there is a weight, g y: x is `a`, g is `b`, the measures are `c`, the
 * weight is `d`.
 */
function gradientText(width: number, isWeighted: boolean): string {
  const { type, read } = unitOf(width);
  const y = `  let s: vec4f = c_at(row);
  let y: ${type} = ${normalized(read('a', 'e'))};
`;
  const g = read('b', 'e');
  return byUnit(width, [
    `${y}  return (${g}${isWeighted ? ` * ${read('d', 'column')}` : ''} - s.z - y * s.w) * s.y * 0.125;`,
    ...(isWeighted ? [`${y}  return ${g} * y;`] : []),
  ]);
}

/** The sums of each `length` rows of each of the inputs `names`, which have `rows` rows. */
function sumsText(width: number, rows: number, length: number, names: readonly string[]): string {
  const { type, zero, across, read } = unitOf(width);
  const sums = names.map(
    (name) => `  let first: i32 = row * ${length};
  let end: i32 = select(${rows}, first + ${length}, first + ${length} < ${rows});
  var sum: ${type} = ${zero};
  for (var i: i32 = first; i < end; i++) { sum += ${read(name, `i * ${across} + column`)}; }
  return sum;`,
  );
  return byUnit(width, sums);
}

type Numbers = Parameters<Kernels['layerNorm']>[1];
type Norms =
  | 'layerNorm'
  | 'layerNormGradient'
  | 'normalize'
  | 'normalizeGradient'
  | 'rmsNorm'
  | 'rmsNormGradient';

export function normRowsKernels(runner: Runner): Pick<Kernels, Norms> {
  /** Calls `use` with the measures of each row of the first input. */
  const withMeasures = (
    centred: boolean,
    inputs: readonly DeviceBuffer[],
    [epsilon, rows, width]: Numbers,
    use: (measures: DeviceBuffer) => DeviceBuffer[],
  ): DeviceBuffer[] => {
    const kind = { centred, isGradient: inputs.length > 1, isWeighted: inputs.length > 2 };
    const key = `measures ${Object.values(kind)} ${width}`;
    const make = () => measuresText(width, kind);
    const measures = runner.run(key, make, inputs, 'float32', 4 * rows, [epsilon]);
    return runner.using([measures], () => use(measures));
  };
  const normalize = (
    centred: boolean,
    x: DeviceBuffer,
    factors: readonly DeviceBuffer[],
    numbers: Numbers,
  ): DeviceBuffer[] => {
    const [, , width] = numbers;
    if (x.size === 0) return [runner.fill(0, 0, 'float32')];
    return withMeasures(centred, [x], numbers, (measures) => {
      const inputs = [x, measures, ...factors];
      const make = () => forwardText(width, inputs.length);
      return [runner.run(`normalize ${inputs.length} ${width}`, make, inputs, 'float32', x.size)];
    });
  };
  /** The sums of all rows of each buffer: of parts of the rows first, for more threads. */
  const sums = (buffers: readonly DeviceBuffer[], rows: number, width: number): DeviceBuffer[] => {
    const length = rows < 64 ? rows : Math.ceil(Math.sqrt(rows));
    const parts = Math.ceil(rows / length);
    const outputs = buffers.length;
    const key = `sums ${outputs} ${rows} ${width} ${length}`;
    const make = () => sumsText(width, rows, length, inputNames.slice(0, outputs));
    const some = runner.runAll(key, make, buffers, 'float32', parts * width, { outputs });
    return parts === 1 ? some : runner.using(some, () => sums(some, parts, width));
  };
  /** The gradients of x, of the weight, if there is one, and then, if rows are centred, of the bias. */
  const gradient = (
    centred: boolean,
    x: DeviceBuffer,
    g: DeviceBuffer,
    weights: readonly DeviceBuffer[],
    numbers: Numbers,
  ): DeviceBuffer[] => {
    const [, rows, width] = numbers;
    const isWeighted = weights.length > 0;
    if (x.size === 0) {
      const sizes = [0, ...(isWeighted ? [width] : []), ...(isWeighted && centred ? [width] : [])];
      return sizes.map((size) => runner.fill(0, size, 'float32'));
    }
    const [ofX, ...products] = withMeasures(centred, [x, g, ...weights], numbers, (measures) =>
      runner.runAll(
        `normalizeGradient ${isWeighted} ${width}`,
        () => gradientText(width, isWeighted),
        [x, g, measures, ...weights],
        'float32',
        x.size,
        { outputs: isWeighted ? 2 : 1 },
      ),
    );
    if (!isWeighted) return [ofX];
    try {
      const summed = centred ? [...products, g] : products;
      return [ofX, ...runner.using(products, () => sums(summed, rows, width))];
    } catch (error) {
      runner.free(ofX);
      throw error;
    }
  };
  return {
    layerNorm: ([x, weight, bias], numbers) => normalize(true, x, [weight, bias], numbers),
    layerNormGradient: ([x, weight, g], numbers) => gradient(true, x, g, [weight], numbers),
    normalize: ([x], numbers) => normalize(true, x, [], numbers),
    normalizeGradient: ([x, g], numbers) => gradient(true, x, g, [], numbers),
    rmsNorm: ([x, weight], numbers) => normalize(false, x, [weight], numbers),
    rmsNormGradient: ([x, weight, g], numbers) => gradient(false, x, g, [weight], numbers),
  };
}
