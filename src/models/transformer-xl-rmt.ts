/** Transformer-XL + RMT: a cache of recent rows for short range, memory for long range. */
import { Key, type Parameter, type Tensor } from '../autograd/index.js';
import { type Cache, emptyCache, extendCache } from '../nn/cache.js';
import { segmentMask } from '../nn/mask.js';
import { perSequence, splitMemory, withMemory } from '../nn/memory.js';
import { allOrNothing } from '../nn/parameters.js';
import { check, whole } from '../options.js';
import { type CachedMemoryConfig, type OwnOptions, ownConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { initialMemory, writeRows } from './layers/initial.js';
import { cacheParts, checkInput } from './layers/inputs.js';
import { SegmentModel, type SegmentOutput } from './segment-model.js';

/** The state that is carried: memory and cache. */
export type MemoryAndCache = {
  /** [batch, numMemTokens, dModel], with its gradient. */
  memory: Tensor;
  /** Without gradient. It includes the rows of memory tokens, which count towards `memLen`. */
  cache: Cache;
};

/** The options that it reads besides those of `ModelConfig`. */
const reads = [
  'memLen',
  'sameLength',
  'numMemTokens',
  'memInit',
  'memAtEnd',
  'writeTokens',
  'readMemFromCache',
] as const satisfies OwnOptions<CachedMemoryConfig>;

/** Transformer-XL + RMT (Bulatov, Kuratov, Burtsev 2022, arXiv 2207.06881). */
export class TransformerXLRMT extends SegmentModel<MemoryAndCache> {
  static readonly isCapturable = true;
  static readonly reads = reads;
  readonly decoder: Decoder;
  /** The memory before the first segment, [numMemTokens, dModel]; learned. */
  readonly memory: Parameter;
  /**
   * The learned rows at the end of every segment, [numMemTokens, dModel], with
   * `writeTokens: 'own'`.
   */
  readonly writeTokens: Parameter | undefined;

  /** Throws `MemgradError` for an invalid configuration. */
  constructor(
    override readonly config: Readonly<CachedMemoryConfig>,
    seed = 0,
  ) {
    super();
    config = this.config = ownConfig(config, reads);
    const key = Key.of(seed);
    const made = allOrNothing(() => ({
      decoder: new Decoder(config, key),
      memory: initialMemory(config, key.fold(4)),
      writeTokens: writeRows(config, key.fold(6)),
    }));
    this.decoder = made.decoder;
    this.memory = made.memory;
    this.writeTokens = made.writeTokens;
  }

  initialState(batch: number): MemoryAndCache {
    check('initialState: batch', batch, whole());
    const { nLayer, dModel, dtype, backend } = this.config;
    const cache = emptyCache(batch, nLayer, dModel, { dtype, backend });
    return { memory: perSequence(this.memory, batch), cache };
  }

  forward(tokens: Tensor, state: MemoryAndCache, key?: Key): SegmentOutput<MemoryAndCache> {
    const { memory, cache } = state ?? {};
    const carried = cacheParts(cache, this.config);
    checkInput(this.config, tokens, key, [[memory, this.config.numMemTokens], ...carried]);
    const { decoder, writeTokens } = this;
    const { numMemTokens, memLen, memAtEnd = true, readMemFromCache, sameLength } = this.config;
    const time = tokens.shape[1];
    const rows = withMemory(memory, decoder.embed(tokens), { memAtEnd, writeTokens });
    const mask = segmentMask(
      {
        time,
        cached: cache[0].shape[1],
        numMemTokens,
        memAtEnd,
        readMemFromCache,
        window: sameLength ? memLen : undefined,
      },
      tokens.backend,
    );
    const { output, hidden } = decoder.forward(rows, { mask, cache, key });
    const { read, memory: written } = splitMemory(output, time, { numMemTokens, memAtEnd });
    return decoder.predict(read, { memory: written, cache: extendCache(cache, hidden, memLen) });
  }
}
