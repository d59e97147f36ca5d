/** Scaled dot-product attention. */
import type { DeviceBuffer } from '../../backends/backend.js';
import { sizeOf } from '../../backends/layout.js';
import { MemgradError } from '../../errors.js';
import { checkOptions, needed, type OptionNames, whole } from '../../options.js';
import {
  broadcastShapes,
  commonDtype,
  requireFit,
  requireFloat,
  requireTensors,
  requireTruth,
} from '../arguments.js';
import { isKey, type Key } from '../random.js';
import { type Operation, run, type Value } from '../run.js';
import { sameShape, showShape, type Tensor } from '../tensor.js';
import { gradientsOf } from '../transforms/backward.js';
import { isWanted, report } from '../transforms/observe.js';
import { dropout, rateKind } from './dropout.js';
import { add } from './elementwise.js';
import { sparseMatmul } from './matmul.js';
import { reshape, transpose } from './shape.js';
import { maskedSoftmax } from './softmax.js';

/** Options of `attention`. */
export interface AttentionOptions {
  /**
   * Number of heads. The last axis of q, k and v is split into heads, which attend independently.
   */
  heads?: number;
  /** int32, broadcasts to the scores: 1 where a query may attend to a key. Default: everywhere. */
  mask?: Tensor;
  /** Added to the scores before scaling, and broadcasts to them; for relative positions. */
  bias?: Tensor;
  /** Drops attention weights with probability `rate`, at random by `key`. */
  dropout?: { rate: number; key: Key };
}

/**
 * softmax((q k^T + bias) / sqrt(d)) v (Vaswani et al. 2017, eq. 1) for `q` [..., queries, d], `k`
 * [..., keys, d] and `v` [..., keys, e]; returns [..., queries, e]. The scores are [..., queries,
 * keys]. With `heads` the last axes are [heads d] and [heads e], and the scores are [..., heads,
 * queries, keys]. A query that may attend to no key gets zeros. The weights are reported to
 * `observe` as `attention`. Throws `MemgradError` for shapes that don't fit.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options?: AttentionOptions): Tensor {
  requireTensors('attention', q, k, v);
  checkOptions('attention', options, optionNames);
  const { heads, mask, bias, dropout } = options ?? {};
  if (dropout !== undefined) {
    checkOptions('attention: dropout', dropout, dropoutKinds);
  }
  const inputs = [q, k, v, mask, bias].filter((input) => input !== undefined);
  return run(attentionOperation, inputs, { heads, masked: mask !== undefined, dropout })[0];
}

const dropoutKinds = { rate: needed(rateKind), key: needed(isKey) };

const optionNames: OptionNames<AttentionOptions> = {
  heads: whole(),
  mask: 1,
  bias: 1,
  dropout: 1,
};

/** Contiguous: q [batch, queries, heads width], k [batch, keys, heads width], v [batch, keys, heads valueWidth], mask int32 [masks, queries, keys], bias [batch, heads, queries, keys]. */
type AttentionBuffers = [
  q: DeviceBuffer,
  k: DeviceBuffer,
  v: DeviceBuffer,
  mask: DeviceBuffer | undefined,
  bias: DeviceBuffer | undefined,
];
/** `masks`: 0, 1, or the batch size. The scores are multiplied by `scale`. */
type AttentionNumbers = [
  batch: number,
  heads: number,
  queries: number,
  keys: number,
  width: number,
  valueWidth: number,
  masks: number,
  scale: number,
];

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * softmax(scale * (q k^T + bias)) v for each head, where the mask is not 0: [batch, queries,
     * heads valueWidth]. A kernel that reads masked values declines where a result isn't finite,
     * since the definition doesn't read them.
     */
    attention: Kernel<AttentionBuffers, AttentionNumbers>;
    /**
     * The gradients with respect to q, k, v and, if there is one, bias. Declines as `attention`.
     */
    attentionGradient: Kernel<[...buffers: AttentionBuffers, g: DeviceBuffer], AttentionNumbers>;
  }
}

interface Attributes {
  heads: number | undefined;
  /** Whether the fourth input is a mask; a bias comes after it. */
  masked: boolean;
  dropout: AttentionOptions['dropout'];
}

