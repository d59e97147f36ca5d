/** The cache of Transformer-XL: rows of earlier segments. */
import { concat, report, slice, stopGradient, type Tensor, zeros } from '../../autograd/index.js';
import type { CacheConfig } from '../config.js';

/** For every layer's input, and the last output, up to memLen rows [batch, cached, dModel]; none at the start. */
export type Cache = readonly Tensor[];

/** A cache without rows. */
export function emptyCache(batch: number, config: CacheConfig): Cache {
  const { nLayer, dModel, dtype, backend } = config;
  return Array.from({ length: nLayer + 1 }, () => zeros([batch, 0, dModel], { dtype, backend }));
}

/** The last `memLen` rows of `cache` and `hidden`, as constants (Dai et al. 2019, section 3.2). */
export function extendCache(cache: Cache, hidden: readonly Tensor[], memLen: number): Cache {
  return hidden.map((rows, i) => {
    const all = concat([cache[i], stopGradient(rows)], 1);
    const kept = slice(all, 1, Math.max(0, all.shape[1] - memLen));
    report(`cache.${i}`, kept);
    return kept;
  });
}
