/**
 * Attention of many heads, one at a time: its scores and weights stay in scratch memory. q and the
 * result are [batch, queries, heads, width] in memory, k and v the same with keys.
 *
 * `mask`, int32 [queries, keys] for all or, `maskStep` bytes apart, for each of the batch, and
 * `bias`, [batch, heads, queries, keys], may be 0 for none. `first` to `last` are the heads to do,
 * counted through the batch.
 */
import { matmul, matmulScratch } from './matmul';
import { softmaxGradientRow, softmaxRow } from './softmax';

/** Bytes of scratch space for `attention`, and for `attentionGradient`. */
export function attentionScratch(queries: i32, keys: i32, width: i32, valueWidth: i32): i32 {
  const longest = max(max(width, valueWidth), max(keys, queries));
  return 2 * scoreBytes(queries, keys) + matmulScratch(longest, longest);
}

@inline
function scoreBytes(queries: i32, keys: i32): i32 {
  return queries * rowBytes(keys);
}

/** Rows of scores start at multiples of 16 bytes. */
@inline
function rowBytes(keys: i32): i32 {
  return ((keys + 3) & ~3) << 2;
}

/** out = softmax(scale * (q k^T + bias)) v, where the mask is not 0. k has heads of `width`, v of `valueWidth`. */
export function attention(q: usize, k: usize, v: usize, mask: usize, maskStep: i32, bias: usize, scale: f32, first: i32, last: i32, heads: i32, queries: i32, keys: i32, width: i32, valueWidth: i32, out: usize, scratch: usize): void {
  const weights = scratch;
  const rest = scratch + scoreBytes(queries, keys);
  const row = rowBytes(keys), step = heads * width << 2, valueStep = heads * valueWidth << 2;
  for (let i = first; i < last; i++) {
    const batch = i / heads, head = i % heads;
    const at = head * width << 2, valueAt = head * valueWidth << 2;
    const vHead = v + batch * keys * valueStep + valueAt;
    weigh(q + batch * queries * step + at, k + batch * keys * step + at, mask + batch * maskStep, bias ? bias + (i * queries * keys << 2) : 0, scale, queries, keys, width, step, weights, rest);
    matmul(weights, row, 4, vHead, valueStep, 4, out + batch * queries * valueStep + valueAt, valueStep, queries, valueWidth, keys, rest, 0, -Infinity);
  }
}

/**
 * The gradients of `attention` by q, k, v and, if `gBias` is not 0, bias, from that of its result,
 * `g`. The weights are computed again.
 */
export function attentionGradient(q: usize, k: usize, v: usize, mask: usize, maskStep: i32, bias: usize, scale: f32, first: i32, last: i32, heads: i32, queries: i32, keys: i32, width: i32, valueWidth: i32, g: usize, gq: usize, gk: usize, gv: usize, gBias: usize, scratch: usize): void {
  const weights = scratch;
  const scores = weights + scoreBytes(queries, keys); // of their gradient
  const rest = scores + scoreBytes(queries, keys);
  const row = rowBytes(keys), step = heads * width << 2, valueStep = heads * valueWidth << 2;
  for (let i = first; i < last; i++) {
    const batch = i / heads, head = i % heads;
    const toQ = batch * queries * step + (head * width << 2), toK = batch * keys * step + (head * width << 2);
    const toG = batch * queries * valueStep + (head * valueWidth << 2), toV = batch * keys * valueStep + (head * valueWidth << 2);
    weigh(q + toQ, k + toK, mask + batch * maskStep, bias ? bias + (i * queries * keys << 2) : 0, scale, queries, keys, width, step, weights, rest);
    matmul(weights, 4, row, g + toG, valueStep, 4, gv + toV, valueStep, keys, valueWidth, queries, rest, 0, -Infinity);
    matmul(g + toG, valueStep, 4, v + toV, 4, valueStep, scores, row, queries, keys, valueWidth, rest, 0, -Infinity);
    for (let query = 0; query < queries; query++) {
      const scoreRow = scores + query * row;
      softmaxGradientRow(weights + query * row, scoreRow, scale, keys, scoreRow);
      if (gBias) memory.copy(gBias + ((i * queries + query) * keys << 2), scoreRow, keys << 2);
    }
    matmul(scores, row, 4, k + toK, step, 4, gq + toQ, step, queries, width, keys, rest, 0, -Infinity);
    matmul(scores, 4, row, q + toQ, step, 4, gk + toK, step, keys, width, queries, rest, 0, -Infinity);
  }
}

/** The weights of one head, [queries, keys]. */
function weigh(q: usize, k: usize, mask: usize, bias: usize, scale: f32, queries: i32, keys: i32, width: i32, step: usize, weights: usize, rest: usize): void {
  const row = rowBytes(keys), bytes = keys << 2;
  matmul(q, step, 4, k, 4, step, weights, row, queries, keys, width, rest, 0, -Infinity);
  for (let query = 0; query < queries; query++) {
    const at = weights + query * row;
    softmaxRow(at, bias ? bias + query * bytes : 0, mask ? mask + query * bytes : 0, scale, keys, at);
  }
}
