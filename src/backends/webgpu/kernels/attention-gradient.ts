/**
 * The text of the gradients of attention, in two kernels: one for each block of queries, one for each
 * block of keys. Both compute the scores again.
 */
import * as text from './attention-text.js';
import { type AttentionFlags, g, k, q, THREADS, v } from './attention-text.js';
import { byLane, lines, main, xyzw } from './common.js';

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
export function queriesText(flags: AttentionFlags, chunks: number): string {
  return `${text.shared(flags, [q, k, v, g])}${text.productText(g, v)}${gradients}${text.writerText(flags, 'of_q', q)}
fn careful_mean(i: i32, most: f32, total: f32) -> f32 {
  var sum = 0.0;
  for (var j = 0; j < p.keys && !is_nan(sum); j++) {
    let weight = weight_of(i, j, most, total);
    if (!is_zero(weight)) { sum += weight * dot_gv(i, j); }
  }
  return sum;
}
fn careful(i: i32, c: i32, most: f32, total: f32, mean: f32) -> vec4f {
  var sum = vec4f();
  for (var j = 0; j < p.keys && !all_nan(sum); j++) {
    let weight = weight_of(i, j, most, total);
    if (is_zero(weight)) { continue; }
    let slope = slope_of(weight, i, j, mean);
    if (!is_zero(slope)) { sum += slope * k_four(at_k + j * p.line + c, p.width - c); }
  }
  return sum;
}
${main(
  THREADS,
  `${text.start}  var m = vec4f(MASKED);
  var l = vec4f();
  var d = vec4f();
  var totals = vec4f();
  var mean = vec4f();
${text.accumulators('o', chunks)}
  // What a row shares is known only after all keys: then all are read again.
  for (var visit = 0; visit < 2; visit++) {
${text.overTiles(
  'key',
  'p.keys',
  `${text.products('s', q, 'first', k, 'key')}
${text.scores('first', 'key', 'queries')}
${text.products('e', g, 'first', v, 'key')}
  if (visit == 0) {
${text.online}
${lines(4, (i) => `  e${i} = select(s${i} * e${i}, vec4f(), are_zero(s${i}));`)}
  d = d * f + ${text.reduceLanes('sum', 'e')};
  } else {
${lines(4, (i) => {
  const [most, total, mean] = ['m', 'totals', 'mean'].map((name) => `vec4f(${name}.${xyzw[i]})`);
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
${text.accumulate('o', k, 'key', chunks)}
  }`,
)}
  if (visit == 0) {
${text.reduceRows('sum', 'sums', 'l')}
${text.reduceRows('sum', 'slopes', 'd')}
  totals = sums;
  mean = select(slopes / totals, vec4f(), are_zero(totals));
  if (!are_finite(mean)) {
    for (var i = 0; i < 4; i++) {
      if (!is_finite(mean[i]) && is_finite(totals[i]) && first + ty + 8 * i < p.queries) { mean[i] = careful_mean(first + ty + 8 * i, m[i], totals[i]); }
    }
  }
${lines(
  4,
  (i) => `  if (tx == 0 && first + ty + ${8 * i} < p.queries) {
    stats[p.stats_at + number * p.queries + first + ty + ${8 * i}] = vec4f(m.${xyzw[i]}, totals.${xyzw[i]}, mean.${xyzw[i]}, 0.0);
  }`,
)}
  }
  }
${text.store('of_q', 'o', q, 'first', chunks, 'careful(r, c, m[i], totals[i], mean[i])')}`,
)}`;
}

/** The gradients of k and v. */
export function keysText(flags: AttentionFlags, chunks: number, valueChunks: number): string {
  const careful = (name: string, y: text.Operand, factor: string) => `
fn careful_${name}(j: i32, c: i32, number: i32) -> vec4f {
  var sum = vec4f();
  for (var i = 0; i < p.queries && !all_nan(sum); i++) {
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
  `${text.start}${text.accumulators('o', chunks)}
${text.accumulators('u', valueChunks)}
${text.overTiles(
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
${text.keep('s')}
${text.accumulate('u', g, 'query', valueChunks)}
${text.keep('e')}
${text.accumulate('o', q, 'query', chunks)}`,
)}
${text.store('of_k', 'o', k, 'first', chunks, 'careful_k(r, c, number)')}
${text.store('of_v', 'u', v, 'first', valueChunks, 'careful_v(r, c, number)')}`,
)}`;
}
