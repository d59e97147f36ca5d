/** Rotary positions. */
import { MemgradError } from '../errors.js';
import { add, mul, neg, sub } from './elementwise.js';
import { definitionGradient } from './fused.js';
import { commonDtype, type Operation, requireFloat, run } from './operation.js';
import { concat, slice } from './shape.js';
import { sameShape, showShape, type Tensor } from './tensor.js';

const rotateOperation: Operation<{ sign: 1 | -1 }> = {
  name: 'rotate',
  infer([x, cos, sin]) {
    const dtype = commonDtype('rotate', [x, cos, sin]);
    requireFloat('rotate', x);
    const [time, width] = x.shape.slice(-2);
    const fits = x.rank >= 2 && width % 2 === 0 && sameShape(cos.shape, [time, width / 2]);
    if (!fits || !sameShape(cos.shape, sin.shape)) {
      throw new MemgradError(
        `rotate: x ${showShape(x.shape)}, cos ${showShape(cos.shape)} and sin ${showShape(sin.shape)} do not fit, expected [..., time, d] and twice [time, d / 2].`,
      );
    }
    return { shape: x.shape, dtype };
  },
  forward: (backend, [x, cos, sin], { sign }) =>
    backend.fused?.rotate?.(x.buffer, cos.buffer, sin.buffer, sign, x.shape[x.rank - 1]),
  definition: rotatePairs,
  gradients: [
    (g, { inputs: [, cos, sin], attributes: { sign } }) =>
      run(rotateOperation, [g, cos, sin], { sign: sign === 1 ? -1 : 1 }),
    definitionGradient(rotatePairs),
    definitionGradient(rotatePairs),
  ],
};

function rotatePairs([x, cos, sin]: readonly Tensor[], { sign }: { sign: 1 | -1 }): Tensor {
  const half = x.shape[x.rank - 1] / 2;
  const [first, second] = [slice(x, -1, 0, half), slice(x, -1, half)];
  const turned = sign === 1 ? sin : neg(sin);
  return concat(
    [sub(mul(first, cos), mul(second, turned)), add(mul(second, cos), mul(first, turned))],
    -1,
  );
}

/**
 * Turns each pair (x_i, x_{i + d/2}) of `x` [..., time, d] by an angle of its position and of i,
 * given by its cosine and sine [time, d / 2] (Su et al. 2021, arXiv 2104.09864, eq. 34).
 */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return run(rotateOperation, [x, cos, sin], { sign: 1 });
}
