/** The stacks that models share: embedding and layers; for language models, logits too. */

import { requireTensors } from '../../autograd/arguments.js';
import {
  add,
  dropout,
  gather,
  isObserved,
  isWanted,
  type Key,
  linear,
  mul,
  type Parameter,
  report,
  Tensor,
  within,
} from '../../autograd/index.js';
import { isKey } from '../../autograd/random.js';
import { check, checkOptions, whole } from '../../options.js';
import { checkLayer, type ModelConfig } from '../config.js';
import { Module } from '../module.js';
import type { SegmentOutput } from '../segment-model.js';
import { AdaptiveSoftmax } from './adaptive-softmax.js';
import { type AttentionContext, SelfAttention } from './attention.js';
import { FeedForward } from './feed-forward.js';
import { LayerNorm } from './layer-norm.js';
import { gaussian, gaussianRows, zero } from './parameters.js';
import { rotations, sinusoids } from './positions.js';
import { lastRows } from './rows.js';

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
    checkLayer(config, key);
    const { dtype, backend } = config;
    this.attention = new SelfAttention(config, key.fold(0));
    this.attentionNorm = new LayerNorm(config.dModel, key.fold(1), { dtype, backend });
    this.feedForward = new FeedForward(config, key.fold(2));
    this.feedForwardNorm = new LayerNorm(config.dModel, key.fold(3), { dtype, backend });
    this.#pre = config.norm === 'pre';
    this.#rate = config.dropout;
  }

  /**
   * Maps `x` [batch, rows, dModel] and the cached rows of this layer's input to the last rows of
   * the output, one for each row of the mask: [batch, queries, dModel].
   */
  forward(x: Tensor, cache: Tensor | null, context: AttentionContext, key?: Key): Tensor {
    if (key !== undefined) check('layer: key', key, isKey);
    const { attention, attentionNorm, feedForward, feedForwardNorm } = this;
    const [inAttention, behindAttention, inFeedForward, behindFeedForward] = key?.split(4) ?? [];
    const change = (x: Tensor, y: Tensor, drop?: Key) => {
      const residual = lastRows(x, y.shape[1]);
      return drop ? dropout(y, this.#rate, drop, { residual }) : add(residual, y);
    };
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

/** How a stack reads a segment. */
export interface StackOptions {
  /** int32 [queries, keys], or [batch, 1, queries, keys]. */
  mask: Tensor;
  /** The earlier rows of every layer's input. */
  cache?: readonly Tensor[];
  /** Turns dropout on. */
  key?: Key;
  /**
   * The first row whose output is read, default 0. The last layer then skips the queries before it,
   * unless an observer is active, or dropout needs all of them, since it is drawn by position.
   */
  readFrom?: number;
}

/** The output of the stack for one segment. */
export interface StackOutput {
  /** [batch, queries, dModel], starting at the row `readFrom`. */
  output: Tensor;
  /**
   * The input of every layer and the output of the last one: nLayer + 1 tensors
   * [batch, queries, dModel]. The last one lacks the rows that were skipped.
   */
  hidden: Tensor[];
}

/** Embedding and layers, with positions. */
export class Stack extends Module {
  /** [nToken, dModel]. */
  readonly embedding: Parameter;
  readonly layers: DecoderLayer[];
  readonly finalNorm: LayerNorm | undefined;
  /** Transformer-XL's u and v, [nHead, dHead], one pair for all layers; only for relative positions. */
  readonly u: Parameter | undefined;
  readonly v: Parameter | undefined;
  readonly #config: ModelConfig;

  constructor(config: ModelConfig, key: Key) {
    super();
    checkLayer(config, key);
    const { nToken, nLayer, nHead, dModel, dHead, positions, dtype, backend } = config;
    this.embedding = gaussianRows(key.fold(0), [nToken, dModel], config);
    this.layers = Array.from(
      { length: nLayer },
      (_, i) => new DecoderLayer(config, key.fold(10 + i)),
    );
    this.finalNorm = config.finalNorm
      ? new LayerNorm(dModel, key.fold(1), { dtype, backend })
      : undefined;
    if (positions === 'relative' || positions === 'relative-wrapped') {
      this.u = gaussian(key.fold(2), [nHead, dHead], config);
      this.v = gaussian(key.fold(3), [nHead, dHead], config);
    }
    this.#config = config;
  }

  /** Maps tokens [batch, time] to embeddings [batch, time, dModel]. */
  embed(tokens: Tensor): Tensor {
    const rows = gather(this.embedding, tokens);
    const { scaleEmbeddings, dModel } = this.#config;
    return scaleEmbeddings ? mul(rows, Math.sqrt(dModel)) : rows;
  }

  /** Runs the layers on `rows` [batch, queries, dModel]. */
  forward(rows: Tensor, options: StackOptions): StackOutput {
    checkOptions('stack', options, {
      mask: 1,
      cache: [
        'a tensor for each layer',
        (cache: readonly unknown[]) =>
          Array.isArray(cache) && this.layers.every((_, i) => cache[i] instanceof Tensor),
      ],
      key: isKey,
      readFrom: whole(0, rows?.shape?.[1]),
    });
    const { mask, cache, key, readFrom = 0 } = options ?? {};
    requireTensors('stack', rows, mask);
    const context = this.#context(mask);
    const read = rows.shape[1] - readFrom;
    const lastMask = this.#computesAll(key) ? mask : lastRows(mask, read);
    let h = context.added ? add(rows, context.added) : rows;
    const hidden = [h];
    this.layers.forEach((layer, i) => {
      const earlier = cache && cache[i].shape[1] > 0 ? cache[i] : null;
      h = within(`layers.${i}`, () => {
        report('input', h);
        const seen = i === this.layers.length - 1 ? { ...context, mask: lastMask } : context;
        return layer.forward(h, earlier, seen, key?.fold(i));
      });
      hidden.push(h);
    });
    const normed = this.finalNorm ? this.finalNorm.forward(h) : h;
    const output = key
      ? dropout(normed, this.#config.dropout, key.fold(this.layers.length))
      : normed;
    report('output', output);
    return { output: lastRows(output, read), hidden };
  }

  #computesAll(key?: Key): boolean {
    const { dropout, dropatt } = this.#config;
    return isObserved() || (key !== undefined && dropout + dropatt > 0);
  }

  /** The positions for a segment with this mask. */
  #context(mask: Tensor): AttentionContext & { added?: Tensor } {
    const { positions, dModel, clampLen = Infinity } = this.#config;
    const [queries, keys] = mask.shape.slice(-2);
    if (positions === 'rotary') return { mask, rotary: rotations(keys, this.#config) };
    const downFrom = (first: number, last: number) => {
      const distances = Array.from({ length: first - last + 1 }, (_, i) =>
        Math.max(-clampLen, Math.min(clampLen, first - i)),
      );
      return sinusoids(distances, dModel, this.#config);
    };
    if (positions === 'absolute') return { mask, added: downFrom(queries - 1, 0) };
    const last = positions === 'relative-wrapped' ? 0 : 1 - queries;
    const table = downFrom(keys - 1, last);
    return { mask, relative: { table, u: this.u as Parameter, v: this.v as Parameter } };
  }
}

/**
 * A stack that predicts tokens, with the transposed embedding as its output layer (Press and Wolf
 * 2017).
 */
export class Decoder extends Stack {
  /** [nToken]. */
  readonly outputBias: Parameter;
  readonly adaptive: AdaptiveSoftmax | undefined;

  constructor(config: ModelConfig, key: Key) {
    super(config, key);
    this.outputBias = zero([config.nToken], config);
    this.adaptive = config.cutoffs && new AdaptiveSoftmax(config, config.cutoffs, key.fold(5));
  }

  /** The output of a model for `rows` [batch, time, dModel] and the state that it carries on. */
  predict<State>(rows: Tensor, state: State): SegmentOutput<State> {
    const { adaptive, embedding, outputBias } = this;
    if (!adaptive) {
      const logits = linear(rows, embedding, outputBias);
      report('logits', logits);
      return { logits, state };
    }
    const table = { weight: embedding, bias: outputBias };
    const logits = () => adaptive.logProbabilities(rows, table);
    if (isWanted('logits')) report('logits', logits());
    return {
      get logits() {
        return logits();
      },
      losses: (targets) => adaptive.losses(rows, table, targets),
      state,
    };
  }
}
