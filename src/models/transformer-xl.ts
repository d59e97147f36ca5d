/** Transformer-XL: every layer also attends to rows that it kept from earlier segments. */
import { Key, type Tensor } from '../autograd/index.js';
import { type Cache, emptyCache, extendCache } from '../nn/cache.js';
import { segmentMask } from '../nn/mask.js';
import { allOrNothing } from '../nn/parameters.js';
import { check, whole } from '../options.js';
import { type CacheConfig, type OwnOptions, ownConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { cacheParts, checkInput } from './layers/inputs.js';
import { SegmentModel, type SegmentOutput } from './segment-model.js';

/** The options that it reads besides those of `ModelConfig`. */
const reads = ['memLen', 'sameLength'] as const satisfies OwnOptions<CacheConfig>;

/** Transformer-XL (Dai et al. 2019, arXiv 1901.02860). No gradient flows through the cache. */
export class TransformerXL extends SegmentModel<Cache> {
  static readonly isCapturable = true;
  static readonly reads = reads;
  readonly decoder: Decoder;

  /** Throws `MemgradError` for an invalid configuration. */
  constructor(
    override readonly config: Readonly<CacheConfig>,
    seed = 0,
  ) {
    super();
    config = this.config = ownConfig(config, reads);
    this.decoder = allOrNothing(() => new Decoder(config, Key.of(seed)));
  }

  initialState(batch: number): Cache {
    check('initialState: batch', batch, whole());
    const { nLayer, dModel, dtype, backend } = this.config;
    return emptyCache(batch, nLayer, dModel, { dtype, backend });
  }

  forward(tokens: Tensor, cache: Cache, key?: Key): SegmentOutput<Cache> {
    checkInput(this.config, tokens, key, cacheParts(cache, this.config));
    const { decoder } = this;
    const { memLen, sameLength } = this.config;
    const mask = segmentMask(
      {
        time: tokens.shape[1],
        cached: cache[0].shape[1],
        window: sameLength ? memLen : undefined,
      },
      tokens.backend,
    );
    const { output, hidden } = decoder.forward(decoder.embed(tokens), { mask, cache, key });
    return decoder.predict(output, extendCache(cache, hidden, memLen));
  }
}
