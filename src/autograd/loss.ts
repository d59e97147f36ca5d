/** Losses. */
import { MemgradError, OutOfMemory } from '../errors.js';
import { cast, greaterEqual, less, notEqual, where } from './comparison.js';
import { arange } from './create.js';
import { add, div, maximum, mul, neg } from './elementwise.js';
import { gather } from './indexing.js';
import { logSoftmax } from './normalization.js';
import { requireFloat, requireInt } from './operation.js';
import { sum } from './reduction.js';
import { reshape } from './shape.js';
import { sameShape, showShape, type Tensor } from './tensor.js';

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** Target positions with this value count nothing. Default -100, as in PyTorch. */
  ignoreIndex?: number;
  /** `mean` over the positions that count (0 when none does), their `sum`, or `none`: one loss a position. */
  reduction?: 'mean' | 'sum' | 'none';
}

/**
 * Cross-entropy in nats of `logits` [..., classes] against `targets` (int32 [...]). Throws when
 * the shapes don't match, and for a target outside the classes on backends that can see it.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  { ignoreIndex = -100, reduction = 'mean' }: CrossEntropyOptions = {},
): Tensor {
  requireFloat('crossEntropy', logits);
  requireInt('crossEntropy', 'the targets', targets);
  if (!['mean', 'sum', 'none'].includes(reduction)) {
    throw new MemgradError(
      `crossEntropy: the reduction '${reduction}' is not known; choose mean, sum or none.`,
    );
  }
  if (!Number.isInteger(ignoreIndex)) {
    throw new MemgradError(
      `crossEntropy: ignoreIndex must be a whole number, got ${ignoreIndex}; targets are int32.`,
    );
  }
  if (!sameShape(logits.shape.slice(0, -1), targets.shape) || logits.rank === 0) {
    throw new MemgradError(
      `crossEntropy: logits ${showShape(logits.shape)} need targets of shape ${showShape(logits.shape.slice(0, -1))}, got ${showShape(targets.shape)}.`,
    );
  }
  const classes = logits.shape[logits.rank - 1];
  const target = reshape(targets, [-1]); // [positions]
  const counts = notEqual(target, ignoreIndex);
  // The log-probability of each target is one value of the flattened table; -1 marks a bad target.
  const known = mul(greaterEqual(target, 0), less(target, classes));
  const first = mul(arange(target.size, { backend: target.backend }), classes);
  const at = mul(where(known, add(first, target), -1), counts);
  const chosen = at.size === 0 ? reshape(logits, [0]) : pick(logSoftmax(logits), at, classes);
  const losses = where(counts, neg(chosen), 0);
  if (reduction === 'none') return reshape(losses, targets.shape);
  if (reduction === 'sum') return sum(losses);
  return div(sum(losses), maximum(cast(sum(counts), logits.dtype), 1));
}

function pick(table: Tensor, at: Tensor, classes: number): Tensor {
  try {
    return gather(reshape(table, [-1]), at);
  } catch (error) {
    if (!(error instanceof MemgradError) || error instanceof OutOfMemory) throw error;
    throw new MemgradError(
      `crossEntropy: a target is outside the ${classes} classes, expected 0 to ${classes - 1} or ignoreIndex.`,
    );
  }
}
