/**
 * Attention with online softmax (Milakov and Gimelshein 2018, arXiv 1805.02867; Dao et al. 2022,
 * arXiv 2205.14135): nothing of size queries x keys is in memory.
 */
import type { DeviceBuffer, Kernels } from '../../backend.js';
import type { WebGPUDevice } from '../device.js';
import { spread } from '../launch.js';
import { keysText, queriesText } from './attention-gradient.js';
import * as text from './attention-text.js';
import { type AttentionFlags, BLOCK, g, k, q, THREADS, v } from './attention-text.js';
import { lines, main, unitOf, xyzw } from './common.js';

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

function forwardText(flags: AttentionFlags, chunks: number): string {
  return `${text.shared(flags, [q, k, v])}${text.writerText(flags, 'out', g)}
// Four values of a result, without the keys of weight 0.
fn careful(i: i32, c: i32, most: f32, total: f32) -> vec4f {
  var sum = vec4f();
  for (var j = 0; j < p.keys && !all_nan(sum); j++) {
    let power = powers(score(i, j), vec4f(most)).x;
    let weight = power / total;
    if (!is_zero(power) && !is_zero(weight)) { sum += weight * v_four(at_v + j * p.value_line + c, p.value_width - c); }
  }
  return sum;
}
${main(
  THREADS,
  `${text.start}  var m = vec4f(MASKED);
  var l = vec4f();
${text.accumulators('o', chunks)}
${text.overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${text.online}
${lines(4, (i) => lines(chunks, (c) => `  o${i}_${c} *= f.${xyzw[i]};`))}
${text.keep('s')}
${text.accumulate('o', v, 'key', chunks)}`,
)}
${text.reduceRows('sum', 'total', 'l')}
  let share = select(1.0 / total, vec4f(), are_zero(total));
${lines(4, (i) => lines(chunks, (c) => `  o${i}_${c} *= share.${xyzw[i]};`))}
${text.store('out', 'o', g, 'first', chunks, 'careful(r, c, m[i], total[i])')}`,
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
