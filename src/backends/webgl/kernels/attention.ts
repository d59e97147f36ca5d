/**
 * Attention and its gradients. The scores of a query take whole texels, `blocksOf` for each query of
 * each head, and so do matrices of their size.
 */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';
import { inputNames } from '../text.js';
import { viewText } from './assemble.js';
import { byUnit, unitOf, xyzw } from './by-unit.js';

type Numbers = Parameters<Kernels['attention']>[1];

/** The score of a key that a query may not attend to: the lowest float. */
const MASKED = '-3.4028234e38';

const blocksOf = (keys: number) => Math.ceil(keys / 4);

/**
 * `power_of`: e^(score - most). `weights_of`: the softmax, where `row` is the row's texel of
 * `rowsText`; 0 where the power is 0, also in a row with NaN and in one without any key.
 */
const weightsText = `fn power_of(score: f32, most: f32) -> f32 {
  return select(exponential(score - most), 0.0, bits_of(score) == bits_of(${MASKED}));
}
fn weight_of(score: f32, row: vec4f) -> f32 {
  let power: f32 = power_of(score, row.x);
  return select(power / row.y, 0.0, is_zero(power));
}
fn weights_of(scores: vec4f, row: vec4f) -> vec4f {
  return vec4f(${xyzw.map((lane) => `weight_of(scores.${lane}, row)`)});
}
`;

/** Statements that set the vector `result` to the products of row `i` of x and rows `j` to `j + 3` of y. */
function productsText(
  [, heads, queries, keys]: Numbers,
  result: string,
  [x, y]: readonly string[],
  width: number,
): string {
  const { type, across, walk } = unitOf(width);
  const [ofX, ofY] = [walk(x), walk(y)];
  const products = [0, 1, 2, 3].map((row) => {
    const factor = ofY.read(`fromY + ${ofY.at(row * heads * across)}`);
    return type === 'vec4f' ? `dot(x, ${factor})` : `x * ${factor}`;
  });
  return `  var ${result}: vec4f = vec4f(0.0, 0.0, 0.0, 0.0);
  {
    var fromX: ${ofX.type} = ${ofX.at(`((batch * ${queries} + i) * ${heads} + head) * ${across}`)};
    var fromY: ${ofY.type} = ${ofY.at(`((batch * ${keys} + j) * ${heads} + head) * ${across}`)};
    for (var c: i32 = 0; c < ${across}; c++) {
      let x: ${type} = ${ofX.read('fromX')};
      ${result} += vec4f(${products});
      fromX += ${ofX.at(1)};
      fromY += ${ofY.at(1)};
    }
  }
`;
}

/**
 * The scores number0 (q k^T + bias) and, for the gradient, g v^T. The inputs are q and k, for the
 * gradient g and v, then mask and bias, if there are any.
 */
function scoresText(numbers: Numbers, isBiased: boolean, isGradient: boolean): string {
  const [, heads, queries, keys, width, valueWidth, masks] = numbers;
  const blocks = blocksOf(keys);
  const optional = inputNames.slice(isGradient ? 4 : 2);
  const mask = masks > 0 && optional.shift();
  const bias = isBiased && optional.shift();
  const ofMask = `${masks > 1 ? `batch * ${queries * keys} + ` : ''}i * ${keys} + j`;
  const scores = xyzw.map((lane, column) => {
    const open = [
      ...(keys % 4 === 0 ? [] : [`j + ${column} < ${keys}`]),
      ...(mask ? [`seen.${lane} != 0`] : []),
    ];
    const score = `number0 * s.${lane}`;
    return open.length > 0 ? `select(${MASKED}, ${score}, ${open.join(' && ')})` : score;
  });
  const statements = [
    productsText(numbers, 's', ['a', 'b'], width),
    ...(isGradient ? [productsText(numbers, 'p', ['c', 'd'], valueWidth), '  more1 = p;\n'] : []),
    ...(mask ? [`  let seen: vec4i = ${mask}_ints(${ofMask});\n`] : []),
    ...(bias ? [`  s += ${bias}_four(line * ${keys} + j);\n`] : []),
  ];
  return `fn compute(t: i32) -> vec4f {
  let line: i32 = t / ${blocks};
  let j: i32 = (t - line * ${blocks}) * 4;
  let matrix: i32 = line / ${queries};
  let i: i32 = line - matrix * ${queries};
  let batch: i32 = matrix / ${heads};
  let head: i32 = matrix - batch * ${heads};
${statements.join('')}  return vec4f(${scores});
}`;
}

