/** The attention sub-layer: heads, positions and cache. */

import { requireTensors } from '../autograd/arguments.js';
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
  Tensor,
  transpose,
} from '../autograd/index.js';
import { rateKind } from '../autograd/operations/dropout.js';
import { projections } from '../autograd/operations/projections.js';
import { rotateAll } from '../autograd/operations/rotate.js';
import { isKey } from '../autograd/random.js';
import { MemgradError } from '../errors.js';
import { check, checkOptions, flag, type Kind, oneOf, requireThat, whole } from '../options.js';
import { Linear } from './linear.js';
import { segmentMask } from './mask.js';
import { Module } from './module.js';
import {
  allOrNothing,
  checkArguments,
  drawnFrom,
  gaussian,
  type LayerOptions,
  layerKinds,
} from './parameters.js';
import {
  type AttentionPositions,
  attentionPositions,
  distanceTable,
  type PositionTable,
  relShift,
  requireEven,
  rotaryBaseKind,
  rotations,
} from './positions.js';
import { lastRows } from './rows.js';

/** Transformer-XL's u and v, which replace a query's own position: [nHead, dHead] each. */
export interface RelativeBiases {
  u: Parameter;
  v: Parameter;
}

/** Options of `SelfAttention`. */
export interface SelfAttentionOptions extends LayerOptions {
  /** Width of one head. Default: dModel / nHead. */
  dHead?: number;
  /** Whether rows see only themselves and earlier rows, unless a mask is passed. Default false. */
  causal?: boolean;
  /** How attention sees positions. Default `none`. */
  positions?: AttentionPositions;
  /** The slowest pair of `rotary` positions turns by nearly 1 / rotaryBase. Default 10000. */
  rotaryBase?: number;
  /** Clamps longer distances to this one; for `relative` positions. Default: no clamping. */
  clampLen?: number;
  /** u and v of `relative` positions, shared by several layers. Default: the layer has its own. */
  biases?: RelativeBiases;
  /** Probability with which an attention weight is dropped. Default 0. */
  dropout?: number;
  /**
   * Computes queries, keys and values by three products rather than one. Rounding then differs: the
   * gradients of `x` are added one by one, as in the published models with norm after. Default false.
   */
  separate?: boolean;
}

/** What attention reads besides its rows. */
export interface AttentionContext {
  /**
   * int32 [queries, keys], or [batch, 1, queries, keys]: 1 where a query may attend to a key, as
   * `segmentMask` returns. The last rows are the queries, one for each row of the mask. Default: all
   * rows are queries, and see all keys, or with `causal` the earlier ones.
   */
  mask?: Tensor;
  /** Earlier rows [batch, cached, dModel], which are keys before those of `x`. */
  cache?: Tensor | null;
  /** The result of `positionTable`, for layers that share one. Default: the layer computes it. */
  table?: PositionTable;
}

/** The kinds of the options, except dropout's; a function, so that apps without attention drop it. */
export const attentionKinds = () => ({
  ...layerKinds,
  dHead: whole(),
  causal: flag,
  positions: oneOf(attentionPositions),
  rotaryBase: rotaryBaseKind,
  clampLen: whole(),
  biases: [
    '{ u, v }, Parameters [nHead, dHead]',
    (both?: RelativeBiases) => both?.u instanceof Tensor && both.v instanceof Tensor,
  ] as Kind,
});

/** Multi-head self-attention without biases, whose keys and values may start with cached rows. */
export class SelfAttention extends Module {
  /** `[3 nHead dHead, dModel]`: queries, keys, values, each head-major. */
  readonly qkv: Linear;
  readonly output: Linear;
  /** Projects the table of relative positions; undefined without relative positions. */
  readonly position: Linear | undefined;
  /** [nHead, dHead], N(0, 0.02); undefined without relative positions, and where layers share them. */
  readonly u: Parameter | undefined;
  readonly v: Parameter | undefined;
  readonly #biases: RelativeBiases | undefined;
  readonly #sizes: { dModel: number; nHead: number; dHead: number };
  readonly #options: SelfAttentionOptions;

  /**
   * Throws `MemgradError` unless both sizes are whole numbers >= 1, dModel is a multiple of nHead or
   * `dHead` is given, and the width that holds pairs (dHead with `rotary` positions, dModel with
   * `relative` ones) is even.
   */
  constructor(dModel: number, nHead: number, options: SelfAttentionOptions = {}) {
    super();
    const kinds = { ...attentionKinds(), dropout: rateKind, separate: flag };
    checkArguments('SelfAttention', { dModel, nHead }, options, kinds);
    const { dHead = dModel / nHead, positions = 'none', biases } = options;
    const isRelative = positions.startsWith('relative');
    const multiple = `a multiple of nHead, ${nHead}, unless dHead is given`;
    requireThat(Number.isInteger(dHead), 'SelfAttention: dModel', multiple, dModel);
    if (positions === 'rotary') requireEven('SelfAttention: dHead', dHead);
    if (isRelative) requireEven('SelfAttention: dModel', dModel);
    const { key, initial } = drawnFrom(options);
    const layer = (index: number, inputs: number, outputs: number) =>
      new Linear(inputs, outputs, { ...initial, key: key.fold(index), bias: false });
    const bias = (index: number) =>
      isRelative && !biases ? gaussian(key.fold(index), [nHead, dHead], initial) : undefined;
    const made = allOrNothing(() => ({
      qkv: layer(0, dModel, 3 * nHead * dHead),
      output: layer(1, nHead * dHead, dModel),
      position: isRelative ? layer(2, dModel, nHead * dHead) : undefined,
      u: bias(3),
      v: bias(4),
    }));
    this.qkv = made.qkv;
    this.output = made.output;
    this.position = made.position;
    this.u = made.u;
    this.v = made.v;
    this.#biases = biases ?? (made.u && made.v && { u: made.u, v: made.v });
    this.#sizes = { dModel, nHead, dHead };
    this.#options = { ...options };
  }

