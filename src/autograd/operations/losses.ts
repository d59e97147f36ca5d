/** Losses of real values and of two classes: mse, huber, binaryCrossEntropy. */
import { checkOptions, oneOf, positive } from '../../options.js';
import { requireLike } from '../arguments.js';
import type { Tensor } from '../tensor.js';
import { softplus } from './activations.js';
import { cast } from './comparison.js';
import { add, div, mul, neg, square, sub } from './elementwise.js';
import { sum } from './reduction.js';
import { clip } from './rounding.js';

/** Options of a loss. */
export interface LossOptions {
  /** The `mean` of all losses (0 of none), their `sum`, or `none`: each loss. Default `mean`. */
  reduction?: 'mean' | 'sum' | 'none';
}

/** Options of `huber`. */
export interface HuberOptions extends LossOptions {
  /** The error from which the loss grows in proportion to it. Default 1. */
  delta?: number;
}

export const reductionKind = /* @__PURE__ */ oneOf(['mean', 'sum', 'none']);

/** The mean of `losses`, their sum, or the losses. */
export function reduced(losses: Tensor, reduction: LossOptions['reduction'] = 'mean'): Tensor {
  if (reduction === 'none') return losses;
  return reduction === 'sum' ? sum(losses) : div(sum(losses), Math.max(1, losses.size));
}

/**
 * The squared error (prediction - target)^2 of float tensors of one shape: a scalar, or that shape
 * with reduction `none`. Throws `MemgradError` for shapes that differ, also if they broadcast.
 */
export function mse(prediction: Tensor, target: Tensor, options?: LossOptions): Tensor {
  requireLike('mse', prediction, target);
  checkOptions('mse', options, { reduction: reductionKind });
  return reduced(square(sub(prediction, target)), options?.reduction);
}

/**
 * Half the squared error where it is at most `delta`, else delta (|error| - delta / 2) (Huber 1964),
 * of the same tensors as `mse`.
 */
export function huber(prediction: Tensor, target: Tensor, options?: HuberOptions): Tensor {
  requireLike('huber', prediction, target);
  checkOptions('huber', options, { delta: positive(), reduction: reductionKind });
  const { delta = 1, reduction } = options ?? {};
  const error = sub(prediction, target);
  const near = clip(error, -delta, delta);
  return reduced(mul(near, sub(error, mul(near, 0.5))), reduction);
}

/**
 * The cross-entropy in nats of the probabilities sigmoid(logits) and `target`, which holds
 * probabilities, or 0 and 1 as int32, in the shape of the logits. Large logits lose no digits.
 * Returns a scalar, or that shape with reduction `none`.
 */
export function binaryCrossEntropy(logits: Tensor, target: Tensor, options?: LossOptions): Tensor {
  requireLike('binaryCrossEntropy', logits, target);
  checkOptions('binaryCrossEntropy', options, { reduction: reductionKind });
  const one = target.dtype === 'int32' ? cast(target, logits.dtype) : target;
  const losses = add(mul(one, softplus(neg(logits))), mul(sub(1, one), softplus(logits)));
  return reduced(losses, options?.reduction);
}
