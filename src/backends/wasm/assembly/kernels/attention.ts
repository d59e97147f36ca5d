/**
 * Attention of many heads, one head at a time, so that scores and weights fit into scratch memory.
 * q and the result are [batch, queries, heads, width] in memory, k and v the same with keys.
 *
 * `mask`, int32 [masks, queries, keys], holds one mask for all or one for each sequence of the
 * batch; `bias` is [batch, heads, queries, keys]. Either may be 0 for none. Threads divide the
 * heads, and each has its own scratch space.
 *
 * Queries are processed in blocks. Keys after the last one that any query of a block may attend to
 * are skipped: about half of the work under a causal mask.
 */
import { endOf, firstOf, partNumber } from '../lib/part';
import { product, productScratch, turn } from '../lib/product';
import { softmaxGradientRow, softmaxRow } from '../lib/softmax-row';

const BLOCK: i32 = 24;

/** Bytes of scratch space that each thread needs for `attention`. */
export function attentionScratch(batches: i32, heads: i32, queries: i32, keys: i32, width: i32, valueWidth: i32, masks: i32, scale: f32): i32 {
  return scratchOf(queries, keys, width, valueWidth);
}

/** Bytes of scratch space that each thread needs for `attentionGradient`. */
export function attentionGradientScratch(batches: i32, heads: i32, queries: i32, keys: i32, width: i32, valueWidth: i32, masks: i32, scale: f32): i32 {
  return scratchOf(queries, keys, width, valueWidth);
}

function scratchOf(queries: i32, keys: i32, width: i32, valueWidth: i32): i32 {
  const longest = max(max(width, valueWidth), max(keys, queries));
  const turned = max(width, valueWidth) * rowBytes(keys);
  return reachBytes(queries) + turned + 2 * queries * rowBytes(keys) + productScratch(longest, longest);
}

/** Bytes of a row of scores, padded to a multiple of 16; the padding is never read. */
@inline
function rowBytes(keys: i32): i32 {
  return padded(keys) << 2;
}

@inline
function padded(keys: i32): i32 {
  return (keys + 3) & ~3;
}

@inline
function reachBytes(queries: i32): i32 {
  return rowBytes((queries + BLOCK - 1) / BLOCK);
}

/**
 * out = softmax(scale * (q k^T + bias)) v over the positions where the mask is not 0. Heads are
 * `width` wide in q and k, `valueWidth` in v.
 */
export function attention(q: usize, k: usize, v: usize, mask: usize, bias: usize, batches: i32, heads: i32, queries: i32, keys: i32, width: i32, valueWidth: i32, masks: i32, scale: f32, out: usize, scratch: usize): void {
  const reach = scratch + partNumber() * scratchOf(queries, keys, width, valueWidth);
  const maskStep = masks > 1 ? queries * keys << 2 : 0;
  const turned = reach + reachBytes(queries);
  const row = rowBytes(keys), step = heads * width << 2, valueStep = heads * valueWidth << 2;
  const weights = turned + max(width, valueWidth) * row;
  const rest = weights + queries * row;
  const end = endOf(batches * heads, 1);
  for (let i = firstOf(batches * heads, 1); i < end; i++) {
    const batch = i / heads, head = i % heads;
    const toQ = batch * queries * step + (head * width << 2), toK = batch * keys * step + (head * width << 2);
    const toOut = batch * queries * valueStep + (head * valueWidth << 2), toV = batch * keys * valueStep + (head * valueWidth << 2);
    const open = mask ? mask + batch * maskStep : 0;
    measure(open, queries, keys, reach);
    turnOver(k + toK, step, keys, width, turned, row);
    weigh(q + toQ, turned, open, bias ? bias + (i * queries * keys << 2) : 0, scale, queries, keys, width, step, reach, weights, rest);
    for (let first = 0; first < queries; first += BLOCK) {
      product(weights + first * row, row, 4, v + toV, valueStep, 4, out + toOut + first * valueStep, valueStep, min(BLOCK, queries - first), valueWidth, reachOf(reach, first), rest, 0, -Infinity);
    }
  }
}

/**
 * The gradients of `attention` with respect to q, k, v and, if `gBias` is not 0, bias, from `g`,
 * the gradient of its result. The weights are recomputed.
 */
