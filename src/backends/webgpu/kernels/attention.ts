/**
 * Attention with online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022,
 * arXiv 2205.14135): nothing of size queries x keys is in memory.
 */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import { spread, type WebGPUDevice } from '../device.js';
import * as text from './attention-text.js';
import { type AttentionFlags, BLOCK, g, k, q, THREADS, v } from './attention-text.js';
import { lines, main, unitOf } from './common.js';

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

/** Updates the largest score `m`, the powers `s` and the factor `f` of what was summed before. */
const online = `${lines(4, (i) => `  let old${i} = m${i};`)}
${text.reduceRows('most', 'top', 's')}
${lines(
  4,
  (i) => `  m${i} = larger(old${i}, top${i});
  let f${i} = exponential(old${i} - m${i});
  s${i} = ${text.byLane((lane) => `power(s${i}.${lane}, m${i})`)};
  l${i} = l${i} * f${i} + s${i};`,
)}`;

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
  return `${text.shared(flags, [q, k, v])}
// Four values of a result, without the keys of weight 0.
fn careful(i: i32, c: i32, most: f32, total: f32) -> vec4f {
  var sum = vec4f();
  for (var j = 0; j < p.keys; j++) {
    let weight = power(score(i, j), most) / total;
    if (!is_zero(weight)) { sum += weight * v_four(at_v + j * p.value_line + c, p.value_width - c); }
  }
  return sum;
}
${main(
  THREADS,
  `${start}${lines(4, (i) => `  var m${i} = MASKED;\n  var l${i} = vec4f();`)}
${text.accumulators('o', chunks)}
${overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${online}
${lines(4, (i) => lines(chunks, (c) => `  o${i}_${c} *= f${i};`))}
${text.keep('s')}
${text.accumulate('o', v, 'key', chunks)}`,
)}
${text.reduceRows('sum', 'total', 'l')}
${lines(
  4,
  (i) => `  let share${i} = select(1.0 / total${i}, 0.0, total${i} == 0.0);
${lines(chunks, (c) => `  o${i}_${c} *= share${i};`)}`,
)}
${text.store(
  flags,
  'out',
  'o',
  g,
  'first',
  chunks,
  (i) => `total${i} > 0.0 && is_finite(total${i})`,
  (i, r, c) => `careful(${r}, ${c}, m${i}, total${i})`,
)}`,
)}`;
}

/**
 * `weight_of` and `slope_of`: a weight, and the gradient of a score, from the row's most, total and
 * mean gradient, `stats`. Where the weight is 0, the gradient isn't read.
 */
const gradients = `fn weight_of(score: f32, stats: vec4f) -> f32 {
  return select(power(score, stats.x) / stats.y, 0.0, stats.y == 0.0 || score == MASKED);
}
fn slope_of(weight: f32, product: f32, stats: vec4f) -> f32 { return p.scale * weighted(weight, product - stats.z); }
`;

function queriesText(flags: AttentionFlags, chunks: number): string {
  return `${text.shared(flags, [q, k, v, g])}${text.productText(g, v)}${gradients}
