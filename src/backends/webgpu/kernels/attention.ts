/**
 * Attention with online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022,
 * arXiv 2205.14135): nothing of size queries x keys is in memory.
 */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import { spread, type WebGPUDevice } from '../device.js';
import * as text from './attention-text.js';
import { type AttentionFlags, BLOCK, g, k, q, THREADS, v } from './attention-text.js';
import { byLane, lines, main, unitOf, xyzw } from './common.js';

/** The widest heads that the registers of a thread hold. */
const WIDEST = 128;

const chunksOf = (width: number) => Math.ceil(width / BLOCK);

type Inputs = [
  q: DeviceBuffer,
  k: DeviceBuffer,
  v: DeviceBuffer,
  mask: DeviceBuffer | undefined,
  bias: DeviceBuffer | undefined,
];
type Numbers = Parameters<Kernels['attention']>[1];

/** Updates the largest scores `m`, the powers `s`, their sums `l` and the factor `f` of what was summed before. */
const online = `  let row_most = ${text.reduceLanes('most', 's')};
${text.reduceRows('most', 'top', 'row_most')}
  let old = m;
  m = most_of(old, top);
  let f = exponentials(old - m);
${lines(4, (i) => `  s${i} = powers(s${i}, vec4f(m.${xyzw[i]}));`)}
  l = l * f + ${text.reduceLanes('sum', 's')};`;

const start = `  if (group >= p.total) { return; }
  let number = group / p.blocks;
  let first = (group % p.blocks) * ${BLOCK};
  let ty = t / 8;
  let tx = t % 8;
  locate(number);
`;

const overTiles = (column: string, rows: string, body: string) =>
  `  for (var ${column} = 0; ${column} < ${rows}; ${column} += ${BLOCK}) {\n${body}\n  }`;

function forwardText(flags: AttentionFlags, chunks: number): string {
  return `${text.shared(flags, [q, k, v])}${text.writerText(flags, 'out', g)}
// Four values of a result, without the keys of weight 0.
fn careful(i: i32, c: i32, most: f32, total: f32) -> vec4f {
  var sum = vec4f();
  for (var j = 0; j < p.keys; j++) {
    let weight = powers(score(i, j), vec4f(most)).x / total;
    if (!is_zero(weight)) { sum += weight * v_four(at_v + j * p.value_line + c, p.value_width - c); }
  }
  return sum;
}
${main(
  THREADS,
  `${start}  var m = vec4f(MASKED);
  var l = vec4f();
${text.accumulators('o', chunks)}
${overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${online}
${lines(4, (i) => lines(chunks, (c) => `  o${i}_${c} *= f.${xyzw[i]};`))}
${text.keep('s')}
${text.accumulate('o', v, 'key', chunks)}`,
)}
${text.reduceRows('sum', 'total', 'l')}
  let share = select(1.0 / total, vec4f(), are_zero(total));
${lines(4, (i) => lines(chunks, (c) => `  o${i}_${c} *= share.${xyzw[i]};`))}
${text.store('out', 'o', g, 'first', chunks, 'share', 'careful(r, c, m[i], total[i])')}`,
)}`;
}

/**
 * The weights, and the gradients of the scores, from the largest score, the total and the mean
 * gradient of each row. Where a weight is 0, the gradient isn't read.
 */
const gradients = `fn weights_of(scores: vec4f, most: vec4f, total: vec4f) -> vec4f {
  return select(powers(scores, most) / total, vec4f(), are_zero(total) | are_masked(scores));
}
fn slopes_of(weights: vec4f, products: vec4f, means: vec4f) -> vec4f {
  return select(p.scale * weights * (products - means), vec4f(), are_zero(weights));
}
fn weight_of(i: i32, j: i32, most: f32, total: f32) -> f32 {
  return weights_of(score(i, j), vec4f(most), vec4f(total)).x;
}
fn slope_of(weight: f32, i: i32, j: i32, mean: f32) -> f32 {
  return slopes_of(vec4f(weight), vec4f(dot_gv(i, j)), vec4f(mean)).x;
}
`;

/** The gradients of q and of the bias, and for each query its largest score, total and mean gradient. */
function queriesText(flags: AttentionFlags, chunks: number): string {
  return `${text.shared(flags, [q, k, v, g])}${text.productText(g, v)}${gradients}${text.writerText(flags, 'of_q', q)}