const attentionOperation: Operation<Attributes> = {
  name: 'attention',
  infer(inputs, attributes) {
    const { q, k, v, mask, bias } = named(inputs, attributes);
    const { heads = 1 } = attributes;
    requireFloat('attention', q);
    const dtype = commonDtype('attention', bias ? [q, k, v, bias] : [q, k, v]);
    if (mask) requireTruth('attention', 'the mask', mask);
    const [width, valueWidth] = [q, v].map(({ shape, rank }) => shape[rank - 1]);
    const fits = width === k.shape[k.rank - 1] && k.shape[k.rank - 2] === v.shape[v.rank - 2];
    requireFit(
      Math.min(q.rank, k.rank, v.rank) > 1 && fits && width > 0,
      'attention',
      'q [..., queries, d], k [..., keys, d] with d above 0 and v [..., keys, e]',
      ...[q, k, v].map(({ shape }) => shape),
    );
    if (width % heads || valueWidth % heads) {
      throw new MemgradError(
        `attention: ${heads} heads do not divide the last axes, ${width} of q and k and ${valueWidth} of v.`,
      );
    }
    const leads = [q, k, v].map(({ shape }) => shape.slice(0, -2));
    const lead = broadcastShapes('attention', ...leads);
    const scores = [
      ...broadcastShapes('attention', leads[0], leads[1]),
      ...(attributes.heads === undefined ? [] : [heads]),
      ...[q.shape[q.rank - 2], k.shape[k.rank - 2]],
    ];
    Object.entries({ mask, bias }).forEach(([name, x]) => {
      if (!x || sameShape(broadcastShapes('attention', scores, x.shape), scores)) return;
      throw new MemgradError(
        `attention: the ${name} ${showShape(x.shape)} is larger than the scores ${showShape(scores)}, to which it broadcasts.`,
      );
    });
    return [{ shape: [...lead, q.shape[q.rank - 2], valueWidth], dtype }];
  },
  forward({ kernels }, inputs, attributes, results) {
    if (isWanted('attention')) return undefined; // the kernel returns no weights
    const call = kernelCall(inputs, attributes);
    return call && kernels?.attention?.(call.buffers, call.numbers, results);
  },
  definition(inputs, attributes) {
    const { q, k, v, mask, bias } = named(inputs, attributes);
    const { heads, dropout: drop } = attributes;
    const [qs, ks, vs] = heads === undefined ? [q, k, v] : [q, k, v].map((x) => split(x, heads));
    // A masked value has weight and gradient 0 and isn't read, so not even a NaN passes through.
    const products = sparseMatmul(qs, ks, 'gradient', { transposeB: true });
    const scores = bias ? add(products, bias) : products;
    const weights = maskedSoftmax(scores, mask, 1 / Math.sqrt(qs.shape[qs.rank - 1]));
    report('attention', weights);
    const values = sparseMatmul(drop ? dropout(weights, drop.rate, drop.key) : weights, vs, 'left');
    return [heads === undefined ? values : merge(values)];
  },
  gradients: {
    together([g], { inputs, attributes }) {
      const gradients = run(attentionGradientOperation, [...inputs, g], attributes).values();
      return inputs.map(({ dtype }) => (dtype === 'int32' ? undefined : gradients.next().value));
    },
  },
};

/**
 * Computes the gradients with respect to q, k, v and, if there is one, the bias, from the inputs
 * and the gradient of the result.
 */
const attentionGradientOperation: Operation<Attributes> = {
  name: 'attentionGradient',
  infer: (all) => all.slice(0, -1).filter(({ dtype }) => dtype !== 'int32'),
  forward({ kernels }, all, attributes, results) {
    const call = kernelCall(all.slice(0, -1), attributes);
    const g = all[all.length - 1].buffer;
    return call && kernels?.attentionGradient?.([...call.buffers, g], call.numbers, results);
  },
  definition: (all, attributes) => gradientsOf(attentionOperation, all, attributes),
  gradients: 'definition',
};

/** [..., time, heads width] to [..., heads, time, width]. */
function split(x: Tensor, heads: number): Tensor {
  const width = x.shape[x.rank - 1] / heads;
  return swapTimeAndHeads(reshape(x, [...x.shape.slice(0, -1), heads, width]));
}

/** [..., heads, time, width] to [..., time, heads width]. */
function merge(x: Tensor): Tensor {
  const [heads, time, width] = x.shape.slice(-3);
  return reshape(swapTimeAndHeads(x), [...x.shape.slice(0, -3), time, heads * width]);
}

function swapTimeAndHeads(x: Tensor): Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return transpose(x, [...axes.slice(0, -3), x.rank - 2, x.rank - 3, x.rank - 1]);
}

/**
 * The arguments of the kernels; undefined for dropout and for broadcasting that they don't support.
 */
function kernelCall(
  inputs: readonly Value[],
  attributes: Attributes,
): { buffers: AttentionBuffers; numbers: AttentionNumbers } | undefined {
  const { q, k, v, mask, bias } = named(inputs, attributes);
  const { heads = 1, dropout: drop } = attributes;
  const lead = q.shape.slice(0, -2);
  const batch = sizeOf(lead);
  const [queries, keys] = [q.shape[q.rank - 2], k.shape[k.rank - 2]];
  const [width, valueWidth] = [q, v].map(({ shape, rank }) => shape[rank - 1] / heads);
  const scores = [...(attributes.heads === undefined ? lead : [...lead, heads]), queries, keys];
  const perBatch = attributes.heads === undefined ? scores : [...lead, 1, queries, keys];
  const isPlain =
    drop === undefined &&
    [k, v].every(({ shape }) => sameShape(shape.slice(0, -2), lead)) &&
    (!mask || sameShape(mask.shape, [queries, keys]) || sameShape(mask.shape, perBatch)) &&
    (!bias || sameShape(bias.shape, scores));
  if (!isPlain) return undefined;
  const masks = !mask ? 0 : mask.size > queries * keys ? batch : 1;
  return {
    buffers: [q.buffer, k.buffer, v.buffer, mask?.buffer, bias?.buffer],
    numbers: [batch, heads, queries, keys, width, valueWidth, masks, 1 / Math.sqrt(width)],
  };
}

function named<T>([q, k, v, ...rest]: readonly T[], { masked }: Attributes) {
  const [mask, bias]: (T | undefined)[] = masked ? rest : [undefined, ...rest];
  return { q, k, v, mask, bias };
}
