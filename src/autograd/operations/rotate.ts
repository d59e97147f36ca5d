/** Rotary positions. */
import { sizeOf } from '../../backends/layout.js';
import { check, whole } from '../../options.js';
import { commonDtype, requireFit, requireFloat } from '../arguments.js';
import { type Operation, run } from '../run.js';
import { sameShape, type Tensor } from '../tensor.js';
import { pullbackOf } from '../transforms/backward.js';
import { add, mul, neg, sub } from './elementwise.js';
import { concat, reshape, slice } from './shape.js';

declare module '../../backends/backend.js' {
  interface Kernels {
    /**
     * Rotates the pairs (x_i, x_{i + half}) of each of the `heads` in a row by the angles with
     * these cosines and sines ([time, half], repeating over the rows); backwards if `sign` is -1.
     * Rotates each x alike.
     */
    rotate: Kernel<
      [cos: DeviceBuffer, sin: DeviceBuffer, ...x: DeviceBuffer[]],
      [sign: number, rows: number, time: number, heads: number, half: number]
    >;
  }
}

interface Attributes {
  /** -1 rotates backwards. */
  sign: 1 | -1;
  heads: number;
}

const rotateOperation: Operation<Attributes> = {
  name: 'rotate',
  infer([cos, sin, ...rows], { heads }) {
    const [x] = rows;
    const dtype = commonDtype('rotate', [x, cos, sin]);
    requireFloat('rotate', x);
    const [time, width] = x.shape.slice(-2);
    const fits = x.rank >= 2 && sameShape(cos.shape, [time, width / heads / 2]);
    requireFit(
      fits && sameShape(cos.shape, sin.shape),
      'rotate',
      `x [..., time, ${heads === 1 ? '' : `${heads} `}d], cos [time, d / 2] and sin [time, d / 2]`,
      ...[x, cos, sin].map(({ shape }) => shape),
    );
    return rows.map(({ shape }) => ({ shape, dtype }));
  },
  forward({ kernels }, [cos, sin, ...rows], { sign, heads }, results) {
    const [time, half] = cos.shape;
    return kernels?.rotate?.(
      [cos.buffer, sin.buffer, ...rows.map(({ buffer }) => buffer)],
      [sign, sizeOf(rows[0].shape.slice(0, -1)), time, heads, half],
      results,
    );
  },
  definition: rotated,
  gradients: {
    together(gradients, { inputs, attributes }, wanted) {
      const [cos, sin] = inputs;
      const byRow = run(rotateOperation, [cos, sin, ...gradients], {
        ...attributes,
        sign: attributes.sign === 1 ? -1 : 1,
      });
      const ofAngles = wanted.map((isWanted, i) => isWanted && i < 2);
      const byAngle = ofAngles.includes(true)
        ? pullbackOf(rotated, inputs, attributes, gradients, ofAngles)
        : [];
      return [byAngle[0], byAngle[1], ...byRow];
    },
  },
};

function rotated([cos, sin, ...rows]: readonly Tensor[], { sign, heads }: Attributes): Tensor[] {
  const [time, half] = cos.shape;
  const [c, s] = [cos, sign === 1 ? sin : neg(sin)].map((y) => reshape(y, [time, 1, half]));
  return rows.map((x) => {
    const byHead = reshape(x, [...x.shape.slice(0, -1), heads, 2 * half]);
    const [first, second] = [slice(byHead, -1, 0, half), slice(byHead, -1, half)];
    const turned = [sub(mul(first, c), mul(second, s)), add(mul(second, c), mul(first, s))];
    return reshape(concat(turned, -1), x.shape);
  });
}

/**
 * Rotates each pair (x_i, x_{i + d/2}) of each of the `heads` of `x` [..., time, heads d] by an
 * angle that depends on its position and on i, given by its cosine and sine [time, d / 2] (Su et
 * al. 2021, arXiv 2104.09864, eq. 34). Throws `MemgradError` when the shapes don't fit.
 */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor, heads = 1): Tensor {
  check('rotate: heads', heads, whole());
  return run(rotateOperation, [cos, sin, x], { sign: 1, heads })[0];
}

/** `rotate` of several tensors of one shape, in one kernel. */
export function rotateAll(
  rows: readonly Tensor[],
  cos: Tensor,
  sin: Tensor,
  heads: number,
): readonly Tensor[] {
  return run(rotateOperation, [cos, sin, ...rows], { sign: 1, heads });
}