  /**
   * The positions of a segment, in which the last of `keys` rows are queries, for this layer and all
   * layers with the same sizes and positions; undefined with `positions: 'none'`.
   */
  positionTable(queries: number, keys: number): PositionTable | undefined {
    check('positionTable: queries', queries, whole());
    check('positionTable: keys', keys, whole(queries));
    const { dModel, dHead } = this.#sizes;
    const { positions = 'none', rotaryBase, clampLen } = this.#options;
    const { dtype, backend } = this.qkv.weight;
    const placement = { dtype: dtype as 'float32', backend };
    if (positions === 'none') return undefined;
    if (positions === 'rotary') {
      return { rotary: rotations(keys, dHead, { ...placement, rotaryBase }) };
    }
    const last = positions === 'relative-wrapped' ? 0 : 1 - queries;
    return { relative: distanceTable(keys - 1, last, dModel, { ...placement, clampLen }) };
  }

  /**
   * Maps `x` [batch, rows, dModel] to [batch, queries, dModel]; without a mask, queries are rows.
   * `key` turns dropout on. Throws `MemgradError` for shapes that don't fit.
   */
  forward(x: Tensor, key?: Key, context: AttentionContext = {}): Tensor {
    checkAttention('SelfAttention', this.#sizes.dModel, x, key, context);
    const { nHead, dHead } = this.#sizes;
    const { causal, separate, dropout = 0, positions = 'none' } = this.#options;
    const { cache } = context;
    const source = cache ? concat([cache, x], 1) : x; // [batch, keys, dModel]
    const keys = source.shape[1];
    const rows = x.shape[1];
    const earlier = () => segmentMask({ time: rows, cached: keys - rows }, x.backend);
    const mask = context.mask ?? (causal ? earlier() : undefined);
    const queries = mask ? mask.shape[mask.rank - 2] : rows;
    const table = context.table ?? this.positionTable(queries, keys);
    const hasPositions = positions === 'none' || table?.rotary || table?.relative;
    requireThat(hasPositions, 'SelfAttention: table', 'what positionTable() returns', table);

    // Slices the weight rather than the product, which is far larger.
    const project = (rows: Tensor, part: number) => {
      const weight = slice(this.qkv.weight, 0, part * nHead * dHead, (part + 1) * nHead * dHead);
      return linear(rows, weight); // [batch, rows, nHead dHead]
    };
    const turn = (...rows: readonly Tensor[]) => {
      if (!table?.rotary) return rows;
      const first = keys - rows[0].shape[1]; // queries follow the cached rows
      const [cos, sin] = [table.rotary.cos, table.rotary.sin].map((x) => slice(x, 0, first));
      return rotateAll(rows, cos, sin, nHead);
    };
    const isJoint = !cache && !separate;
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

    const biases = table?.relative && this.#biases;
    const attended = attention(biases ? add(q, reshape(biases.u, [-1])) : q, k, v, {
      heads: nHead,
      mask,
      bias: biases && this.#positionScores(q, keys, table.relative as Tensor, biases.v),
      dropout: key && dropout > 0 ? { rate: dropout, key } : undefined,
    }); // [batch, queries, nHead dHead]
    return this.output.forward(attended);
  }

  /** Terms (b) and (d) of Transformer-XL's score, (q + v) W_r R: [batch, nHead, queries, keys]. */
  #positionScores(q: Tensor, keys: number, table: Tensor, v: Tensor): Tensor {
    const { nHead, dHead } = this.#sizes;
    const byHead = (rows: Tensor) => reshape(rows, [...rows.shape.slice(0, -1), nHead, dHead]);
    const queries = transpose(add(byHead(q), v), [0, 2, 1, 3]); // [batch, nHead, queries, dHead]
    const distances = transpose(byHead((this.position as Linear).forward(table)), [1, 0, 2]);
    const scores = matmul(queries, distances, { transposeB: true });
    return slice(relShift(scores), -1, 0, keys);
  }
}

/** Throws `MemgradError` unless `x` and the cache are [batch, rows, dModel], and the rest is what it must be. */
export function checkAttention(
  where: string,
  dModel: number,
  x: Tensor,
  key: Key | undefined,
  context: AttentionContext,
): void {
  if (key !== undefined) check(`${where}: key`, key, isKey);
  checkOptions(where, context, { mask: 1, cache: 1, table: 1 });
  const { mask, cache } = context;
  for (const rows of cache ? [x, cache] : [x]) {
    requireTensors(where, rows);
    if (rows.rank === 3 && rows.shape[2] === dModel) continue;
    throw new MemgradError(`${where}: expected rows [batch, rows, ${dModel}], got ${rows}.`);
  }
  if (mask === undefined) return;
  requireTensors(where, mask);
  const [queries] = mask.shape.slice(-2);
  const fits = mask.rank >= 2 && queries <= x.shape[1];
  requireThat(fits, `${where}: mask`, `int32 [at most ${x.shape[1]} queries, keys]`, mask);
}
