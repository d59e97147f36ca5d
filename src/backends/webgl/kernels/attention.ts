/**
 * Attention and its gradients. Matrices of queries and keys, such as the scores, have a row of
 * `blocksOf(keys)` whole texels for each query of each head.
 */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { Runner } from '../runner.js';
import { inputNames } from '../text.js';
import { viewText } from './assemble.js';
import { byUnit, unitOf, xyzw } from './by-unit.js';
import { layOutText } from './matmul.js';
import { store } from './views.js';

type Numbers = Parameters<Kernels['attention']>[1];

/** The score of a key that a query may not attend to: the lowest float. */
const MASKED = '-3.4028234e38';

const blocksOf = (keys: number) => Math.ceil(keys / 4);

/**
 * `power_of`: e^(score - most). `weights_of`: the softmax, where `row` is the row's texel of
 * `rowsText`; 0 where the power is 0, also in a row with NaN and in one without any key.
 */
const softmaxText = `fn power_of(score: f32, most: f32) -> f32 {
  return select(exponential(score - most), 0.0, bits_of(score) == bits_of(${MASKED}));
}
fn weight_of(score: f32, row: vec4f) -> f32 {
  let power: f32 = power_of(score, row.x);
  return select(power / row.y, 0.0, is_zero(power));
}
fn weights_of(scores: vec4f, row: vec4f) -> vec4f {
${store('float32', (lane) => `weight_of(scores[${lane}], row)`)}
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
  const powers = 'for (var lane: i32 = 0; lane < 4; lane++) { row.y += power_of(s[lane], row.x); }';
  const terms = xyzw.map((lane) => `weighted(w.${lane}, p.${lane})`).join(' + ');
  const means = loop(
    `let p: vec4f = b_at(t * ${blocks} + i); let w: vec4f = weights_of(s, row); row.z += ${terms};`,
  );
  return `${softmaxText}fn compute(t: i32) -> vec4f {
  var row: vec4f = vec4f(${MASKED}, 0.0, 0.0, 0.0);
${loop('row.x = larger(row.x, larger(larger(s.x, s.y), larger(s.z, s.w)));')}${loop(powers)}${isGradient ? means : ''}  return row;
}`;
}

/**
 * The weights, and for the gradient before them the gradients of q k^T + bias: `a` are the scores,
 * then for the gradient g v^T, then the result of `rowsText`.
 */
function weightsText(keys: number, isGradient: boolean): string {
  const slopes = xyzw.map((lane) => `weighted(w.${lane}, p.${lane} - row.z)`);
  const gradient = `  let p: vec4f = b_at(t);
  more1 = w;
  return number0 * vec4f(${slopes});`;
  return `${softmaxText}fn compute(t: i32) -> vec4f {
  let row: vec4f = ${isGradient ? 'c' : 'b'}_at(t / ${blocksOf(keys)});
  let w: vec4f = weights_of(a_at(t), row);
${isGradient ? gradient : '  return w;'}
}`;
}

/** Statements that locate row `row` of an output [batch, rows, heads width]; `index` is its name among the rows. */
const locate = (heads: number, rows: number, index: string) => `  let line: i32 = row / ${heads};
  let head: i32 = row - line * ${heads};
  let batch: i32 = line / ${rows};
  let matrix: i32 = batch * ${heads} + head;
  let ${index}: i32 = line - batch * ${rows};
`;

/** `term`: a unit of `b` times a weight; a weight of 0 hides it. */
const termText = (width: number) => {
  const { type, zero } = unitOf(width);
  return `fn term(weight: f32, y: ${type}) -> ${type} { return select(weight * y, ${zero}, is_zero(weight)); }
`;
};

/** The sum over keys of their row of `b` [batch, keys, heads width] times their weight in `a`, for each query. */
function byQueryText([, heads, queries, keys]: Numbers, width: number): string {
  const { type, zero, across, walk } = unitOf(width);
  const blocks = blocksOf(keys);
  const y = walk('b');
  const terms = xyzw.map(
    (lane, key) => `term(w.${lane}, ${y.read(`fromY + ${y.at(key * heads * across)}`)})`,
  );
  const body = `${locate(heads, queries, 'query')}  var fromW: cursor = a_cursor((matrix * ${queries} + query) * ${blocks});
  var fromY: ${y.type} = ${y.at(`(batch * ${keys * heads} + head) * ${across} + column`)};
  var sum: ${type} = ${zero};
  for (var i: i32 = 0; i < ${blocks}; i++) {
    let w: vec4f = a_read(fromW);
    sum += ${terms.join(' + ')};
    fromW += a_cursor(1);
    fromY += ${y.at(4 * heads * across)};
  }
  return sum;`;
  return `${termText(width)}${byUnit(width, [body])}`;
}

/** Whether `byKeyText` computes tiles: four columns for the four keys whose weights share a texel. */
const isTiled = (width: number) => width % 4 === 0;

/**
 * The sum over queries of their row of `b` [batch, queries, heads width] times their weight in `a`,
 * for each key. Of tiles, each row has an output, and `layOutText` puts them together.
 */
function byKeyText([, heads, queries, keys]: Numbers, width: number): string {
  const { type, zero, across, walk } = unitOf(width);
  const blocks = blocksOf(keys);
  const y = walk('b');
  const located = isTiled(width)
    ? locate(heads, blocks, 'block')
    : `${locate(heads, keys, 'key')}  let block: i32 = key >> 2u;\n`;
  const weights = isTiled(width) ? xyzw.map((lane) => `w.${lane}`) : ['lane_of(w, key & 3)'];
  const each = (line: (row: number) => string) => weights.map((_, row) => line(row)).join('');
  const body = `${located}  var fromW: cursor = a_cursor(matrix * ${queries * blocks} + block);
  var fromY: ${y.type} = ${y.at(`(batch * ${queries * heads} + head) * ${across} + column`)};
