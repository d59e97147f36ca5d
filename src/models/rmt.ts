/** The Recurrent Memory Transformer: memory vectors carry what a segment has to tell the next. */
import { broadcastTo, concat, Key, type Parameter, slice, type Tensor } from '../autograd/index.js';
import { checkConfig, type MemoryConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { segmentMask } from './layers/mask.js';
import { memoryRows } from './layers/memory.js';
import { Module } from './module.js';
import type { SegmentModel, SegmentOutput } from './segment-model.js';

/**
 * RMT (Bulatov, Kuratov, Burtsev 2022, arXiv 2207.06881, section 3): a segment is read as
 * [memory | tokens | memory]. Tokens read from the memory at the front; what comes out at the
 * memory at the end is the memory of the next segment. Gradients flow through it.
 */
export class RMT extends Module implements SegmentModel<Tensor> {
  readonly decoder: Decoder;
  /** The memory before the first segment, [numMemTokens, dModel]; learned. */
  readonly memory: Parameter;

  /** Throws `MemgradError` for a configuration that cannot be. */
  constructor(
    readonly config: MemoryConfig,
    seed = 0,
  ) {
    super();
    checkConfig({ ...config });
    const key = Key.of(seed);
    this.decoder = new Decoder(config, key);
    this.memory = memoryRows(config, key.fold(4));
  }

  /** The learned memory for each sequence, [batch, numMemTokens, dModel]. */
  initialState(batch: number): Tensor {
    const { numMemTokens, dModel } = this.config;
    return broadcastTo(this.memory, [batch, numMemTokens, dModel]);
  }

  forward(tokens: Tensor, memory: Tensor, key?: Key): SegmentOutput<Tensor> {
    const { decoder } = this;
    const { numMemTokens } = this.config;
    const time = tokens.shape[1];
    const rows = concat([memory, decoder.embed(tokens), memory], 1);
    const mask = segmentMask({ time, numMemTokens }, tokens.backend);
    const { output } = decoder.forward(rows, { mask, key });
    const read = slice(output, 1, numMemTokens, numMemTokens + time);
    return { logits: decoder.logits(read), state: slice(output, 1, numMemTokens + time) };
  }
}
