/** The text of root mean square normalisation of rows, and of its gradients. */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';

const lanes = ['x', 'y', 'z', 'w'];
const zero = 'vec4f(0.0, 0.0, 0.0, 0.0)';
/** The sum of the lanes of `four`. */
const total = (four: string) => `${four}.x + ${four}.y + ${four}.z + ${four}.w`;

/**
 * Measures each row of `a`, with epsilon as number0, in one texel: a power of two by which its
 * values are multiplied first, so that their squares don't overflow (1 for most rows), and 1 /
 * sqrt(mean of squares + epsilon) of the multiplied values. For the gradient, with the weight as
 * `b` and the gradient g of the result as `c`, also mean(g weight y), where y is the normalised
 * row.
 */
function measuresText(width: number, isGradient: boolean): string {
  const whole = width - (width % 4);
  const loop = (four: string, one: string) =>
    `  for (var j: i32 = 0; j < ${whole}; j += 4) { ${four} }
  for (var j: i32 = ${whole}; j < ${width}; j++) { ${one} }
`;
  const squares = loop(
    'let v: vec4f = a_four(start + j) * scale; sums += v * v;',
    'let v: f32 = a_value(start + j) * scale; sum += v * v;',
  );
  const largest = loop(
    'let v: vec4f = abs(a_four(start + j)); most = larger(most, larger(larger(v.x, v.y), larger(v.z, v.w)));',
    'most = larger(most, abs(a_value(start + j)));',
  );
  const product = loop(
    'products += c_four(start + j) * b_four(j) * (a_four(start + j) * s.x * s.y);',
    'product += c_value(start + j) * b_value(j) * (a_value(start + j) * s.x * s.y);',
  );
  return `fn squares_of(start: i32, scale: f32) -> f32 {
  var sums: vec4f = ${zero};
  var sum: f32 = 0.0;
${squares}  return (sum + ${total('sums')}) / ${width}.0;
}
fn measures(start: i32) -> vec4f {
  let v: f32 = squares_of(start, 1.0);
  if (is_finite(v)) { return vec4f(1.0, 1.0 / sqrt(v + number0), 0.0, 0.0); }
  var most: f32 = 0.0;
${largest}  if (!is_finite(most)) { return vec4f(1.0, select(0.0, not_a_number(), is_nan(most)), 0.0, 0.0); }
  let exponent: i32 = bits_of(most) >> 23u;
  let scale: f32 = float_of((255 - exponent) << 23u);
  return vec4f(scale, 1.0 / sqrt(squares_of(start, scale) + number0 * scale * scale), 0.0, 0.0);
}
fn compute(t: i32) -> vec4f {
  let start: i32 = t * ${width};
  let s: vec4f = measures(start);
${
  isGradient
    ? `  var products: vec4f = ${zero};
  var product: f32 = 0.0;
${product}  return vec4f(s.x, s.y, (product + ${total('products')}) / ${width}.0, 0.0);`
    : '  return s;'
}
}`;
}

/**
 * Returns a kernel that computes one element at a time, by the statements `element` of its position
 * `e`, its row and its column `j`.
 */
function byElement(width: number, element: string): string {
  const calls = lanes.map((_, i) => `at(t * 4 + ${i})`);
  return `fn at(e: i32) -> f32 {
  let row: i32 = e / ${width};
  let j: i32 = e - row * ${width};
  ${element}
}
fn compute(t: i32) -> vec4f { return vec4f(${calls}); }`;
}

const forwardText = (width: number) =>
  byElement(width, 'let s: vec4f = c_at(row);\n  return a_value(e) * s.x * s.y * b_value(j);');

const gradientText = (width: number) =>
  byElement(
    width,
    `let s: vec4f = d_at(row);
  let y: f32 = a_value(e) * s.x * s.y;
  return (c_value(e) * b_value(j) - y * s.z) * s.y * s.x;`,
  );

/** The sum of g y over all rows, for each column: x is `a`, g is `b`, the measures are `c`. */
const weightText = (rows: number, width: number) => {
  const calls = lanes.map((_, i) => `sum_of(t * 4 + ${i})`);
  return `fn sum_of(j: i32) -> f32 {
  var sum: f32 = 0.0;
  for (var row: i32 = 0; row < ${rows}; row++) {
    let s: vec4f = c_at(row);
    sum += b_value(row * ${width} + j) * (a_value(row * ${width} + j) * s.x * s.y);
  }
  return sum;
}
fn compute(t: i32) -> vec4f { return vec4f(${calls}); }`;
};

export function rmsNormKernels(runner: Runner): Pick<Kernels, 'rmsNorm' | 'rmsNormGradient'> {
  /** Measures each row in one texel, and calls `use` with these texels. */
  const withMeasures = <T>(
    inputs: readonly DeviceBuffer[],
    [epsilon, rows, width]: readonly number[],
    use: (measures: DeviceBuffer) => T,
  ): T => {
    const isGradient = inputs.length > 1;
    const measures = runner.run(
      `rms ${isGradient} ${width}`,
      () => measuresText(width, isGradient),
      inputs,
      'float32',
      4 * rows,
      [epsilon],
    );
    return runner.using([measures], () => use(measures));
  };
  return {
    rmsNorm([x, weight], numbers) {
      const [, , width] = numbers;
      if (x.size === 0) return [runner.fill(0, 0, 'float32')];
      return withMeasures([x], numbers, (measures) => [
        runner.run(
          `rmsNorm ${width}`,
          () => forwardText(width),
          [x, weight, measures],
          'float32',
          x.size,
        ),
      ]);
    },
    rmsNormGradient([x, weight, g], numbers) {
      const [, rows, width] = numbers;
      if (x.size === 0) return [0, width].map((size) => runner.fill(0, size, 'float32'));
      return withMeasures([x, weight, g], numbers, (measures) => {
        const ofX = runner.run(
          `rmsNorm x ${width}`,
          () => gradientText(width),
          [x, weight, g, measures],
          'float32',
          x.size,
        );
        try {
          const ofWeight = runner.run(
            `rmsNorm weight ${rows} ${width}`,
            () => weightText(rows, width),
            [x, g, measures],
            'float32',
            width,
          );
          return [ofX, ofWeight];
        } catch (error) {
          runner.free(ofX);
          throw error;
        }
      });
    },
  };
}