fn careful_mean(i: i32, most: f32, total: f32) -> f32 {
  var sum = 0.0;
  for (var j = 0; j < p.keys; j++) {
    let weight = power(score(i, j), most) / total;
    if (!is_zero(weight)) { sum += weight * dot_gv(i, j); }
  }
  return sum;
}
fn careful(i: i32, c: i32, stats: vec4f) -> vec4f {
  var sum = vec4f();
  for (var j = 0; j < p.keys; j++) {
    let weight = weight_of(score(i, j), stats);
    if (is_zero(weight)) { continue; }
    let slope = slope_of(weight, dot_gv(i, j), stats);
    if (!is_zero(slope)) { sum += slope * k_four(at_k + j * p.line + c, p.width - c); }
  }
  return sum;
}
${main(
  THREADS,
  `${start}${lines(4, (i) => `  var m${i} = MASKED;\n  var l${i} = vec4f();\n  var d${i} = vec4f();`)}
${overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${text.products('e', g, 'first', v, 'key')}
${online}
${lines(4, (i) => `  d${i} = d${i} * f${i} + ${text.byLane((lane) => `weighted(s${i}.${lane}, e${i}.${lane})`)};`)}`,
)}
${text.reduceRows('sum', 'total', 'l')}
${text.reduceRows('sum', 'slopes', 'd')}
${lines(
  4,
  (
    i,
  ) => `  var stats${i} = vec4f(m${i}, total${i}, select(slopes${i} / total${i}, 0.0, total${i} == 0.0), 0.0);
  if (first + ty + ${8 * i} < p.queries) {
    if (!is_finite(stats${i}.z) && total${i} > 0.0 && is_finite(total${i})) { stats${i}.z = careful_mean(first + ty + ${8 * i}, m${i}, total${i}); }
    if (tx == 0) { stats[p.stats_at + number * p.queries + first + ty + ${8 * i}] = stats${i}; }
  }`,
)}
${text.accumulators('o', chunks)}
${overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${text.products('e', g, 'first', v, 'key')}
${lines(4, (i) => `  s${i} = ${text.byLane((lane) => `slope_of(weight_of(s${i}.${lane}, stats${i}), e${i}.${lane}, stats${i})`)};`)}
${
  flags.biased
    ? lines(4, (i) =>
        lines(4, (j) => {
          const [r, c] = [`first + ty + ${8 * i}`, `key + tx + ${8 * j}`];
          return `  if (${r} < p.queries && ${c} < p.keys) { of_bias[p.of_bias_at + at_scores + (${r}) * p.keys + ${c}] = s${i}[${j}]; }`;
        }),
      )
    : ''
}
${text.keep('s')}
${text.accumulate('o', k, 'key', chunks)}`,
)}
${text.store(
  flags,
  'of_q',
  'o',
  q,
  'first',
  chunks,
  (i) => `is_finite(stats${i}.y) && is_finite(stats${i}.z)`,
  (i, r, c) => `careful(${r}, ${c}, stats${i})`,
)}`,
)}`;
}

function keysText(flags: AttentionFlags, chunks: number, valueChunks: number): string {
  const careful = (name: string, y: text.Operand, factor: string) => `
fn careful_${name}(j: i32, c: i32, number: i32) -> vec4f {
  var sum = vec4f();
  for (var i = 0; i < p.queries; i++) {
    let s = stats[p.stats_at + number * p.queries + i];
    let weight = weight_of(score(i, j), s);
    if (is_zero(weight)) { continue; }
    let factor = ${factor};
    if (!is_zero(factor)) { sum += factor * ${y.name}_four(at_${y.name} + i * ${y.line} + c, ${y.width} - c); }
  }
  return sum;
}`;
  return `${text.shared(flags, [q, k, v, g])}${text.productText(g, v)}${gradients}
${careful('k', q, 'slope_of(weight, dot_gv(i, j), s)')}
${careful('v', g, 'weight')}
${main(
  THREADS,
  `${start}${text.accumulators('o', chunks)}
${text.accumulators('u', valueChunks)}
${lines(4, (i) => `  var n${i} = vec4f();`)}
${overTiles(
  'query',
  'p.queries',
  `${text.products('s', k, 'first', q, 'query')}
${text.scores('first', 'query', 'keys')}
${text.products('e', v, 'first', g, 'query')}
${lines(4, (j) => `  let stats${j} = stats[p.stats_at + number * p.queries + min(query + tx + ${8 * j}, p.queries - 1)];`)}
${lines(
  4,
  (i) => `  s${i} = ${text.byLane((lane, j) => `weight_of(s${i}.${lane}, stats${j})`)};
  e${i} = ${text.byLane((lane, j) => `slope_of(s${i}.${lane}, e${i}.${lane}, stats${j})`)};
  n${i} += s${i} + e${i};`,
)}
${text.keep('s')}
${text.accumulate('u', g, 'query', valueChunks)}
${text.keep('e')}
${text.accumulate('o', q, 'query', chunks)}`,
)}
${text.reduceRows('sum', 'sound', 'n')}
${text.store(
  flags,
  'of_k',
  'o',
  k,
  'first',
  chunks,
  (i) => `is_finite(sound${i})`,
  (_, r, c) => `careful_k(${r}, ${c}, number)`,
)}
${text.store(
  flags,
  'of_v',
  'u',
  v,
  'first',
  valueChunks,
  (i) => `is_finite(sound${i})`,
  (_, r, c) => `careful_v(${r}, ${c}, number)`,
)}`,
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