/**
 * For each row of the scores `a`: the largest, the sum of the powers, and for the gradient the mean
 * of g v^T, `b`, by the weights. A weight of 0 hides what it multiplies.
 */
function rowsText(keys: number, isGradient: boolean): string {
  const blocks = blocksOf(keys);
  const loop = (body: string) =>
    `  for (var i: i32 = 0; i < ${blocks}; i++) { let s: vec4f = a_at(t * ${blocks} + i); ${body} }\n`;
  const powers = xyzw.map((lane) => `power_of(s.${lane}, row.x)`).join(' + ');
  const terms = xyzw.map((lane) => `weighted(w.${lane}, p.${lane})`).join(' + ');
  const means = loop(
    `let p: vec4f = b_at(t * ${blocks} + i); let w: vec4f = weights_of(s, row); row.z += ${terms};`,
  );
  return `${weightsText}fn compute(t: i32) -> vec4f {
  var row: vec4f = vec4f(${MASKED}, 0.0, 0.0, 0.0);
${loop('row.x = larger(row.x, larger(larger(s.x, s.y), larger(s.z, s.w)));')}${loop(`row.y += ${powers};`)}${isGradient ? means : ''}  return row;
}`;
}

/** The gradients of the scores before they were scaled, and the weights: `a` are the scores, `b` is g v^T, `c` the result of `rowsText`. */
function slopesText(keys: number): string {
  const slopes = xyzw.map((lane) => `weighted(w.${lane}, p.${lane} - row.z)`);
  return `${weightsText}fn compute(t: i32) -> vec4f {
  let row: vec4f = c_at(t / ${blocksOf(keys)});
  let p: vec4f = b_at(t);
  let w: vec4f = weights_of(a_at(t), row);
  more1 = w;
  return number0 * vec4f(${slopes});
}`;
}

/** Statements that locate `row` of an output [batch, rows, heads width]. */
const locate = (heads: number, rows: number) => `  let line: i32 = row / ${heads};
  let head: i32 = row - line * ${heads};
  let batch: i32 = line / ${rows};
  let matrix: i32 = batch * ${heads} + head;
`;

/** `term`: a unit of `b` times a weight; a weight of 0 hides it. */
const termText = (width: number) => {
  const { type, zero } = unitOf(width);
  return `fn term(weight: f32, y: ${type}) -> ${type} { return select(weight * y, ${zero}, is_zero(weight)); }
`;
};

/**
 * The sum over keys of their row of `b` [batch, keys, heads width] times a weight, for each query.
 * `a` are the weights, or the scores if the softmax is computed on the way from `c`, the result of
 * `rowsText`.
 */
function byQueryText([, heads, queries, keys]: Numbers, width: number, isSoftmax: boolean): string {
  const { type, zero, across, walk } = unitOf(width);
  const blocks = blocksOf(keys);
  const y = walk('b');
  const terms = xyzw.map(
    (lane, key) => `term(w.${lane}, ${y.read(`fromY + ${y.at(key * heads * across)}`)})`,
  );
  const weights = 'a_read(fromW)';
  const body = `${locate(heads, queries)}  let own: i32 = matrix * ${queries} + line - batch * ${queries};
${isSoftmax ? '  let shared: vec4f = c_at(own);\n' : ''}  var fromW: cursor = a_cursor(own * ${blocks});
  var fromY: ${y.type} = ${y.at(`(batch * ${keys * heads} + head) * ${across} + column`)};
  var sum: ${type} = ${zero};
  for (var i: i32 = 0; i < ${blocks}; i++) {
    let w: vec4f = ${isSoftmax ? `weights_of(${weights}, shared)` : weights};
    sum += ${terms.join(' + ')};
    fromW += a_cursor(1);
    fromY += ${y.at(4 * heads * across)};
  }
  return sum;`;
  return `${isSoftmax ? weightsText : ''}${termText(width)}${byUnit(width, [body])}`;
}

