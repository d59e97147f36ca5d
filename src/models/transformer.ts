/** The baseline: a Transformer that sees nothing of earlier segments. */
import { Key, type Tensor } from '../autograd/index.js';
import { segmentMask } from '../nn/mask.js';
import { allOrNothing } from '../nn/parameters.js';
import { type ModelConfig, ownConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { checkInput, checkNothing } from './layers/inputs.js';
import { SegmentModel, type SegmentOutput } from './segment-model.js';

/** The options that it reads besides those of `ModelConfig`. */
const reads = [] as const;

/** A causal decoder (Vaswani et al. 2017) that reads each segment independently. */
export class Transformer extends SegmentModel<null> {
  static readonly isCapturable = true;
  static readonly reads = reads;
  readonly decoder: Decoder;

  /** Throws `MemgradError` for an invalid configuration. */
  constructor(
    override readonly config: Readonly<ModelConfig>,
    seed = 0,
  ) {
    super();
    config = this.config = ownConfig(config, reads);
    this.decoder = allOrNothing(() => new Decoder(config, Key.of(seed)));
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
    const mask = segmentMask({ time: tokens.shape[1] }, tokens.backend);
    const { output } = decoder.forward(decoder.embed(tokens), { mask, key });
    return decoder.predict(output, null);
  }
}
