/** Steps of random programs that are parts of networks: attention, norms, convolutions, losses. */
import * as engine from '../autograd/index.js';
import { Key, type Shape, type Tensor } from '../autograd/index.js';
import { sizeOf } from '../backends/layout.js';
import { alike, along, loss, type Maker, rows, width } from './step.js';

const attention: Maker = ({ below, leaf, indices }, shape) => {
  if (shape.length < 2) return undefined;
  const lead = shape.slice(0, -2);
  const [queries, size] = shape.slice(-2);
  const keys = 1 + below(4);
  const [k, v] = [leaf([...lead, keys, size]), leaf([...lead, keys, 3])];
  const mask = below(3) ? indices([queries, keys], 2) : undefined;
  const bias = below(2) ? undefined : leaf([...lead, queries, keys]);
  const rate = below(3) ? 0 : 0.5;
  return {
    step: (x, leaves) =>
      engine.attention(x, leaves[k], leaves[v], {
        mask: mask === undefined ? undefined : leaves[mask],
        bias: bias === undefined ? undefined : leaves[bias],
        ...(rate > 0 && { dropout: { rate, key: Key.of(3) } }),
      }),
    shape: [...lead, queries, 3],
  };
};

/** `shape` as [batch, channels, ...space] with `space` axes of space; undefined for too few axes. */
function images(shape: Shape, space: number): Shape | undefined {
  if (shape.length === 0) return undefined;
  const given = shape.slice(-1 - space);
  const filled = [...Array(1 + space - given.length).fill(1), ...given];
  return [sizeOf(shape) / sizeOf(given), ...filled];
}

/** The positions of windows. */
const positions = (
  length: number,
  { size, stride, padding, dilation = 1 }: Record<string, number>,
) => Math.floor((length + 2 * padding - dilation * (size - 1) - 1) / stride) + 1;

const convolution =
  (operation: typeof engine.conv1d, space: number): Maker =>
  ({ below, leaf, pick }, shape) => {
    const image = images(shape, space);
    if (!image) return undefined;
    const [batch, channels, ...lengths] = image;
    const groups = channels % 2 ? 1 : pick([1, 2]);
    const windowing = { stride: pick([1, 2]), padding: pick([0, 1]), dilation: pick([1, 2]) };
    const options = { ...windowing, groups };
    const sizes = lengths.map((n) => (n > windowing.dilation ? pick([1, 2]) : 1));
    const weight = leaf([2, channels / groups, ...sizes]);
    const bias = below(2) ? leaf([2]) : undefined;
    return {
      step: (x, leaves) =>
        operation(
          engine.reshape(x, image),
          leaves[weight],
          bias === undefined ? undefined : leaves[bias],
          options,
        ),
      shape: [
        ...[batch, 2],
        ...lengths.map((n, i) => positions(n, { ...windowing, size: sizes[i] })),
      ],
    };
  };

const pool =
  (operation: typeof engine.maxPool): Maker =>
  ({ pick }, shape) => {
    const image = images(shape, 1);
    if (!image || width(image) < 2) return undefined;
    const options = { size: 2, stride: pick([1, 2]), padding: pick([0, 1]) };
    const { size, stride, padding } = options;
    return {
      step: (x) => operation(engine.reshape(x, image), size, { stride, padding }),
      shape: [...image.slice(0, 2), positions(width(image), options)],
    };
  };

/** A norm by channels, which are axis 1. */
const channelNorm =
  (operation: (x: Tensor, weight: Tensor, bias: Tensor) => Tensor): Maker =>
  ({ leaf }, shape) => {
    if (shape.length < 2) return undefined;
    const [weight, bias] = [leaf([shape[1]]), leaf([shape[1]])];
    return { step: (x, leaves) => operation(x, leaves[weight], leaves[bias]), shape };
  };

export const networkSteps = {
  attention,
  averagePool: pool(engine.averagePool),
  batchNorm: ({ leaf, pick, ...tools }, shape) => {
    const measured = channelNorm(engine.batchNorm);
    if (shape.length < 2 || pick([true, false])) return measured({ leaf, pick, ...tools }, shape);
    const [weight, bias, mean, variance] = [0, 0, 0, 0].map(() => leaf([shape[1]]));
    return {
      step: (x, leaves) =>
        engine.batchNorm(x, leaves[weight], leaves[bias], {
          mean: leaves[mean],
          variance: leaves[variance],
        }),
      shape,
    };
  },
  binaryCrossEntropy: loss(engine.binaryCrossEntropy),
  conv1d: convolution(engine.conv1d, 1),
  conv2d: convolution(engine.conv2d, 2),
  crossEntropy: ({ pick, indices }, shape) => {
    if (shape.length === 0) return undefined;
    const targets = indices(shape.slice(0, -1), width(shape), -1);
    const reduce = pick(['mean', 'sum', 'none'] as const);
    return {
      step: (x, leaves) =>
        engine.crossEntropy(x, leaves[targets], { ignoreIndex: -1, reduction: reduce }),
      shape: reduce === 'none' ? shape.slice(0, -1) : [],
    };
  },
  dropout: ({ below }, shape) => {
    const key = Key.of(below(100));
    return { step: (x) => engine.dropout(x, 0.5, key), shape };
  },
  groupNorm: ({ pick, ...tools }, shape) => {
    const groups = shape[1] % 2 ? 1 : pick([1, 2]);
    return channelNorm((x, ...more) => engine.groupNorm(x, groups, ...more))(
      { pick, ...tools },
      shape,
    );
  },
  huber: loss((x, target, options) => engine.huber(x, target, { delta: 2, ...options })),
  layerNorm: rows(2, (x, weight, bias) => engine.layerNorm(x, weight, bias)),
  logSoftmax: along(engine.logSoftmax),
  maxPool: pool(engine.maxPool),
  mse: loss(engine.mse),
  rmsNorm: rows(1, (x, weight) => engine.rmsNorm(x, weight)),
  rotate: ({ leaf }, shape) => {
    if (shape.length < 2 || width(shape) % 2) return undefined;
    const angles = [shape[shape.length - 2], width(shape) / 2];
    const [cos, sin] = [leaf(angles), leaf(angles)];
    return { step: (x, leaves) => engine.rotate(x, leaves[cos], leaves[sin]), shape };
  },
  softmax: along(engine.softmax),
  swiglu: alike(engine.swiglu),
} satisfies Record<string, Maker>;
