/**
 * MemTransformer: memory tokens in front of every segment, and nothing carried between segments.
 */
import { Key, type Parameter, type Tensor } from '../autograd/index.js';
import { segmentMask } from '../nn/mask.js';
import { perSequence, splitMemory, withMemory } from '../nn/memory.js';
import { allOrNothing } from '../nn/parameters.js';
import { type MemoryConfig, type OwnOptions, ownConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { initialMemory } from './layers/initial.js';
import { checkInput, checkNothing } from './layers/inputs.js';
import { SegmentModel, type SegmentOutput } from './segment-model.js';

/** The options that it reads besides those of `ModelConfig`. */
const reads = ['numMemTokens', 'memInit'] as const satisfies OwnOptions<MemoryConfig>;

/**
 * Memory Transformer (Burtsev et al. 2020, arXiv 2006.11527) in the form that the RMT paper
 * compares with: a segment is read as [memory | tokens], and each starts with the same learned
 * memory. In a causal decoder the memory sees only itself, so it is a learned prefix that knows
 * nothing of the segment.
 */
export class MemTransformer extends SegmentModel<null> {
  static readonly isCapturable = true;
  static readonly reads = reads;
  readonly decoder: Decoder;
  /** [numMemTokens, dModel]; learned. */
  readonly memory: Parameter;

  /** Throws `MemgradError` for an invalid configuration. */
  constructor(
    override readonly config: Readonly<MemoryConfig>,
    seed = 0,
  ) {
    super();
    config = this.config = ownConfig(config, reads);
    const key = Key.of(seed);
    const made = allOrNothing(() => ({
      decoder: new Decoder(config, key),
      memory: initialMemory(config, key.fold(4)),
    }));
    this.decoder = made.decoder;
    this.memory = made.memory;
  }

  /** Nothing is carried from segment to segment. */
  initialState(_batch?: number): null {
    return null;
  }

  protected override stateAfter(): null {
    return null;
  }

  forward(tokens: Tensor, state: null, key?: Key): SegmentOutput<null> {
    checkInput(this.config, tokens, key, []);
    checkNothing(state);
    const { decoder } = this;
    const { numMemTokens } = this.config;
    const [batch, time] = tokens.shape;
    const memory = perSequence(this.memory, batch);
    const rows = withMemory(memory, decoder.embed(tokens), { memAtEnd: false });
    const mask = segmentMask({ time, numMemTokens, memAtEnd: false }, tokens.backend);
    const { output } = decoder.forward(rows, { mask, key });
    const { read } = splitMemory(output, time, { numMemTokens, memAtEnd: false });
    return decoder.predict(read, null);
  }
}
