/** A softmax over a large vocabulary that saves work on rare tokens. */

import { requireTensors } from '../../autograd/arguments.js';
import {
  add,
  concat,
  crossEntropy,
  gather,
  type Key,
  linear,
  logSoftmax,
  type Parameter,
  reshape,
  scatterAdd,
  slice,
  type Tensor,
  tensor,
} from '../../autograd/index.js';
import { isKey } from '../../autograd/random.js';
import { Linear } from '../../nn/linear.js';
import { Module } from '../../nn/module.js';
import type { LayerOptions } from '../../nn/parameters.js';
import { check, requireThat, whole } from '../../options.js';
import { isRising, RISING } from '../config.js';
import { layerOptions } from './initial.js';

/** The weights and biases of the logits: [nToken, dModel] and [nToken]. */
export interface TokenTable {
  weight: Parameter;
  bias: Parameter;
}

const UNCOUNTED = -100; // crossEntropy skips this target

/**
 * The adaptive softmax (Grave et al. 2017, arXiv 1609.04309, section 4) in the factorised form of
 * the Transformer-XL code. The head consists of the frequent tokens, those before the first cutoff,
 * and one entry for each cluster of rarer tokens:
 *
 *     p(token) = head(token)                               for a frequent token
 *     p(token) = head(its cluster) tail(token | cluster)    for a token of a cluster
 *
 * A loss computes only the tails of clusters that its targets belong to. Clusters have the width of
 * the head, as in the models of the RMT paper. Their entries follow the frequent tokens in reverse
 * order, the last cluster first, as in the Transformer-XL code.
 */
export class AdaptiveSoftmax extends Module {
  /** The entries of the clusters in the head: [clusters, dModel] and [clusters]. */
  readonly clusters: Linear;
  readonly #cutoffs: readonly number[];
  readonly #nToken: number;

  constructor(
    config: Omit<LayerOptions, 'key'> & { nToken: number; dModel: number },
    cutoffs: readonly number[],
    key: Key,
  ) {
    super();
    check('AdaptiveSoftmax: key', key, isKey);
    check('AdaptiveSoftmax: nToken', config?.nToken, whole());
    const rising = isRising(cutoffs, config.nToken);
    requireThat(rising, 'AdaptiveSoftmax: cutoffs', RISING, cutoffs);
    this.clusters = new Linear(config.dModel, cutoffs.length, layerOptions(config, key));
    this.#cutoffs = cutoffs;
    this.#nToken = config.nToken;
  }

  /** log p of every token: maps `rows` [..., dModel] to [..., nToken]. */
  logProbabilities(rows: Tensor, table: TokenTable): Tensor {
    requireTensors('AdaptiveSoftmax', rows, table?.weight, table?.bias);
    const head = logSoftmax(this.#head(rows, table));
    const frequent = slice(head, -1, 0, this.#cutoffs[0]);
    const rare = this.#cutoffs.map((_, cluster) => {
      const entry = this.#entry(cluster);
      const tail = logSoftmax(this.#tail(rows, table, cluster));
      return add(tail, slice(head, -1, entry, entry + 1));
    });
    return concat([frequent, ...rare], -1);
  }

  /**
   * -log p of each target, [batch, time], for `rows` [batch, time, dModel] and row-major targets; 0
   * for a negative target.
   */
  losses(rows: Tensor, table: TokenTable, targets: Int32Array): Tensor {
    requireTensors('AdaptiveSoftmax', rows, table?.weight, table?.bias);
    const fits = targets instanceof Int32Array;
    requireThat(fits, 'AdaptiveSoftmax: targets', 'an Int32Array', targets);
    const flat = reshape(rows, [-1, rows.shape[rows.rank - 1]]);
    const int32 = (values: Int32Array) => tensor(values, { backend: rows.backend });
    const clusterOf = (token: number) => this.#cutoffs.findLastIndex((start) => token >= start);
    const headTargets = targets.map((token) => {
      if (token < 0) return UNCOUNTED;
      const cluster = clusterOf(token);
      return cluster < 0 ? token : this.#entry(cluster);
    });
    let losses = crossEntropy(this.#head(flat, table), int32(headTargets), {
      ignoreIndex: UNCOUNTED,
      reduction: 'none',
    }); // [batch * time]
    this.#cutoffs.forEach((start, cluster) => {
      const positions = Array.from(targets).flatMap((token, position) =>
        clusterOf(token) === cluster ? position : [],
      );
      if (positions.length === 0) return;
      const at = int32(Int32Array.from(positions));
      const tail = crossEntropy(
        this.#tail(gather(flat, at), table, cluster),
        int32(Int32Array.from(positions, (position) => targets[position] - start)),
        { reduction: 'none' },
      );
      losses = add(losses, scatterAdd(tail, at, targets.length));
    });
    return reshape(losses, rows.shape.slice(0, -1));
  }

  /** The index of a cluster's entry in the head. */
  #entry(cluster: number): number {
    return this.#cutoffs[0] + this.#cutoffs.length - 1 - cluster;
  }

  /** Logits of the frequent tokens and of the clusters. */
  #head(rows: Tensor, { weight, bias }: TokenTable): Tensor {
    const [end] = this.#cutoffs;
    const { clusters } = this;
    return linear(
      rows,
      concat([slice(weight, 0, 0, end), clusters.weight], 0),
      concat([slice(bias, 0, 0, end), clusters.bias as Parameter], 0),
    );
  }

  /** Logits of the tokens of a cluster. */
  #tail(rows: Tensor, { weight, bias }: TokenTable, cluster: number): Tensor {
    const start = this.#cutoffs[cluster];
    const end = this.#cutoffs[cluster + 1] ?? this.#nToken;
    return linear(rows, slice(weight, 0, start, end), slice(bias, 0, start, end));
  }
}
