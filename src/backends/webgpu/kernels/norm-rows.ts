/** Rows divided by their standard deviation or root mean square, and the gradients. */
import type { DeviceBuffer } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { type Launch, spread } from '../launch.js';
import type { GpuBuffer } from '../memory.js';
import {
  type Addends,
  adding,
  GROUP,
  lanesOf,
  lines,
  main,
  perLane,
  type Unit,
  unitOf,
} from './common.js';
import { type EachUnit, overRows, rowLaunch } from './rows.js';

/** A normalisation of the rows of `x`. */
export interface Norm {
  /** Whether the mean is subtracted first. */
  readonly centred: boolean;
  readonly x: DeviceBuffer;
  /** [width], multiplied with each row; without it, nothing is. */
  readonly weight?: DeviceBuffer;
  /** [width], added to each row. */
  readonly bias?: DeviceBuffer;
  readonly epsilon: number;
  readonly rows: number;
  readonly width: number;
}

const isGiven = (entry: [string, DeviceBuffer | undefined]): entry is [string, DeviceBuffer] =>
  entry[1] !== undefined;
const total = (unit: Unit, value: string) => (unit === 'f32' ? value : `dot(${value}, vec4f(1.0))`);
const readX = 'let x = x[p.x_at + start + j];';

/**
 * The power of two by which a row is multiplied before its values are squared: 1, or 2 to 4 divided
 * by its largest absolute value where squares might overflow.
 */
const inverseText = `fn inverse_of(most: f32) -> f32 {
  let bits = bits_of(most);
  if (bits <= 0x53800000 || bits >= 0x7f800000) { return 1.0; } // up to 2^40, and without a number
  return float_of((255 - (bits >> 23u)) << 23u);
}
`;

/** Measures the row: a value x is normalised as `(x * inverse - mean) * factor`. */
function measures(unit: Unit, centred: boolean, eachUnit: EachUnit): string {
  const sum = centred
    ? `  var sum = 0.0;
${eachUnit(`${readX} sum += ${total(unit, 'x * inverse')};`)}
  let mean = sum_of(sum, t) / p.length;
`
    : '  let mean = 0.0;\n';
  return `  var most = 0.0;
${eachUnit(`${readX} ${perLane(unit, (lane) => `most = larger(most, abs(x${lane}));`)}`)}
  most = most_of(most, t);
  let inverse = inverse_of(most);
${sum}  var squares = 0.0;
${eachUnit(`${readX} let d = x * inverse - mean; squares += ${total(unit, 'd * d')};`)}
  let variance = sum_of(squares, t) / p.length;
  var factor = 1.0 / sqrt(variance + p.epsilon * inverse * inverse);
  if (!is_finite(most)) { factor = ${centred ? 'not_a_number()' : 'select(0.0, not_a_number(), is_nan(most))'}; }
`;
}

const normalised = '((x * inverse - mean) * factor)';

export function normalise(device: WebGPUDevice, norm: Norm): GpuBuffer[] {
  const { centred, x, weight, bias, epsilon, rows, width } = norm;
  const unit = unitOf(width);
  const vectors = Object.entries({ weight, bias }).filter(isGiven);
  const names = vectors.map(([name]) => name);
  const scaled = weight ? `${normalised} * weight[p.weight_at + j]` : normalised;
  return overRows(device, {
    key: `norm ${centred} ${names}`,
    unit,
    bindings: ['x', ...names].map((name) => `${name}: ${unit}`),
    outputs: [`out: ${unit}`],
    functions: inverseText,
    body: (eachUnit) => `${measures(unit, centred, eachUnit)}  if (!inside) { return; }
${eachUnit(`${readX} out[p.out_at + start + j] = ${scaled}${bias ? ' + bias[p.bias_at + j]' : ''};`)}`,
    inputs: [x, ...vectors.map(([, buffer]) => buffer)],
    results: [{ dtype: 'float32', size: x.size }],
    rows,
    width,
    floats: { epsilon },
  });
}

/**
 * The gradients of `normalise` with respect to x and, if there is a weight, to the weight and,
 * where rows are centred, to a bias. `g` is the gradient of the result.
 */
export function normaliseGradient(device: WebGPUDevice, norm: Norm, g: DeviceBuffer): GpuBuffer[] {
  const { centred, x, weight, epsilon, rows, width } = norm;
  const unit = unitOf(width);
  const read = `${readX} let y = ${normalised}; let d = g[p.g_at + start + j]${weight ? ' * weight[p.weight_at + j]' : ''};`;
  const launch = ([addend]: Addends) => {
    const optional = Object.entries({ weight, addend }).filter(isGiven);
    return rowLaunch({
      key: `normGradient ${centred} ${optional.map(([name]) => name)}`,
      unit,
      bindings: ['x', 'g', ...optional.map(([name]) => name)].map((name) => `${name}: ${unit}`),
      outputs: [`out: ${unit}`, ...(weight ? ['stats: vec4f'] : [])],
      functions: inverseText,
      body: (eachUnit) => `${measures(unit, centred, eachUnit)}  var sum_d = 0.0;
  var sum_dy = 0.0;
${eachUnit(`${read} sum_d += ${total(unit, 'd')}; sum_dy += ${total(unit, 'd * y')};`)}
  var mean_d = ${centred ? 'sum_of(sum_d, t) / p.length' : '0.0'};
  let mean_dy = sum_of(sum_dy, t) / p.length;
  if (!inside) { return; }
${
  // All gradients of a row depend on each value: one that isn't finite makes all of them NaN.
  centred ? '  if (!is_finite(mean_d) || !is_finite(mean_dy)) { mean_d = not_a_number(); }\n' : ''
}${eachUnit(`${read} out[p.out_at + start + j] = (d - mean_d - y * mean_dy) * factor * inverse${addend ? ' + addend[p.addend_at + start + j]' : ''};`)}
${weight ? '  if (lane == 0) { stats[p.stats_at + row] = vec4f(inverse, mean, factor, 0.0); }' : ''}`,
      inputs: [x, g, ...optional.map(([, buffer]) => buffer)],
      results: [
        { dtype: 'float32', size: x.size },
        ...(weight ? [{ dtype: 'float32' as const, size: 4 * rows }] : []),
      ],
      rows,
      width,
      floats: { epsilon },
    });
  };
  const [ofX, stats] = device.run(adding(1, launch));
  if (!weight) return [ofX];
  try {
    return [ofX, ...device.using([stats], () => sumRows(device, norm, g, stats))];
  } catch (error) {
    device.free(ofX);
    throw error;
  }
}

