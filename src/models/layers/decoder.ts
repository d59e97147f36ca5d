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
import { DecoderLayer } from '../../nn/decoder-layer.js';
import { LayerNorm } from '../../nn/layer-norm.js';
import { Module } from '../../nn/module.js';
import { gaussian, gaussianRows, zero } from '../../nn/parameters.js';
import { distanceTable } from '../../nn/positions.js';
import { lastRows } from '../../nn/rows.js';
import { checkOptions, whole } from '../../options.js';
import { checkLayer, type ModelConfig } from '../config.js';
import type { SegmentOutput } from '../segment-model.js';
import { AdaptiveSoftmax } from './adaptive-softmax.js';
import { layerOptions } from './initial.js';

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
    this.embedding = gaussianRows(key.fold(0), [nToken, dModel], layerOptions(config));
    if (positions === 'relative' || positions === 'relative-wrapped') {
      this.u = gaussian(key.fold(2), [nHead, dHead], { dtype, backend });
      this.v = gaussian(key.fold(3), [nHead, dHead], { dtype, backend });
    }
    const { dInner, norm, dropout, dropatt, rotaryBase, clampLen } = config;
    const options = {
      ...{ dHead, dInner, norm, dropout, dropatt, rotaryBase, clampLen },
      positions: positions === 'absolute' ? 'none' : positions,
      biases: this.u && this.v && { u: this.u, v: this.v },
    } as const;
    this.layers = Array.from(
      { length: nLayer },
      (_, i) =>
        new DecoderLayer(dModel, nHead, { ...layerOptions(config, key.fold(10 + i)), ...options }),
    );
    this.finalNorm = config.finalNorm
      ? new LayerNorm(dModel, { key: key.fold(1), dtype, backend })
      : undefined;
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
    const [queries, keys] = mask.shape.slice(-2);
    const table = this.layers[0].attention.positionTable(queries, keys);
    const read = rows.shape[1] - readFrom;
    const lastMask = this.#computesAll(key) ? mask : lastRows(mask, read);
    let h = this.#config.positions === 'absolute' ? add(rows, this.#added(queries)) : rows;
    const hidden = [h];
    this.layers.forEach((layer, i) => {
      const earlier = cache && cache[i].shape[1] > 0 ? cache[i] : null;
      const seen = i === this.layers.length - 1 ? lastMask : mask;
      h = within(`layers.${i}`, () => {
        report('input', h);
        return layer.forward(h, key?.fold(i), { mask: seen, cache: earlier, table });
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

  /** The sinusoids of `count` rows, which `absolute` positions add to them: [count, dModel]. */
  #added(count: number): Tensor {
    const { dModel, clampLen, dtype, backend } = this.#config;
    return distanceTable(count - 1, 0, dModel, { clampLen, dtype, backend });
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