${each((row) => `  var sum${row}: ${type} = ${zero};\n`)}  for (var i: i32 = 0; i < ${queries}; i++) {
    let w: vec4f = a_read(fromW);
    let y: ${type} = ${y.read('fromY')};
${each((row) => `    sum${row} += term(${weights[row]}, y);\n`)}    fromW += a_cursor(${blocks});
    fromY += ${y.at(heads * across)};
  }
${each((row) => (row > 0 ? `  more${row} = sum${row};\n` : ''))}  return sum0;`;
  return `${termText(width)}${byUnit(width, [body])}`;
}

/** The product of a matrix of weights and y, whose heads have rows of `width` values. */
type Product = (
  weights: DeviceBuffer,
  y: DeviceBuffer,
  width: number,
  numbers: Numbers,
) => DeviceBuffer;

export function attentionKernels(runner: Runner): Pick<Kernels, 'attention' | 'attentionGradient'> {
  const isEmpty = ([batch, , queries, keys, , valueWidth]: Numbers) =>
    Math.min(batch, queries, keys, valueWidth) === 0;
  const keyOf = (numbers: Numbers) => numbers.slice(0, -1).join(' ');

  /** The weights for q and k; for q, k, g and v the gradients of q k^T + bias, and the weights. */
  const weightsOf = (
    operands: readonly DeviceBuffer[],
    [mask, bias]: readonly (DeviceBuffer | undefined)[],
    numbers: Numbers,
  ): DeviceBuffer[] => {
    const [batch, heads, queries, keys] = numbers;
    const queriesOfAll = batch * heads * queries;
    const outputs = operands.length / 2;
    const isGradient = outputs > 1;
    const size = queriesOfAll * blocksOf(keys) * 4;
    const scale = [numbers[7]];
    const scores = runner.runAll(
      `attention scores ${keyOf(numbers)} ${bias !== undefined} ${isGradient}`,
      () => scoresText(numbers, bias !== undefined, isGradient),
      [...operands, ...[mask, bias].filter((buffer) => buffer !== undefined)],
      'float32',
      size,
      { numbers: scale, outputs },
    );
    return runner.using(scores, () => {
      const make = () => rowsText(keys, isGradient);
      const key = `attention rows ${keys} ${isGradient}`;
      const rows = runner.run(key, make, scores, 'float32', queriesOfAll * 4);
      return runner.using([rows], () =>
        runner.runAll(
          `attention weights ${keys} ${isGradient}`,
          () => weightsText(keys, isGradient),
          [...scores, rows],
          'float32',
          size,
          { numbers: isGradient ? scale : [], outputs },
        ),
      );
    });
  };

  const byQuery: Product = (weights, y, width, numbers) => {
    const [batch, heads, queries] = numbers;
    const key = `attention by query ${keyOf(numbers)} ${width}`;
    const make = () => byQueryText(numbers, width);
    return runner.run(key, make, [weights, y], 'float32', batch * queries * heads * width);
  };

  const byKey: Product = (weights, y, width, numbers) => {
    const [batch, heads, , keys] = numbers;
    const line = heads * width;
    const size = batch * keys * line;
    const key = `attention by key ${keyOf(numbers)} ${width}`;
    const make = () => byKeyText(numbers, width);
    if (!isTiled(width)) return runner.run(key, make, [weights, y], 'float32', size);
    const tileSize = batch * blocksOf(keys) * line;
    const tiles = runner.runAll(key, make, [weights, y], 'float32', tileSize, { outputs: 4 });
    const text = () => layOutText({ m: keys, n: line }, 4);
    return runner.using(tiles, () =>
      runner.run(`attention tiles ${keys} ${line}`, text, tiles, 'float32', size),
    );
  };

  return {
    attention([q, k, v, mask, bias], numbers) {
      if (isEmpty(numbers)) return undefined;
      const weights = weightsOf([q, k], [mask, bias], numbers);
      return runner.using(weights, () => [byQuery(weights[0], v, numbers[5], numbers)]);
    },
    attentionGradient([q, k, v, mask, bias, g], numbers) {
      const [batch, heads, queries, keys, width, valueWidth] = numbers;
      if (isEmpty(numbers)) return undefined;
      const gradients = weightsOf([q, k, g, v], [mask, bias], numbers);
      const [slopes, weights] = gradients;
      const made: DeviceBuffer[] = [];
      return runner.using(gradients, () => {
        try {
          made.push(byQuery(slopes, k, width, numbers));
          made.push(byKey(slopes, q, width, numbers));
          made.push(byKey(weights, g, valueWidth, numbers));
          if (bias) {
            const shape = [batch * heads * queries, keys];
            const strides = [4 * blocksOf(keys), 1];
            const piece = { view: { buffer: slopes, shape, strides, offset: 0 }, at: [0, 0] };
            const make = () => viewText(shape, 'float32', piece);
            const key = `attention bias ${shape}`;
            made.push(runner.run(key, make, [slopes], 'float32', bias.size));
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
