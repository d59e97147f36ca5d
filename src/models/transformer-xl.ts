/** Transformer-XL: every layer also sees the rows that it saw in earlier segments. */
import { concat, Key, slice, stopGradient, type Tensor } from '../autograd/index.js';
import { type CacheConfig, checkConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { segmentMask } from './layers/mask.js';
import { Module } from './module.js';
import type { SegmentModel, SegmentOutput } from './segment-model.js';

/** The cache: for every layer's input, and the last output, up to memLen rows [batch, cached, dModel]; null at the start. */
export type Cache = Tensor[] | null;

/** Transformer-XL (Dai et al. 2019, arXiv 1901.02860). No gradient flows through the cache. */
export class TransformerXL extends Module implements SegmentModel<Cache> {
  readonly decoder: Decoder;

  /** Throws `MemgradError` for a configuration that cannot be. */
  constructor(
    readonly config: CacheConfig,
    seed = 0,
  ) {
    super();
    checkConfig({ ...config });
    this.decoder = new Decoder(config, Key.of(seed));
  }

  /** An empty cache. */
  initialState(): Cache {
    return null;
  }

  forward(tokens: Tensor, cache: Cache, key?: Key): SegmentOutput<Cache> {
    const { decoder } = this;
    const cached = cache ? cache[0].shape[1] : 0;
    const mask = segmentMask({ time: tokens.shape[1], cached }, tokens.backend);
    const { output, hidden } = decoder.forward(decoder.embed(tokens), { mask, cache, key });
    return {
      logits: decoder.logits(output),
      state: extendCache(cache, hidden, this.config.memLen),
    };
  }
}

/** The last `memLen` rows of cache and `hidden`, as constants. */
function extendCache(cache: Cache, hidden: readonly Tensor[], memLen: number): Cache {
  return hidden.map((rows, i) => {
    const fresh = stopGradient(rows);
    const all = cache ? concat([cache[i], fresh], 1) : fresh;
    return slice(all, 1, Math.max(0, all.shape[1] - memLen));
  });
}