export function attentionGradient(q: usize, k: usize, v: usize, mask: usize, bias: usize, g: usize, batches: i32, heads: i32, queries: i32, keys: i32, width: i32, valueWidth: i32, masks: i32, scale: f32, gq: usize, gk: usize, gv: usize, gBias: usize, scratch: usize): void {
  const reach = scratch + partNumber() * scratchOf(queries, keys, width, valueWidth);
  const maskStep = masks > 1 ? queries * keys << 2 : 0;
  const turned = reach + reachBytes(queries);
  const row = rowBytes(keys), step = heads * width << 2, valueStep = heads * valueWidth << 2;
  const weights = turned + max(width, valueWidth) * row;
  const scores = weights + queries * row; // their gradient
  const rest = scores + queries * row;
  const end = endOf(batches * heads, 1);
  for (let i = firstOf(batches * heads, 1); i < end; i++) {
    const batch = i / heads, head = i % heads;
    const toQ = batch * queries * step + (head * width << 2), toK = batch * keys * step + (head * width << 2);
    const toG = batch * queries * valueStep + (head * valueWidth << 2), toV = batch * keys * valueStep + (head * valueWidth << 2);
    const open = mask ? mask + batch * maskStep : 0;
    measure(open, queries, keys, reach);
    turnOver(k + toK, step, keys, width, turned, row);
    weigh(q + toQ, turned, open, bias ? bias + (i * queries * keys << 2) : 0, scale, queries, keys, width, step, reach, weights, rest);
    turnOver(v + toV, valueStep, keys, valueWidth, turned, row);
    for (let first = 0; first < queries; first += BLOCK) {
      const rows = min(BLOCK, queries - first), seen = reachOf(reach, first);
      product(g + toG + first * valueStep, valueStep, 4, turned, row, 4, scores + first * row, row, rows, padded(seen), valueWidth, rest, 0, -Infinity);
      for (let query = first; query < first + rows; query++) {
        const scoreRow = scores + query * row;
        softmaxGradientRow(weights + query * row, scoreRow, scale, seen, scoreRow);
        memory.fill(scoreRow + (seen << 2), 0, keys - seen << 2);
        if (gBias) memory.copy(gBias + ((i * queries + query) * keys << 2), scoreRow, keys << 2);
      }
      product(scores + first * row, row, 4, k + toK, step, 4, gq + toQ + first * step, step, rows, width, seen, rest, 0, -Infinity);
    }
    for (let first = 0; first < keys; first += BLOCK) {
      const rows = min(BLOCK, keys - first);
      let from = 0; // the first query whose block attends to these keys
      while (from < queries && reachOf(reach, from) <= first) from += BLOCK;
      from = min(from, queries);
      const at = from * row + (first << 2);
      product(weights + at, 4, row, g + toG + from * valueStep, valueStep, 4, gv + toV + first * valueStep, valueStep, rows, valueWidth, queries - from, rest, 0, -Infinity);
      product(scores + at, 4, row, q + toQ + from * step, step, 4, gk + toK + first * step, step, rows, width, queries - from, rest, 0, -Infinity);
    }
  }
}

/**
 * Computes the weights of one head, [queries, keys]; `turned` is its k, transposed to [width,
 * keys].
 */
function weigh(q: usize, turned: usize, mask: usize, bias: usize, scale: f32, queries: i32, keys: i32, width: i32, step: i32, reach: usize, weights: usize, rest: usize): void {
  const row = rowBytes(keys), bytes = keys << 2;
  for (let first = 0; first < queries; first += BLOCK) {
    const rows = min(BLOCK, queries - first), seen = reachOf(reach, first);
    product(q + first * step, step, 4, turned, row, 4, weights + first * row, row, rows, padded(seen), width, rest, 0, -Infinity);
    for (let query = first; query < first + rows; query++) {
      const at = weights + query * row;
      softmaxRow(at, bias ? bias + query * bytes : 0, mask ? mask + query * bytes : 0, scale, seen, at);
      memory.fill(at + (seen << 2), 0, keys - seen << 2);
    }
  }
}

/**
 * Stores in `reach`, for each block of queries, the number of keys up to the last that one of its
 * queries may attend to.
 */
function measure(mask: usize, queries: i32, keys: i32, reach: usize): void {
  for (let first = 0; first < queries; first += BLOCK) {
    let seen = mask ? 0 : keys;
    for (let query = first; mask && query < min(first + BLOCK, queries); query++) {
      let key = keys;
      while (key > seen && load<i32>(mask + (query * keys + key - 1 << 2)) == 0) key--;
      seen = key;
    }
    store<i32>(reach + (first / BLOCK << 2), seen);
  }
}

@inline
function reachOf(reach: usize, query: i32): i32 {
  return load<i32>(reach + (query / BLOCK << 2));
}

/**
 * Transposes x, [rows, columns] with rows `step` bytes apart, to [columns, rows] with rows `row`
 * bytes apart.
 */
function turnOver(x: usize, step: usize, rows: i32, columns: i32, out: usize, row: usize): void {
  const whole = columns & ~3;
  for (let i = 0; i < rows; i++, x += step, out += 4) {
    let from = x, to = out, j = 0;
    if ((i & 3) == 0 && i + 4 <= rows) {
      for (; j < whole; j += 4, from += 16, to += 4 * row) turn(from, step, to, row);
    } else if ((i | 3) < rows) {
      // `turn` has copied these columns together with the first of these four rows.
      j = whole;
      from += <usize>whole << 2;
      to += <usize>whole * row;
    }
    for (; j < columns; j++, from += 4, to += row) store<f32>(to, load<f32>(from));
  }
}
