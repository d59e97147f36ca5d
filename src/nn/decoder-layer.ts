/** One layer of a decoder. */
import { add, dropout, type Key, type Tensor } from '../autograd/index.js';
import { rateKind } from '../autograd/operations/dropout.js';
import { oneOf, whole } from '../options.js';
import {
  type AttentionContext,
  attentionKinds,
  checkAttention,
  SelfAttention,
  type SelfAttentionOptions,
} from './attention.js';
import { FeedForward } from './feed-forward.js';
import { LayerNorm } from './layer-norm.js';
import { Module } from './module.js';
import { allOrNothing, checkArguments, drawnFrom } from './parameters.js';
import { lastRows } from './rows.js';

/** The places of layer normalisation. */
export const norms = ['pre', 'post'] as const;

/** Options of `DecoderLayer`. */
export interface DecoderLayerOptions extends Omit<SelfAttentionOptions, 'separate'> {
  /** Width of the feed-forward layer. Default: 4 dModel. */
  dInner?: number;
  /** Layer normalisation before each sub-layer (the default), or after its residual sum. */
  norm?: (typeof norms)[number];
  /** Probability with which a value is dropped. Default 0. */
  dropout?: number;
  /** Probability with which an attention weight is dropped. Default 0. */
  dropatt?: number;
  /** Whether rows see only themselves and earlier rows, unless a mask is passed. Default true. */
  causal?: boolean;
}

/** Attention and feed-forward, each with its residual sum and its layer normalisation. */
export class DecoderLayer extends Module {
  readonly attention: SelfAttention;
  readonly attentionNorm: LayerNorm;
  readonly feedForward: FeedForward;
  readonly feedForwardNorm: LayerNorm;
  readonly #dModel: number;
  readonly #pre: boolean;
  readonly #rate: number;

  /** Throws `MemgradError` for sizes and options that `SelfAttention` doesn't accept. */
  constructor(dModel: number, nHead: number, options: DecoderLayerOptions = {}) {
    super();
    checkArguments('DecoderLayer', { dModel, nHead }, options, {
      ...attentionKinds(),
      dInner: whole(),
      norm: oneOf(norms),
      dropout: rateKind,
      dropatt: rateKind,
    });
    const {
      dInner = 4 * dModel,
      norm = 'pre',
      dropout = 0,
      dropatt = 0,
      causal = true,
      ...rest
    } = options;
    const { key, initial } = drawnFrom(options);
    const { dtype, backend } = options;
    const pre = norm === 'pre';
    const normed = (index: number) =>
      new LayerNorm(dModel, { key: key.fold(index), dtype, backend });
    // After a norm of their own nothing else reads these rows. The order in which gradients are
    // added, and with it every bit, is then the same with one product.
    const attending = { ...rest, key: key.fold(0), causal, dropout: dropatt, separate: !pre };
    const made = allOrNothing(() => ({
      attention: new SelfAttention(dModel, nHead, attending),
      attentionNorm: normed(1),
      feedForward: new FeedForward(dModel, dInner, { ...initial, key: key.fold(2), dropout }),
      feedForwardNorm: normed(3),
    }));
    this.attention = made.attention;
    this.attentionNorm = made.attentionNorm;
    this.feedForward = made.feedForward;
    this.feedForwardNorm = made.feedForwardNorm;
    this.#dModel = dModel;
    this.#pre = pre;
    this.#rate = dropout;
  }

  /**
   * Maps `x` [batch, rows, dModel] to the last rows of the output, one for each row of the mask:
   * [batch, queries, dModel]. The cache holds earlier rows of this layer's input. `key` turns
   * dropout on.
   */
  forward(x: Tensor, key?: Key, context: AttentionContext = {}): Tensor {
    checkAttention('DecoderLayer', this.#dModel, x, key, context);
    const { attention, attentionNorm, feedForward, feedForwardNorm } = this;
    const [inAttention, behindAttention, inFeedForward, behindFeedForward] = key?.split(4) ?? [];
    const change = (x: Tensor, y: Tensor, drop?: Key) => {
      const residual = lastRows(x, y.shape[1]);
      return drop ? dropout(y, this.#rate, drop, { residual }) : add(residual, y);
    };
    if (this.#pre) {
      const cache = context.cache && attentionNorm.forward(context.cache);
      const normed = attentionNorm.forward(x);
      const attended = attention.forward(normed, inAttention, { ...context, cache });
      const h = change(x, attended, behindAttention);
      const fed = feedForward.forward(feedForwardNorm.forward(h), inFeedForward);
      return change(h, fed, behindFeedForward);
    }
    const attended = attention.forward(x, inAttention, context);
    const h = attentionNorm.forward(change(x, attended, behindAttention));
    const fed = feedForward.forward(h, inFeedForward);
    return feedForwardNorm.forward(change(h, fed, behindFeedForward));
  }
}
