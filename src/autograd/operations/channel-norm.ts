/** Normalisation by channels: batchNorm, groupNorm. */
import { sizeOf } from '../../backends/layout.js';
import { check, checkOptions, positive, requireThat, whole } from '../../options.js';
import { requireFit, requireFloat, requireTensors } from '../arguments.js';
import { sameShape, type Tensor } from '../tensor.js';
import { add, div, mul, sqrt, sub } from './elementwise.js';
import { normalizeRows } from './layer-norm.js';
import { moveAxis } from './rearrange.js';
import { reshape } from './shape.js';

/** Options of `batchNorm`. */
export interface BatchNormOptions {
  /** The mean of each channel, [channels], in place of the batch's mean. Needs `variance`. */
  mean?: Tensor;
  /** The variance of each channel, [channels]; needs `mean`. */
  variance?: Tensor;
  /** Added to the variance. Default 1e-5. */
  epsilon?: number;
}

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias for each channel of `x` [batch, channels,
 * ...space] (Ioffe and Szegedy 2015, arXiv 1502.03167). Mean and biased variance are those of the
 * batch, or, to use a trained model, the running ones in `options`. `weight` and `bias` are
 * [channels]. Throws `MemgradError` when the shapes don't fit.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  options?: BatchNormOptions,
): Tensor {
  requireFloat('batchNorm', x);
  checkOptions('batchNorm', options, { mean: 1, variance: 1, epsilon: positive() });
  const { mean, variance, epsilon = 1e-5 } = options ?? {};
  requireThat(!mean === !variance, 'batchNorm: variance', 'given with mean', variance);
  const given = mean && variance ? [mean, variance] : [];
  const [scale, shift, centre, spread] = perChannel('batchNorm', x, weight, bias, ...given);
  if (centre) {
    return add(mul(div(sub(x, centre), sqrt(add(spread, epsilon))), scale), shift);
  }
  const channels = moveAxis(x, 1, 0);
  const rows = reshape(channels, [x.shape[1], sizeOf(channels.shape.slice(1))]);
  const normal = reshape(normalizeRows(rows, epsilon), channels.shape);
  return add(mul(moveAxis(normal, 0, 1), scale), shift);
}

/**
 * `x` [batch, channels, ...space] normalised within each of `groups` groups of channels of a sample
 * (Wu and He 2018, arXiv 1803.08494), then scaled by `weight` and shifted by `bias`, both [channels].
 * Throws `MemgradError` when the shapes don't fit, and for channels that aren't a multiple of the
 * groups.
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  weight: Tensor,
  bias: Tensor,
  epsilon = 1e-5,
): Tensor {
  requireFloat('groupNorm', x);
  check('groupNorm: groups', groups, whole());
  check('groupNorm: epsilon', epsilon, positive());
  const [scale, shift] = perChannel('groupNorm', x, weight, bias);
  const [batch, channels, ...space] = x.shape;
  requireFit(channels % groups === 0, 'groupNorm', `channels for ${groups} equal groups`, x.shape);
  const rows = reshape(x, [batch * groups, (channels / groups) * sizeOf(space)]);
  return add(mul(reshape(normalizeRows(rows, epsilon), x.shape), scale), shift);
}

/** Tensors of one value for each channel of x, in a shape that broadcasts to it. */
function perChannel(name: string, x: Tensor, ...values: readonly Tensor[]): Tensor[] {
  requireTensors(name, ...values);
  const shapes = values.map(({ shape }) => shape);
  requireFit(
    x.rank > 1 && shapes.every((shape) => sameShape(shape, [x.shape[1]])),
    name,
    '[batch, channels, ...space] and [channels]',
    x.shape,
    ...shapes,
  );
  return values.map((value) => reshape(value, [-1, ...x.shape.slice(2).fill(1)]));
}
