/**
 * The Recurrent Memory Transformer: memory vectors carry information from one segment to the next.
 */
import { Key, type Parameter, type Tensor } from '../autograd/index.js';
import { segmentMask } from '../nn/mask.js';
import {
  type MemoryLayout,
  perSequence,
  splitMemory,
  withMemory,
  writtenMemory,
} from '../nn/memory.js';
import { allOrNothing } from '../nn/parameters.js';
import { check, whole } from '../options.js';
import { type OwnOptions, ownConfig, type RecurrentMemoryConfig } from './config.js';
import { Decoder } from './layers/decoder.js';
import { initialMemory, writeRows } from './layers/initial.js';
import { checkInput } from './layers/inputs.js';
import { SegmentModel, type SegmentOutput } from './segment-model.js';

/** The options that it reads besides those of `ModelConfig`. */
const reads = [
  'numMemTokens',
  'memInit',
  'memAtEnd',
  'writeTokens',
] as const satisfies OwnOptions<RecurrentMemoryConfig>;

/**
 * RMT (Bulatov, Kuratov, Burtsev 2022, arXiv 2207.06881, section 3): a segment is read as
 * [memory | tokens | memory]. Tokens read from the memory at the front. The output at the memory
 * rows at the end is the memory of the next segment. Gradients flow through it.
 */
export class RMT extends SegmentModel<Tensor> {
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
    override readonly config: Readonly<RecurrentMemoryConfig>,
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

  initialState(batch: number): Tensor {
    check('initialState: batch', batch, whole());
    return perSequence(this.memory, batch);
  }

  forward(tokens: Tensor, memory: Tensor, key?: Key): SegmentOutput<Tensor> {
    this.#check(tokens, memory, key);
    const { numMemTokens } = this.config;
    const time = tokens.shape[1];
    const output = this.#outputFrom(numMemTokens, tokens, memory, key);
    const { read, memory: written } = splitMemory(output, time, this.#layout);
    return this.decoder.predict(read, written);
  }

  protected override stateAfter(tokens: Tensor, memory: Tensor, key?: Key): Tensor {
    this.#check(tokens, memory, key);
    const firstWrite = this.config.numMemTokens + tokens.shape[1];
    return writtenMemory(this.#outputFrom(firstWrite, tokens, memory, key), this.#layout);
  }

  #check(tokens: Tensor, memory: Tensor, key?: Key): void {
    checkInput(this.config, tokens, key, [[memory, this.config.numMemTokens]]);
  }

  get #layout(): MemoryLayout {
    const { numMemTokens, memAtEnd = true } = this.config;
    return { numMemTokens, memAtEnd };
  }

  /** The output rows of a segment from `first` on; all of them if the front memory is carried. */
  #outputFrom(first: number, tokens: Tensor, memory: Tensor, key?: Key): Tensor {
    const { decoder, writeTokens } = this;
    const layout = this.#layout;
    const { memAtEnd } = layout;
    const rows = withMemory(memory, decoder.embed(tokens), { memAtEnd, writeTokens });
    const mask = segmentMask({ ...layout, time: tokens.shape[1] }, tokens.backend);
    return decoder.forward(rows, { mask, key, readFrom: memAtEnd ? first : 0 }).output;
  }
}