fn careful_mean(i: i32, most: f32, total: f32) -> f32 {
  var sum = 0.0;
  for (var j = 0; j < p.keys; j++) {
    let weight = weight_of(i, j, most, total);
    if (!is_zero(weight)) { sum += weight * dot_gv(i, j); }
  }
  return sum;
}
fn careful(i: i32, c: i32, most: f32, total: f32, mean: f32) -> vec4f {
  var sum = vec4f();
  for (var j = 0; j < p.keys; j++) {
    let weight = weight_of(i, j, most, total);
    if (is_zero(weight)) { continue; }
    let slope = slope_of(weight, i, j, mean);
    if (!is_zero(slope)) { sum += slope * k_four(at_k + j * p.line + c, p.width - c); }
  }
  return sum;
}
${main(
  THREADS,
  `${start}  var m = vec4f(MASKED);
  var l = vec4f();
  var d = vec4f();
${overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${text.products('e', g, 'first', v, 'key')}
${online}
${lines(4, (i) => `  e${i} = select(s${i} * e${i}, vec4f(), are_zero(s${i}));`)}
  d = d * f + ${text.reduceLanes('sum', 'e')};`,
)}
${text.reduceRows('sum', 'total', 'l')}
${text.reduceRows('sum', 'slopes', 'd')}
  var mean = select(slopes / total, vec4f(), are_zero(total));
  if (!are_finite(mean)) {
    for (var i = 0; i < 4; i++) {
      if (!is_finite(mean[i]) && is_finite(total[i]) && first + ty + 8 * i < p.queries) { mean[i] = careful_mean(first + ty + 8 * i, m[i], total[i]); }
    }
  }
${lines(
  4,
  (i) => `  if (tx == 0 && first + ty + ${8 * i} < p.queries) {
    stats[p.stats_at + number * p.queries + first + ty + ${8 * i}] = vec4f(m.${xyzw[i]}, total.${xyzw[i]}, mean.${xyzw[i]}, 0.0);
  }`,
)}
${text.accumulators('o', chunks)}
${overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${text.products('e', g, 'first', v, 'key')}
${lines(4, (i) => {
  const [most, total, mean] = ['m', 'total', 'mean'].map((name) => `vec4f(${name}.${xyzw[i]})`);
  return `  s${i} = slopes_of(weights_of(s${i}, ${most}, ${total}), e${i}, ${mean});`;
})}
${
  flags.biased
    ? lines(4, (i) =>
        lines(4, (j) => {
          const [r, c] = [`first + ty + ${8 * i}`, `key + tx + ${8 * j}`];
          return `  if (${r} < p.queries && ${c} < p.keys) { of_bias[p.of_bias_at + at_scores + (${r}) * p.keys + ${c}] = s${i}.${xyzw[j]}; }`;
        }),
      )
    : ''
}
${text.keep('s')}
${text.accumulate('o', k, 'key', chunks)}`,
)}
  let sound = total + mean;
${text.store('of_q', 'o', q, 'first', chunks, 'sound', 'careful(r, c, m[i], total[i], mean[i])')}`,
)}`;
}

/** The gradients of k and v. */
function keysText(flags: AttentionFlags, chunks: number, valueChunks: number): string {
  const careful = (name: string, y: text.Operand, factor: string) => `
fn careful_${name}(j: i32, c: i32, number: i32) -> vec4f {
  var sum = vec4f();
  for (var i = 0; i < p.queries; i++) {
    let s = stats[p.stats_at + number * p.queries + i];
    let weight = weight_of(i, j, s.x, s.y);
    if (is_zero(weight)) { continue; }
    let factor = ${factor};
    if (!is_zero(factor)) { sum += factor * ${y.name}_four(at_${y.name} + i * ${y.line} + c, ${y.width} - c); }
  }
  return sum;
}`;
  const stat = (lane: string) => byLane((_, j) => `stats${j}.${lane}`);
  return `${text.shared(flags, [q, k, v, g])}${text.productText(g, v)}${gradients}
