/** Softmax and layer normalisation. */
import { MemgradError } from '../errors.js';
import { equal, where } from './comparison.js';
import { add, div, exp, mul, sqrt, square, sub } from './elementwise.js';
import { stopGradient } from './identity.js';
import { normalizeAxis, requireFloat, requireTensors } from './operation.js';
import { logsumexp, max, mean, sum } from './reduction.js';
import { sameShape, showShape, type Tensor } from './tensor.js';

/** e^x / sum(e^x) along `axis`, with the largest value taken out first, so that nothing overflows. A row of -Infinity gives 0. */
export function softmax(x: Tensor, axis = -1): Tensor {
  requireFloat('softmax', x);
  const along = normalizeAxis('softmax', axis, x.rank);
  const largest = stopGradient(max(x, along, { keepDims: true }));
  const empty = equal(largest, -Infinity);
  const powers = exp(sub(x, where(empty, 0, largest)));
  return div(powers, where(empty, 1, sum(powers, along, { keepDims: true })));
}

/** log(softmax(x)) along `axis`, without the loss of digits of taking the logarithm afterwards. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  requireFloat('logSoftmax', x);
  const along = normalizeAxis('logSoftmax', axis, x.rank);
  return sub(x, logsumexp(x, along, { keepDims: true }));
}

/**
 * (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis, with the biased
 * variance (Ba, Kiros, Hinton 2016, arXiv 1607.06450). `weight` and `bias`: [features].
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  requireFloat('layerNorm', x);
  requireTensors('layerNorm', weight, bias);
  const features = x.shape.slice(-1);
  if (x.rank === 0 || ![weight, bias].every(({ shape }) => sameShape(shape, features))) {
    throw new MemgradError(
      `layerNorm: x ${showShape(x.shape)}, weight ${showShape(weight.shape)} and bias ${showShape(bias.shape)} do not fit, expected [..., features] and twice [features].`,
    );
  }
  const centred = sub(x, mean(x, -1, { keepDims: true }));
  const variance = mean(square(centred), -1, { keepDims: true });
  return add(mul(div(centred, sqrt(add(variance, epsilon))), weight), bias);
}
