/** The same values as another tensor: with the gradient, and without it. */
import { callable, check } from '../options.js';
import { type Operation, requireTensors, run, sameValues } from './operation.js';
import { withRecorders } from './tape.js';
import type { Tensor } from './tensor.js';

const identityOperation: Operation = {
  name: 'identity',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  forward: () => sameValues,
  gradients: (g) => g,
};

/** A tensor of its own that looks at the values of `x`; gradients pass through. */
export function identity(x: Tensor): Tensor {
  return run(identityOperation, [x], undefined);
}

/** The values of `x` as a constant: no gradient flows back through it (PyTorch's `detach`). */
export function stopGradient(x: Tensor): Tensor {
  requireTensors('stopGradient', x);
  return withRecorders([], () => identity(x));
}

const tapOperation: Operation<{ see: (gradient: Tensor) => void }> = {
  name: 'tapGradient',
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  forward: () => sameValues,
  gradients: [
    (g, { attributes: { see } }) => {
      see(g);
      return g;
    },
  ],
};

/** As `identity`; in the backward pass `see` gets the gradient on its way. It is freed afterwards: compute from it what is to be kept. */
export function tapGradient(x: Tensor, see: (gradient: Tensor) => void): Tensor {
  check('tapGradient: see', see, callable);
  return run(tapOperation, [x], { see });
}