${text.writerText(flags, 'of_k', k)}${text.writerText(flags, 'of_v', v)}
${careful('k', q, 'slope_of(weight, i, j, s.z)')}
${careful('v', g, 'weight')}
${main(
  THREADS,
  `${start}${text.accumulators('o', chunks)}
${text.accumulators('u', valueChunks)}
  var terms = vec4f();
${overTiles(
  'query',
  'p.queries',
  `${text.products('s', k, 'first', q, 'query')}
${text.scores('first', 'query', 'keys')}
${text.products('e', v, 'first', g, 'query')}
${lines(4, (j) => `  let stats${j} = stats[p.stats_at + number * p.queries + min(query + tx + ${8 * j}, p.queries - 1)];`)}
  let mosts = ${stat('x')};
  let totals = ${stat('y')};
  let means = ${stat('z')};
${lines(
  4,
  (i) => `  s${i} = weights_of(s${i}, mosts, totals);
  e${i} = slopes_of(s${i}, e${i}, means);`,
)}
  terms += ${text.reduceLanes('sum', 's')} + ${text.reduceLanes('sum', 'e')};
${text.keep('s')}
${text.accumulate('u', g, 'query', valueChunks)}
${text.keep('e')}
${text.accumulate('o', q, 'query', chunks)}`,
)}
${text.reduceRows('sum', 'sound', 'terms')}
${text.store('of_k', 'o', k, 'first', chunks, 'sound', 'careful_k(r, c, number)')}
${text.store('of_v', 'u', v, 'first', valueChunks, 'sound', 'careful_v(r, c, number)')}`,
)}`;
}

export function attentionKernels(
  device: WebGPUDevice,
): Pick<Kernels, 'attention' | 'attentionGradient'> {
  const callOf = ([q, k, v, mask, bias]: Inputs, numbers: Numbers) => {
    const [batch, heads, queries, keys, width, valueWidth, masks, scale] = numbers;
    const flags: AttentionFlags = {
      unit: unitOf(width, valueWidth),
      masked: mask !== undefined,
      biased: bias !== undefined,
    };
    const optional = [mask, bias].filter((buffer) => buffer !== undefined);
    return {
      flags,
      key: Object.values(flags).join(' '),
      runs: Math.max(width, valueWidth) <= WIDEST && Math.min(keys, queries, valueWidth, batch) > 0,
      optional,
      operands: [q, k, v],
      /** The launch of a workgroup for each block of `rows` of each head. */
      over: (rows: number) => {
        const blocks = Math.ceil(rows / BLOCK);
        const total = batch * heads * blocks;
        const lengths = [
          heads,
          queries,
          keys,
          heads * width,
          heads * valueWidth,
          width,
          valueWidth,
        ];
        return {
          ints: [...lengths, masks > 1 ? queries * keys : 0, blocks, total],
          floats: [scale],
          groups: spread(total),
        };
      },
    };
  };
  const float = (size: number) => ({ dtype: 'float32' as const, size });

  return {
    attention(inputs, numbers) {
      const { flags, key, runs, operands, optional, over } = callOf(inputs, numbers);
      if (!runs) return undefined;
      const [batch, heads, queries, , , valueWidth] = numbers;
      const chunks = chunksOf(valueWidth);
      return device.run({
        key: `attention ${key} ${chunks}`,
        make: () => ({
          inputs: text.bindings(flags, [q, k, v]),
          outputs: [`out: ${flags.unit}`],
          ints: text.ints,
          floats: ['scale'],
          text: forwardText(flags, chunks),
        }),
        inputs: [...operands, ...optional],
        results: [float(batch * queries * heads * valueWidth)],
        ...over(queries),
      });
    },

    attentionGradient([ofQ, ofK, ofV, mask, bias, gradient], numbers) {
      const call = callOf([ofQ, ofK, ofV, mask, bias], numbers);
      if (!call.runs) return undefined;
      const { flags, key, operands, optional, over } = call;
      const [batch, heads, queries, keys, width, valueWidth] = numbers;
      const [chunks, valueChunks] = [chunksOf(width), chunksOf(valueWidth)];
      const names = text.bindings(flags, [q, k, v, g]);
      const inputs = [...operands, gradient, ...optional];
      const made = device.run({
        key: `attentionGradient queries ${key} ${chunks}`,
        make: () => ({
          inputs: names,
          outputs: [`of_q: ${flags.unit}`, 'stats: vec4f', ...(bias ? ['of_bias: f32'] : [])],
          ints: text.ints,
          floats: ['scale'],
          text: queriesText(flags, chunks),
        }),
        inputs,
        results: [ofQ.size, 4 * batch * heads * queries, ...(bias ? [bias.size] : [])].map(float),
        ...over(queries),
      });
      const [dq, stats, ...rest] = made;
      try {
        const [dk, dv] = device.using([stats], () =>
          device.run({
            key: `attentionGradient keys ${key} ${chunks} ${valueChunks}`,
            make: () => ({
              inputs: [...names, 'stats: vec4f'],
              outputs: [`of_k: ${flags.unit}`, `of_v: ${flags.unit}`],
              ints: text.ints,
              floats: ['scale'],
              text: keysText(flags, chunks, valueChunks),
            }),
            inputs: [...inputs, stats],
            results: [ofK.size, ofV.size].map(float),
            ...over(keys),
          }),
        );
        return [dq, dk, dv, ...rest];
      } catch (error) {
        for (const buffer of [dq, ...rest]) device.free(buffer);
        throw error;
      }
    },
  };
}
