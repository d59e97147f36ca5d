/** The attention sub-layer: heads, positions and cache. */

import { requireTensors } from '../../autograd/arguments.js';
import {
  add,
  attention,
  concat,
  type Key,
  linear,
  matmul,
  type Parameter,
  reshape,
  slice,
  type Tensor,
  transpose,
} from '../../autograd/index.js';
import { projections } from '../../autograd/operations/projections.js';
import { rotateAll } from '../../autograd/operations/rotate.js';
import { checkLayer, type ModelConfig } from '../config.js';
import { Module } from '../module.js';
import { Linear } from './linear.js';
import { dense } from './parameters.js';
import { type Rotations, relShift } from './positions.js';
import { lastRows } from './rows.js';

/**
 * Relative positions: a table by distance, and the biases u and v that replace a query's own
 * position.
 */
export interface RelativePositions {
  /** `[distances, dModel]`, from the largest distance down to 0, or to the most negative one. */
  table: Tensor;
  /** [nHead, dHead] each; the reference's `r_w_bias` and `r_r_bias`. */
  u: Parameter;
  v: Parameter;
}

/** The inputs that all layers share while one segment is read. */
export interface AttentionContext {
  /** int32 [queries, keys], 1 where a query may attend to a key. */
  mask: Tensor;
  /** How positions enter attention; neither is set when they are added to the embeddings. */
  relative?: RelativePositions;
  rotary?: Rotations;
}

/** Multi-head self-attention without biases, whose keys and values may start with cached rows. */
export class SelfAttention extends Module {
  /** `[3 nHead dHead, dModel]`: queries, keys, values, each head-major. */
  readonly qkv: Linear;
  readonly output: Linear;
  /** Projects the table of relative positions; undefined without relative positions. */
  readonly position: Linear | undefined;
  readonly #config: ModelConfig;

  constructor(config: ModelConfig, key: Key) {
    super();
    checkLayer(config, key);
    const { dModel, nHead, dHead, positions } = config;
    const plain = (index: number) => dense(config, key.fold(index), false);
    this.qkv = new Linear(dModel, 3 * nHead * dHead, plain(0));
    this.output = new Linear(nHead * dHead, dModel, plain(1));
    const relative = positions === 'relative' || positions === 'relative-wrapped';
    this.position = relative ? new Linear(dModel, nHead * dHead, plain(2)) : undefined;
    this.#config = config;
  }

  /**
   * Maps `x` [batch, rows, dModel] and `cache` [batch, cached, dModel] to [batch, queries, dModel].
   * All rows of `x` are keys; the last ones, one for each row of the mask, are queries.
   */
  forward(x: Tensor, cache: Tensor | null, context: AttentionContext, key?: Key): Tensor {
    const { nHead, dHead, dropatt, norm } = this.#config;
    requireTensors('attention', x, context?.mask);
    const source = cache ? concat([cache, x], 1) : x; // [batch, keys, dModel]
    const keys = source.shape[1];
    // Slices the weight rather than the product, which is far larger.
    const project = (rows: Tensor, part: number) => {
      const weight = slice(this.qkv.weight, 0, part * nHead * dHead, (part + 1) * nHead * dHead);
      return linear(rows, weight); // [batch, rows, nHead dHead]
    };
    const turn = (...rows: readonly Tensor[]) => {
      if (!context.rotary) return rows;
      const first = keys - rows[0].shape[1]; // queries follow the cached rows
      const [cos, sin] = [context.rotary.cos, context.rotary.sin].map((x) => slice(x, 0, first));
      return rotateAll(rows, cos, sin, nHead);
    };
    const queries = context.mask.shape[context.mask.rank - 2];
    // After a norm of their own, nothing else reads these rows, so the order in which gradients are
    // added, and with it every bit, is as with separate products.
    const isJoint = !cache && norm === 'pre';
    const isWhole = isJoint && queries === keys;
    const [rowsOfQ, rowsOfK, v] = isWhole
      ? projections(x, this.qkv.weight, 3)
      : [
          project(lastRows(x, queries), 0),
          ...(isJoint
            ? projections(source, slice(this.qkv.weight, 0, nHead * dHead), 2)
            : [project(source, 1), project(source, 2)]),
        ];
    const [q, k] = isWhole ? turn(rowsOfQ, rowsOfK) : [...turn(rowsOfQ), ...turn(rowsOfK)];

    const { relative, mask } = context;
    const attended = attention(relative ? add(q, reshape(relative.u, [-1])) : q, k, v, {
      heads: nHead,
      mask,
      bias: relative && this.#positionScores(q, keys, relative),
      dropout: key && dropatt > 0 ? { rate: dropatt, key } : undefined,
    }); // [batch, queries, nHead dHead]
    return this.output.forward(attended);
  }

  /** Terms (b) and (d) of Transformer-XL's score, (q + v) W_r R: [batch, nHead, queries, keys]. */
  #positionScores(q: Tensor, keys: number, { table, v }: RelativePositions): Tensor {
    const { nHead, dHead } = this.#config;
    const byHead = (rows: Tensor) => reshape(rows, [...rows.shape.slice(0, -1), nHead, dHead]);
    const queries = transpose(add(byHead(q), v), [0, 2, 1, 3]); // [batch, nHead, queries, dHead]
    const distances = transpose(byHead((this.position as Linear).forward(table)), [1, 0, 2]);
    const scores = matmul(queries, distances, { transposeB: true });
    return slice(relShift(scores), -1, 0, keys);
  }
}
