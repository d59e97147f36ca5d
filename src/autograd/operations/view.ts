/** Tensors that share values with another: with its gradient, without it, and with a hook on it. */
import { callable, check } from '../../options.js';
import { requireTensors } from '../arguments.js';
import { context, inside } from '../context.js';
import { alias, type Operation } from '../run.js';
import { record } from '../tape.js';
import type { Tensor } from '../tensor.js';

/** A new tensor that shares the values of `x`; gradients pass through. */
export function identity(x: Tensor): Tensor {
  requireTensors('identity', x);
  return alias(x);
}

/** The values of `x` as a constant: no gradient flows back through it (PyTorch's `detach`). */
export function stopGradient(x: Tensor): Tensor {
  requireTensors('stopGradient', x);
  return inside({ recorders: [] }, () => alias(x));
}

/** Recorded on the tape, but never run: its result is a view. */
const tapOperation: Operation<{ see: (gradient: Tensor) => void }> = {
  name: 'tapGradient',
  infer: ([x]) => [x],
  forward: () => undefined,
  gradients: [
    ([g], { attributes: { see } }) => {
      see(g);
      return g;
    },
  ],
};

/**
 * Like `identity`; in the backward pass `see` is called with the gradient. The gradient is freed
 * afterwards, so compute inside `see` what must outlive it.
 */
export function tapGradient(x: Tensor, see: (gradient: Tensor) => void): Tensor {
  requireTensors('tapGradient', x);
  check('tapGradient: see', see, callable);
  const output = stopGradient(x);
  const { path } = context();
  record({ operation: tapOperation, attributes: { see }, inputs: [x], outputs: [output], path });
  return output;
}