/** The sum over queries of their row of `b` [batch, queries, heads width] times their weight in `a`, for each key. */
function byKeyText([, heads, queries, keys]: Numbers, width: number): string {
  const { type, zero, across, walk } = unitOf(width);
  const blocks = blocksOf(keys);
  const y = walk('b');
  const body = `${locate(heads, keys)}  let j: i32 = line - batch * ${keys};
  var fromW: cursor = a_cursor(matrix * ${queries * blocks} + (j >> 2u));
  var fromY: ${y.type} = ${y.at(`(batch * ${queries * heads} + head) * ${across} + column`)};
  var sum: ${type} = ${zero};
  for (var i: i32 = 0; i < ${queries}; i++) {
    sum += term(lane_of(a_read(fromW), j & 3), ${y.read('fromY')});
    fromW += a_cursor(${blocks});
    fromY += ${y.at(heads * across)};
  }
  return sum;`;
  return `${termText(width)}${byUnit(width, [body])}`;
}

export function attentionKernels(runner: Runner): Pick<Kernels, 'attention' | 'attentionGradient'> {
  const isEmpty = ([batch, , queries, keys, , valueWidth]: Numbers) =>
    Math.min(batch, queries, keys, valueWidth) === 0;
  const keyOf = (numbers: Numbers) => numbers.slice(0, -1).join(' ');

  /** Calls `use` with the results of `scoresText`, and with that of `rowsText`. */
  const withScores = (
    operands: readonly DeviceBuffer[],
    [mask, bias]: readonly (DeviceBuffer | undefined)[],
    numbers: Numbers,
    use: (buffers: DeviceBuffer[]) => DeviceBuffer[],
  ): DeviceBuffer[] => {
    const [batch, heads, queries, keys] = numbers;
    const queriesOfAll = batch * heads * queries;
    const outputs = operands.length / 2;
    const isGradient = outputs > 1;
    const scores = runner.runAll(
      `attention scores ${keyOf(numbers)} ${bias !== undefined} ${isGradient}`,
      () => scoresText(numbers, bias !== undefined, isGradient),
      [...operands, ...[mask, bias].filter((buffer) => buffer !== undefined)],
      'float32',
      queriesOfAll * blocksOf(keys) * 4,
      { numbers: [numbers[7]], outputs },
    );
    return runner.using(scores, () => {
      const make = () => rowsText(keys, isGradient);
      const key = `attention rows ${keys} ${isGradient}`;
      const rows = runner.run(key, make, scores, 'float32', queriesOfAll * 4);
      return runner.using([rows], () => use([...scores, rows]));
    });
  };

  return {
    attention([q, k, v, mask, bias], numbers) {
      const [batch, heads, queries, , , valueWidth] = numbers;
      if (isEmpty(numbers)) return undefined;
      return withScores([q, k], [mask, bias], numbers, ([scores, rows]) => [
        runner.run(
          `attention ${keyOf(numbers)}`,
          () => byQueryText(numbers, valueWidth, true),
          [scores, v, rows],
          'float32',
          batch * queries * heads * valueWidth,
        ),
      ]);
    },
    attentionGradient([q, k, v, mask, bias, g], numbers) {
      const [batch, heads, queries, keys, width, valueWidth, , scale] = numbers;
      if (isEmpty(numbers)) return undefined;
      const gradients = withScores([q, k, g, v], [mask, bias], numbers, (buffers) =>
        runner.runAll(
          `attention slopes ${keys}`,
          () => slopesText(keys),
          buffers,
          'float32',
          buffers[0].size,
          { numbers: [scale], outputs: 2 },
        ),
      );
      const [slopes, weights] = gradients;
      const made: DeviceBuffer[] = [];
      const add = (name: string, make: () => string, inputs: DeviceBuffer[], size: number) => {
        const key = `attention ${name} ${keyOf(numbers)}`;
        made.push(runner.run(key, make, inputs, 'float32', size));
      };
      return runner.using(gradients, () => {
        try {
          add('q', () => byQueryText(numbers, width, false), [slopes, k], q.size);
          add('k', () => byKeyText(numbers, width), [slopes, q], k.size);
          add('v', () => byKeyText(numbers, valueWidth), [weights, g], v.size);
          if (bias) {
            const shape = [batch * heads * queries, keys];
            const strides = [4 * blocksOf(keys), 1];
            const piece = { view: { buffer: slopes, shape, strides, offset: 0 }, at: [0, 0] };
            add('bias', () => viewText(shape, 'float32', piece), [slopes], bias.size);
          }
          return made;
        } catch (error) {
          for (const buffer of made) runner.free(buffer);
          throw error;
        }
      });
    },
  };
}
