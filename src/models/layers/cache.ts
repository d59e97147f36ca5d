/** The cache of Transformer-XL, which keeps rows of earlier segments. */
import { concat, report, slice, stopGradient, type Tensor, zeros } from '../../autograd/index.js';
import type { CacheConfig } from '../config.js';

/**
 * Up to memLen rows [batch, cached, dModel] of every layer's input and of the last output; none at
 * the start.
 */
export type Cache = readonly Tensor[];

/** Returns a cache without rows. */
export function emptyCache(batch: number, config: CacheConfig): Cache {
  const { nLayer, dModel, dtype, backend } = config;
  return Array.from({ length: nLayer + 1 }, () => zeros([batch, 0, dModel], { dtype, backend }));
}

/**
 * Returns the last `memLen` rows of `cache` and `hidden` together, as constants (Dai et al. 2019,
 * section 3.2).
 */
export function extendCache(cache: Cache, hidden: readonly Tensor[], memLen: number): Cache {
  return hidden.map((rows, i) => {
    const all = concat([cache[i], stopGradient(rows)], 1);
    const kept = slice(all, 1, Math.max(0, all.shape[1] - memLen));
    report(`cache.${i}`, kept);
    return kept;
  });
}