/** What `sumRows` adds up: y are the rows of `x`, normalised by `stats`. */
interface Rows {
  readonly x: DeviceBuffer;
  readonly g: DeviceBuffer;
  readonly stats: DeviceBuffer;
  readonly rows: number;
}

/** What a launch of `sumRows` has computed. */
interface Sums {
  readonly sources: readonly Rows[];
  readonly width: number;
  readonly centred: boolean;
  readonly addends: Addends;
}

/** Sums g y and, where rows are centred, g over the rows. */
function sumRows(
  device: WebGPUDevice,
  { centred, x, rows, width }: Norm,
  g: DeviceBuffer,
  stats: GpuBuffer,
): GpuBuffer[] {
  const most = device.limits.maxStorageBuffersPerShaderStage;
  return device.run(rowSums([{ x, g, stats, rows }], width, centred, most));
}

/** The sums of several sources are added up one by one, and then added in order. */
function rowSums(
  sources: readonly Rows[],
  width: number,
  centred: boolean,
  mostBindings: number,
): Launch {
  const unit = unitOf(width);
  const columns = 8 / lanesOf(unit); // 32 bytes of each row, the least that a GPU reads
  const lanes = GROUP / columns;
  const bias = (text: string) => (centred ? text : '');
  const sourceNames = sources.flatMap((_, i) => [
    `x${i}: ${unit}`,
    `g${i}: ${unit}`,
    `stats${i}: vec4f`,
  ]);
  const launch = (addends: Addends): Launch => {
    const [to_weight, to_bias] = addends;
    const given = Object.entries({ to_weight, to_bias }).filter(isGiven);
    const names = given.map(([name]) => name);
    const plus = (name: string) =>
      names.includes(name) ? ` + ${name}[p.${name}_at + column]` : '';
    return {
      key: `sumRows ${sources.length} ${centred} ${unit} ${names}`,
      make: () => ({
        inputs: [...sourceNames, ...names.map((name) => `${name}: ${unit}`)],
        outputs: [`weight: ${unit}`, ...(centred ? [`bias: ${unit}`] : [])],
        ints: ['width', ...sources.map((_, i) => `rows${i}`)],
        text: `var<workgroup> products: array<${unit}, ${GROUP}>;
${bias(`var<workgroup> sums: array<${unit}, ${GROUP}>;`)}
${main(
  GROUP,
  `  let column = group * ${columns} + t % ${columns};
  var all_products: ${unit};
  var all_sums: ${unit};
${lines(
  sources.length,
  (i) => `  {
    var product = ${unit}();
    var sum = ${unit}();
    for (var row = t / ${columns}; row < p.rows${i}; row += ${lanes}) {
      let s = stats${i}[p.stats${i}_at + row];
      let d = g${i}[p.g${i}_at + row * p.width + column];
      product += d * ((x${i}[p.x${i}_at + row * p.width + column] * s.x - s.y) * s.z);
      sum += d;
    }
    products[t] = product;
    ${bias('sums[t] = sum;')}
    workgroupBarrier();
    for (var half = ${GROUP / 2}; half >= ${columns}; half /= 2) {
      if (t < half) {
        products[t] += products[t + half];
        ${bias('sums[t] += sums[t + half];')}
      }
      workgroupBarrier();
    }
    all_products ${i === 0 ? '' : '+'}= products[t];
    ${bias(`all_sums ${i === 0 ? '' : '+'}= sums[t];`)}
    workgroupBarrier();
  }`,
)}
  if (t >= ${columns} || column >= p.width) { return; }
  weight[p.weight_at + column] = all_products${plus('to_weight')};
  ${bias(`bias[p.bias_at + column] = all_sums${plus('to_bias')};`)}`,
)}`,
      }),
      inputs: [
        ...sources.flatMap(({ x, g, stats }) => [x, g, stats]),
        ...given.map(([, buffer]) => buffer),
      ],
      results: (centred ? [width, width] : [width]).map((size) => ({ dtype: 'float32', size })),
      ints: [width / lanesOf(unit), ...sources.map(({ rows }) => rows)],
      groups: spread(Math.ceil(width / lanesOf(unit) / columns)),
      absorbable: { sources, width, centred, addends },
      absorb({ absorbable }, outputs) {
        const earlier = absorbable as Sums;
        const joint = [...(earlier.sources ?? []), ...sources];
        const isAddend = outputs.every(
          ({ memory }, i) => (addends[i] as GpuBuffer | undefined)?.memory === memory,
        );
        const fits = earlier.width === width && earlier.centred === centred;
        const bindings = 3 * joint.length + outputs.length;
        const isPlain = earlier.addends?.every((addend) => !addend);
        if (!isAddend || !fits || !isPlain || bindings > mostBindings) return undefined;
        return rowSums(joint, width, centred, mostBindings);
      },
    };
  };
  return adding(2, launch);
}
