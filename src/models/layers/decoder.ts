/** The stack that all models share: embedding, layers, logits. */
import {
  add,
  dropout,
  gather,
  type Key,
  linear,
  mul,
  type Parameter,
  type Tensor,
} from '../../autograd/index.js';
import type { ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { type AttentionContext, SelfAttention } from './attention.js';
import { FeedForward } from './feed-forward.js';
import { LayerNorm } from './layer-norm.js';
import { gaussian, zero } from './parameters.js';
import { rotations, sinusoids } from './positions.js';

/** Attention and feed-forward, each with its residual sum and its layer normalisation. */
export class DecoderLayer extends Module {
  readonly attention: SelfAttention;
  readonly attentionNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly feedForwardNorm: LayerNorm;
  readonly #pre: boolean;
  readonly #rate: number;

  constructor(config: ModelConfig, key: Key) {
    super();
    this.attention = new SelfAttention(config, key.fold(0));
    this.attentionNorm = new LayerNorm(config.dModel, key.fold(1), config);
    this.feedForward = new FeedForward(config, key.fold(2));
    this.feedForwardNorm = new LayerNorm(config.dModel, key.fold(3), config);
    this.#pre = config.norm === 'pre';
    this.#rate = config.dropout;
  }

  /** `x` [batch, queries, dModel] with the cached rows of this layer's input, to the shape of `x`. */
  forward(x: Tensor, cache: Tensor | null, context: AttentionContext, key?: Key): Tensor {
    const { attention, attentionNorm, feedForward, feedForwardNorm } = this;
    const [inAttention, behindAttention, inFeedForward, behindFeedForward] = key?.split(4) ?? [];
    const change = (residual: Tensor, y: Tensor, drop?: Key) =>
      drop ? dropout(y, this.#rate, drop, { residual }) : add(residual, y);
    if (this.#pre) {
      const earlier = cache && attentionNorm.forward(cache);
      const attended = attention.forward(attentionNorm.forward(x), earlier, context, inAttention);
      const h = change(x, attended, behindAttention);
      const fed = feedForward.forward(feedForwardNorm.forward(h), inFeedForward);
      return change(h, fed, behindFeedForward);
    }
    const attended = attention.forward(x, cache, context, inAttention);
    const h = attentionNorm.forward(change(x, attended, behindAttention));
    const fed = feedForward.forward(h, inFeedForward);
    return feedForwardNorm.forward(change(h, fed, behindFeedForward));
  }
}

/** What the stack gives for one segment. */
export interface DecoderOutput {
  /** [batch, queries, dModel], ready for `logits`. */
  output: Tensor;
  /** The input of every layer and the output of the last one: nLayer + 1 times [batch, queries, dModel]. */
  hidden: Tensor[];
}

/** Embedding, decoder layers, and logits through the transposed embedding. */
export class Decoder extends Module {
  /** [nToken, dModel], shared by the embedding and the logits. */
  readonly embedding: Parameter;
  readonly outputBias: Parameter;
  readonly layers: DecoderLayer[];
  readonly finalNorm: LayerNorm | undefined;
  /** Transformer-XL's u and v, [nHead, dHead], one pair for all layers; only for relative positions. */
  readonly u: Parameter | undefined;
  readonly v: Parameter | undefined;
  readonly #config: ModelConfig;

  constructor(config: ModelConfig, key: Key) {
    super();
    const { nToken, nLayer, nHead, dModel, dHead, positions } = config;
    this.embedding = gaussian(key.fold(0), [nToken, dModel], config);
    this.outputBias = zero([nToken], config);
    this.layers = Array.from(
      { length: nLayer },
      (_, i) => new DecoderLayer(config, key.fold(10 + i)),
    );
    this.finalNorm = config.finalNorm ? new LayerNorm(dModel, key.fold(1), config) : undefined;
    if (positions === 'relative' || positions === 'relative-wrapped') {
      this.u = gaussian(key.fold(2), [nHead, dHead], config);
      this.v = gaussian(key.fold(3), [nHead, dHead], config);
    }
    this.#config = config;
  }

  /** Tokens [batch, time] to embeddings [batch, time, dModel]. */
  embed(tokens: Tensor): Tensor {
    const rows = gather(this.embedding, tokens);
    const { scaleEmbeddings, dModel } = this.#config;
    return scaleEmbeddings ? mul(rows, Math.sqrt(dModel)) : rows;
  }

  /** Rows [batch, time, dModel] to logits [batch, time, nToken]. */
  logits(rows: Tensor): Tensor {
    return linear(rows, this.embedding, this.outputBias);
  }

  /** Runs the layers on `rows` [batch, queries, dModel]; `cache` has the earlier rows of every layer's input. */
  forward(
    rows: Tensor,
    { mask, cache, key }: { mask: Tensor; cache?: readonly Tensor[] | null; key?: Key },
  ): DecoderOutput {
    const context = this.#context(mask);
    let h = context.added ? add(rows, context.added) : rows;
    const hidden = [h];
    this.layers.forEach((layer, i) => {
      h = layer.forward(h, cache?.[i] ?? null, context, key?.fold(i));
      hidden.push(h);
    });
    const normed = this.finalNorm ? this.finalNorm.forward(h) : h;
    const output = key
      ? dropout(normed, this.#config.dropout, key.fold(this.layers.length))
      : normed;
    return { output, hidden };
  }

  /** The positions of a segment with this mask. */
  #context(mask: Tensor): AttentionContext & { added?: Tensor } {
    const { positions, dModel, dHead } = this.#config;
    const [queries, keys] = mask.shape;
    if (positions === 'rotary') return { mask, rotary: rotations(keys, dHead, this.#config) };
    const downFrom = (first: number, last: number) =>
      Array.from({ length: first - last + 1 }, (_, i) => first - i);
    if (positions === 'absolute') {
      return { mask, added: sinusoids(downFrom(queries - 1, 0), dModel, this.#config) };
    }
    const last = positions === 'relative-wrapped' ? 0 : 1 - queries;
    const table = sinusoids(downFrom(keys - 1, last), dModel, this.#config);
    return { mask, relative: { table, u: this.u as Parameter, v: this.v as Parameter } };
  }
}
