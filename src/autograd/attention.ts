/** Scaled dot-product attention. */
import { MemgradError } from '../errors.js';
import { dropout } from './dropout.js';
import { add } from './elementwise.js';
import { matmul } from './matmul.js';
import { maskedSoftmax } from './normalization.js';
import { report } from './observe.js';
import { requireTensors } from './operation.js';
import type { Key } from './random.js';
import { showShape, type Tensor } from './tensor.js';

/** Options of `attention`. */
export interface AttentionOptions {
  /** int32, broadcasts to [..., queries, keys]: 1 where a query may look at a key. Default: everywhere. */
  mask?: Tensor;
  /** Added to the scores before scaling, broadcasts to [..., queries, keys]: relative positions. */
  bias?: Tensor;
  /** Drop attention weights at `rate`, with `key`. */
  dropout?: { rate: number; key: Key };
}

/**
 * softmax((q k^T + bias) / sqrt(d)) v (Vaswani et al. 2017, eq. 1) for `q` [..., queries, d],
 * `k` [..., keys, d] and `v` [..., keys, e]; gives [..., queries, e]. A query that may look at
 * nothing gets zeros. The weights are reported to `observe` as `attention`.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const { mask, bias, dropout: drop } = options;
  requireTensors('attention', q, k, v);
  const [width, keys] = [q.shape[q.rank - 1], k.shape[k.rank - 2]];
  const fits = width === k.shape[k.rank - 1] && keys === v.shape[v.rank - 2];
  if (Math.min(q.rank, k.rank, v.rank) < 2 || !fits) {
    throw new MemgradError(
      `attention: q ${showShape(q.shape)}, k ${showShape(k.shape)} and v ${showShape(v.shape)} do not fit, expected [..., queries, d], [..., keys, d] and [..., keys, e].`,
    );
  }
  const products = matmul(q, k, { transposeB: true }); // [..., queries, keys]
  const scores = bias ? add(products, bias) : products;
  const weights = maskedSoftmax(scores, mask, 1 / Math.sqrt(width));
  report('attention', weights);
  return matmul(drop ? dropout(weights, drop.rate, drop.key) : weights, v);
}
