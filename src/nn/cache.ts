/** The cache of Transformer-XL, which keeps rows of earlier segments. */
import { concat, report, slice, stopGradient, type Tensor, zeros } from '../autograd/index.js';
import { check, requireThat, whole } from '../options.js';
import { checkArguments, type Placement, placementKinds } from './parameters.js';

/**
 * Up to memLen rows [batch, cached, dModel] of every layer's input and of the last output; none at
 * the start.
 */
export type Cache = readonly Tensor[];

/**
 * Returns a cache without rows for `nLayer` layers. Throws `MemgradError` unless all sizes are whole
 * numbers >= 1.
 */
export function emptyCache(
  batch: number,
  nLayer: number,
  dModel: number,
  placement: Placement = {},
): Cache {
  checkArguments('emptyCache', { batch, nLayer, dModel }, placement, placementKinds);
  check('emptyCache: nLayer', nLayer, whole(1, 10_000));
  const { dtype, backend } = placement;
  return Array.from({ length: nLayer + 1 }, () => zeros([batch, 0, dModel], { dtype, backend }));
}

/**
 * Returns the last `memLen` rows of `cache` and `hidden` together, as constants (Dai et al. 2019,
 * section 3.2). Throws `MemgradError` unless both have a tensor [batch, rows, dModel] for each layer
 * and one more.
 */
export function extendCache(cache: Cache, hidden: readonly Tensor[], memLen: number): Cache {
  const fits = Array.isArray(cache) && Array.isArray(hidden) && cache.length === hidden.length;
  requireThat(fits, 'extendCache: hidden', 'a list as long as the cache', hidden);
  check('extendCache: memLen', memLen, whole(0));
  return hidden.map((rows, i) => {
    const all = concat([cache[i], stopGradient(rows)], 1);
    const kept = slice(all, 1, Math.max(0, all.shape[1] - memLen));
    report(`cache.${i}`, kept);
    return kept;
  });
}
